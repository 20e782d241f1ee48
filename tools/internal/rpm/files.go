package rpm

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

const (
	// maxFiles bounds the file table; the largest real packages list some 200,000 files.
	maxFiles = 1 << 20
	// maxPath is Linux's PATH_MAX, the NUL included.
	maxPath = 4096
	// maxPathBytes bounds all paths together: a long directory shared by many files would grow without limit.
	maxPathBytes = 64 << 20
)

// File type bits of FILEMODES (inode(7)).
const (
	ModeType    = 0o170000
	ModeSocket  = 0o140000
	ModeSymlink = 0o120000
	ModeRegular = 0o100000
	ModeBlock   = 0o060000
	ModeDir     = 0o040000
	ModeChar    = 0o020000
	ModeFIFO    = 0o010000
)

// File is one entry of the file table: what index.json says of it, and what only checks and extraction need.
type File struct {
	pkgindex.File
	Digest      string // hex, by the algorithm of FileDigestAlgo; empty for everything but regular files
	Device      uint32
	Inode       uint32
	VerifyFlags uint32
	Signature   string // hex of the IMA signature, usually empty
}

// fileTable reads per-file arrays, all of which must have as many elements as there are files. The first error sticks.
type fileTable struct {
	h   *Header
	n   int
	err error
}

func (t *fileTable) check(tag Tag, what string, n int, ok, required bool, err error) bool {
	switch {
	case t.err != nil:
		return false
	case err != nil:
		t.err = fmt.Errorf("reading file %s: %w", what, err)
	case !ok && required:
		t.err = fmt.Errorf("reading file %s: %s is missing", what, tag)
	case ok && n != t.n:
		t.err = fmt.Errorf("reading file %s: %s has %d elements for %d files", what, tag, n, t.n)
	}
	return ok && t.err == nil
}

func (t *fileTable) strings(tag Tag, what string, required bool) []string {
	v, ok, err := t.h.Strings(tag)
	if !t.check(tag, what, len(v), ok, required, err) {
		return make([]string, t.n)
	}
	return v
}

func (t *fileTable) uint32s(tag Tag, what string, required bool) []uint32 {
	v, ok, err := t.h.Uint32s(tag)
	if !t.check(tag, what, len(v), ok, required, err) {
		return make([]uint32, t.n)
	}
	return v
}

func (t *fileTable) uint16s(tag Tag, what string, required bool) []uint16 {
	v, ok, err := t.h.Uint16s(tag)
	if !t.check(tag, what, len(v), ok, required, err) {
		return make([]uint16, t.n)
	}
	return v
}

func (t *fileTable) sizes() []uint64 {
	v, ok, err := t.h.SizesAny(TagFileSizes, TagLongFileSizes)
	if !t.check(TagFileSizes, "sizes", len(v), ok, true, err) {
		return make([]uint64, t.n)
	}
	return v
}

// Files returns the file table in header order. Paths are checked: absolute, no "." or ".." or empty component, no NUL, no
// duplicate. A package without files gives nil.
func Files(h *Header) ([]File, error) {
	paths, err := filePaths(h)
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	t := &fileTable{h: h, n: len(paths)}
	modes := t.uint16s(TagFileModes, "modes", true)
	sizes := t.sizes()
	mtimes := t.uint32s(TagFileMTimes, "times", true)
	users := t.strings(TagFileUserName, "owners", true)
	groups := t.strings(TagFileGroupName, "groups", true)
	digests := t.strings(TagFileDigests, "digests", false)
	links := t.strings(TagFileLinkTos, "link targets", false)
	flags := t.uint32s(TagFileFlags, "flags", false)
	rdevs := t.uint16s(TagFileRdevs, "device numbers", false)
	devices := t.uint32s(TagFileDevices, "devices", false)
	inodes := t.uint32s(TagFileInodes, "inodes", false)
	colors := t.uint32s(TagFileColors, "colours", false)
	langs := t.strings(TagFileLangs, "languages", false)
	caps := t.strings(TagFileCaps, "capabilities", false)
	verify := t.uint32s(TagFileVerifyFlags, "verify flags", false)
	signatures := t.strings(TagFileSignatures, "signatures", false)
	if t.err != nil {
		return nil, t.err
	}
	files := make([]File, t.n)
	for i := range files {
		f := &files[i]
		f.Path, f.User, f.Group = paths[i], users[i], groups[i]
		f.Mode, f.ModTime = uint32(modes[i])&0o7777, int64(mtimes[i])
		f.Flags, f.Color, f.Caps = flags[i], colors[i]&15, caps[i]
		f.Device, f.Inode, f.VerifyFlags, f.Signature = devices[i], inodes[i], verify[i], signatures[i]
		if langs[i] != "" {
			f.Langs = strings.Split(langs[i], "|")
		}
		if err := f.setType(uint32(modes[i]), sizes[i], digests[i], links[i], rdevs[i]); err != nil {
			return nil, fmt.Errorf("%q: %w", f.Path, err)
		}
	}
	if h.Has(TagFileDevices) {
		numberHardLinks(files)
	}
	return files, nil
}

func (f *File) setType(mode uint32, size uint64, digest, link string, rdev uint16) error {
	const maxInt63 = 1<<63 - 1
	switch mode & ModeType {
	case ModeRegular:
		if size > maxInt63 {
			return fmt.Errorf("size %d", size)
		}
		f.Type, f.SizeBytes, f.Digest = pkgindex.TypeFile, int64(size), digest
	case ModeDir:
		f.Type = pkgindex.TypeDir
	case ModeSymlink:
		if !f.Ghost() && (link == "" || len(link) >= maxPath) {
			return fmt.Errorf("symbolic link with a target of %d bytes", len(link))
		}
		f.Type, f.LinkTarget = pkgindex.TypeSymlink, link
	case ModeChar:
		f.Type = pkgindex.TypeChar
	case ModeBlock:
		f.Type = pkgindex.TypeBlock
	case ModeFIFO:
		f.Type = pkgindex.TypeFIFO
	case ModeSocket:
		f.Type = pkgindex.TypeSocket
	case 0:
		if !f.Ghost() {
			return fmt.Errorf("mode %o has no file type", mode)
		}
		f.Type = pkgindex.TypeFile // rpm writes no type for a ghost that the build root lacked
	default:
		return fmt.Errorf("mode %o has an unknown file type", mode)
	}
	if f.Type == pkgindex.TypeChar || f.Type == pkgindex.TypeBlock {
		f.RdevMajor, f.RdevMinor = uint32(rdev>>8), uint32(rdev&0xff)
	}
	return nil
}

// numberHardLinks sets File.HardLinks: shipped regular files with the same device and inode are one file.
func numberHardLinks(files []File) {
	type inode struct{ device, inode uint32 }
	sets := map[inode][]int{}
	for i := range files {
		if f := &files[i]; f.Type == pkgindex.TypeFile && !f.Ghost() && f.Inode != 0 {
			key := inode{f.Device, f.Inode}
			sets[key] = append(sets[key], i)
		}
	}
	number := 0
	for i := range files {
		set := sets[inode{files[i].Device, files[i].Inode}]
		if len(set) < 2 || set[0] != i {
			continue
		}
		number++
		for _, member := range set {
			files[member].HardLinks = number
		}
	}
}

// filePaths joins directories and base names, or takes the whole names of old packages.
func filePaths(h *Header) ([]string, error) {
	bases, ok, err := h.Strings(TagBasenames)
	if err != nil {
		return nil, fmt.Errorf("reading file names: %w", err)
	}
	if !ok {
		return oldPaths(h)
	}
	dirs, ok, err := h.Strings(TagDirNames)
	if err != nil || !ok {
		return nil, missing("reading directory names", TagDirNames, err)
	}
	t := &fileTable{h: h, n: len(bases)}
	indexes := t.uint32s(TagDirIndexes, "directories", true)
	if t.err != nil {
		return nil, t.err
	}
	if len(bases) > maxFiles {
		return nil, fmt.Errorf("reading file names: %d files, allowed are %d", len(bases), maxFiles)
	}
	paths := make([]string, len(bases))
	total := 0
	for i, base := range bases {
		if indexes[i] >= uint32(len(dirs)) {
			return nil, fmt.Errorf("reading file names: file %d (%q) is in directory %d of %d", i, base, indexes[i], len(dirs))
		}
		dir := dirs[indexes[i]]
		if len(dir)+len(base) >= maxPath {
			return nil, fmt.Errorf("reading file names: file %d has a path of %d bytes", i, len(dir)+len(base))
		}
		if !strings.HasSuffix(dir, "/") || strings.Contains(base, "/") {
			return nil, fmt.Errorf("reading file names: file %d: directory %q must end in \"/\" and name %q must not hold one", i, dir, base)
		}
		if total += len(dir) + len(base); total > maxPathBytes {
			return nil, fmt.Errorf("reading file names: more than %d bytes of paths", maxPathBytes)
		}
		paths[i] = dir + base
	}
	return paths, checkPaths(paths)
}

func oldPaths(h *Header) ([]string, error) {
	paths, ok, err := h.Strings(TagOldFilenames)
	if err != nil {
		return nil, fmt.Errorf("reading file names: %w", err)
	}
	if !ok {
		return nil, nil
	}
	return paths, checkPaths(paths)
}

func checkPaths(paths []string) error {
	if len(paths) > maxFiles {
		return fmt.Errorf("reading file names: %d files, allowed are %d", len(paths), maxFiles)
	}
	seen := make(map[string]bool, len(paths))
	for i, path := range paths {
		if err := CheckPath(path); err != nil {
			return fmt.Errorf("reading file names: file %d: %w", i, err)
		}
		if seen[path] {
			return fmt.Errorf("reading file names: %q is listed twice", path)
		}
		seen[path] = true
	}
	return nil
}

// CheckPath accepts absolute paths without empty, "." and ".." components, which therefore cannot leave the root, and "/".
// Every path of a package goes through it.
func CheckPath(path string) error {
	if path == "/" {
		return nil
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("path %q is not absolute", path)
	}
	if len(path) >= maxPath {
		return fmt.Errorf("path of %d bytes, allowed are %d", len(path), maxPath-1)
	}
	for rest := path[1:]; ; {
		component, tail, more := strings.Cut(rest, "/")
		if component == "" || component == "." || component == ".." || strings.IndexByte(component, 0) >= 0 {
			return fmt.Errorf("path %q has the component %q", path, component)
		}
		if !more {
			return nil
		}
		rest = tail
	}
}

// FileDigestAlgo returns the OpenPGP number of the hash of File.Digest; 1 (MD5) if the header does not say.
func FileDigestAlgo(h *Header) (uint32, error) {
	algo, ok, err := h.Uint32(TagFileDigestAlgo)
	if err != nil {
		return 0, fmt.Errorf("reading the file digest algorithm: %w", err)
	}
	if !ok {
		return HashMD5, nil
	}
	return algo, nil
}

func missing(doing string, tag Tag, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %s is missing", doing, tag)
}
