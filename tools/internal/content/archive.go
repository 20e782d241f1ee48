package content

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Bounds of an archive; a Go SDK has 15,000 files and 300 MB.
const (
	maxArchiveBytes = 16 << 30
	maxMembers      = 1 << 20
	maxWindow       = 512 << 20
	// What unpacks to more than freeBytes and more than maxRatio times the size of the archive is a bomb, or a sparse file that no image
	// needs.
	freeBytes    = 64 << 20
	maxRatio     = 200
	maxLinkBytes = 4096
)

var errTooLarge = fmt.Errorf("the archive unpacks to more than %d bytes, or to more than %d times its size", int64(maxArchiveBytes), maxRatio)

// member is one entry of an archive. open writes the contents of a regular file.
type member struct {
	name, typ, link string
	executable      bool
	size            int64
	open            func(io.Writer) error
}

// reader puts members of an archive into the content.
type reader struct {
	*builder
	a                   *Archive
	exclude, executable []pathglob.Glob
	hits                map[string]int
	taken               map[string]bool // by path in the image, what there is: true for directories
	tops                []string        // first components of names, for messages
	members             int
	left                int64
}

func (b *builder) addArchive(a *Archive) error {
	r := &reader{builder: b, a: a, hits: map[string]int{}, taken: map[string]bool{}, left: maxArchiveBytes}
	for _, g := range a.Exclude {
		parsed, err := pathglob.Parse("/" + g)
		if err != nil {
			return err
		}
		r.exclude = append(r.exclude, parsed)
	}
	for _, g := range a.Executable {
		parsed, err := pathglob.Parse("/" + g)
		if err != nil {
			return err
		}
		r.executable = append(r.executable, parsed)
	}
	if err := verify(a); err != nil {
		return err
	}
	f, err := os.Open(a.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.read(f); err != nil {
		return fmt.Errorf("reading %s: %w", a.Source, err)
	}
	return r.checkUse()
}

func (r *reader) read(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	r.left = min(r.left, max(freeBytes, st.Size()*maxRatio))
	br := bufio.NewReaderSize(f, 256<<10)
	magic, err := br.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if isZip(magic) {
		return r.readZip(f)
	}
	open, err := decompress(br, magic)
	if err != nil {
		return err
	}
	defer open.Close()
	return r.readTar(open)
}

func decompress(br *bufio.Reader, magic []byte) (io.ReadCloser, error) {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(br)
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		dec, err := xz.NewReader(br, maxWindow)
		return io.NopCloser(dec), err
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		dec, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return dec.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(br)), nil
	}
	return io.NopCloser(br), nil // a plain tar; its reader says if it is none
}

func (r *reader) readTar(in io.Reader) error {
	tr := tar.NewReader(in)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		m := &member{name: h.Name, link: h.Linkname, executable: h.Mode&0o111 != 0, size: h.Size}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg, tar.TypeGNUSparse:
			if h.Size > r.left {
				return errTooLarge
			}
			m.typ = pkgindex.TypeFile
			m.open = func(w io.Writer) error { return r.copy(w, tr) }
		case tar.TypeDir:
			m.typ = pkgindex.TypeDir
		case tar.TypeSymlink:
			m.typ = pkgindex.TypeSymlink
		case tar.TypeLink:
			m.typ = typeHardLink
		default:
			m.typ = map[byte]string{tar.TypeChar: "character device", tar.TypeBlock: "block device", tar.TypeFifo: "FIFO"}[h.Typeflag]
			if m.typ == "" {
				m.typ = fmt.Sprintf("entry of type %q", h.Typeflag)
			}
		}
		if err := r.add(m); err != nil {
			return err
		}
	}
}

func (r *reader) copy(w io.Writer, from io.Reader) error {
	n, err := io.Copy(w, io.LimitReader(from, r.left+1))
	if r.left -= n; err == nil && r.left < 0 {
		err = errTooLarge
	}
	return err
}

func (r *reader) readZip(f *os.File) error {
	z, err := openZip(f)
	if err != nil {
		return err
	}
	for _, file := range z.File {
		mode := file.Mode()
		if file.UncompressedSize64 > uint64(r.left) {
			return errTooLarge
		}
		m := &member{name: file.Name, typ: pkgindex.TypeFile, executable: mode&0o111 != 0, size: int64(file.UncompressedSize64)}
		m.open = func(w io.Writer) error {
			n, err := copyMember(w, file, r.left)
			r.left -= n
			return err
		}
		switch mode.Type() {
		case 0:
		case fs.ModeDir:
			m.typ = pkgindex.TypeDir
		case fs.ModeSymlink:
			m.typ = pkgindex.TypeSymlink
			if m.link, err = linkOf(file); err != nil {
				return fmt.Errorf("%s: %w", file.Name, err)
			}
		default:
			m.typ = "special file (" + mode.Type().String() + ")"
		}
		if err := r.add(m); err != nil {
			return err
		}
	}
	return nil
}

func linkOf(file *zip.File) (string, error) {
	var link bytes.Buffer
	_, err := copyMember(&link, file, maxLinkBytes)
	return link.String(), err
}

const typeHardLink = "hard link"

// add takes one member, if it is wanted.
func (r *reader) add(m *member) error {
	if r.members++; r.members > maxMembers {
		return fmt.Errorf("more than %d entries", maxMembers)
	}
	name, err := cleanName(m.name)
	if err != nil {
		return err
	}
	rest, ok := r.strip(name)
	if !ok || rest == "" || r.excluded(rest) {
		return nil
	}
	bad := func(format string, args ...any) error {
		return cli.Hint(fmt.Errorf("%s: %s", m.name, fmt.Sprintf(format, args...)), "leave it out: exclude = [%q]", rest)
	}
	at := path.Join(r.a.Prefix, rest)
	if err := r.free(at, m.typ == pkgindex.TypeDir); err != nil {
		return bad("%v", err)
	}
	switch m.typ {
	case pkgindex.TypeDir:
		r.addDir(at)
	case pkgindex.TypeFile:
		mode := uint32(0o644)
		if r.matches(r.executable, r.a.Executable, rest) || m.executable {
			mode = 0o755
		}
		if err := r.addFile(at, mode, m.size, m.open); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	case pkgindex.TypeSymlink:
		if why := leavesTree(rest, m.link); why != "" {
			return bad("its target %s %s", m.link, why)
		}
		r.addSymlink(at, m.link)
	case typeHardLink:
		target, err := cleanName(m.link)
		if err != nil {
			return err
		}
		to, ok := r.strip(target)
		if !ok || !r.addHardLink(at, path.Join(r.a.Prefix, to)) {
			return bad("a hard link to %s, which is no file before it that is taken", m.link)
		}
	default:
		return bad("a %s", m.typ)
	}
	return nil
}

// cleanName refuses names that lead out of the archive.
func cleanName(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, 0) || strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") {
		return "", fmt.Errorf("the name %q leads out of the archive", name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// leavesTree says what is wrong with the target of a symbolic link.
func leavesTree(name, target string) string {
	switch {
	case target == "" || strings.ContainsRune(target, 0):
		return "is no path"
	case strings.HasPrefix(target, "/"):
		return "is absolute"
	}
	depth := strings.Count(name, "/")
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "leads out of the archive"
			}
		default:
			depth++
		}
	}
	return ""
}

func (r *reader) strip(name string) (string, bool) {
	if top, _, _ := strings.Cut(name, "/"); !slices.Contains(r.tops, top) && len(r.tops) < 5 {
		r.tops = append(r.tops, top)
	}
	if r.a.StripPrefix == "" || name == r.a.StripPrefix {
		return strings.TrimPrefix(name, r.a.StripPrefix), true
	}
	return strings.CutPrefix(name, r.a.StripPrefix+"/")
}

func (r *reader) excluded(rest string) bool {
	for dir := rest; dir != "."; dir = path.Dir(dir) {
		if r.matches(r.exclude, r.a.Exclude, dir) {
			return true
		}
	}
	return false
}

func (r *reader) matches(globs []pathglob.Glob, texts []string, rest string) bool {
	found := false
	for i, g := range globs {
		if g.Match("/" + rest) {
			r.hits[texts[i]]++
			found = true
		}
	}
	return found
}

// free reports what stands at a path or above it.
func (r *reader) free(at string, dir bool) error {
	if isDir, there := r.taken[at]; there && !(dir && isDir) {
		return fmt.Errorf("it is there twice")
	}
	r.taken[at] = dir
	for up := path.Dir(at); up != "/"; up = path.Dir(up) {
		isDir, there := r.taken[up]
		if there && !isDir {
			return fmt.Errorf("it lies below %s, which is no directory", up)
		}
		if there {
			break
		}
		r.taken[up] = true
	}
	return nil
}

func (r *reader) checkUse() error {
	if len(r.taken) == 0 {
		err := fmt.Errorf("%s: nothing of it is taken", r.a.Source)
		return cli.Hint(err, "its top level has %s: correct strip_prefix or exclude", strings.Join(r.tops, ", "))
	}
	for _, g := range slices.Concat(r.a.Exclude, r.a.Executable) {
		if r.hits[g] == 0 {
			return cli.Hint(fmt.Errorf("%s: nothing matches %q", r.a.Source, g), "take it out of exclude or executable, or correct it")
		}
	}
	return nil
}
