// Package pgptest makes OpenPGP keys and signatures for tests of what verifies them. Keys come from a seed where the algorithm
// allows it. It is imported by tests only.
package pgptest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.Hash.New
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"
)

// Epoch is when keys and signatures are made unless a test says otherwise.
var Epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// Options describes a key.
type Options struct {
	Algorithm string // rsa, p256, p384, p521, ed25519 (the default), ed25519v6 (a version 6 key)
	UserID    string // default "Test Key <test@example.org>"
	Created   time.Time
	Lifetime  time.Duration // 0: for ever
	Flags     byte          // key flags; default 0x03, certify and sign
	// Revoked adds a revocation with this reason code; RevokedAt is its time.
	Revoked   *byte
	RevokedAt time.Time
	// NoSelfSignature and BadSelfSignature break the certificate.
	NoSelfSignature, BadSelfSignature bool
	// Subkey adds a signing subkey, which Sign then uses. NoCrossSignature leaves its back signature out.
	Subkey           *Options
	NoCrossSignature bool
	// Seed chooses among ed25519 keys.
	Seed byte
}

// Key is a secret key with its certificate.
type Key struct {
	o           Options
	signer      crypto.Signer
	body        []byte // of the public key packet
	algo        byte
	version     byte
	fingerprint []byte
	subkey      *Key
}

// New makes a key.
func New(o Options) *Key {
	if o.Created.IsZero() {
		o.Created = Epoch
	}
	if o.UserID == "" {
		o.UserID = "Test Key <test@example.org>"
	}
	if o.Flags == 0 {
		o.Flags = 0x03
	}
	k := &Key{o: o, version: 4}
	material := k.generate()
	k.body = binary.BigEndian.AppendUint32([]byte{k.version}, uint32(o.Created.Unix()))
	k.body = append(k.body, k.algo)
	if k.version == 6 {
		k.body = binary.BigEndian.AppendUint32(k.body, uint32(len(material)))
	}
	k.body = append(k.body, material...)
	if k.version == 6 {
		sum := sha256.Sum256(k.material())
		k.fingerprint = sum[:]
	} else {
		sum := sha1.Sum(k.material())
		k.fingerprint = sum[:]
	}
	if o.Subkey != nil {
		sub := *o.Subkey
		sub.Seed ^= 0x80
		k.subkey = New(sub)
	}
	return k
}

func (k *Key) generate() []byte {
	curves := map[string]struct {
		curve elliptic.Curve
		oid   string
	}{
		"p256": {elliptic.P256(), "\x2a\x86\x48\xce\x3d\x03\x01\x07"},
		"p384": {elliptic.P384(), "\x2b\x81\x04\x00\x22"},
		"p521": {elliptic.P521(), "\x2b\x81\x04\x00\x23"},
	}
	switch k.o.Algorithm {
	case "rsa":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(err)
		k.signer, k.algo = key, 1
		return append(mpi(key.N), mpi(big.NewInt(int64(key.E)))...)
	case "p256", "p384", "p521":
		c := curves[k.o.Algorithm]
		key, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		must(err)
		point, err := key.PublicKey.Bytes()
		must(err)
		k.signer, k.algo = key, 19
		return append(append([]byte{byte(len(c.oid))}, c.oid...), mpi(new(big.Int).SetBytes(point))...)
	case "", "ed25519", "ed25519v6":
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{k.o.Seed + 1}, ed25519.SeedSize))
		point := key.Public().(ed25519.PublicKey)
		k.signer, k.algo = key, 22
		if k.o.Algorithm == "ed25519v6" {
			k.version, k.algo = 6, 27
			return point
		}
		const oid = "\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"
		return append(append([]byte{byte(len(oid))}, oid...), mpi(new(big.Int).SetBytes(append([]byte{0x40}, point...)))...)
	}
	panic("pgptest: algorithm " + k.o.Algorithm)
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("pgptest: %v", err))
	}
}

func mpi(n *big.Int) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(n.BitLen())), n.Bytes()...)
}

func (k *Key) material() []byte {
	if k.version == 6 {
		return append(binary.BigEndian.AppendUint32([]byte{0x9b}, uint32(len(k.body))), k.body...)
	}
	return append([]byte{0x99, byte(len(k.body) >> 8), byte(len(k.body))}, k.body...)
}

// Fingerprint returns the fingerprint of the primary key in upper-case hex.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.fingerprint) }

// KeyID returns the id of the key that signs, in upper-case hex.
func (k *Key) KeyID() string {
	if k.subkey != nil {
		return k.subkey.KeyID()
	}
	return fmt.Sprintf("%X", k.id())
}

func (k *Key) id() []byte {
	if k.version == 6 {
		return k.fingerprint[:8]
	}
	return k.fingerprint[12:]
}

// packet writes a packet with a new-format header.
func packet(tag byte, body []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{0xc0 | tag, 0xff}, uint32(len(body)))
	return append(out, body...)
}

// Public returns the certificate as binary packets.
func (k *Key) Public() []byte {
	out := packet(6, k.body)
	if k.o.Revoked != nil {
		out = append(out, k.sign(request{kind: 0x20, created: k.o.RevokedAt, extra: subpacket(29, []byte{*k.o.Revoked})}, k.material())...)
	}
	uid := []byte(k.o.UserID)
	out = append(out, packet(13, uid)...)
	if !k.o.NoSelfSignature {
		hashed := append(k.material(), 0xb4)
		hashed = append(binary.BigEndian.AppendUint32(hashed, uint32(len(uid))), uid...)
		if k.o.BadSelfSignature {
			hashed = append(hashed, 'x')
		}
		out = append(out, k.sign(request{kind: 0x13, created: k.o.Created, extra: k.o.keySubpackets()}, hashed)...)
	}
	if k.subkey != nil {
		out = append(out, k.subkeyPackets()...)
	}
	return out
}

func (o Options) keySubpackets() []byte {
	out := subpacket(27, []byte{o.Flags})
	if o.Lifetime != 0 {
		out = append(out, subpacket(9, binary.BigEndian.AppendUint32(nil, uint32(o.Lifetime/time.Second)))...)
	}
	return out
}

func (k *Key) subkeyPackets() []byte {
	s := k.subkey
	both := append(k.material(), s.material()...)
	extra := s.o.keySubpackets()
	if !k.o.NoCrossSignature {
		back := s.sign(request{kind: 0x19, created: s.o.Created}, both)
		extra = append(extra, subpacket(32, back[6:])...)
	}
	out := packet(14, s.body)
	if s.o.Revoked != nil {
		out = append(out, k.sign(request{kind: 0x28, created: s.o.RevokedAt, extra: subpacket(29, []byte{*s.o.Revoked})}, both)...)
	}
	return append(out, k.sign(request{kind: 0x18, created: s.o.Created, extra: extra}, both)...)
}

// Armored returns the certificate as text.
func (k *Key) Armored() []byte { return Armor("PGP PUBLIC KEY BLOCK", k.Public()) }

// Armor wraps packets.
func Armor(kind string, data []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "-----BEGIN %s-----\n\n", kind)
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 64 {
		b.WriteString(text[:64] + "\n")
		text = text[64:]
	}
	crc := crc24(data)
	sum := base64.StdEncoding.EncodeToString([]byte{byte(crc >> 16), byte(crc >> 8), byte(crc)})
	fmt.Fprintf(&b, "%s\n=%s\n-----END %s-----\n", text, sum, kind)
	return b.Bytes()
}

// crc24 is the checksum of armor, which rpm demands. It is computed by polynomial division, unlike that of the reader.
func crc24(data []byte) uint32 {
	n := new(big.Int).Lsh(new(big.Int).SetBytes(data), 24)
	init := new(big.Int).Lsh(big.NewInt(0xb704ce), uint(8*len(data)))
	n.Xor(n, init)
	poly := big.NewInt(0x1864cfb)
	for n.BitLen() > 24 {
		n.Xor(n, new(big.Int).Lsh(poly, uint(n.BitLen()-25)))
	}
	return uint32(n.Uint64())
}

// SignOptions describes a signature over data.
type SignOptions struct {
	Version int         // 3 or 4; version 6 keys always make version 6 signatures
	Hash    crypto.Hash // default SHA256
	Created time.Time   // default Epoch
	Expires time.Duration
	Kind    byte // signature type, default binary
	Extra   []byte
}

// Sign returns a binary detached signature, made by the subkey if there is one.
func (k *Key) Sign(data []byte, o SignOptions) []byte {
	signer := k
	if k.subkey != nil {
		signer = k.subkey
	}
	if o.Created.IsZero() {
		o.Created = Epoch
	}
	extra := o.Extra
	if o.Expires != 0 {
		extra = append(extra, subpacket(3, binary.BigEndian.AppendUint32(nil, uint32(o.Expires/time.Second)))...)
	}
	return signer.sign(request{kind: o.Kind, version: byte(o.Version), hash: o.Hash, created: o.Created, extra: extra}, data)
}

// SignArmored returns a signature as text.
func (k *Key) SignArmored(data []byte, o SignOptions) []byte {
	return Armor("PGP SIGNATURE", k.Sign(data, o))
}

// Subpacket encodes a signature subpacket for SignOptions.Extra.
func Subpacket(kind byte, body []byte) []byte { return subpacket(kind, body) }

func subpacket(kind byte, body []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(body)+1))
	return append(append(out, kind), body...)
}

type request struct {
	kind, version byte
	hash          crypto.Hash
	created       time.Time
	extra         []byte // hashed subpackets
}

// sign makes a signature packet over data.
func (k *Key) sign(q request, data []byte) []byte {
	if q.hash == 0 {
		q.hash = crypto.SHA256
	}
	if q.version == 0 || k.version == 6 {
		q.version = k.version
	}
	hashID := map[crypto.Hash]byte{crypto.MD5: 1, crypto.SHA1: 2, crypto.SHA256: 8, crypto.SHA384: 9, crypto.SHA512: 10, crypto.SHA224: 11}[q.hash]
	created := binary.BigEndian.AppendUint32(nil, uint32(q.created.Unix()))
	var head, tail, salt []byte // before and after the left 16 bits
	var trailer []byte
	switch q.version {
	case 3:
		trailer = append([]byte{q.kind}, created...)
		head = append([]byte{3, 5}, trailer...)
		head = append(append(head, k.id()...), k.algo, hashID)
	default:
		sub := append(subpacket(2, created), subpacket(33, append([]byte{k.version}, k.fingerprint...))...)
		sub = append(sub, q.extra...)
		head = append([]byte{q.version, q.kind, k.algo, hashID}, k.length(len(sub))...)
		head = append(head, sub...)
		trailer = binary.BigEndian.AppendUint32(append(bytes.Clone(head), q.version, 0xff), uint32(len(head)))
		if q.version == 6 {
			salt = bytes.Repeat([]byte{7}, (q.hash.Size()+4)/8*4)
			tail = append([]byte{byte(len(salt))}, salt...)
			head = append(head, k.length(0)...)
		} else {
			issuer := subpacket(16, k.id())
			head = append(append(head, k.length(len(issuer))...), issuer...)
		}
	}
	h := q.hash.New()
	for _, part := range [][]byte{salt, data, trailer} {
		h.Write(part)
	}
	digest := h.Sum(nil)
	out := append(append(head, digest[:2]...), tail...)
	return packet(2, append(out, k.numbers(q.hash, digest)...))
}

func (k *Key) length(n int) []byte {
	if k.version == 6 {
		return binary.BigEndian.AppendUint32(nil, uint32(n))
	}
	return binary.BigEndian.AppendUint16(nil, uint16(n))
}

// numbers signs a digest and encodes the result as the algorithm wants it.
func (k *Key) numbers(h crypto.Hash, digest []byte) []byte {
	switch key := k.signer.(type) {
	case *rsa.PrivateKey:
		s, err := rsa.SignPKCS1v15(nil, key, h, digest)
		must(err)
		return mpi(new(big.Int).SetBytes(s))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		must(err)
		return append(mpi(r), mpi(s)...)
	case ed25519.PrivateKey:
		s := ed25519.Sign(key, digest)
		if k.algo == 27 {
			return s
		}
		return append(mpi(new(big.Int).SetBytes(s[:32])), mpi(new(big.Int).SetBytes(s[32:]))...)
	}
	panic("pgptest: no signer")
}
