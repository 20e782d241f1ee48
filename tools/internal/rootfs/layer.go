package rootfs

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// copyBuffer is the unit in which file contents move from payloads to the layer.
const copyBuffer = 1 << 20

// Layer is one layer of an image to be written as a tar.
type Layer struct {
	Entries []*Entry // of the whole tree, by path
	Number  int      // of the layer; entries of other layers are not written, except as parents
	Removed []string // paths of lower layers that the tree no longer has, by path; what they hold is not listed
	Time    int64    // of whiteouts
}

// WriteLayer writes the layer as a tar: entries sorted by path without leading slash, numeric owners and no names, PAX
// records only where ustar has no room, hard links after the member that has the content, capabilities and other extended
// attributes as SCHILY.xattr records, whiteouts as in the OCI image specification.
//
// The parents of what changes are written too, even when the base has them: engines that unpack a layer into a directory of
// its own would otherwise make them up, and so change their mode.
//
// Every file is checked against the SHA256 and the size of its entry while it is copied.
func WriteLayer(w io.Writer, l *Layer) error {
	lw := &layerWriter{tw: tar.NewWriter(w), buf: make([]byte, copyBuffer), time: l.Time, sources: map[string]*os.File{}}
	defer lw.closeSources()
	if err := lw.write(l); err != nil {
		return err
	}
	if err := lw.tw.Close(); err != nil {
		return fmt.Errorf("writing layer: %w", err)
	}
	return lw.closeSources()
}

// maxOpenSources bounds the open payloads; a file of the tree usually lies beside its neighbour's.
const maxOpenSources = 128

type layerWriter struct {
	tw      *tar.Writer
	buf     []byte
	time    int64
	sources map[string]*os.File
}

func (lw *layerWriter) write(l *Layer) error {
	whiteouts := map[string][]string{} // names by parent
	needed := map[string]bool{}        // parents to write although they did not change
	need := func(p string) {
		for dir := Dir(p); dir != "/" && !needed[dir]; dir = Dir(dir) {
			needed[dir] = true
		}
	}
	for _, p := range l.Removed {
		whiteouts[Dir(p)] = append(whiteouts[Dir(p)], Base(p))
		need(p)
	}
	for _, e := range l.Entries {
		if e.Layer == l.Number {
			need(e.Path)
		}
	}
	if len(l.Entries) == 0 || l.Entries[0].Path != "/" {
		if err := lw.whiteouts("/", whiteouts["/"]); err != nil {
			return err
		}
	}
	for _, e := range l.Entries {
		if e.Layer == l.Number || needed[e.Path] {
			if err := lw.entry(e); err != nil {
				return fmt.Errorf("writing layer: %s: %w", e.Path, err)
			}
		}
		if err := lw.whiteouts(e.Path, whiteouts[e.Path]); err != nil {
			return err
		}
	}
	return nil
}

func (lw *layerWriter) whiteouts(dir string, names []string) error {
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: Join(dir, ".wh."+name)[1:], Mode: 0o644, ModTime: time.Unix(lw.time, 0)}
		if err := lw.tw.WriteHeader(h); err != nil {
			return fmt.Errorf("writing layer: whiteout of %s: %w", Join(dir, name), err)
		}
	}
	return nil
}

func (lw *layerWriter) entry(e *Entry) error {
	h := &tar.Header{Name: e.Path[1:], Mode: int64(e.Mode), Uid: e.UID, Gid: e.GID, ModTime: time.Unix(e.ModTime, 0)}
	switch e.Type {
	case pkgindex.TypeDir:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		if e.Path == "/" {
			h.Name = "./"
		}
	case pkgindex.TypeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
	case pkgindex.TypeChar:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(e.RdevMajor), int64(e.RdevMinor)
	case pkgindex.TypeBlock:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(e.RdevMajor), int64(e.RdevMinor)
	case pkgindex.TypeFIFO:
		h.Typeflag = tar.TypeFifo
	case pkgindex.TypeFile:
		h.Typeflag, h.Size = tar.TypeReg, e.SizeBytes
		if e.HardLink != "" {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, e.HardLink[1:], 0
		}
	default:
		return fmt.Errorf("a tar cannot hold a %s", e.Type)
	}
	if err := setXattrs(h, e); err != nil {
		return err
	}
	if err := lw.tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Size == 0 && (h.Typeflag != tar.TypeReg || e.SHA256 == "") {
		return nil
	}
	return lw.content(e)
}

func setXattrs(h *tar.Header, e *Entry) error {
	if e.HardLink != "" || (e.Caps == "" && len(e.Xattrs) == 0) {
		return nil
	}
	h.PAXRecords = map[string]string{}
	for name, value := range e.Xattrs {
		h.PAXRecords["SCHILY.xattr."+name] = string(value)
	}
	if e.Caps != "" {
		value, err := rpm.Capability(e.Caps)
		if err != nil {
			return err
		}
		if value != nil {
			h.PAXRecords["SCHILY.xattr.security.capability"] = string(value)
		}
	}
	return nil
}

// content copies and checks the bytes of a regular file.
func (lw *layerWriter) content(e *Entry) error {
	sum := sha256.New()
	n, err := lw.copyContent(io.MultiWriter(lw.tw, sum), e)
	if err != nil {
		return fmt.Errorf("copying its contents: %w", err)
	}
	if n != e.SizeBytes {
		return fmt.Errorf("copying its contents: %d bytes of %d in %s", n, e.SizeBytes, e.Content.name())
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.SHA256 {
		return fmt.Errorf("copying its contents: sha256 %s in %s, want %s", got, e.Content.name(), e.SHA256)
	}
	return nil
}

func (lw *layerWriter) copyContent(w io.Writer, e *Entry) (int64, error) {
	if e.Content.Write != nil {
		return e.Content.Write(w)
	}
	r, err := lw.open(&e.Content, e.SizeBytes)
	if err != nil {
		return 0, err
	}
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, lw.buf)
}

func (c *Content) name() string {
	if c.Source == "" {
		return "memory"
	}
	return c.Source
}

func (lw *layerWriter) open(c *Content, size int64) (io.Reader, error) {
	if c.Source == "" {
		return bytes.NewReader(c.Data), nil
	}
	f := lw.sources[c.Source]
	if f == nil {
		if len(lw.sources) >= maxOpenSources {
			if err := lw.closeSources(); err != nil {
				return nil, err
			}
		}
		var err error
		if f, err = os.Open(c.Source); err != nil {
			return nil, err
		}
		lw.sources[c.Source] = f
	}
	return io.NewSectionReader(f, c.Offset, size), nil
}

// closeSources may be called again and again.
func (lw *layerWriter) closeSources() error {
	var first error
	for name, f := range lw.sources {
		if err := f.Close(); err != nil && first == nil {
			first = fmt.Errorf("closing %s: %w", name, err)
		}
	}
	clear(lw.sources)
	return first
}

// Removed returns what of the base's entries the tree fs no longer has, without what lies below removed or replaced
// directories.
func Removed(base []*Entry, fs *FS) []string {
	var out []string
	for _, e := range base {
		if fs.Get(e.Path) != nil {
			continue
		}
		parent := Dir(e.Path)
		if p := fs.Get(parent); parent == "/" || (p != nil && p.Type == pkgindex.TypeDir) {
			out = append(out, e.Path)
		}
	}
	return out
}

// IsMade reports whether owner stands for a step of the tools, such as "rules_slimrpm:accounts".
func IsMade(owner string) bool { return strings.HasPrefix(owner, MadeBy("")) }

// MadeBy returns the owner of what step made.
func MadeBy(step string) string { return "rules_slimrpm:" + step }
