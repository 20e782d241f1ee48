package rpm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
)

// ErrNoHeaderDigest is returned by VerifyHeaderDigests for a package that has nothing to check its header against.
var ErrNoHeaderDigest = errors.New("the package has no digest of its header")

// VerifyHeaderDigests checks every digest of the main header that the signature header holds. At least one must be there.
// The notes name what a reader should know, such as that nothing better than SHA1 was found.
func (p *Package) VerifyHeaderDigests() (notes []string, err error) {
	best := ""
	for _, d := range []struct {
		tag  Tag
		algo uint32
	}{{SigSHA1Header, HashSHA1}, {SigSHA256Header, HashSHA256}, {SigSHA3Header, HashSHA3256}} {
		want, ok, err := p.Signature.String(d.tag)
		if err != nil {
			return nil, fmt.Errorf("%s: reading header digest: %w", p.NEVRA(), err)
		}
		if !ok {
			continue
		}
		h, name, err := NewHash(d.algo)
		if err != nil {
			return nil, err
		}
		h.Write(p.Main.Raw())
		if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
			return nil, fmt.Errorf("%s: header digest mismatch: %s is %s, the package says %s", p.NEVRA(), name, got, want)
		}
		best = name
	}
	switch best {
	case "":
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), ErrNoHeaderDigest)
	case "SHA1":
		return []string{"header protected by SHA1 only"}, nil
	}
	return nil, nil
}

// payloadDigest is one digest being computed.
type payloadDigest struct {
	what string
	want string
	hash hash.Hash
}

func (d *payloadDigest) ok() bool {
	return strings.EqualFold(hex.EncodeToString(d.hash.Sum(nil)), d.want)
}

func (d *payloadDigest) mismatch() error {
	return fmt.Errorf("payload digest mismatch: %s is %x, the package says %s", d.what, d.hash.Sum(nil), d.want)
}

// PayloadCheck computes the digests of a payload while it streams. Feed the compressed bytes to Packed and the decompressed ones
// to Plain, all of them, then call Finish. The two writers may be used by different goroutines.
type PayloadCheck struct {
	nevra  string
	packed []*payloadDigest
	plain  []*payloadDigest
	legacy []*payloadDigest // MD5 over header and payload
	size   int64            // compressed bytes seen
	want   int64            // header and payload size by the signature header, -1 if not told
	header int64
}

// NewPayloadCheck prepares the checks the package offers. Digests over header and payload (MD5) and sizes are used only when the
// header holds no payload digest, as with rpm before 4.14.
func NewPayloadCheck(p *Package) (*PayloadCheck, error) {
	c := &PayloadCheck{nevra: p.NEVRA(), want: -1, header: int64(len(p.Main.Raw()))}
	algo := uint32(HashSHA256)
	if values, ok, err := p.Main.Uint32s(TagPayloadDigestAlgo); err != nil {
		return nil, fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
	} else if ok {
		algo = values[0]
	}
	for _, d := range []struct {
		tag  Tag
		algo uint32
		to   *[]*payloadDigest
	}{
		{TagPayloadDigest, algo, &c.packed}, {TagPayloadDigestAlt, algo, &c.plain},
		{TagPayloadSHA512, HashSHA512, &c.packed}, {TagPayloadSHA512Alt, HashSHA512, &c.plain},
		{TagPayloadSHA3, HashSHA3256, &c.packed}, {TagPayloadSHA3Alt, HashSHA3256, &c.plain},
	} {
		if err := addDigest(p.Main, d.tag, d.algo, d.to); err != nil {
			return nil, fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
		}
	}
	if len(c.packed)+len(c.plain) == 0 {
		if err := c.addLegacy(p); err != nil {
			return nil, fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
		}
	}
	return c, nil
}

// addDigest reads a digest, which is a string array in format 4 and a string in some packages of format 6.
func addDigest(h *Header, tag Tag, algo uint32, to *[]*payloadDigest) error {
	values, ok, err := h.Argv(tag)
	if err != nil || !ok {
		return err
	}
	if len(values) != 1 {
		return fmt.Errorf("%s has %d elements, wanted 1", tag, len(values))
	}
	sum, name, err := NewHash(algo)
	if err != nil {
		return fmt.Errorf("%s: %w", tag, err)
	}
	if len(values[0]) != 2*sum.Size() {
		return fmt.Errorf("%s is %q, which is no %s", tag, values[0], name)
	}
	*to = append(*to, &payloadDigest{name, values[0], sum})
	return nil
}

func (c *PayloadCheck) addLegacy(p *Package) error {
	size, ok, err := p.Signature.SizeAny(SigSize, SigLongSize)
	if err != nil {
		return err
	}
	if ok {
		c.want = int64(size)
	}
	md5Sum, ok, err := p.Signature.Bytes(SigMD5)
	if err != nil || !ok {
		return err
	}
	h, name, err := NewHash(HashMD5)
	if err != nil {
		return err
	}
	h.Write(p.Main.Raw())
	c.legacy = append(c.legacy, &payloadDigest{name + " of header and payload", hex.EncodeToString(md5Sum), h})
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Packed takes the compressed payload.
func (c *PayloadCheck) Packed() io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		c.size += int64(len(b))
		for _, list := range [][]*payloadDigest{c.packed, c.legacy} {
			for _, d := range list {
				d.hash.Write(b)
			}
		}
		return len(b), nil
	})
}

// Plain takes the decompressed payload.
func (c *PayloadCheck) Plain() io.Writer {
	return writerFunc(func(b []byte) (int, error) {
		for _, d := range c.plain {
			d.hash.Write(b)
		}
		return len(b), nil
	})
}

// ErrNoPayloadDigest is returned by Finish for a package that has nothing to check its payload against.
var ErrNoPayloadDigest = errors.New("the package has no digest of its payload")

// Finish compares. As in rpm, the digests of the compressed payload or those of the decompressed one must match, not both: a
// payload may have been recompressed; that is noted.
func (c *PayloadCheck) Finish() (notes []string, err error) {
	if c.want >= 0 && c.want != c.header+c.size {
		return nil, fmt.Errorf("%s: truncated or padded: header and payload are %d bytes, the package says %d", c.nevra, c.header+c.size, c.want)
	}
	switch {
	case len(c.packed)+len(c.plain) > 0:
		failed := firstFailure(c.packed)
		if len(c.packed) > 0 && failed == nil {
			return nil, nil
		}
		plainFailed := firstFailure(c.plain)
		if len(c.plain) == 0 || plainFailed != nil {
			if failed == nil {
				failed = plainFailed
			}
			return nil, fmt.Errorf("%s: %w", c.nevra, failed)
		}
		return []string{"payload verified by the digest of its decompressed form only"}, nil
	case len(c.legacy) > 0:
		if failed := firstFailure(c.legacy); failed != nil {
			return nil, fmt.Errorf("%s: %w", c.nevra, failed)
		}
		return []string{"payload protected by MD5 only"}, nil
	}
	return nil, fmt.Errorf("%s: %w", c.nevra, ErrNoPayloadDigest)
}

func firstFailure(list []*payloadDigest) error {
	for _, d := range list {
		if !d.ok() {
			return d.mismatch()
		}
	}
	return nil
}

// CheckFileDigest compares a hash in the header's notation. Old rpm wrote zeros, or nothing, for empty files.
func CheckFileDigest(f *File, sum []byte) error {
	if f.SizeBytes == 0 && strings.Trim(f.Digest, "0") == "" {
		return nil
	}
	want, err := hex.DecodeString(f.Digest)
	if err != nil || len(want) != len(sum) {
		return fmt.Errorf("%s: the header's digest %q is not one of %d bytes", f.Path, f.Digest, len(sum))
	}
	if !bytes.Equal(want, sum) {
		return fmt.Errorf("%s: file digest mismatch: content has %x, the header says %s", f.Path, sum, f.Digest)
	}
	return nil
}
