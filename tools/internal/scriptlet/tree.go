package scriptlet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// mkdir makes one directory.
func (m *Machine) mkdir(p string, mode uint32) error {
	real, e, err := m.walk(strings.TrimRight(p, "/"), false)
	if strings.Trim(p, "/") == "" && p != "" {
		return errExist
	}
	if err != nil {
		return err
	}
	if e != nil {
		return errExist
	}
	return m.put(&rootfs.Entry{Path: real, Type: pkgindex.TypeDir, Mode: mode})
}

// mkdirAll makes a directory and its parents, which get 0755.
func (m *Machine) mkdirAll(p string, mode uint32) error {
	parts := strings.Split(p, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		if at == "" || parts[i] == "" || parts[i] == "." {
			continue
		}
		if e := m.stat(at); e != nil {
			if e.Type != pkgindex.TypeDir {
				if i+1 < len(parts) {
					return errNotDir
				}
				return errExist
			}
			continue
		}
		use := uint32(0o755)
		if i+1 == len(parts) {
			use = mode
		}
		if err := m.mkdir(at, use); err != nil {
			return err
		}
	}
	return nil
}

// symlink makes a symbolic link.
func (m *Machine) symlink(target, p string) error {
	if target == "" {
		return errNoEnt
	}
	real, e, err := m.walk(strings.TrimRight(p, "/"), false)
	if err != nil {
		return err
	}
	if e != nil {
		return errExist
	}
	return m.put(&rootfs.Entry{Path: real, Type: pkgindex.TypeSymlink, Mode: 0o777, Link: target})
}

// link makes a hard link to a regular file.
func (m *Machine) link(from, to string) error {
	_, e, err := m.walk(from, false)
	if err != nil {
		return err
	}
	if e == nil {
		return errNoEnt
	}
	real, old, err := m.walk(to, false)
	if err != nil {
		return err
	}
	if old != nil {
		return errExist
	}
	if e.Type == pkgindex.TypeSymlink {
		return m.put(&rootfs.Entry{Path: real, Type: e.Type, Mode: e.Mode, Link: e.Link})
	}
	if e.Type != pkgindex.TypeFile {
		return fmt.Errorf("hard link not allowed for %s", e.Type)
	}
	data := m.data(e)
	made := *e
	made.Path, made.Owners, made.HardLink = real, nil, ""
	if err := m.put(&made); err != nil {
		return err
	}
	m.Chowned[real] = true
	made.ModTime = e.ModTime
	m.relink(append(m.members(e), &made), data)
	return nil
}

// relink makes files one set of hard links with data as contents: the first by path holds it.
func (m *Machine) relink(set []*rootfs.Entry, data []byte) {
	slices.SortFunc(set, func(a, b *rootfs.Entry) int { return strings.Compare(a.Path, b.Path) })
	content := rootfs.Content{Data: data}
	for _, e := range set {
		if e.Content.Source != "" || e.Content.Write != nil {
			content = e.Content
		}
	}
	dirty := false
	for _, e := range set {
		dirty = dirty || m.isDirty(e)
	}
	if dirty {
		content = rootfs.Content{Data: data}
	}
	for _, e := range set {
		m.remember(e.Path)
		m.FS.Detach(e.Path)
	}
	for i, e := range set {
		e.HardLink, e.Content = "", content
		if i > 0 {
			e.HardLink, e.Content = set[0].Path, rootfs.Content{}
		}
		if dirty && !m.isDirty(e) {
			m.run.dirty = append(m.run.dirty, e)
		}
		_ = m.Put(e)
	}
}

// unlink removes what is no directory.
func (m *Machine) unlink(p string) error {
	real, e, err := m.walk(p, false)
	switch {
	case err != nil:
		return err
	case e == nil:
		return errNoEnt
	case e.Type == pkgindex.TypeDir:
		return errIsDir
	}
	m.drop(real)
	return nil
}

// drop takes an entry and all below it out of the tree.
func (m *Machine) drop(real string) {
	m.step(2)
	if e := m.FS.Get(real); e != nil && e.Type == pkgindex.TypeDir {
		for _, below := range m.FS.Under(real) {
			m.step(1)
			m.remember(below.Path)
		}
	}
	m.remember(real)
	m.FS.Remove(real)
}

// rmdir removes an empty directory.
func (m *Machine) rmdir(p string) error {
	real, e, err := m.walk(strings.TrimRight(p, "/"), false)
	switch {
	case err != nil:
		return err
	case e == nil:
		return errNoEnt
	case e.Type != pkgindex.TypeDir:
		return errNotDir
	case real == "/" || len(m.FS.Under(real)) > 0:
		return errNotEmpty
	}
	m.drop(real)
	return nil
}

// rename is rename(2): what is at the new place goes, directories move with all they hold.
func (m *Machine) rename(from, to string) error {
	src, e, err := m.walk(strings.TrimRight(from, "/"), false)
	if err != nil {
		return err
	}
	if e == nil {
		return errNoEnt
	}
	dst, old, err := m.walk(strings.TrimRight(to, "/"), false)
	if err != nil {
		return err
	}
	switch {
	case src == dst:
		return nil
	case src == "/" || strings.HasPrefix(dst, src+"/"):
		return errInvalid
	case old != nil && old.Type == pkgindex.TypeDir && e.Type != pkgindex.TypeDir:
		return errIsDir
	case old != nil && old.Type != pkgindex.TypeDir && e.Type == pkgindex.TypeDir:
		return errNotDir
	case old != nil && old.Type == pkgindex.TypeDir && len(m.FS.Under(dst)) > 0:
		return errNotEmpty
	}
	if old != nil && old.Type == pkgindex.TypeFile && e.Type == pkgindex.TypeFile && slices.Contains(m.members(e), old) {
		return nil // two names of one file: rename(2) does nothing
	}
	var moving []*rootfs.Entry
	if e.Type == pkgindex.TypeDir {
		moving = append(moving, m.FS.Under(src)...)
	}
	moving = append([]*rootfs.Entry{e}, moving...)
	for _, x := range moving {
		m.breakLinks(x)
	}
	if old != nil {
		m.drop(dst)
	}
	moved := make([]*rootfs.Entry, len(moving))
	for i, x := range moving {
		made := *x
		made.Path, made.Owners = dst+strings.TrimPrefix(x.Path, src), nil
		moved[i] = &made
		if m.isDirty(x) {
			m.run.dirty = append(m.run.dirty, &made)
		}
	}
	m.drop(src)
	for _, x := range moved {
		mtime := x.ModTime
		if err := m.put(x); err != nil {
			return err
		}
		x.ModTime = mtime
	}
	return nil
}

// breakLinks gives a member of a set of hard links contents of its own, for what cannot keep the set.
func (m *Machine) breakLinks(e *rootfs.Entry) {
	if e.Type != pkgindex.TypeFile || !m.FS.Linked(e) {
		return
	}
	data := m.data(e)
	set := m.members(e)
	own := *e
	own.HardLink, own.Content = "", rootfs.Content{Data: data}
	others := slices.DeleteFunc(slices.Clone(set), func(x *rootfs.Entry) bool { return x == e })
	m.relink(others, data)
	m.FS.Detach(e.Path)
	*e = own
	_ = m.Put(e)
}

// readDir returns the names in a directory, sorted.
func (m *Machine) readDir(p string) ([]*rootfs.Entry, error) {
	real, e, err := m.walk(p, true)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, errNoEnt
	case e.Type != pkgindex.TypeDir:
		return nil, errNotDir
	}
	list := m.FS.List(real)
	m.step(1 + len(m.FS.Under(real))/64 + len(list)/4)
	return list, nil
}
