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

// Notes about packages that nothing better than a broken hash protects. Policy.RefuseWeakDigests makes them errors, unless a
// signature covers the same bytes.
const (
	noteWeakHeader    = "header protected by SHA1 only"
	noteWeakHeaderMD5 = "header protected by MD5 only"
	noteWeakPayload   = "payload protected by MD5 only"
)

// ErrNoHeaderDigest is returned by VerifyHeaderDigests for a package that has nothing to check its header against.
var ErrNoHeaderDigest = errors.New("the package has no digest of its header")

// hasHeaderDigest reports whether the signature header holds a digest of the main header alone.
func (p *Package) hasHeaderDigest() bool {
	return p.Signature.Has(SigSHA1Header) || p.Signature.Has(SigSHA256Header) || p.Signature.Has(SigSHA3Header)
}

// HasLegacyDigest reports whether an MD5 covers header and payload together, the only digest of packages before rpm 4.0.
func (p *Package) HasLegacyDigest() bool { return p.Signature.Has(SigMD5) && !p.Main.Has(TagRPMFormat) }

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
		return []string{noteWeakHeader}, nil
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
	noted  bool // the header has no digest of its own
	packed []*payloadDigest
	plain  []*payloadDigest
	legacy []*payloadDigest // MD5 over header and payload
	size   int64            // compressed bytes seen
	want   int64            // header and payload size by the signature header, -1 if not told
	header int64
}

// NewPayloadCheck prepares the checks the package offers. The MD5 of header and payload is used only where nothing better is:
// when the header holds no payload digest, as with rpm before 4.14, or when the header has no digest itself, as before 4.0.
// Sizes are used in the first case.
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
	c.noted = !p.hasHeaderDigest()
	if len(c.packed)+len(c.plain) == 0 || c.noted {
		if err := c.addLegacy(p); err != nil {
			return nil, fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
		}
	}
	return c, nil
}

// newFullCheck is NewPayloadCheck with every digest there is, as rpmkeys does it.
func newFullCheck(p *Package) (*PayloadCheck, error) {
	c, err := NewPayloadCheck(p)
	if err == nil && c.legacy == nil {
		if err = c.addLegacy(p); err != nil {
			err = fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
		}
	}
	return c, err
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
	if p.Main.Has(TagRPMFormat) { // format 6 has none, and rpm ignores them there
		return nil
	}
	size, ok, err := p.Signature.SizeAny(SigSize, SigLongSize)
	if err != nil {
		return err
	}
	if ok && len(c.packed)+len(c.plain) == 0 {
		if size > 1<<62 {
			return fmt.Errorf("size %d of header and payload", size)
		}
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

// wantsPlain reports whether the outcome depends on the digests of the decompressed payload, after all of it went to Packed.
func (c *PayloadCheck) wantsPlain() bool {
	return len(c.plain) > 0 && (len(c.packed) == 0 || firstFailure(c.packed) != nil)
}

// ErrNoPayloadDigest is returned by Finish for a package that has nothing to check its payload against.
var ErrNoPayloadDigest = errors.New("the package has no digest of its payload")

// Finish compares. As in rpm, the digests of the compressed payload or those of the decompressed one must match, not both: a
// payload may have been recompressed; that is noted.
func (c *PayloadCheck) Finish() (notes []string, err error) {
	if c.want >= 0 && c.want != c.header+c.size {
		return nil, fmt.Errorf("%s: truncated or padded: header and payload are %d bytes, the package says %d", c.nevra, c.header+c.size, c.want)
	}
	if failed := firstFailure(c.legacy); failed != nil {
		return nil, fmt.Errorf("%s: %w", c.nevra, failed)
	}
	if c.noted && len(c.legacy) > 0 {
		notes = append(notes, noteWeakHeaderMD5)
	}
	switch {
	case len(c.packed)+len(c.plain) > 0:
		failed := firstFailure(c.packed)
		if len(c.packed) > 0 && failed == nil {
			return notes, nil
		}
		plainFailed := firstFailure(c.plain)
		if len(c.plain) == 0 || plainFailed != nil {
			if failed == nil {
				failed = plainFailed
			}
			return nil, fmt.Errorf("%s: %w", c.nevra, failed)
		}
		return append(notes, "payload verified by the digest of its decompressed form only"), nil
	case len(c.legacy) > 0:
		return append(notes, noteWeakPayload), nil
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
