package pgp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// component is a part of a certificate with the signatures that follow it.
type component struct {
	tag  int
	body []byte
	sigs []*signature
}

// readCert checks a certificate: packets[0] is its primary key.
func readCert(packets []packet) (*cert, error) {
	if packets[0].tag != packetPublicKey {
		return nil, fmt.Errorf("packet of type %d where a public key was expected", packets[0].tag)
	}
	primary, err := parseKey(packets[0].body)
	if err != nil {
		return nil, err
	}
	if primary.public == nil {
		return nil, fmt.Errorf("key %X: %s is not supported", primary.fingerprint, algorithmName(primary.algo))
	}
	c := &cert{primary: primary}
	parts, err := components(packets)
	if err != nil {
		return nil, fmt.Errorf("key %X: %w", primary.fingerprint, err)
	}
	self := c.primarySignatures(parts[0])
	for _, part := range parts[1:] {
		switch part.tag {
		case packetUserID, packetUserAttribute:
			if s := c.certification(part); s != nil {
				self = newest(self, s)
				if part.tag == packetUserID {
					c.userIDs = append(c.userIDs, string(part.body))
				}
			}
		case packetPublicSubkey:
			c.addSubkey(part)
		}
	}
	if self == nil {
		return nil, fmt.Errorf("key %X: it has no valid self-signature", primary.fingerprint)
	}
	primary.apply(self)
	if self.hasFlags && self.keyFlags&flagSign == 0 {
		primary.mayntUse = errors.New("its flags do not allow signing data")
	}
	return c, nil
}

// components groups packets. Signatures that cannot be read are dropped: they prove nothing.
func components(packets []packet) ([]*component, error) {
	var out []*component
	for _, p := range packets {
		switch p.tag {
		case packetPublicKey, packetUserID, packetUserAttribute, packetPublicSubkey:
			if len(p.body) > 1<<24 {
				return nil, fmt.Errorf("packet of %d bytes", len(p.body))
			}
			out = append(out, &component{tag: p.tag, body: p.body})
		case packetSignature:
			if s, err := parseSignature(p.body); err == nil {
				last := out[len(out)-1]
				last.sigs = append(last.sigs, s)
			}
		case packetTrust, packetMarker, packetPadding:
		default:
			if p.tag < 40 { // those from 40 on may be ignored
				return nil, fmt.Errorf("packet of type %d in a public key", p.tag)
			}
		}
	}
	return out, nil
}

func newest(a, b *signature) *signature {
	if a == nil || b.created.After(a.created) {
		return b
	}
	return a
}

// valid verifies a signature of the primary key over some hashed parts.
func (c *cert) valid(s *signature, by *key, parts ...[]byte) bool {
	if !s.by(by) || s.created.Before(by.created) {
		return false
	}
	h := s.newHash()
	for _, part := range parts {
		h.Write(part)
	}
	return s.verify(by, h) == nil
}

// primarySignatures returns the newest direct-key signature and notes revocations of the whole certificate.
func (c *cert) primarySignatures(part *component) (direct *signature) {
	for _, s := range part.sigs {
		if s.kind != sigDirectKey && s.kind != sigKeyRevocation || !c.valid(s, c.primary, c.primary.material()) {
			continue
		}
		if s.kind == sigKeyRevocation {
			c.primary.revoke(s)
		} else {
			direct = newest(direct, s)
		}
	}
	return direct
}

// revoke notes a revocation. Without a reason, or when the secret got known, nothing the key ever signed can be trusted.
func (k *key) revoke(s *signature) {
	r := &revocation{hard: !s.hasReason || s.reason == 0 || s.reason == 2, when: s.created}
	if k.revoked == nil || r.hard && !k.revoked.hard || r.hard == k.revoked.hard && r.when.Before(k.revoked.when) {
		k.revoked = r
	}
}

// certification returns the newest valid self-certification of a name, unless a later one revokes it.
func (c *cert) certification(part *component) *signature {
	prefix := []byte{0xb4}
	if part.tag == packetUserAttribute {
		prefix[0] = 0xd1
	}
	prefix = binary.BigEndian.AppendUint32(prefix, uint32(len(part.body)))
	var cert, revoked *signature
	for _, s := range part.sigs {
		isCert := s.kind >= sigCertFirst && s.kind <= sigCertLast
		if !isCert && s.kind != sigCertRevocation || !c.valid(s, c.primary, c.primary.material(), prefix, part.body) {
			continue
		}
		if isCert {
			cert = newest(cert, s)
		} else {
			revoked = newest(revoked, s)
		}
	}
	if cert == nil || revoked != nil && !cert.created.After(revoked.created) {
		return nil
	}
	return cert
}

// apply takes expiry from a self-signature.
func (k *key) apply(s *signature) {
	if s.keyExpires != 0 {
		k.expires = k.created.Add(s.keyExpires)
	}
}

// addSubkey adds a subkey that could sign. It is kept even when it may not be used, so that errors can say why.
func (c *cert) addSubkey(part *component) {
	k, err := parseKey(part.body)
	if err != nil || k.public == nil {
		return // encryption keys, mostly
	}
	var binding *signature
	for _, s := range part.sigs {
		if s.kind != sigSubkeyBinding && s.kind != sigSubRevocation || !c.valid(s, c.primary, c.primary.material(), k.material()) {
			continue
		}
		if s.kind == sigSubRevocation {
			k.revoke(s)
		} else {
			binding = newest(binding, s)
		}
	}
	c.subkeys = append(c.subkeys, k)
	if binding == nil {
		k.mayntUse = errors.New("it has no valid binding signature")
		return
	}
	k.apply(binding)
	switch {
	case binding.hasFlags && binding.keyFlags&flagSign == 0:
		k.mayntUse = errors.New("its flags do not allow signing data")
	case !c.crossSigned(k, binding):
		k.mayntUse = errors.New("it has no valid cross-signature, so it may be anybody's key")
	}
}

// crossSigned reports whether the subkey confirms that it belongs to the primary key.
func (c *cert) crossSigned(k *key, binding *signature) bool {
	for _, s := range binding.embedded {
		if s.kind == sigPrimaryBinding && c.valid(s, k, c.primary.material(), k.material()) {
			return true
		}
	}
	return false
}

// usableAt says why the key may not have signed at a time; nil if it may.
func (k *key) usableAt(t time.Time) error {
	switch {
	case k.mayntUse != nil:
		return &Error{Reason: NotForSigning, Detail: k.mayntUse.Error()}
	case k.revoked != nil && k.revoked.hard:
		return &Error{Reason: Revoked, Detail: "revoked on " + day(k.revoked.when)}
	case k.revoked != nil && !t.Before(k.revoked.when):
		return &Error{Reason: Revoked, Detail: fmt.Sprintf("revoked on %s, signature made on %s", day(k.revoked.when), day(t))}
	case t.Before(k.created):
		return &Error{Reason: Expired, Detail: fmt.Sprintf("created on %s, after the signature made on %s", day(k.created), day(t))}
	case !k.expires.IsZero() && !t.Before(k.expires):
		return &Error{Reason: Expired, Detail: fmt.Sprintf("expired on %s, signature made on %s", day(k.expires), day(t))}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
