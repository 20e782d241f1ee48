package baseimage

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Whiteouts, as the OCI image specification has them.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

const (
	xattrPrefix = "SCHILY.xattr."
	maxEntries  = 4 << 20
)

// merger puts layers on top of each other, as container engines do.
type merger struct {
	fs *rootfs.FS
	// inodes tells which entries are one file: those with the same value. Entries that are not in it are files of their own.
	inodes map[*rootfs.Entry]*inode
	count  int
}

type inode struct{ _ byte } // not empty: all pointers to empty ones may be equal

func newMerger() *merger { return &merger{fs: rootfs.NewFS(nil), inodes: map[*rootfs.Entry]*inode{}} }

// apply adds a layer, a plain tar. Whiteouts take away what lower layers have, wherever in the tar they stand.
func (m *merger) apply(layer *os.File) error {
	if err := m.each(layer, m.removed); err != nil {
		return err
	}
	return m.each(layer, m.added)
}

// each calls fn for every entry of the tar with its path and where its contents lie.
func (m *merger) each(layer *os.File, fn func(h *tar.Header, path string, content rootfs.Content) error) error {
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tr := tar.NewReader(layer) // it reads no further than the header, and seeks over contents
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		path, err := cleanPath(h.Name)
		if err != nil {
			return err
		}
		offset, err := layer.Seek(0, io.SeekCurrent)
		if err == nil {
			err = fn(h, path, rootfs.Content{Source: layer.Name(), Offset: offset})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

// cleanPath makes the path of an entry absolute.
func cleanPath(name string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", fmt.Errorf("path %q leads upwards", name)
		default:
			parts = append(parts, part)
		}
	}
	path := "/" + strings.Join(parts, "/")
	return path, rootfs.CheckPath(path)
}

// removed applies a whiteout.
func (m *merger) removed(_ *tar.Header, path string, _ rootfs.Content) error {
	name, ok := strings.CutPrefix(rootfs.Base(path), whiteout)
	if !ok {
		return nil
	}
	dir, err := m.fs.Follow(rootfs.Dir(path))
	if err != nil {
		return err
	}
	if rootfs.Base(path) == opaque {
		for _, e := range append([]*rootfs.Entry(nil), m.fs.List(dir)...) {
			m.fs.Remove(e.Path)
		}
		return nil
	}
	if strings.HasPrefix(name, whiteout) || name == "" {
		return nil // .wh..wh.plnk and others of aufs
	}
	m.fs.Remove(rootfs.Join(dir, name))
	return nil
}

// added adds an entry that is no whiteout.
func (m *merger) added(h *tar.Header, path string, content rootfs.Content) error {
	if strings.HasPrefix(rootfs.Base(path), whiteout) {
		return nil
	}
	if m.count++; m.count > maxEntries {
		return fmt.Errorf("the layers have more than %d entries", maxEntries)
	}
	path, err := m.fs.Canonical(path)
	if err != nil {
		return err
	}
	e, node, err := m.entry(h, content)
	if err != nil {
		return err
	}
	e.Path = path
	if err := m.makeParents(path); err != nil {
		return err
	}
	if old := m.fs.Get(path); old != nil {
		if path == "/" && e.Type != pkgindex.TypeDir {
			return errors.New("the root is no directory")
		}
		if e.Type != pkgindex.TypeDir || old.Type != pkgindex.TypeDir {
			m.fs.Remove(path)
		}
	}
	m.fs.Put(e)
	if node != nil {
		m.inodes[e] = node
	}
	return nil
}

// makeParents makes directories that a layer left out, as engines do.
func (m *merger) makeParents(path string) error {
	for dir := rootfs.Dir(path); dir != "/"; dir = rootfs.Dir(dir) {
		old := m.fs.Get(dir)
		if old == nil {
			m.fs.Put(&rootfs.Entry{Path: dir, Type: pkgindex.TypeDir, Mode: 0o755})
			continue
		}
		if old.Type != pkgindex.TypeDir {
			return fmt.Errorf("its parent %s is a %s", dir, old.Type)
		}
		return nil
	}
	return nil
}

var tarTypes = map[byte]string{
	tar.TypeReg: pkgindex.TypeFile, tar.TypeRegA: pkgindex.TypeFile, tar.TypeCont: pkgindex.TypeFile, tar.TypeDir: pkgindex.TypeDir,
	tar.TypeSymlink: pkgindex.TypeSymlink, tar.TypeChar: pkgindex.TypeChar, tar.TypeBlock: pkgindex.TypeBlock, tar.TypeFifo: pkgindex.TypeFIFO,
}

// entry makes the entry of a tar header, without its path.
func (m *merger) entry(h *tar.Header, content rootfs.Content) (*rootfs.Entry, *inode, error) {
	if h.Typeflag == tar.TypeLink {
		return m.link(h)
	}
	e := &rootfs.Entry{Type: tarTypes[h.Typeflag], Mode: uint32(h.Mode) & 0o7777, UID: h.Uid, GID: h.Gid, ModTime: h.ModTime.Unix(),
		RdevMajor: uint32(h.Devmajor), RdevMinor: uint32(h.Devminor)}
	if h.Size < 0 || h.Uid < 0 || h.Gid < 0 {
		return nil, nil, errors.New("its size or owner is negative")
	}
	switch e.Type {
	case "":
		return nil, nil, fmt.Errorf("an entry of the unknown type %q", h.Typeflag)
	case pkgindex.TypeFile:
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return nil, nil, errors.New("the tar keeps it as a sparse file, which layers do not have")
			}
		}
		e.SizeBytes, e.Content = h.Size, content
	case pkgindex.TypeSymlink:
		if h.Linkname == "" {
			return nil, nil, errors.New("a symbolic link without target")
		}
		e.Link, e.Mode = h.Linkname, 0o777
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			if e.Xattrs == nil {
				e.Xattrs = map[string][]byte{}
			}
			e.Xattrs[name] = []byte(value)
		}
	}
	return e, nil, nil
}

// link makes one more entry of a file that is there already.
func (m *merger) link(h *tar.Header) (*rootfs.Entry, *inode, error) {
	target, err := cleanPath(h.Linkname)
	if err == nil {
		target, err = m.fs.Canonical(target)
	}
	if err != nil {
		return nil, nil, err
	}
	old := m.fs.Get(target)
	if old == nil || old.Type == pkgindex.TypeDir {
		return nil, nil, fmt.Errorf("a hard link to %s, which is no file", target)
	}
	e := *old
	if old.Type != pkgindex.TypeFile {
		return &e, nil, nil // a symbolic link, device or fifo of its own says the same
	}
	if m.inodes[old] == nil {
		m.inodes[old] = new(inode)
	}
	return &e, m.inodes[old], nil
}

// entries returns the merged tree by path; of each set of hard links the first has the contents.
func (m *merger) entries() []*rootfs.Entry {
	first := map[*inode]string{}
	all := m.fs.Entries()
	for _, e := range all {
		node := m.inodes[e]
		if node == nil {
			continue
		}
		if path, ok := first[node]; ok {
			e.HardLink = path
		} else {
			first[node] = e.Path
		}
	}
	return all
}
