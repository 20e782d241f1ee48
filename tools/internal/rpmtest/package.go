// Package rpmtest writes RPM packages in memory, for tests of everything that reads them. It can write what rpmbuild writes
// and, through Edit functions, what an attacker would write. It is imported by tests only.
package rpmtest

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Package describes an RPM to build. The zero values of the fields are useful: Build fills in what rpmbuild always writes.
type Package struct {
	Name      string
	Epoch     uint32 // not written when 0
	Version   string // default 1
	Release   string // default 1
	Arch      string // default x86_64
	Summary   string
	License   string // default MIT
	Vendor    string
	URL       string
	Group     string
	SourceRPM string // default name-version-release.src.rpm; "-" writes none
	BuildTime uint32 // default 1700000000

	Files       []File
	Provides    []string // "name" or "name op EVR"; "name = EVR" and "name(isa) = EVR" are not added by themselves
	Requires    []Requirement
	Conflicts   []string
	Obsoletes   []string
	Recommends  []string
	Suggests    []string
	Supplements []string
	Enhances    []string
	Scriptlets  []Scriptlet
	Triggers    []Trigger

	Compressor string // gzip, bzip2, xz, lzma, zstd, none; default zstd
	CPIO       string // newc, crc, stripped; default newc
	Format     int    // 4 (default) or 6, which has no MD5, SHA1 and size tags
	// Legacy leaves out what rpm < 4.14 did not write: SHA256HEADER, PAYLOADDIGEST and PAYLOADDIGESTALT.
	Legacy bool
	// MD5Files uses MD5 file digests, as rpm < 4.6 did.
	MD5Files bool

	Signatures []Signature

	// Tags are added to the main header; a tag that Build would write itself is replaced. SigTags likewise.
	Tags    []Value
	SigTags []Value
	// Omit and OmitSig name tags that are not written.
	Omit    []rpm.Tag
	OmitSig []rpm.Tag
	// EditCPIO changes the archive before it is compressed, EditPayload the compressed one before digests are computed,
	// EditMain the main header before it is signed.
	EditCPIO    func([]byte) []byte
	EditPayload func([]byte) []byte
	EditMain    func([]byte) []byte
}

// File is one file of a package.
type File struct {
	Path  string
	Mode  uint32 // with type bits; default 0100644, 0120777 with Link, 040755 for a path ending in "/"
	Data  string
	Link  string // target of a symbolic link
	User  string // default root
	Group string // default root
	MTime uint32 // default BuildTime of the package
	Flags uint32 // pkgindex.Flag bits
	Caps  string
	Langs string // "de|fr"
	Color uint32
	Rdev  uint16 // major<<8 | minor
	Inode uint32 // files with the same non-zero number are hard links; 0 gives each file its own
	Class string // libmagic text for CLASSDICT
	// NoVerify are bits that the verify flags in the header lack.
	NoVerify uint32
	// Requires are indexes into Package.Requires of what a generator found in this file.
	Requires []int
	// Digest overrides the digest in the header; Omit leaves the file out of the payload.
	Digest string
	Omit   bool
	// Size overrides the size in the header.
	Size *uint64
}

// Requirement is one require with its sense flags; the comparison bits come from the text.
type Requirement struct {
	Text  string // "name" or "name op EVR"
	Flags rpm.Sense
}

// Require turns texts into plain requirements.
func Require(texts ...string) []Requirement {
	var out []Requirement
	for _, text := range texts {
		out = append(out, Requirement{Text: text})
	}
	return out
}

// Scriptlet is a plain scriptlet. Kind is as in pkgindex: pre, post, preun, postun, pretrans, posttrans, verify.
type Scriptlet struct {
	Kind    string
	Program []string // default /bin/sh
	Body    string   // not written when empty
}

// Trigger is a package trigger, or a file trigger when File is set.
type Trigger struct {
	File, Trans bool
	Moment      rpm.Sense // SenseTriggerIn and so on
	Conditions  []string
	Program     string // default /bin/sh
	Body        string
	Priority    uint32
}

// Signature signs the package under one signature tag.
type Signature struct {
	Tag  rpm.Tag // SigRSA, SigDSA, SigOpenPGP: the header; SigPGP, SigGPG: header and payload
	Sign func(data []byte) []byte
}

// NEVRA returns the identity that Build writes, as pkgindex has it.
func (p Package) NEVRA() string {
	p.defaults()
	return rpm.NEVRA{Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch}.String()
}

func (p *Package) defaults() {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&p.Version, "1")
	set(&p.Release, "1")
	set(&p.Arch, "x86_64")
	set(&p.License, "MIT")
	set(&p.Summary, "Test package "+p.Name)
	set(&p.Group, "Unspecified")
	set(&p.SourceRPM, fmt.Sprintf("%s-%s-%s.src.rpm", p.Name, p.Version, p.Release))
	set(&p.Compressor, "zstd")
	set(&p.CPIO, "newc")
	if p.BuildTime == 0 {
		p.BuildTime = 1700000000
	}
	if p.Format == 0 {
		p.Format = 4
	}
	files := append([]File(nil), p.Files...)
	for i := range files {
		files[i].defaults(p.BuildTime, uint32(1000000+i))
	}
	p.Files = files
}

func (f *File) defaults(mtime, inode uint32) {
	if n := len(f.Path); n > 0 && f.Path[n-1] == '/' {
		if n > 1 {
			f.Path = f.Path[:n-1]
		}
		if f.Mode == 0 {
			f.Mode = 0o040755
		}
	}
	if f.Mode == 0 {
		f.Mode = 0o100644
		if f.Link != "" {
			f.Mode = 0o120777
		}
	}
	if f.User == "" {
		f.User = "root"
	}
	if f.Group == "" {
		f.Group = "root"
	}
	if f.MTime == 0 {
		f.MTime = mtime
	}
	if f.Inode == 0 {
		f.Inode = inode
	}
}

// Build writes the package.
func Build(p Package) []byte {
	p.defaults()
	archive := p.archive()
	if p.EditCPIO != nil {
		archive = p.EditCPIO(archive)
	}
	payload := Compress(p.Compressor, archive)
	if p.EditPayload != nil {
		payload = p.EditPayload(payload)
	}
	region := rpm.TagHeaderImmutable
	if p.Format == 3 {
		region = 0
	}
	main := Header(region, replace(p.mainValues(archive, payload), p.Tags, p.Omit))
	if p.EditMain != nil {
		main = p.EditMain(main)
	}
	sig := Header(rpm.TagHeaderSignatures, replace(p.signatureValues(main, archive, payload), p.SigTags, p.OmitSig))
	out := append(Lead(p.Name), sig...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	return append(append(out, main...), payload...)
}

// Lead writes the first 96 bytes of a binary package.
func Lead(name string) []byte {
	lead := make([]byte, 96)
	copy(lead, "\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01")
	copy(lead[10:75], name)
	binary.BigEndian.PutUint16(lead[76:], 1)
	binary.BigEndian.PutUint16(lead[78:], 5)
	return lead
}

func replace(values, by []Value, omit []rpm.Tag) []Value {
	skip := map[rpm.Tag]bool{}
	for _, v := range by {
		skip[v.Tag] = true
	}
	for _, tag := range omit {
		skip[tag] = true
	}
	var out []Value
	for _, v := range values {
		if !skip[v.Tag] {
			out = append(out, v)
		}
	}
	return append(out, by...)
}

func (p *Package) signatureValues(main, archive, payload []byte) []Value {
	both := append(append([]byte(nil), main...), payload...)
	sha1Sum, sha256Sum, md5Sum := sha1.Sum(main), sha256.Sum256(main), md5.Sum(both)
	var values []Value
	add := func(tag rpm.Tag, v any) { values = append(values, Value{tag, v}) }
	if p.Format < 6 {
		add(rpm.SigSHA1Header, hex.EncodeToString(sha1Sum[:]))
		add(rpm.SigMD5, md5Sum[:])
		add(rpm.SigSize, uint32(len(both)))
		add(rpm.SigPayloadSize, uint32(len(archive)))
	}
	if !p.Legacy {
		add(rpm.SigSHA256Header, hex.EncodeToString(sha256Sum[:]))
	}
	var openPGP []string
	for _, s := range p.Signatures {
		switch s.Tag {
		case rpm.SigPGP, rpm.SigGPG:
			add(s.Tag, s.Sign(both))
		case rpm.SigOpenPGP:
			openPGP = append(openPGP, base64Text(s.Sign(main)))
		default:
			add(s.Tag, s.Sign(main))
		}
	}
	if openPGP != nil {
		add(rpm.SigOpenPGP, openPGP)
	}
	return values
}
