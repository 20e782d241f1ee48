package pgp

import (
	"crypto"
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // registered for crypto.Hash.New
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"
)

// Public-key algorithms (RFC 9580 section 9.1).
const (
	algoRSA           = 1
	algoRSAEncrypt    = 2
	algoRSASign       = 3
	algoElGamal       = 16
	algoDSA           = 17
	algoECDH          = 18
	algoECDSA         = 19
	algoEdDSALegacy   = 22
	algoX25519        = 25
	algoX448          = 26
	algoEd25519       = 27
	algoEd448         = 28
	maxCurvePointSize = 1 + 2*66
)

// minRSABits and minDSABits are the smallest moduli that are accepted: what vendors signed with twenty years ago.
const (
	minRSABits = 1024
	minDSABits = 1024
	maxDSABits = 3072
)

func algorithmName(algo byte) string {
	switch algo {
	case algoRSA, algoRSASign, algoRSAEncrypt:
		return "RSA"
	case algoDSA:
		return "DSA"
	case algoECDSA:
		return "ECDSA"
	case algoEdDSALegacy, algoEd25519:
		return "Ed25519"
	case algoEd448:
		return "Ed448"
	}
	return fmt.Sprintf("algorithm %d", algo)
}

// hashByID maps RFC 9580 section 9.5. MD5 and RIPEMD160 are not verified at all.
func hashByID(id byte) (crypto.Hash, string, error) {
	switch id {
	case 2:
		return crypto.SHA1, "SHA1", nil
	case 8:
		return crypto.SHA256, "SHA256", nil
	case 9:
		return crypto.SHA384, "SHA384", nil
	case 10:
		return crypto.SHA512, "SHA512", nil
	case 11:
		return crypto.SHA224, "SHA224", nil
	case 12:
		return crypto.SHA3_256, "SHA3-256", nil
	case 14:
		return crypto.SHA3_512, "SHA3-512", nil
	case 1:
		return 0, "MD5", errors.New("hash MD5 is broken and not accepted")
	}
	return 0, fmt.Sprintf("hash %d", id), fmt.Errorf("hash %d is not supported", id)
}

// publicKey verifies raw signature values.
type publicKey interface {
	// verify checks the numbers of a signature packet, read from r, over a digest.
	verify(h crypto.Hash, digest []byte, r *reader) error
}

var errBad = errors.New("signature is wrong")

// parsePublicKey reads the algorithm-specific part of a key. It returns nil for algorithms that cannot sign or are not supported.
func parsePublicKey(algo byte, r *reader) (publicKey, error) {
	switch algo {
	case algoRSA, algoRSASign:
		n, e := r.mpi(), r.mpi()
		if r.end() != nil {
			return nil, r.err
		}
		if n.BitLen() < minRSABits || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
			return nil, fmt.Errorf("RSA key of %d bits with exponent %s is not accepted", n.BitLen(), e)
		}
		return rsaKey{&rsa.PublicKey{N: n, E: int(e.Int64())}}, nil
	case algoDSA:
		p, q, g, y := r.mpi(), r.mpi(), r.mpi(), r.mpi()
		if r.end() != nil {
			return nil, r.err
		}
		if p.BitLen() < minDSABits || p.BitLen() > maxDSABits || q.BitLen() < 160 || q.BitLen() > 256 || q.BitLen()%8 != 0 ||
			g.Cmp(big.NewInt(1)) <= 0 || g.Cmp(p) >= 0 || y.Sign() <= 0 || y.Cmp(p) >= 0 {
			return nil, fmt.Errorf("DSA key of %d and %d bits is not accepted", p.BitLen(), q.BitLen())
		}
		return dsaKey{&dsa.PublicKey{Parameters: dsa.Parameters{P: p, Q: q, G: g}, Y: y}}, nil
	case algoECDSA:
		return parseECDSA(r)
	case algoEdDSALegacy:
		oid, point := r.bytes(int64(r.byte())), r.mpi().Bytes()
		if r.end() != nil {
			return nil, r.err
		}
		if string(oid) != "\x2b\x06\x01\x04\x01\xda\x47\x0f\x01" || len(point) != 1+ed25519.PublicKeySize || point[0] != 0x40 {
			return nil, fmt.Errorf("EdDSA key of curve %x with %d bytes is not supported", oid, len(point))
		}
		return ed25519Key{point[1:], true}, nil
	case algoEd25519:
		point := r.bytes(ed25519.PublicKeySize)
		if r.end() != nil {
			return nil, r.err
		}
		return ed25519Key{point, false}, nil
	}
	return nil, nil
}

func parseECDSA(r *reader) (publicKey, error) {
	oid, point := r.bytes(int64(r.byte())), r.mpi().Bytes()
	if r.end() != nil {
		return nil, r.err
	}
	var curve elliptic.Curve
	switch string(oid) {
	case "\x2a\x86\x48\xce\x3d\x03\x01\x07":
		curve = elliptic.P256()
	case "\x2b\x81\x04\x00\x22":
		curve = elliptic.P384()
	case "\x2b\x81\x04\x00\x23":
		curve = elliptic.P521()
	default:
		return nil, fmt.Errorf("ECDSA curve %x is not supported", oid)
	}
	if len(point) > maxCurvePointSize {
		return nil, fmt.Errorf("ECDSA point of %d bytes", len(point))
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("ECDSA key: %w", err)
	}
	return ecdsaKey{key}, nil
}

type rsaKey struct{ key *rsa.PublicKey }

func (k rsaKey) verify(h crypto.Hash, digest []byte, r *reader) error {
	s := r.mpi()
	if err := r.end(); err != nil {
		return err
	}
	if s.BitLen() > k.key.N.BitLen() {
		return errBad
	}
	// The standard library wants leading zeros, the packet has none.
	if rsa.VerifyPKCS1v15(k.key, h, digest, s.FillBytes(make([]byte, k.key.Size()))) != nil {
		return errBad
	}
	return nil
}

type dsaKey struct{ key *dsa.PublicKey }

func (k dsaKey) verify(_ crypto.Hash, digest []byte, r *reader) error {
	a, b := r.mpi(), r.mpi()
	if err := r.end(); err != nil {
		return err
	}
	size := k.key.Q.BitLen() / 8
	if len(digest) < size {
		return fmt.Errorf("hash of %d bytes is too short for a DSA key that needs %d", len(digest), size)
	}
	if !dsa.Verify(k.key, digest[:size], a, b) {
		return errBad
	}
	return nil
}

type ecdsaKey struct{ key *ecdsa.PublicKey }

func (k ecdsaKey) verify(_ crypto.Hash, digest []byte, r *reader) error {
	a, b := r.mpi(), r.mpi()
	if err := r.end(); err != nil {
		return err
	}
	if !ecdsa.Verify(k.key, digest, a, b) {
		return errBad
	}
	return nil
}

type ed25519Key struct {
	point  []byte
	legacy bool // numbers are MPIs
}

func (k ed25519Key) verify(_ crypto.Hash, digest []byte, r *reader) error {
	var sig []byte
	if k.legacy {
		a, b := r.mpi(), r.mpi()
		if a.BitLen() > 256 || b.BitLen() > 256 {
			return errBad
		}
		sig = append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	} else {
		sig = r.bytes(ed25519.SignatureSize)
	}
	if err := r.end(); err != nil {
		return err
	}
	if !ed25519.Verify(k.point, digest, sig) {
		return errBad
	}
	return nil
}
