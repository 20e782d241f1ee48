package scriptlet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Errors of files, with the texts of strerror(3).
var (
	errNoEnt    = errors.New("No such file or directory")
	errExist    = errors.New("File exists")
	errNotDir   = errors.New("Not a directory")
	errIsDir    = errors.New("Is a directory")
	errNotEmpty = errors.New("Directory not empty")
	errInvalid  = errors.New("Invalid argument")
	errLoop     = errors.New("Too many levels of symbolic links")
	errNoDev    = errors.New("No such device or address")
)

// owner is the owner of what scripts make.
var owner = rootfs.MadeBy("scriptlets")

// abs makes a path absolute; what stays is resolved with the links of the tree.
func abs(dir, p string) string {
	if strings.HasPrefix(p, "/") {
		return p
	}
	return dir + "/" + p
}

// root is the entry of "/" where no package has it.
var root = &rootfs.Entry{Path: "/", Type: pkgindex.TypeDir, Mode: 0o755}

// walk resolves p to a canonical path whose parents are directories of the tree, as path_resolution(7) says; last tells
// whether a link at the end is followed. The entry is nil when only it is missing.
func (m *Machine) walk(p string, last bool) (string, *rootfs.Entry, error) {
	if p == "" || strings.ContainsRune(p, 0) {
		return "", nil, errNoEnt
	}
	const maxPath = 4096
	if len(p) > maxPath {
		return "", nil, errors.New("File name too long")
	}
	m.step(1)
	slash := strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
	todo, at, cur, links := strings.Split(p, "/"), "/", m.at("/"), 0
	m.step(len(todo) / 4)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			if cur != nil && cur.Type != pkgindex.TypeDir {
				return "", nil, errNotDir
			}
			continue
		}
		if cur == nil {
			return "", nil, errNoEnt
		}
		if cur.Type != pkgindex.TypeDir {
			return "", nil, errNotDir
		}
		if name == ".." {
			at = rootfs.Dir(at)
			cur = m.at(at)
			continue
		}
		next := rootfs.Join(at, name)
		e := m.at(next)
		if e != nil && e.Type == pkgindex.TypeSymlink && (last || slash || rest(todo)) {
			if links++; links > 40 {
				return "", nil, errLoop
			}
			if strings.HasPrefix(e.Link, "/") {
				at = "/"
			}
			cur = m.at(at)
			todo = append(strings.Split(e.Link, "/"), todo...)
			continue
		}
		at, cur = next, e
	}
	return at, cur, nil
}

func rest(todo []string) bool {
	for _, t := range todo {
		if t != "" {
			return true
		}
	}
	return false
}

func (m *Machine) at(p string) *rootfs.Entry {
	if e := m.FS.Get(p); e != nil {
		return e
	}
	if p == "/" {
		return root
	}
	return nil
}

// stat returns the entry at p, links followed, or nil.
func (m *Machine) stat(p string) *rootfs.Entry {
	if e := device(p); e != nil {
		return e
	}
	_, e, err := m.walk(p, true)
	if err != nil {
		return nil
	}
	return e
}

// lstat is stat without following a link at the end.
func (m *Machine) lstat(p string) *rootfs.Entry {
	if e := device(p); e != nil {
		return e
	}
	_, e, err := m.walk(p, false)
	if err != nil {
		return nil
	}
	return e
}

// device returns the character devices that every system has, whatever the tree holds.
func device(p string) *rootfs.Entry {
	switch path.Clean(p) {
	case "/dev/null":
		return &rootfs.Entry{Path: "/dev/null", Type: pkgindex.TypeChar, Mode: 0o666, RdevMajor: 1, RdevMinor: 3}
	case "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/0", "/dev/fd/1", "/dev/fd/2":
		return &rootfs.Entry{Path: p, Type: pkgindex.TypeFIFO, Mode: 0o600}
	}
	return nil
}

// remember keeps the state of a path from before the script, for its outcome.
func (m *Machine) remember(p string) {
	if _, ok := m.run.before[p]; ok {
		return
	}
	if e := m.FS.Get(p); e != nil {
		old := *e
		m.run.before[p] = &old
	} else {
		m.run.before[p] = nil
	}
}

// put adds an entry that a script makes.
func (m *Machine) put(e *rootfs.Entry) error {
	if m.entries++; m.entries > maxEntries {
		m.stop("makes more than %d files", maxEntries)
	}
	if len(e.Path) > 4096 {
		return errors.New("File name too long")
	}
	m.step(5)
	m.remember(e.Path)
	e.ModTime = m.Time
	if len(e.Owners) == 0 {
		e.Owners = []string{owner}
	}
	if old := m.FS.Get(e.Path); old != nil {
		for _, o := range old.Owners {
			if !slices.Contains(e.Owners, o) {
				e.Owners = append(e.Owners, o)
			}
		}
	}
	m.Chowned[e.Path] = true
	return m.Put(e)
}

// touched notes that e, which stays in the tree, gets new attributes. Members of a set of hard links share them.
func (m *Machine) change(e *rootfs.Entry, f func(*rootfs.Entry)) {
	m.step(2)
	for _, member := range m.members(e) {
		m.remember(member.Path)
		f(member)
		if m.FS.Get(member.Path) == member {
			_ = m.Put(member) // it is there already, so nothing can be in its way
		}
	}
	if e == root {
		made := *root
		f(&made)
		made.Owners, made.ModTime = []string{owner}, m.Time
		m.remember("/")
		_ = m.Put(&made)
	}
}

// members returns the set of hard links of e, e alone for most.
func (m *Machine) members(e *rootfs.Entry) []*rootfs.Entry {
	if e == root {
		return nil
	}
	if e.Type != pkgindex.TypeFile || !m.FS.Linked(e) {
		return []*rootfs.Entry{e}
	}
	first := e.Path
	if e.HardLink != "" {
		first = e.HardLink
	}
	var out []*rootfs.Entry
	for _, o := range m.FS.Entries() {
		if o.Path == first || o.HardLink == first {
			out = append(out, o)
		}
	}
	return out
}

// data returns the bytes of a regular file.
func (m *Machine) data(e *rootfs.Entry) []byte {
	m.step(1 + int(e.SizeBytes>>8))
	if e.HardLink != "" {
		if first := m.FS.Get(e.HardLink); first != nil {
			e = first
		}
	}
	if m.isDirty(e) {
		return e.Content.Data
	}
	data, err := m.Read(e)
	if err != nil {
		m.stop("%v", err)
	}
	return data
}

func (m *Machine) isDirty(e *rootfs.Entry) bool { return slices.Contains(m.run.dirty, e) }

// setData gives a file new contents; digests are settled when the script ends.
func (m *Machine) setData(e *rootfs.Entry, data []byte) {
	m.change(e, func(x *rootfs.Entry) {
		x.ModTime, x.SizeBytes, x.Caps = m.Time, int64(len(data)), ""
		x.ELF, x.Interp, x.InterpArg, x.Text, x.SHA256 = nil, "", "", "", ""
		if x.HardLink == "" {
			x.Content = rootfs.Content{Data: data}
		} else {
			x.Content = rootfs.Content{}
		}
		if !m.isDirty(x) {
			m.run.dirty = append(m.run.dirty, x)
		}
	})
}

// settle computes what follows from the contents of the files that the script wrote.
func (m *Machine) settle() {
	for _, e := range m.run.dirty {
		if e.HardLink != "" {
			continue
		}
		sum := sha256.Sum256(e.Content.Data)
		digest := hex.EncodeToString(sum[:])
		for _, member := range m.members(e) {
			member.SHA256, member.SizeBytes = digest, int64(len(e.Content.Data))
		}
		if rootfs.KeepsText(e.Path, e.SizeBytes) {
			e.Text = string(e.Content.Data)
		}
		if line, ok := strings.CutPrefix(firstLine(e.Content.Data), "#!"); ok {
			line = strings.Trim(line, " \t\r")
			e.Interp, e.InterpArg, _ = strings.Cut(line, " ")
			e.InterpArg = strings.TrimSpace(e.InterpArg)
		}
	}
	m.run.dirty = nil
}

func firstLine(data []byte) string {
	const longest = 256
	line, _, _ := strings.Cut(string(data[:min(len(data), longest)]), "\n")
	return line
}

// create makes an empty regular file, or returns the one that is there.
func (m *Machine) create(p string, mode uint32) (*rootfs.Entry, error) {
	if strings.HasSuffix(p, "/") {
		return nil, errIsDir
	}
	real, e, err := m.walk(p, true)
	if err != nil {
		return nil, err
	}
	switch {
	case e == nil:
		e = &rootfs.Entry{Path: real, Type: pkgindex.TypeFile, Mode: mode}
		if err := m.put(e); err != nil {
			return nil, err
		}
		m.setData(e, nil)
		return e, nil
	case e.Type == pkgindex.TypeDir:
		return nil, errIsDir
	case e.Type != pkgindex.TypeFile:
		return nil, errNoDev
	}
	return e, nil
}

// write appends to a file.
func (m *Machine) write(e *rootfs.Entry, p []byte) {
	m.wrote(len(p))
	target := e
	if e.HardLink != "" {
		if first := m.FS.Get(e.HardLink); first != nil {
			target = first
		}
	}
	if !m.isDirty(target) {
		m.setData(target, slices.Clone(m.data(target)))
	}
	data := append(target.Content.Data, p...)
	for _, member := range m.members(target) {
		member.SizeBytes = int64(len(data))
	}
	target.Content.Data = data
}

func (m *Machine) wrote(n int) {
	m.step(n >> 8)
	if m.written += int64(n); m.written > maxWritten {
		m.stop("scriptlets write more than %d bytes to files", maxWritten)
	}
}

// replace makes or overwrites a file as a whole.
func (m *Machine) replace(p string, data []byte, mode uint32) error {
	e, err := m.create(p, mode)
	if err != nil {
		return err
	}
	m.wrote(len(data))
	m.setData(e, data)
	return nil
}

// read returns the contents of a file by path.
func (m *Machine) read(p string) ([]byte, error) {
	if path.Clean(p) == "/dev/null" {
		return nil, nil
	}
	_, e, err := m.walk(p, true)
	switch {
	case err != nil:
		_ = m.missing(p) // a device ends the script
		return nil, err
	case e == nil:
		return nil, m.missing(p)
	case e.Type == pkgindex.TypeDir:
		return nil, errIsDir
	case e.Type != pkgindex.TypeFile:
		return nil, errNoDev
	}
	return m.data(e), nil
}

// missing is the error of a path that the tree lacks; what only a running system has is told apart from a plain mistake.
func (m *Machine) missing(p string) error {
	if strings.HasPrefix(path.Clean(p), "/dev/") {
		switch path.Clean(p) {
		case "/dev/random", "/dev/urandom", "/dev/zero", "/dev/full":
			m.stop("%s: what it gives has no end and no fixed contents", p)
		}
		if strings.HasPrefix(p, "/dev/tcp/") || strings.HasPrefix(p, "/dev/udp/") {
			m.stop("%s: there is no network", p)
		}
	}
	return errNoEnt
}
