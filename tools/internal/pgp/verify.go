package pgp

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// Reason says in one word why a signature was not accepted.
type Reason string

// Reasons.
const (
	NoKey         Reason = "no key"          // the keyring lacks the key
	Bad           Reason = "bad signature"   // the data or the signature was changed
	Expired       Reason = "key expired"     // the key was not valid when the signature was made
	Revoked       Reason = "key revoked"     //
	NotForSigning Reason = "not for signing" // the key may not sign data
	Unsupported   Reason = "not supported"   // algorithm, hash or version
	Malformed     Reason = "malformed"       // not a signature
)

// Error is the error of Verify.
type Error struct {
	Reason Reason
	KeyID  string // 16 upper-case hex digits, "" if unknown
	Detail string
}

// Error implements error.
func (e *Error) Error() string {
	text := string(e.Reason)
	if e.KeyID != "" {
		text += " " + e.KeyID
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Result describes a good signature.
type Result struct {
	Fingerprint   string    // of the primary key, upper-case hex: what policies name
	SigningKey    string    // of the key that signed, the primary or a subkey
	KeyID         string    // of the key that signed, 16 upper-case hex digits
	UserID        string    // first name of the certificate; for messages only
	Algorithm     string    // RSA, DSA, ECDSA, Ed25519
	Hash          string    // SHA1, SHA256, ...
	Version       int       // of the signature packet
	Created       time.Time // when the signature claims to be made
	Expires       time.Time // when it says it ends; zero: never. The caller must judge it
	KeyExpires    time.Time // zero: never
	SignatureType byte      // 0: binary
}

// maxSignatures bounds detached signatures over one file.
const maxSignatures = 32

// Verify checks the detached signatures in sig, armored or binary, over data. It returns the first good one. It is an error if
// none is by a key of the ring, or if any that is by one of them is bad: this is stricter than "one good is enough". Signatures
// that nobody here can judge, by unknown keys or new algorithms, do no harm beside a good one: whoever could add them could
// also have removed them.
func (k *Keyring) Verify(sig []byte, data io.Reader) (*Result, error) {
	sigs, missing, err := readSignatures(sig)
	if err != nil {
		return nil, fmt.Errorf("verifying signature: %w", err)
	}
	hashes := make([]hash.Hash, len(sigs))
	writers := make([]io.Writer, len(sigs))
	for i, s := range sigs {
		hashes[i] = s.newHash()
		writers[i] = hashes[i]
	}
	if _, err := io.Copy(io.MultiWriter(writers...), data); err != nil {
		return nil, fmt.Errorf("verifying signature: reading the signed data: %w", err)
	}
	var good *Result
	for i, s := range sigs {
		r, err := k.verify(s, hashes[i])
		var e *Error
		switch {
		case err == nil && good == nil:
			good = r
		case err == nil:
		case errors.As(err, &e) && (e.Reason == NoKey || e.Reason == Unsupported):
			missing = append(missing, err)
		default:
			return nil, fmt.Errorf("verifying signature: %w", err)
		}
	}
	if good == nil {
		return nil, fmt.Errorf("verifying signature: %w", errors.Join(missing...))
	}
	return good, nil
}

// KeyIDs returns the ids of the keys that made the signatures in sig.
func KeyIDs(sig []byte) ([]string, error) {
	sigs, _, err := readSignatures(sig)
	if err != nil {
		return nil, fmt.Errorf("reading signature: %w", err)
	}
	var out []string
	for _, s := range sigs {
		out = append(out, s.keyID())
	}
	return out, nil
}

// readSignatures returns the signatures over binary data, and errors for those that are of a kind not supported.
func readSignatures(sig []byte) (out []*signature, unsupported []error, err error) {
	malformed := func(err error) error { return &Error{Reason: Malformed, Detail: err.Error()} }
	raw, err := dearmor(sig, armorSignature)
	if err != nil {
		return nil, nil, malformed(err)
	}
	packets, err := splitPackets(raw)
	if err != nil {
		return nil, nil, malformed(err)
	}
	if len(packets) > maxSignatures {
		return nil, nil, malformed(fmt.Errorf("%d packets, allowed are %d", len(packets), maxSignatures))
	}
	for _, p := range packets {
		if p.tag == packetMarker || p.tag == packetPadding {
			continue
		}
		if p.tag != packetSignature {
			return nil, nil, malformed(fmt.Errorf("packet of type %d, not a signature", p.tag))
		}
		s, err := parseSignature(p.body)
		var e *Error
		switch {
		case errors.As(err, &e) && e.Reason == Unsupported:
			unsupported = append(unsupported, e)
		case err != nil:
			return nil, nil, malformed(err)
		case s.kind != sigBinary:
			unsupported = append(unsupported, &Error{Reason: Unsupported, KeyID: s.keyID(),
				Detail: fmt.Sprintf("signature type %#02x, not one over binary data", s.kind)})
		default:
			out = append(out, s)
		}
	}
	if len(out)+len(unsupported) == 0 {
		return nil, nil, malformed(errors.New("no signature"))
	}
	return out, unsupported, nil
}

// keyID names the maker as well as the signature does.
func (s *signature) keyID() string {
	switch {
	case s.issuer != 0:
		return fmt.Sprintf("%016X", s.issuer)
	case len(s.fingerprint) == 32:
		return hexUpper(s.fingerprint[:8])
	case len(s.fingerprint) == 20:
		return hexUpper(s.fingerprint[12:])
	}
	return ""
}

// verify checks one signature against all keys that may have made it.
func (k *Keyring) verify(s *signature, h hash.Hash) (*Result, error) {
	if s.issuer == 0 && s.fingerprint == nil {
		return nil, &Error{Reason: Unsupported, Detail: "the signature does not name its key"}
	}
	var failure error
	for _, c := range k.certs {
		for i, signer := range append([]*key{c.primary}, c.subkeys...) {
			if !s.by(signer) {
				continue
			}
			r, err := c.verify(s, signer, i > 0, h)
			if err == nil {
				return r, nil
			}
			if failure == nil {
				failure = err
			}
		}
	}
	if failure != nil {
		return nil, failure
	}
	return nil, cli.Hint(&Error{Reason: NoKey, KeyID: s.keyID(), Detail: "no key of the keyring has this id"},
		"add the public key with id %s to the keys of the repository, after checking its fingerprint with the vendor", s.keyID())
}

func (c *cert) verify(s *signature, signer *key, isSubkey bool, h hash.Hash) (*Result, error) {
	id := fmt.Sprintf("%016X", signer.id)
	fail := func(err error) error {
		var e *Error
		if errors.As(err, &e) {
			e.KeyID = id
			return e
		}
		if errors.Is(err, errBad) {
			return &Error{Reason: Bad, KeyID: id, Detail: "data or signature were changed"}
		}
		return &Error{Reason: Unsupported, KeyID: id, Detail: err.Error()}
	}
	copied, err := copyHash(h)
	if err != nil {
		return nil, err
	}
	if err := s.verify(signer, copied); err != nil {
		return nil, fail(err)
	}
	if err := signer.usableAt(s.created); err != nil {
		return nil, fail(err)
	}
	if isSubkey {
		primary := *c.primary
		primary.mayntUse = nil // it need not be allowed to sign data itself
		if err := primary.usableAt(s.created); err != nil {
			return nil, fail(err)
		}
	}
	_, hashName, _ := hashByID(s.hashID)
	r := &Result{
		Fingerprint: hexUpper(c.primary.fingerprint), SigningKey: hexUpper(signer.fingerprint), KeyID: id,
		Algorithm: algorithmName(signer.algo), Hash: hashName, Version: int(s.version), Created: s.created,
		KeyExpires: signer.expires, SignatureType: s.kind,
	}
	if len(c.userIDs) > 0 {
		r.UserID = c.userIDs[0]
	}
	if s.expires != 0 {
		r.Expires = s.created.Add(s.expires)
	}
	return r, nil
}

// copyHash duplicates the state of h, because two keys may share an id and each try finishes the hash.
func copyHash(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("verifying signature: hash %T cannot be copied", h)
	}
	return c.Clone()
}
