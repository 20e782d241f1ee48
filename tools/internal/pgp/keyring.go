// Package pgp verifies OpenPGP signatures as RPM packages and repositories carry them.
//
// It is written for this one task (RFC 4880, RFC 9580): detached signatures over data, version 3, 4 and 6; keys of version 4 and
// 6 with self-signatures, signing subkeys with cross-signatures, expiry and revocation; RSA, DSA, ECDSA and Ed25519. Version 3
// signatures are what RPM wrote for twenty years and what other Go libraries no longer read. It neither signs nor decrypts, and
// knows no web of trust: which keys to trust is the caller's decision, by fingerprint.
//
// There is no clock. A signature must have been made while its key was valid; a key that expired later does not matter.
package pgp

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Keyring is a set of certificates, that is public keys with their subkeys.
type Keyring struct {
	certs []*cert
	// Skipped says why certificates of the input were left out.
	Skipped []error
}

// KeyInfo describes a certificate of a keyring.
type KeyInfo struct {
	Fingerprint string // upper-case hex
	UserIDs     []string
	Created     time.Time
	Expires     time.Time // zero: never
	Revoked     bool
	Subkeys     []string // fingerprints of those that may sign
}

// key is a primary key or a subkey.
type key struct {
	version     byte
	algo        byte
	created     time.Time
	fingerprint []byte
	id          uint64
	public      publicKey // nil if it cannot verify signatures
	body        []byte

	expires  time.Time // zero: never
	mayntUse error     // why it may not sign data; nil if it may
	revoked  *revocation
}

// revocation is the end of a key: for all time, or for signatures made later if the key was merely replaced or retired.
type revocation struct {
	hard bool
	when time.Time
}

// cert is a primary key, its names and subkeys, after their signatures were checked.
type cert struct {
	primary *key
	userIDs []string
	subkeys []*key
}

// ReadKeyring reads armored or binary public keys. Keys that cannot be used are listed in Skipped; it is an error if none is left.
func ReadKeyring(data []byte) (*Keyring, error) {
	raw, err := dearmor(data, armorKey)
	if err != nil {
		return nil, fmt.Errorf("reading public keys: %w", err)
	}
	packets, err := splitPackets(raw)
	if err != nil {
		return nil, fmt.Errorf("reading public keys: %w", err)
	}
	ring := &Keyring{}
	for len(packets) > 0 {
		n := 1
		for n < len(packets) && packets[n].tag != packetPublicKey {
			n++
		}
		c, err := readCert(packets[:n])
		if err != nil {
			ring.Skipped = append(ring.Skipped, err)
		} else {
			ring.certs = append(ring.certs, c)
		}
		packets = packets[n:]
	}
	if len(ring.certs) == 0 {
		return nil, fmt.Errorf("reading public keys: none can be used: %w", errors.Join(ring.Skipped...))
	}
	return ring, nil
}

// Merge returns a keyring with the keys of all.
func Merge(rings ...*Keyring) *Keyring {
	out := &Keyring{}
	for _, r := range rings {
		out.certs = append(out.certs, r.certs...)
		out.Skipped = append(out.Skipped, r.Skipped...)
	}
	return out
}

// Only returns the keys with the given fingerprints of primary keys (hex, blanks and case do not matter). One that is missing is
// an error.
func (k *Keyring) Only(fingerprints ...string) (*Keyring, error) {
	out := &Keyring{}
	for _, f := range fingerprints {
		want := strings.ToUpper(strings.ReplaceAll(f, " ", ""))
		found := false
		for _, c := range k.certs {
			if hexUpper(c.primary.fingerprint) == want {
				out.certs = append(out.certs, c)
				found = true
			}
		}
		if !found {
			var have []string
			for _, info := range k.Keys() {
				have = append(have, info.Fingerprint)
			}
			return nil, fmt.Errorf("no key has the fingerprint %s; there are %s", want, strings.Join(have, ", "))
		}
	}
	return out, nil
}

// Keys describes the certificates in the order of the input.
func (k *Keyring) Keys() []KeyInfo {
	var out []KeyInfo
	for _, c := range k.certs {
		info := KeyInfo{
			Fingerprint: hexUpper(c.primary.fingerprint), UserIDs: c.userIDs, Created: c.primary.created,
			Expires: c.primary.expires, Revoked: c.primary.revoked != nil,
		}
		for _, s := range c.subkeys {
			if s.mayntUse == nil {
				info.Subkeys = append(info.Subkeys, hexUpper(s.fingerprint))
			}
		}
		out = append(out, info)
	}
	return out
}

func hexUpper(b []byte) string { return fmt.Sprintf("%X", b) }

// parseKey reads the body of a key or subkey packet.
func parseKey(body []byte) (*key, error) {
	r := &reader{b: body}
	k := &key{version: r.byte(), body: body}
	if r.err == nil && k.version != 4 && k.version != 6 {
		return nil, fmt.Errorf("key version %d is not supported", k.version)
	}
	k.created = seconds(r.uint32())
	k.algo = r.byte()
	if k.version == 6 && int64(r.uint32()) != int64(len(r.b)) && r.err == nil {
		return nil, errors.New("key material has another length than it says")
	}
	if r.err != nil {
		return nil, r.err
	}
	if k.version == 4 {
		sum := sha1.Sum(k.material())
		k.fingerprint, k.id = sum[:], binary.BigEndian.Uint64(sum[12:])
	} else {
		sum := sha256.Sum256(k.material())
		k.fingerprint, k.id = sum[:], binary.BigEndian.Uint64(sum[:8])
	}
	var err error
	k.public, err = parsePublicKey(k.algo, r)
	if err != nil {
		return nil, fmt.Errorf("key %X: %w", k.fingerprint, err)
	}
	return k, nil
}

// material is the form in which a key is hashed, for its fingerprint and for signatures over it.
func (k *key) material() []byte {
	if k.version == 6 {
		return append(binary.BigEndian.AppendUint32([]byte{0x9b}, uint32(len(k.body))), k.body...)
	}
	return append([]byte{0x99, byte(len(k.body) >> 8), byte(len(k.body))}, k.body...)
}
