// Package pkgindex defines index.json: everything the later tools need to know about one RPM without reading its payload.
//
// rpmextract writes one index per RPM; elfresolve and rootfs read many. The file contents live in the payload tar beside
// the index and are addressed by Offset and Size, so that a reader needs no tar parser to copy a file.
package pkgindex

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Schema is the version of the index.json format written by this code.
const Schema = 1

// Index describes one RPM.
type Index struct {
	Schema  int    `json:"schema"`
	NEVRA   string `json:"nevra"` // name-[epoch:]version-release.arch; the epoch is left out when it is 0 or absent
	Name    string `json:"name"`
	Epoch   uint32 `json:"epoch,omitempty"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`

	SourceRPM string `json:"source_rpm,omitempty"`
	License   string `json:"license,omitempty"`
	Summary   string `json:"summary,omitempty"`
	Vendor    string `json:"vendor,omitempty"`
	URL       string `json:"url,omitempty"`
	BuildTime int64  `json:"build_time"` // seconds since 1970
	SHA256    string `json:"sha256"`     // of the whole .rpm, lower-case hex
	SizeBytes int64  `json:"size_bytes"` // of the whole .rpm
	// InstalledBytes is the sum of file sizes as the header states it (SIZE or LONGSIZE).
	InstalledBytes int64 `json:"installed_bytes"`

	Provides   []string    `json:"provides,omitempty"` // "name" or "name = EVR"
	Files      []File      `json:"files"`              // in header order, ghosts and excluded files included
	Scriptlets []Scriptlet `json:"scriptlets,omitempty"`
	// Notes report verification facts a reader may want to see, for example that only an MD5 protected the payload.
	Notes []string `json:"notes,omitempty"`
}

// File types.
const (
	TypeFile    = "file"
	TypeDir     = "dir"
	TypeSymlink = "symlink"
	TypeChar    = "char"
	TypeBlock   = "block"
	TypeFIFO    = "fifo"
	TypeSocket  = "socket"
)

// File flags, from RPMTAG_FILEFLAGS (rpm: lib/rpmfiles.h, rpmfileAttrs).
const (
	FlagConfig    = 1 << 0
	FlagDoc       = 1 << 1
	FlagMissingOK = 1 << 3
	FlagNoReplace = 1 << 4
	FlagGhost     = 1 << 6
	FlagLicense   = 1 << 7
	FlagReadme    = 1 << 8
	FlagPubkey    = 1 << 11
	FlagArtifact  = 1 << 12
)

// File is one entry of the header's file table.
type File struct {
	Path       string   `json:"path"` // absolute, cleaned, exactly as the header has it (no usrmerge applied); may be any bytes but NUL
	Type       string   `json:"type"` // one of the Type constants
	Mode       uint32   `json:"mode"` // permission bits with setuid, setgid, sticky: mode & 07777
	User       string   `json:"user"`
	Group      string   `json:"group"`
	ModTime    int64    `json:"mtime"`                 // seconds since 1970
	SizeBytes  int64    `json:"size_bytes,omitempty"`  // regular files only
	SHA256     string   `json:"sha256,omitempty"`      // regular files with content in the payload; computed while extracting
	Offset     int64    `json:"offset,omitempty"`      // of the content in the payload tar; meaningless when SizeBytes is 0
	LinkTarget string   `json:"link_target,omitempty"` // symlinks: the target exactly as the header has it
	HardLinks  int      `json:"hard_links,omitempty"`  // non-zero: files of this package with the same number are one inode
	RdevMajor  uint32   `json:"rdev_major,omitempty"`
	RdevMinor  uint32   `json:"rdev_minor,omitempty"`
	Flags      uint32   `json:"flags,omitempty"` // Flag bits
	Color      uint32   `json:"color,omitempty"` // RPMTAG_FILECOLORS & 15: 1 = ELF32, 2 = ELF64
	Langs      []string `json:"langs,omitempty"` // RPMTAG_FILELANGS split at "|"
	Caps       string   `json:"caps,omitempty"`  // RPMTAG_FILECAPS text, such as "cap_net_raw=ep"
	// IMA is the signature for the extended attribute security.ima, as hex. Files that rpm gives none have none here either:
	// all but regular ones, ghosts, and configuration files that are not executable.
	IMA       string `json:"ima,omitempty"`
	ELF       *ELF   `json:"elf,omitempty"`
	Interp    string `json:"interp,omitempty"` // scripts: the first word after "#!", blanks trimmed
	InterpArg string `json:"interp_arg,omitempty"`
	// Requires, of executable scripts, are the capabilities that rpm's generators found in this file and that nothing but scripts of
	// the package requires: names without versions, in order of the header.
	Requires []string `json:"requires,omitempty"`
	// Text is the contents of the small files that later tools must understand: those for which KeepsText is true.
	Text string `json:"text,omitempty"`
}

// MaxText is the size of the largest file that is kept as Text.
const MaxText = 4 << 10

// KeepsText reports whether the contents of a regular file in a package belong into its Text: the search path of the
// loader, /etc/ld.so.conf and /etc/ld.so.conf.d/*.conf, and musl's /etc/ld-musl-*.path.
func KeepsText(path string, size int64) bool {
	if size > MaxText {
		return false
	}
	if path == "/etc/ld.so.conf" {
		return true
	}
	if name, ok := strings.CutPrefix(path, "/etc/ld-musl-"); ok {
		return strings.HasSuffix(name, ".path") && !strings.Contains(name, "/")
	}
	name, ok := strings.CutPrefix(path, "/etc/ld.so.conf.d/")
	return ok && strings.HasSuffix(name, ".conf") && !strings.Contains(name, "/")
}

// Ghost reports whether the file is listed but not shipped in the payload.
func (f *File) Ghost() bool { return f.Flags&FlagGhost != 0 }

// ELF holds the dynamic-linking facts of one ELF file. All lists keep the order of the file.
type ELF struct {
	Class   int           `json:"class"`   // 32 or 64
	Machine string        `json:"machine"` // RPM architecture family: x86_64, i386, aarch64, arm, ppc64le, s390x, riscv64, or "em-N"
	Type    string        `json:"type"`    // exec, dyn, rel, core
	PIE     bool          `json:"pie,omitempty"`
	Static  bool          `json:"static,omitempty"` // no PT_INTERP and nothing NEEDED
	Interp  string        `json:"interp,omitempty"`
	Soname  string        `json:"soname,omitempty"`
	Needed  []string      `json:"needed,omitempty"`
	RPath   []string      `json:"rpath,omitempty"`   // split at ":"; $ORIGIN and friends kept
	RunPath []string      `json:"runpath,omitempty"` // likewise
	VerNeed []VersionNeed `json:"verneed,omitempty"`
	VerDef  []string      `json:"verdef,omitempty"` // versions defined, base version left out
	DLOpen  []DLOpen      `json:"dlopen,omitempty"` // what .note.dlopen says (UAPI group: ELF_DLOPEN_METADATA), in order
	// NoDefaultLib: the loader does not look in its default directories for what this file needs (DF_1_NODEFLIB).
	NoDefaultLib bool `json:"nodefaultlib,omitempty"`
}

// DLOpen is a library that a file opens while it runs.
type DLOpen struct {
	Sonames  []string `json:"soname"`             // alternatives, best first
	Priority string   `json:"priority,omitempty"` // "required", "recommended", "suggested", or "" where the note does not say
	Feature  string   `json:"feature,omitempty"`  // what it is for, in one word
}

// VersionNeed lists the symbol versions wanted of one needed library.
type VersionNeed struct {
	Soname   string   `json:"soname"`
	Versions []string `json:"versions"` // weak ones left out
}

// Scriptlet is one script of the package: pre, post, preun, postun, pretrans, posttrans, preuntrans, postuntrans,
// verify, trigger*, filetrigger*, transfiletrigger*.
type Scriptlet struct {
	Kind    string   `json:"kind"`
	Program []string `json:"program"` // argv, ["<lua>"] for embedded Lua
	Body    string   `json:"body,omitempty"`
	Flags   uint32   `json:"flags,omitempty"`
	// Conditions of triggers: package conditions ("name >= EVR") or path prefixes of file triggers.
	Conditions []string `json:"conditions,omitempty"`
	Priority   uint32   `json:"priority,omitempty"`
}

// Read decodes an index, refusing unknown schemas. name is used in errors.
func Read(r io.Reader, name string) (*Index, error) {
	var x Index
	dec := json.NewDecoder(r)
	if err := dec.Decode(&x); err != nil {
		return nil, fmt.Errorf("reading index %s: %w", name, err)
	}
	if x.Schema != Schema {
		return nil, fmt.Errorf("reading index %s: schema %d, this tool reads %d", name, x.Schema, Schema)
	}
	if err := UnescapeBytes(&x); err != nil {
		return nil, fmt.Errorf("reading index %s: %w", name, err)
	}
	return &x, nil
}

// Write encodes x. Strings that are not UTF-8 keep their bytes: see EscapeBytes.
func Write(w io.Writer, x *Index) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(EscapeBytes(x))
}
