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

// payloadDigest is one digest being computed. A payload may be stored decompressed; it then has the alternative value. That is
// rpm's rule: what counts are always the bytes as they are.
type payloadDigest struct {
	what      string
	want, alt string // alt may be empty, or stand alone
	hash      hash.Hash
}

func (d *payloadDigest) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }

func (d *payloadDigest) ok() bool {
	return strings.EqualFold(d.sum(), d.want) || d.alternative()
}

// alternative reports whether only the digest of the decompressed payload matches.
func (d *payloadDigest) alternative() bool {
	sum := d.sum()
	return !strings.EqualFold(sum, d.want) && strings.EqualFold(sum, d.alt)
}

func (d *payloadDigest) mismatch() error {
	want := d.want
	if want == "" {
		want = d.alt + ", decompressed"
	}
	return fmt.Errorf("payload digest mismatch: %s is %s, the package says %s", d.what, d.sum(), want)
}

// PayloadCheck computes the digests of a payload while it streams. Feed all its bytes, as they are, to Packed, then call Finish.
type PayloadCheck struct {
	nevra  string
	noted  bool // the header has no digest of its own
	packed []*payloadDigest
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
		tag, alt Tag
		algo     uint32
	}{
		{TagPayloadDigest, TagPayloadDigestAlt, algo}, {TagPayloadSHA512, TagPayloadSHA512Alt, HashSHA512},
		{TagPayloadSHA3, TagPayloadSHA3Alt, HashSHA3256},
	} {
		if err := c.addDigest(p.Main, d.tag, d.alt, d.algo); err != nil {
			return nil, fmt.Errorf("%s: reading payload digest: %w", c.nevra, err)
		}
	}
	c.noted = !p.hasHeaderDigest()
	if len(c.packed) == 0 || c.noted {
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

// addDigest adds the digest under tag, the one under alt, or both.
func (c *PayloadCheck) addDigest(h *Header, tag, alt Tag, algo uint32) error {
	want, err := digestValue(h, tag, algo)
	if err != nil {
		return err
	}
	other, err := digestValue(h, alt, algo)
	if err != nil || want == "" && other == "" {
		return err
	}
	sum, name, err := NewHash(algo)
	if err != nil {
		return fmt.Errorf("%s: %w", tag, err)
	}
	c.packed = append(c.packed, &payloadDigest{name, want, other, sum})
	return nil
}

// digestValue reads a digest, which is a string array in format 4 and a string in some packages of format 6; "" if there is none.
func digestValue(h *Header, tag Tag, algo uint32) (string, error) {
	values, ok, err := h.Argv(tag)
	if err != nil || !ok {
		return "", err
	}
	if len(values) != 1 {
		return "", fmt.Errorf("%s has %d elements, wanted 1", tag, len(values))
	}
	sum, name, err := NewHash(algo)
	if err != nil {
		return "", fmt.Errorf("%s: %w", tag, err)
	}
	if len(values[0]) != 2*sum.Size() {
		return "", fmt.Errorf("%s is %q, which is no %s", tag, values[0], name)
	}
	return values[0], nil
}

func (c *PayloadCheck) addLegacy(p *Package) error {
	if p.Main.Has(TagRPMFormat) { // format 6 has none, and rpm ignores them there
		return nil
	}
	size, ok, err := p.Signature.SizeAny(SigSize, SigLongSize)
	if err != nil {
		return err
	}
	if ok && len(c.packed) == 0 {
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
	c.legacy = append(c.legacy, &payloadDigest{name + " of header and payload", hex.EncodeToString(md5Sum), "", h})
	return nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Packed takes the payload as it is in the package.
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

// ErrNoPayloadDigest is returned by Finish for a package that has nothing to check its payload against.
var ErrNoPayloadDigest = errors.New("the package has no digest of its payload")

// Finish compares. A payload that was stored decompressed after it was built is noted.
func (c *PayloadCheck) Finish() (notes []string, err error) {
	if c.want >= 0 && c.want != c.header+c.size {
		return nil, fmt.Errorf("%s: truncated or padded: header and payload are %d bytes, the package says %d", c.nevra, c.header+c.size, c.want)
	}
	for _, list := range [][]*payloadDigest{c.packed, c.legacy} {
		if failed := firstFailure(list); failed != nil {
			return nil, fmt.Errorf("%s: %w", c.nevra, failed)
		}
	}
	if c.noted && len(c.legacy) > 0 {
		notes = append(notes, noteWeakHeaderMD5)
	}
	switch {
	case len(c.packed) > 0:
		if c.packed[0].alternative() {
			notes = append(notes, "payload verified by the digest of its decompressed form")
		}
		return notes, nil
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
