// Package rootfs is the in-memory tree that the tools compose, and tree.json, its form on disk.
//
// Paths are absolute and canonical: no symbolic link stands in a parent, so /bin/sh of a usrmerged image is /usr/bin/sh.
// A tree is cumulative: the tree.json of a child holds the entries of its base too, with Layer telling them apart.
package rootfs

import (
	"io"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Schema is the version of the tree.json format.
const Schema = 1

// Tree is tree.json.
type Tree struct {
	Schema  int    `json:"schema"`
	Label   string `json:"label"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
	Layers  int    `json:"layers"` // number of layers, base layers included; the newest is Layers-1
	RPMDB   RPMDB  `json:"rpmdb"`
	// Image is the digest of an image of others that the first layer of the tree stands for; "" if all layers are ours.
	Image    string    `json:"image,omitempty"`
	Glibc    string    `json:"glibc,omitempty"` // how the image's C library calls itself: "(GNU libc) stable release version 2.34"
	Packages []Package `json:"packages"`        // by NEVRA, bytewise
	// NonRPM is what the image holds besides packages and files of its own making, by Label, bytewise.
	NonRPM  []NonRPM `json:"content,omitempty"`
	Entries []*Entry `json:"entries"` // by Path, bytewise
}

// RPMDB says where the image keeps its package database, and in which backend.
type RPMDB struct {
	Backend string `json:"backend"`
	Path    string `json:"path"`
	// Keys are the public keys that our layers register, each with all its packets; those of an image of others are packages.
	Keys [][]byte `json:"keys,omitempty"`
}

// Package is one package of the image's rpmdb.
type Package struct {
	Name    string `json:"name"`
	NEVRA   string `json:"nevra"`
	Arch    string `json:"arch"`
	Partial bool   `json:"partial,omitempty"` // some payload files were left out by slicing
	Layer   int    `json:"layer"`             // that brought it in
	// FileStates has one State character per file of the header.
	FileStates string `json:"file_states"`
	SizeBytes  int64  `json:"size_bytes"` // of its regular files in the image
	License    string `json:"license,omitempty"`
	SourceRPM  string `json:"source_rpm,omitempty"`
	Vendor     string `json:"vendor,omitempty"`
	URL        string `json:"url,omitempty"`
	SHA256     string `json:"sha256,omitempty"`   // of the whole .rpm; "" for those of an image of others
	Provided   bool   `json:"provided,omitempty"` // registered on request; no layer of ours ships it
	// Foreign is set for packages that an image of others brings.
	Foreign *ForeignPackage `json:"foreign,omitempty"`
}

// ForeignPackage says where the stored header of a package is kept, which goes into the database of every image on top as it is.
type ForeignPackage struct {
	Number uint32 `json:"number"` // of the header in the image's database
	Offset int64  `json:"offset"` // into the file with all headers
	Size   int64  `json:"size"`
}

// NonRPM is content of an image that is no RPM package: a program built elsewhere, a tree out of an archive. The owners of its
// entries have Label among them.
type NonRPM struct {
	Label   string `json:"label"` // of the target that declares it
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`    // package URL
	License string `json:"license"` // SPDX expression
	// Updates says where newer versions are found. Its kind is "built" (from source that is part of the build), "go-module" (module:
	// its path), "go-toolchain" (series: minor version of Go) or "manual" (url: a page).
	Updates map[string]string `json:"updates"`
	Digest  string            `json:"digest,omitempty"` // of the archive: "sha256:HEX", or "h1:HASH" as in go.sum
	// BuiltWith are the compilers that Go programs say they were built with, such as "go1.26.4": what they hold of its standard
	// library is as old.
	BuiltWith []string `json:"built_with,omitempty"`
	Layer     int      `json:"layer"`
	Files     int      `json:"files"`      // paths in the image, directories included
	SizeBytes int64    `json:"size_bytes"` // of its regular files in the image
}

// File states: the digits of RPMTAG_FILESTATES as rpm itself stores them (rpm: include/rpm/rpmfiles.h, rpmfileState), and
// as a test with the real rpm shows.
const (
	StateNormal       = '0'
	StateReplaced     = '1' // something else stands there: rpm -V only looks whether it exists
	StateNotInstalled = '2' // left out by policy or slicing
	StateNetShared    = '3'
	StateWrongColor   = '4' // of a multilib pair, the file that lost
)

// Entry is one path of the tree.
type Entry struct {
	Path      string            `json:"path"`
	Type      string            `json:"type"` // pkgindex.Type constants
	Mode      uint32            `json:"mode"` // & 07777
	UID       int               `json:"uid"`
	GID       int               `json:"gid"`
	ModTime   int64             `json:"mtime"`
	SizeBytes int64             `json:"size_bytes,omitempty"`
	SHA256    string            `json:"sha256,omitempty"`
	Link      string            `json:"link,omitempty"`      // symlinks: target
	HardLink  string            `json:"hard_link,omitempty"` // path of the first member of the set, which holds the content
	RdevMajor uint32            `json:"rdev_major,omitempty"`
	RdevMinor uint32            `json:"rdev_minor,omitempty"`
	Caps      string            `json:"caps,omitempty"`   // capability text; the layer carries security.capability
	Xattrs    map[string][]byte `json:"xattrs,omitempty"` // others
	// Owners are the NEVRAs of the packages that own the path, or labels of targets, or "rules_slimrpm:<step>" for what a
	// tool made (rpmdb, ld.so.cache, accounts, implied parent directories).
	Owners []string `json:"owners"`
	// Overwrites are the NEVRAs of packages that have another file at this path, which lost to the one that stands here.
	Overwrites []string      `json:"overwrites,omitempty"`
	Layer      int           `json:"layer"` // that holds the current state of the path
	Flags      uint32        `json:"flags,omitempty"`
	ELF        *pkgindex.ELF `json:"elf,omitempty"`
	Interp     string        `json:"interp,omitempty"`
	InterpArg  string        `json:"interp_arg,omitempty"`
	// Text is the contents of the small files that rootcheck, bills of materials and the elfresolve of a child must understand: those for which
	// KeepsText is true.
	Text string `json:"text,omitempty"`

	// Content says where the bytes of a regular file come from while the tree is being composed; it is not part of tree.json.
	Content Content `json:"-"`
}

// Content locates the bytes of a regular file: Data, or Size bytes at Offset of the host file Source, or what Write writes, the
// same every time.
type Content struct {
	Data   []byte
	Source string
	Offset int64
	Write  func(io.Writer) (int64, error)
}

// MaxText is the size of the largest file that is kept as Text.
const MaxText = 64 << 10

// KeepsText reports whether the contents of a regular file belong into the Text of its entry: the search path of the loader,
// the accounts, the state of the alternatives, and what the system calls itself.
func KeepsText(path string, size int64) bool {
	switch path {
	case "/etc/os-release", "/usr/lib/os-release", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow":
		return size <= MaxText
	}
	for _, dir := range []string{"/var/lib/dpkg/alternatives", "/var/lib/alternatives"} {
		if Dir(path) == dir {
			return size <= MaxText
		}
	}
	return pkgindex.KeepsText(path, size)
}
