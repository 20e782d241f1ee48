package rpmdb

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Tree is what Verify compares packages with. Paths are those of the packages; links in their parents are followed, inside the
// tree, and no last one is.
type Tree interface {
	// Stat describes what stands at a path. The error is fs.ErrNotExist if nothing does. Digest is a SHA-256, or empty if the
	// tree does not know one: then Verify opens the file. Caps are the value of the extended attribute.
	Stat(path string) (*Attributes, error)
	// Follow is Stat of what the links at path lead to.
	Follow(path string) (*Attributes, error)
	// Open opens a regular file.
	Open(path string) (io.ReadCloser, error)
	// User and Group return the number of the account of that name.
	User(name string) (uid int, ok bool)
	Group(name string) (gid int, ok bool)
}

// Finding is a file that is not what its package says.
type Finding struct {
	NEVRA, Path string
	Flags       uint32 // pkgindex.Flag bits of the file
	Missing     bool   // nothing stands there
	Replaced    bool   // the database says that the file is another package's; rpm -V lists every such file
	Differs     Difference
}

// String is the line that rpm -V prints.
func (f Finding) String() string {
	mark := byte(' ')
	for _, x := range fileMarks {
		if f.Flags&x.flag != 0 {
			mark = x.mark
			break
		}
	}
	text := f.Differs.String()
	if f.Missing {
		text = "missing "
	}
	text += fmt.Sprintf("  %c %s", mark, f.Path)
	if f.Replaced {
		text += " (replaced)"
	}
	return text
}

// fileMarks are the letters of flags; rpm -V shows the first that a file has.
var fileMarks = []struct {
	flag uint32
	mark byte
}{
	{pkgindex.FlagDoc, 'd'}, {pkgindex.FlagConfig, 'c'}, {pkgindex.FlagMissingOK, 'm'}, {pkgindex.FlagNoReplace, 'n'}, {pkgindex.FlagGhost, 'g'},
	{pkgindex.FlagLicense, 'l'}, {pkgindex.FlagReadme, 'r'}, {pkgindex.FlagArtifact, 'a'},
}

// Verify compares the files of all packages with a tree, as rpm -Va --nodeps does: files that are not installed, of the wrong colour
// or on a shared file system are not looked at, replaced ones must only be there, ghosts and files with missingok may be missing, and
// each file is compared in the ways that its package wants. Findings are in the order of the records and of their files.
func Verify(records []Record, tree Tree) ([]Finding, error) {
	var out []Finding
	for _, rec := range records {
		found, err := verifyPackage(rec, tree)
		if err != nil {
			return nil, fmt.Errorf("verifying header %d: %w", rec.Number, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func verifyPackage(rec Record, tree Tree) ([]Finding, error) {
	nevra, err := rec.NEVRA()
	if err != nil {
		return nil, err
	}
	files, err := rec.installedFiles()
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", nevra, err)
	}
	var out []Finding
	for i := range files {
		f := &files[i]
		finding := Finding{NEVRA: nevra, Path: f.path, Flags: f.flags, Replaced: f.state == StateReplaced}
		if finding.Missing, finding.Differs, err = f.compare(tree); err != nil {
			return nil, fmt.Errorf("package %s: %s: %w", nevra, f.path, err)
		}
		if finding.Missing || finding.Replaced || finding.Differs != 0 {
			out = append(out, finding)
		}
	}
	return out, nil
}

// installedFile is a file of a stored header.
type installedFile struct {
	Attributes
	path   string
	user   string
	group  string
	flags  uint32
	verify Difference // ways in which it is compared
	state  byte
	hash   func() hash.Hash // of Digest
}

// compare compares one file with the tree.
func (f *installedFile) compare(tree Tree) (missing bool, _ Difference, _ error) {
	if f.state != StateNormal && f.state != StateReplaced {
		return false, 0, nil
	}
	ghost := f.flags&pkgindex.FlagGhost != 0
	got, err := tree.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return !ghost && f.flags&pkgindex.FlagMissingOK == 0, 0, nil
	}
	if err != nil || f.state == StateReplaced {
		return false, 0, err
	}
	want := f.Attributes
	want.UID, _ = tree.User(f.user) // of an account that there is not, root became the owner
	want.GID, _ = tree.Group(f.group)
	mine, err := f.beyond(got, want.UID, tree)
	if err != nil {
		return false, 0, err
	}
	if f.verify&DiffersDigest != 0 && !ghost && mine.Mode&rpm.ModeType == rpm.ModeRegular {
		if mine.Size != f.Size {
			mine.Digest = "another" // and need not be read
		} else if mine.Digest, err = f.digestOf(&mine, tree); err != nil {
			return false, 0, err
		}
	}
	return false, want.Differs(&mine, ghost) & f.verify, nil
}

// beyond returns what is compared in place of got: a link to a directory may stand for a directory if root made it, or the
// directory's owner.
func (f *installedFile) beyond(got *Attributes, owner int, tree Tree) (Attributes, error) {
	out := *got
	if f.Mode&rpm.ModeType == rpm.ModeDir && got.Mode&rpm.ModeType == rpm.ModeSymlink && (got.UID == 0 || got.UID == owner) {
		target, err := tree.Follow(f.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return out, err
		}
		if err == nil && target.Mode&rpm.ModeType == rpm.ModeDir {
			out = *target
		}
	}
	return out, nil
}

// digestOf returns the digest of what stands in the tree, of the kind that the package has.
func (f *installedFile) digestOf(got *Attributes, tree Tree) (_ string, err error) {
	h := f.hash()
	if got.Digest != "" && h.Size() == sha256.Size {
		return got.Digest, nil
	}
	r, err := tree.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashes are those that packages have used for digests of files, by OpenPGP's numbers.
var hashes = map[uint32]func() hash.Hash{1: md5.New, 2: sha1.New, 8: sha256.New, 9: sha512.New384, 10: sha512.New, 11: sha256.New224}

// installedFiles decodes the file table of a stored header.
func (h *Header) installedFiles() ([]installedFile, error) {
	paths, err := h.Paths()
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	algo, err := h.Uint32s(rpm.TagFileDigestAlgo)
	if err != nil {
		return nil, err
	}
	if len(algo) == 0 {
		algo = []uint32{1}
	}
	sum := hashes[algo[0]]
	if sum == nil {
		return nil, fmt.Errorf("digests of files have the unknown algorithm %d", algo[0])
	}
	t := columns{h: h, n: len(paths)}
	states := t.bytes(rpm.TagFileStates)
	modes, devices := t.uint16s(rpm.TagFileModes), t.uint16s(rpm.TagFileRdevs)
	sizes, times, flags := t.sizes(), t.uint32s(rpm.TagFileMTimes), t.uint32s(rpm.TagFileFlags)
	digests, links := t.strings(rpm.TagFileDigests), t.strings(rpm.TagFileLinkTos)
	users, groups, caps := t.strings(rpm.TagFileUserName), t.strings(rpm.TagFileGroupName), t.strings(rpm.TagFileCaps)
	verify := t.uint32s(rpm.TagFileVerifyFlags)
	if !h.Has(rpm.TagFileVerifyFlags) {
		for i := range verify {
			verify[i] = ^uint32(0)
		}
	}
	if t.err != nil {
		return nil, t.err
	}
	out := make([]installedFile, len(paths))
	for i, path := range paths {
		value, err := rpm.Capability(caps[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out[i] = installedFile{path: path, user: users[i], group: groups[i], flags: flags[i], verify: Difference(verify[i]), state: states[i], hash: sum,
			Attributes: Attributes{Mode: uint32(modes[i]), Size: int64(sizes[i]), ModTime: int64(times[i]), Digest: digests[i], Link: links[i],
				Device: uint32(devices[i]), Caps: string(value)}}
	}
	return out, nil
}

// columns reads the arrays of a file table. One that is missing is zeroes; the first error sticks.
type columns struct {
	h   *Header
	n   int
	err error
}

// column returns the n values that read finds, or n zeroes if the header has none.
func column[T any](c *columns, tag rpm.Tag, read func(rpm.Tag) ([]T, error)) []T {
	values, err := read(tag)
	if err == nil && values != nil && len(values) != c.n {
		err = fmt.Errorf("%s has %d values for %d files", tag, len(values), c.n)
	}
	if c.err == nil {
		c.err = err
	}
	if values == nil || err != nil {
		return make([]T, c.n)
	}
	return values
}

func (c *columns) bytes(tag rpm.Tag) []byte     { return column(c, tag, c.h.Bytes) }
func (c *columns) strings(tag rpm.Tag) []string { return column(c, tag, c.h.Strings) }
func (c *columns) uint32s(tag rpm.Tag) []uint32 { return column(c, tag, c.h.Uint32s) }
func (c *columns) uint16s(tag rpm.Tag) []uint16 { return column(c, tag, c.h.uint16s) }

// sizes are those of packages with a file of more than 4 GiB, or of all others.
func (c *columns) sizes() []uint64 {
	if c.h.Has(rpm.TagLongFileSizes) {
		return column(c, rpm.TagLongFileSizes, c.h.uint64s)
	}
	out := make([]uint64, c.n)
	for i, size := range c.uint32s(rpm.TagFileSizes) {
		out[i] = uint64(size)
	}
	return out
}
