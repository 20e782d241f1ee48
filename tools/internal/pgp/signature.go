package pgp

import (
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"
)

// Signature types (RFC 9580 section 5.2.1).
const (
	sigBinary         = 0x00
	sigText           = 0x01
	sigCertFirst      = 0x10
	sigCertLast       = 0x13
	sigSubkeyBinding  = 0x18
	sigPrimaryBinding = 0x19
	sigDirectKey      = 0x1f
	sigKeyRevocation  = 0x20
	sigSubRevocation  = 0x28
	sigCertRevocation = 0x30
)

// Subpacket types (RFC 9580 section 5.2.3.7) whose content matters here.
const (
	subCreated           = 2
	subExpires           = 3
	subKeyExpires        = 9
	subIssuer            = 16
	subNotation          = 20
	subKeyFlags          = 27
	subRevocationReason  = 29
	subEmbedded          = 32
	subIssuerFingerprint = 33
)

// flagSign is the key flag of keys that may sign data.
const flagSign = 0x02

// signature is a parsed signature packet.
type signature struct {
	version byte
	kind    byte
	algo    byte
	hash    crypto.Hash
	hashID  byte
	created time.Time
	expires time.Duration // after created; 0 never

	keyExpires  time.Duration // of the key, after its creation; 0 never
	keyFlags    byte
	hasFlags    bool
	reason      byte
	hasReason   bool
	embedded    []*signature
	issuer      uint64 // key id; 0 unknown
	fingerprint []byte // of the issuer, nil unknown

	salt    []byte
	hashed  []byte // what is hashed after the data
	left    [2]byte
	numbers []byte
}

// parseSignature reads versions 3, 4 and 6.
func parseSignature(body []byte) (*signature, error) { return parseSignatureDepth(body, 0) }

func parseSignatureDepth(body []byte, depth int) (s *signature, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading signature packet: %w", err)
		}
	}()
	r := &reader{b: body}
	s = &signature{version: r.byte()}
	switch s.version {
	case 3:
		err = s.parseV3(r)
	case 4, 6:
		err = s.parseV4(r, body, depth)
	default:
		return nil, &Error{Reason: Unsupported, Detail: fmt.Sprintf("signature version %d", s.version)}
	}
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, err
	}
	s.numbers = r.b
	s.hash, _, err = hashByID(s.hashID)
	if err != nil {
		return nil, &Error{Reason: Unsupported, KeyID: s.keyID(), Detail: err.Error()}
	}
	if s.version == 6 && len(s.salt) != (s.hash.Size()+4)/8*4 { // half the hash, 16 for SHA-224
		return nil, fmt.Errorf("salt of %d bytes", len(s.salt))
	}
	return s, nil
}

func (s *signature) parseV3(r *reader) error {
	if n := r.byte(); n != 5 {
		return fmt.Errorf("hashed part of %d bytes, wanted 5", n)
	}
	s.hashed = r.bytes(5)
	if r.err != nil {
		return r.err
	}
	s.kind = s.hashed[0]
	s.created = seconds(binary.BigEndian.Uint32(s.hashed[1:]))
	if id := r.bytes(8); id != nil {
		s.issuer = binary.BigEndian.Uint64(id)
	}
	s.algo, s.hashID = r.byte(), r.byte()
	copy(s.left[:], r.bytes(2))
	return r.err
}

func (s *signature) parseV4(r *reader, body []byte, depth int) error {
	s.kind, s.algo, s.hashID = r.byte(), r.byte(), r.byte()
	size := func() int64 {
		if s.version == 6 {
			return int64(r.uint32())
		}
		return int64(r.uint16())
	}
	hashed := r.bytes(size())
	covered := len(body) - len(r.b)
	unhashed := r.bytes(size())
	copy(s.left[:], r.bytes(2))
	if s.version == 6 {
		s.salt = r.bytes(int64(r.byte()))
	}
	if r.err != nil {
		return r.err
	}
	s.hashed = append(append([]byte(nil), body[:covered]...), s.version, 0xff)
	s.hashed = binary.BigEndian.AppendUint32(s.hashed, uint32(covered))
	if err := s.subpackets(hashed, true, depth); err != nil {
		return err
	}
	if s.created.IsZero() {
		return errors.New("it does not say when it was made")
	}
	return s.subpackets(unhashed, false, depth)
}

// subpackets reads an area. From the unhashed one only what protects itself is taken: who to ask for, and embedded signatures.
func (s *signature) subpackets(area []byte, hashed bool, depth int) error {
	for r := (&reader{b: area}); len(r.b) > 0; {
		body := r.bytes(int64(r.newLength(false)))
		if r.err != nil {
			return fmt.Errorf("subpackets: %w", r.err)
		}
		if len(body) == 0 {
			return errors.New("subpacket without type")
		}
		kind, critical := body[0]&0x7f, body[0]&0x80 != 0
		if err := s.subpacket(kind, critical, body[1:], hashed, depth); err != nil {
			return fmt.Errorf("subpacket %d: %w", kind, err)
		}
	}
	return nil
}

func (s *signature) subpacket(kind byte, critical bool, body []byte, hashed bool, depth int) error {
	switch kind {
	case subIssuer:
		if len(body) != 8 {
			return errCut
		}
		s.issuer = binary.BigEndian.Uint64(body)
		return nil
	case subIssuerFingerprint:
		if len(body) < 1 || len(body) != map[byte]int{4: 21, 6: 33}[body[0]] {
			return nil // of a key version that is not supported
		}
		s.fingerprint = body[1:]
		return nil
	case subEmbedded:
		if depth > 0 {
			return errors.New("nested too deep")
		}
		if e, err := parseSignatureDepth(body, depth+1); err == nil {
			s.embedded = append(s.embedded, e)
		}
		return nil
	}
	if !hashed {
		return nil
	}
	return s.hashedSubpacket(kind, critical, body)
}

func (s *signature) hashedSubpacket(kind byte, critical bool, body []byte) error {
	number := func() (uint32, error) {
		if len(body) != 4 {
			return 0, fmt.Errorf("%d bytes, wanted 4", len(body))
		}
		return binary.BigEndian.Uint32(body), nil
	}
	switch kind {
	case subCreated:
		v, err := number()
		s.created = seconds(v)
		return err
	case subExpires:
		v, err := number()
		s.expires = time.Duration(v) * time.Second
		return err
	case subKeyExpires:
		v, err := number()
		s.keyExpires = time.Duration(v) * time.Second
		return err
	case subKeyFlags:
		s.hasFlags = true
		if len(body) > 0 {
			s.keyFlags = body[0]
		}
		return nil
	case subRevocationReason:
		if len(body) < 1 {
			return errCut
		}
		s.reason, s.hasReason = body[0], true
		return nil
	}
	if critical && !harmless(kind) {
		return errors.New("it is critical and not understood")
	}
	return nil
}

// harmless lists subpackets that cannot make a signature invalid here: preferences, trust, policy, target and the like.
func harmless(kind byte) bool {
	switch kind {
	case 4, 5, 7, 11, 12, 21, 22, 23, 24, 25, 26, 28, 30, 31, 34, 35, 39:
		return true
	}
	return false
}

func seconds(v uint32) time.Time { return time.Unix(int64(v), 0).UTC() }

// newHash starts the hash that the signed data goes through.
func (s *signature) newHash() hash.Hash {
	h := s.hash.New()
	h.Write(s.salt)
	return h
}

// verify finishes h, which got the signed data, and checks the signature.
func (s *signature) verify(k *key, h hash.Hash) error {
	if k.public == nil {
		return fmt.Errorf("%s keys are not supported", algorithmName(k.algo))
	}
	if k.algo != s.algo && !(isRSA(k.algo) && isRSA(s.algo)) {
		return fmt.Errorf("%s signature by a key for %s", algorithmName(s.algo), algorithmName(k.algo))
	}
	if (s.version == 6) != (k.version == 6) {
		return fmt.Errorf("version %d signature by a version %d key", s.version, k.version)
	}
	h.Write(s.hashed)
	digest := h.Sum(nil)
	if [2]byte(digest[:2]) != s.left {
		return errBad
	}
	return k.public.verify(s.hash, digest, &reader{b: s.numbers})
}

func isRSA(algo byte) bool { return algo == algoRSA || algo == algoRSASign }

// by reports whether the signature names k as its maker. One that names nobody fits every key.
func (s *signature) by(k *key) bool {
	if s.fingerprint != nil && string(s.fingerprint) != string(k.fingerprint) {
		return false
	}
	return s.issuer == 0 || s.issuer == k.id
}
