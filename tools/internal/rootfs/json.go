package rootfs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// maxTreeBytes bounds tree.json; the largest image known (400 packages) needs about 20 MB.
const maxTreeBytes = 1 << 30

// Read decodes and checks a tree. name is used in errors.
func Read(r io.Reader, name string) (*Tree, error) {
	var t Tree
	dec := json.NewDecoder(io.LimitReader(r, maxTreeBytes))
	if err := dec.Decode(&t); err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", name, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("reading tree %s: more than one value", name)
	}
	if err := pkgindex.UnescapeBytes(&t); err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", name, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", name, err)
	}
	return &t, nil
}

// check holds what readers rely on, so that a damaged file cannot lead them out of the root or to a half-right image.
func (t *Tree) check() error {
	if t.Schema != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", t.Schema, Schema)
	}
	if t.Layers < 1 {
		return fmt.Errorf("%d layers", t.Layers)
	}
	for i, p := range t.Packages {
		if i > 0 && t.Packages[i-1].NEVRA >= p.NEVRA {
			return fmt.Errorf("package %s: not sorted", p.NEVRA)
		}
		if f := p.Foreign; f != nil && (t.Image == "" || f.Offset < 0 || f.Size < 1) {
			return fmt.Errorf("package %s: its header is %d bytes at %d of image %q", p.NEVRA, f.Size, f.Offset, t.Image)
		}
	}
	for i, n := range t.NonRPM {
		if i > 0 && t.NonRPM[i-1].Label >= n.Label {
			return fmt.Errorf("content %s: not sorted", n.Label)
		}
		if n.Layer < 0 || n.Layer >= t.Layers {
			return fmt.Errorf("content %s: layer %d of %d", n.Label, n.Layer, t.Layers)
		}
	}
	byPath := make(map[string]*Entry, len(t.Entries))
	last := ""
	for _, e := range t.Entries {
		if e == nil {
			return fmt.Errorf("null entry")
		}
		if err := CheckPath(e.Path); err != nil {
			return err
		}
		if e.Path <= last {
			return fmt.Errorf("entry %s: not sorted", e.Path)
		}
		last = e.Path
		if err := e.check(t, byPath); err != nil {
			return fmt.Errorf("entry %s: %w", e.Path, err)
		}
		byPath[e.Path] = e
	}
	return nil
}

func (e *Entry) check(t *Tree, before map[string]*Entry) error {
	switch e.Type {
	case pkgindex.TypeFile, pkgindex.TypeDir, pkgindex.TypeChar, pkgindex.TypeBlock, pkgindex.TypeFIFO, pkgindex.TypeSocket:
	case pkgindex.TypeSymlink:
		if e.Link == "" {
			return fmt.Errorf("symbolic link without target")
		}
	default:
		return fmt.Errorf("type %q", e.Type)
	}
	if e.Layer < 0 || e.Layer >= t.Layers || e.Mode&^0o7777 != 0 || e.UID < 0 || e.GID < 0 || e.SizeBytes < 0 {
		return fmt.Errorf("layer, mode, owner or size out of range")
	}
	if parent := Dir(e.Path); parent != "/" {
		if p := before[parent]; p == nil || p.Type != pkgindex.TypeDir {
			return fmt.Errorf("parent is not a directory of the tree")
		}
	}
	if e.HardLink != "" {
		if first := before[e.HardLink]; first == nil || first.Type != pkgindex.TypeFile || first.HardLink != "" {
			return fmt.Errorf("hard link to %s, which is no file before it", e.HardLink)
		}
	}
	return nil
}

// CheckPath accepts what may be the path of an entry: absolute, clean, without NUL; "/" included.
func CheckPath(p string) error {
	if p == "/" {
		return nil
	}
	if !strings.HasPrefix(p, "/") || strings.ContainsRune(p, 0) {
		return fmt.Errorf("path %q: not absolute", p)
	}
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q: not clean", p)
		}
	}
	return nil
}

// Dir returns the parent of the clean absolute path p; that of "/" is "/".
func Dir(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i <= 0 {
		return "/"
	}
	return p[:i]
}

// Base returns the last component of the clean absolute path p; that of "/" is empty.
func Base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

// Join appends one name to the clean absolute directory dir.
func Join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// Write encodes t with one line per package, content and entry; paths that are not UTF-8 as pkgindex.EscapeBytes says. It sorts nothing: Packages, NonRPM and Entries must be sorted already.
func Write(w io.Writer, t *Tree) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("writing tree: %w", err)
	}
	bw := bufio.NewWriterSize(w, 1<<16)
	line, err := json.Marshal(struct {
		Schema  int    `json:"schema"`
		Label   string `json:"label"`
		Release string `json:"release"`
		Arch    string `json:"arch"`
		Layers  int    `json:"layers"`
		RPMDB   RPMDB  `json:"rpmdb"`
		Image   string `json:"image,omitempty"`
		Glibc   string `json:"glibc,omitempty"`
	}{t.Schema, t.Label, t.Release, t.Arch, t.Layers, t.RPMDB, t.Image, t.Glibc})
	if err != nil {
		return fmt.Errorf("writing tree: %w", err)
	}
	bw.Write(line[:len(line)-1])
	bw.WriteString(",\n\"packages\":[")
	if err := writeLines(bw, t.Packages); err != nil {
		return fmt.Errorf("writing tree: %w", err)
	}
	if len(t.NonRPM) > 0 {
		bw.WriteString("],\n\"content\":[")
		if err := writeLines(bw, t.NonRPM); err != nil {
			return fmt.Errorf("writing tree: %w", err)
		}
	}
	bw.WriteString("],\n\"entries\":[")
	if err := writeLines(bw, t.Entries); err != nil {
		return fmt.Errorf("writing tree: %w", err)
	}
	bw.WriteString("]}\n")
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("writing tree: %w", err)
	}
	return nil
}

func writeLines[T any](bw *bufio.Writer, items []T) error {
	var line strings.Builder
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	for i, item := range items {
		line.Reset()
		if err := enc.Encode(pkgindex.EscapeBytes(item)); err != nil {
			return err
		}
		if i > 0 {
			bw.WriteByte(',')
		}
		bw.WriteByte('\n')
		bw.WriteString(strings.TrimSuffix(line.String(), "\n"))
	}
	bw.WriteByte('\n')
	return nil
}

// SortEntries sorts entries by path, bytewise: parents come before what they hold.
func SortEntries(entries []*Entry) {
	sort.Slice(entries, func(i, j int) bool { return entries[i].Path < entries[j].Path })
}
