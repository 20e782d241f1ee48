package rpmdb

import (
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Difference is a set of ways in which a file is not what its package says. The bits are those of RPMTAG_FILEVERIFYFLAGS.
type Difference uint32

// The ways, by the letter that rpm -V has for them.
const (
	DiffersDigest  Difference = 1 << iota // 5
	DiffersSize                           // S
	DiffersLink                           // L: target
	DiffersUser                           // U
	DiffersGroup                          // G
	DiffersModTime                        // T
	DiffersMode                           // M: type or permissions
	DiffersDevice                         // D: number
	DiffersCaps                           // P: capabilities
)

var differenceLetters = []struct {
	bit    Difference
	letter byte
}{
	{DiffersSize, 'S'}, {DiffersMode, 'M'}, {DiffersDigest, '5'}, {DiffersDevice, 'D'}, {DiffersLink, 'L'}, {DiffersUser, 'U'},
	{DiffersGroup, 'G'}, {DiffersModTime, 'T'}, {DiffersCaps, 'P'},
}

// String is the first word of a line of rpm -V: a letter or a dot for each way.
func (d Difference) String() string {
	var out []byte
	for _, x := range differenceLetters {
		if d&x.bit == 0 {
			x.letter = '.'
		}
		out = append(out, x.letter)
	}
	return string(out)
}

// ModeOfType is the bits of a mode that stand for one of pkgindex's types, 0 for what is none.
func ModeOfType(t string) uint32 {
	return map[string]uint32{pkgindex.TypeSocket: rpm.ModeSocket, pkgindex.TypeSymlink: rpm.ModeSymlink, pkgindex.TypeFile: rpm.ModeRegular,
		pkgindex.TypeBlock: rpm.ModeBlock, pkgindex.TypeDir: rpm.ModeDir, pkgindex.TypeChar: rpm.ModeChar, pkgindex.TypeFIFO: rpm.ModeFIFO}[t]
}

// Attributes are what can be compared of a file: what a package says, or what stands in a tree.
type Attributes struct {
	Mode     uint32 // with the bits of the type
	Size     int64
	ModTime  int64
	Digest   string // hex
	Link     string // target of a symbolic link
	UID, GID int
	Device   uint32 // major << 8 | minor, of devices
	Caps     string // in one form on both sides; "" for none
}

// Differs compares what stands in a tree with what a package says, by rpm's rules: what a type of file cannot have is not
// compared, and the contents of ghosts are not the package's.
func (want *Attributes) Differs(got *Attributes, ghost bool) Difference {
	var out Difference
	add := func(bit Difference, differs bool) {
		if differs {
			out |= bit
		}
	}
	wantMode, gotMode := want.Mode, got.Mode
	if ghost {
		wantMode, gotMode = wantMode&^rpm.ModeType, gotMode&^rpm.ModeType
	}
	add(DiffersUser, want.UID != got.UID)
	add(DiffersGroup, want.GID != got.GID)
	add(DiffersDevice, device(want) != device(got))
	switch got.Mode & rpm.ModeType {
	case rpm.ModeSymlink:
		add(DiffersLink, !ghost && want.Link != got.Link)
		return out
	case rpm.ModeRegular:
		add(DiffersSize, !ghost && want.Size != got.Size)
		add(DiffersDigest, !ghost && want.Digest != got.Digest)
		add(DiffersModTime, !ghost && want.ModTime != got.ModTime)
		add(DiffersCaps, want.Caps != got.Caps)
	}
	add(DiffersMode, wantMode != gotMode)
	return out
}

// device is the type and number of a device, of other files 0.
func device(a *Attributes) uint32 {
	switch t := a.Mode & rpm.ModeType; t {
	case rpm.ModeChar, rpm.ModeBlock:
		return t<<16 | a.Device&0xffff
	}
	return 0
}
