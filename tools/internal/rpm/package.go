// Package rpm reads RPM packages: lead, signature header, main header, and the start of the payload.
//
// Headers keep their bytes, because the rpmdb stores them untouched and digests and signatures cover them. Values are decoded
// on demand by typed getters that report a wrong type instead of hiding it. Package formats 3, 4 and 6 are read; format 3
// (before 2000, no immutable region) cannot be registered in a package database: rpm 4 rewrites such headers, rpm 6 refuses
// the packages.
//
// The formats are described in rpm's docs/manual/format_v4.md and format_v6.md.
package rpm

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	leadSize  = 96
	leadMagic = 0xedabeedb
	// maxIMASignature bounds one file's IMA signature; RSA-4096 needs 520 bytes, ML-DSA-87 4.6 KiB.
	maxIMASignature = 16 << 10
)

// Lead is the obsolete first part of a package. Nothing but its magic matters; it is kept because header.bin holds it.
type Lead struct {
	Major, Minor  uint8
	Source        bool // the type field says source package
	SignatureType uint16
	Raw           []byte // 96 bytes
}

// Package is what comes before the payload of an RPM.
type Package struct {
	Lead      Lead
	Signature *Header
	Main      *Header
	// HeaderStart is the offset of the main header, HeaderEnd that of the payload.
	HeaderStart int64
	HeaderEnd   int64
	padding     []byte // between signature header and main header
}

// ReadPackage reads lead and headers and leaves r at the first byte of the payload.
func ReadPackage(r io.Reader) (*Package, error) {
	p := &Package{}
	raw := make([]byte, leadSize)
	if n, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("reading lead: %w", truncated(err, fmt.Sprintf("the lead, after %d bytes", n)))
	}
	if magic := binary.BigEndian.Uint32(raw); magic != leadMagic {
		return nil, fmt.Errorf("reading lead: not an RPM package: magic %08x, wanted %08x", magic, uint32(leadMagic))
	}
	p.Lead = Lead{
		Major:         raw[4],
		Minor:         raw[5],
		Source:        binary.BigEndian.Uint16(raw[6:]) == 1,
		SignatureType: binary.BigEndian.Uint16(raw[78:]),
		Raw:           raw,
	}
	var err error
	if p.Signature, err = readHeader(r, signatureKind); err != nil {
		return nil, err
	}
	p.padding = make([]byte, -len(p.Signature.raw)&7)
	if _, err := io.ReadFull(r, p.padding); err != nil {
		return nil, fmt.Errorf("reading padding of signature header: %w", truncated(err, "the padding"))
	}
	if p.Main, err = readHeader(r, mainKind); err != nil {
		return nil, err
	}
	p.HeaderStart = int64(leadSize + len(p.Signature.raw) + len(p.padding))
	p.HeaderEnd = p.HeaderStart + int64(len(p.Main.raw))
	return p, nil
}

// ReadHeaders reads a header.bin: the bytes of a package up to its payload, and nothing after them.
func ReadHeaders(r io.Reader) (*Package, error) {
	p, err := ReadPackage(r)
	if err != nil {
		return nil, err
	}
	var one [1]byte
	if n, _ := io.ReadFull(r, one[:]); n != 0 {
		return nil, fmt.Errorf("reading headers of %s: data after the main header", p.NEVRA())
	}
	return p, nil
}

// WriteHeaders writes the bytes that ReadPackage consumed, which is the content of header.bin.
func (p *Package) WriteHeaders(w io.Writer) error {
	for _, part := range [][]byte{p.Lead.Raw, p.Signature.raw, p.padding, p.Main.raw} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("writing headers of %s: %w", p.NEVRA(), err)
		}
	}
	return nil
}

// Format returns the package format: 6, 4, or 3 for a main header without immutable region or with whole file names.
func (p *Package) Format() (int, error) {
	format, ok, err := p.Main.Uint32(TagRPMFormat)
	if err != nil {
		return 0, err
	}
	switch {
	case p.Main.Region() != TagHeaderImmutable || p.Main.Has(TagOldFilenames):
		return 3, nil
	case !ok:
		return 4, nil
	case format < 4 || format > 6:
		return 0, fmt.Errorf("package format %d is unknown", format)
	}
	return int(format), nil
}

// CheckExtractable refuses what is no package of files for a system: source packages and unknown formats.
func (p *Package) CheckExtractable() error {
	if _, err := p.Format(); err != nil {
		return fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	if p.Source() {
		return fmt.Errorf("%s: is a source package", p.NEVRA())
	}
	return nil
}

// IMASignatures returns one signature per file for the extended attribute security.ima, as hex; nil if the package has none.
// They stand in the signature header, because they are made after the package is built.
func (p *Package) IMASignatures(files int) ([]string, error) {
	signatures, ok, err := p.Signature.Strings(SigFileSigs)
	if err == nil && !ok {
		signatures, ok, err = p.Main.Strings(TagFileSignatures)
	}
	if err != nil || !ok {
		return nil, err
	}
	if len(signatures) != files {
		return nil, fmt.Errorf("reading IMA signatures: %d signatures for %d files", len(signatures), files)
	}
	for i, s := range signatures {
		if _, err := hex.DecodeString(s); err != nil || len(s) > 2*maxIMASignature {
			return nil, fmt.Errorf("reading IMA signatures: that of file %d is not hex of at most %d bytes", i, maxIMASignature)
		}
	}
	return signatures, nil
}

// CheckInstallable refuses what rpm 6 does not install: source packages and format 3.
func (p *Package) CheckInstallable() error {
	if err := p.CheckExtractable(); err != nil {
		return err
	}
	if format, _ := p.Format(); format == 3 {
		return fmt.Errorf("%s: package format 3 (no immutable header region, or whole file names) cannot be registered in a "+
			"package database; rpm 6 refuses it too", p.NEVRA())
	}
	return nil
}

// Source reports whether this is a source package.
func (p *Package) Source() bool { return p.Main.Has(TagSourcePackage) }

// NEVRA identifies a package version.
type NEVRA struct {
	Name    string
	Epoch   uint32
	Version string
	Release string
	Arch    string
}

// String returns name-[epoch:]version-release.arch, the epoch left out when it is 0.
func (n NEVRA) String() string {
	var b strings.Builder
	b.WriteString(n.Name + "-")
	if n.Epoch != 0 {
		b.WriteString(strconv.FormatUint(uint64(n.Epoch), 10) + ":")
	}
	b.WriteString(n.Version + "-" + n.Release + "." + n.Arch)
	return b.String()
}

// EVR returns [epoch:]version-release, the epoch left out when it is 0.
func (n NEVRA) EVR() string {
	if n.Epoch != 0 {
		return fmt.Sprintf("%d:%s-%s", n.Epoch, n.Version, n.Release)
	}
	return n.Version + "-" + n.Release
}

// NEVRA returns the identity as text; parts that are missing or of the wrong type show as "?". Use Header.NEVRA to get an
// error for them.
func (p *Package) NEVRA() string {
	n, err := p.Main.NEVRA()
	if err == nil {
		return n.String()
	}
	part := func(tag Tag) string {
		if v, ok, _ := p.Main.String(tag); ok {
			return v
		}
		return "?"
	}
	return part(TagName) + "-" + part(TagVersion) + "-" + part(TagRelease) + "." + part(TagArch)
}

// NEVRA returns the identity of the package. Every part but the epoch must be there and be free of "/", NUL and line ends,
// so that it can stand in messages and file names. The architecture of a source package is "src".
func (h *Header) NEVRA() (NEVRA, error) {
	var n NEVRA
	parts := []struct {
		what string
		tag  Tag
		to   *string
	}{
		{"name", TagName, &n.Name}, {"version", TagVersion, &n.Version},
		{"release", TagRelease, &n.Release}, {"architecture", TagArch, &n.Arch},
	}
	for _, part := range parts {
		v, ok, err := h.String(part.tag)
		if err != nil {
			return n, fmt.Errorf("reading the %s: %w", part.what, err)
		}
		if !ok || v == "" {
			return n, fmt.Errorf("reading the %s: %s is missing", part.what, part.tag)
		}
		if strings.ContainsAny(v, "/\n\r\t ") {
			return n, fmt.Errorf("reading the %s: %q holds characters that are not allowed", part.what, v)
		}
		*part.to = v
	}
	if h.Has(TagSourcePackage) {
		n.Arch = "src"
	}
	epoch, _, err := h.Uint32(TagEpoch)
	if err != nil {
		return n, fmt.Errorf("reading the epoch: %w", err)
	}
	n.Epoch = epoch
	return n, nil
}
