package scriptlet

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// overwrite gives a path a new file with the mode and owner of the old one, as editors do.
func (m *Machine) overwrite(p string, data []byte, follow bool) error {
	real, e, err := m.walk(p, follow)
	if err != nil {
		return err
	}
	if e != nil && e.Type == pkgindex.TypeSymlink { // the link itself becomes a file
		target := m.stat(p)
		mode := uint32(0o644)
		if target != nil {
			mode = target.Mode
		}
		m.drop(real)
		return m.replace(real, data, mode)
	}
	if e == nil {
		return m.replace(real, data, 0o644)
	}
	m.breakLinks(e)
	m.wrote(len(data))
	m.setData(e, data)
	return nil
}

// targets splits operands into sources and the paths they go to, as cp, mv, ln and install do.
func (c *call) targets(args []string, dir string, noDir bool) (from, to []string, status int) {
	if dir == "" {
		if len(args) < 2 {
			return nil, nil, c.errorf("missing destination file operand")
		}
		dir, args = args[len(args)-1], args[:len(args)-1]
		e := c.m.stat(c.path(dir))
		if noDir || e == nil || e.Type != pkgindex.TypeDir {
			if len(args) > 1 {
				return nil, nil, c.errorf("target '%s' is not a directory", dir)
			}
			return args, []string{c.path(dir)}, 0
		}
	}
	for _, a := range args {
		from = append(from, a)
		to = append(to, c.path(dir)+"/"+path.Base(path.Clean("/"+a)))
	}
	return from, to, 0
}

// copyOptions are those of cp(1).
type copyOptions struct {
	recursive, force, noDeref, mode, owner, links, symbolic, update, noClobber, remove bool
}

func cp(c *call) int {
	o, args := c.parse("afdprRPLTt:uvniblsHxz:Z", map[string]byte{"archive": 'a', "force": 'f', "recursive": 'r', "preserve": 'p',
		"no-dereference": 'P', "dereference": 'L', "no-target-directory": 'T', "target-directory": 't', "update": 'u', "verbose": 'v',
		"no-clobber": 'n', "remove-destination": 'z', "reflink": 'H', "sparse": 'H', "link": 'l', "symbolic-link": 's', "parents": 'b'})
	for _, letter := range []byte("bZ") {
		if o.has(letter) {
			return c.option("-" + string(letter))
		}
	}
	opts := copyOptions{recursive: o.has('r') || o.has('R') || o.has('a'), force: o.has('f') || o.has('z'), mode: o.has('p') || o.has('a'),
		noDeref: o.has('P') || o.has('d') || o.has('a') || (o.has('r') || o.has('R')) && !o.has('L'), owner: o.has('p') || o.has('a'),
		links: o.has('l'), symbolic: o.has('s'), update: o.has('u'), noClobber: o.has('n')}
	from, to, status := c.targets(args, o.value('t'), o.has('T'))
	if status != 0 {
		return status
	}
	for i, name := range from {
		if err := c.copy(c.path(name), to[i], opts, 0); err != nil {
			status = c.errorf("cannot copy '%s': %v", name, err)
		}
	}
	return status
}

// copy copies one file or tree.
func (c *call) copy(from, to string, o copyOptions, depth int) error {
	m := c.m
	if path.Clean(from) == "/dev/null" {
		return m.replace(to, nil, 0o666&^c.s.umask)
	}
	src, e, err := m.walk(from, !o.noDeref)
	if err != nil {
		return err
	}
	if e == nil {
		return m.missing(from)
	}
	dst, old, err := m.walk(to, false)
	if err != nil {
		return err
	}
	if old != nil && (o.noClobber || o.update) && e.Type != pkgindex.TypeDir {
		return nil // with one time for everything nothing is newer
	}
	if src == dst {
		return fmt.Errorf("'%s' and '%s' are the same file", from, to)
	}
	switch e.Type {
	case pkgindex.TypeDir:
		return c.copyDir(src, dst, e, o, depth)
	case pkgindex.TypeFile:
		return c.copyFile(e, from, dst, to, old, o)
	case pkgindex.TypeSymlink:
		if old != nil {
			if old.Type == pkgindex.TypeDir {
				return errIsDir
			}
			m.drop(dst)
		}
		return m.put(&rootfs.Entry{Path: dst, Type: e.Type, Mode: 0o777, Link: e.Link})
	}
	if old != nil {
		return errExist
	}
	return m.put(&rootfs.Entry{Path: dst, Type: e.Type, Mode: e.Mode, RdevMajor: e.RdevMajor, RdevMinor: e.RdevMinor})
}

func (c *call) copyDir(src, dst string, e *rootfs.Entry, o copyOptions, depth int) error {
	m := c.m
	const deepest = 200
	if depth > deepest {
		c.unknown("directories deeper than %d", deepest)
	}
	if !o.recursive {
		return fmt.Errorf("-r not specified; omitting directory")
	}
	if strings.HasPrefix(dst+"/", src+"/") || src == "/" {
		return fmt.Errorf("cannot copy a directory into itself")
	}
	if old := m.stat(dst); old != nil && old.Type != pkgindex.TypeDir {
		return errExist
	} else if old == nil {
		mode := e.Mode &^ c.s.umask
		if o.mode {
			mode = e.Mode
		}
		if err := m.put(&rootfs.Entry{Path: dst, Type: e.Type, Mode: mode}); err != nil {
			return err
		}
	}
	list, err := m.readDir(src)
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := c.copy(x.Path, rootfs.Join(dst, rootfs.Base(x.Path)), o, depth+1); err != nil {
			return err
		}
	}
	if o.owner {
		m.setOwner(m.at(dst), e.UID, e.GID)
	}
	return nil
}

func (c *call) copyFile(e *rootfs.Entry, from, dst, to string, old *rootfs.Entry, o copyOptions) error {
	m := c.m
	if o.links {
		return m.link(e.Path, dst)
	}
	if o.symbolic {
		if old != nil && o.force {
			m.drop(dst)
		}
		return m.symlink(from, dst)
	}
	if old != nil && old.Type == pkgindex.TypeSymlink && m.stat(to) == nil {
		return fmt.Errorf("not writing through dangling symlink '%s'", to)
	}
	mode := e.Mode & 0o777 &^ c.s.umask
	if o.mode {
		mode = e.Mode
	}
	data := slices.Clone(m.data(e))
	elf, caps, text, dirty := e.ELF, e.Caps, e.Interp, m.isDirty(e)
	if err := m.replace(to, data, mode); err != nil {
		return err
	}
	made := m.stat(to)
	if made == nil {
		return nil
	}
	if o.mode {
		m.change(made, func(x *rootfs.Entry) { x.Mode = mode })
	}
	if o.owner {
		m.setOwner(made, e.UID, e.GID)
	}
	if !dirty {
		made.ELF, made.Interp = elf, text
	}
	if o.mode && caps != "" {
		made.Caps = caps
		made.Mode = mode
	}
	return nil
}

func mv(c *call) int {
	o, args := c.parse("fnvTt:uibZ", map[string]byte{"force": 'f', "no-clobber": 'n', "verbose": 'v', "no-target-directory": 'T', "target-directory": 't', "update": 'u'})
	if o.has('b') || o.has('Z') {
		return c.option("-b or -Z")
	}
	from, to, status := c.targets(args, o.value('t'), o.has('T'))
	if status != 0 {
		return status
	}
	for i, name := range from {
		if (o.has('n') || o.has('u')) && c.m.lstat(to[i]) != nil {
			continue
		}
		if err := c.m.rename(c.path(name), to[i]); err != nil {
			status = c.errorf("cannot move '%s': %v", name, err)
		}
	}
	return status
}

func ln(c *call) int {
	o, args := c.parse("sfnrvTt:ibhP", map[string]byte{"symbolic": 's', "force": 'f', "no-dereference": 'n', "relative": 'r', "verbose": 'v',
		"no-target-directory": 'T', "target-directory": 't'})
	if o.has('b') {
		return c.option("-b")
	}
	if len(args) == 1 && !o.has('t') {
		args = append(args, ".")
	}
	noDir := o.has('T')
	if n := len(args); n == 2 && (o.has('n') || o.has('h')) {
		if e := c.m.lstat(c.path(args[1])); e != nil && e.Type == pkgindex.TypeSymlink {
			noDir = true
		}
	}
	from, to, status := c.targets(args, o.value('t'), noDir)
	if status != 0 {
		return status
	}
	for i, target := range from {
		if err := c.link(target, to[i], o); err != nil {
			status = c.errorf("failed to create link '%s': %v", to[i], err)
		}
	}
	return status
}

func (c *call) link(target, to string, o options) error {
	old := c.m.lstat(to)
	if old != nil && o.has('f') {
		if old.Type == pkgindex.TypeDir {
			return errIsDir
		}
		if !o.has('s') && c.m.lstat(c.path(target)) == old {
			return fmt.Errorf("'%s' and '%s' are the same file", target, to)
		}
		if err := c.m.unlink(to); err != nil {
			return err
		}
	}
	if !o.has('s') {
		return c.m.link(c.path(target), to)
	}
	if o.has('r') {
		real, _, err := c.m.walk(path.Dir(to), true)
		if err != nil {
			return err
		}
		goal, _, err := c.m.walk(c.path(target), true)
		if err != nil {
			goal = path.Clean(c.path(target))
		}
		target = relative(real, goal)
	}
	return c.m.symlink(target, to)
}

// relative returns the way from one directory to a path; both are canonical.
func relative(dir, to string) string {
	a, b := strings.Split(strings.Trim(dir, "/"), "/"), strings.Split(strings.Trim(to, "/"), "/")
	if dir == "/" {
		a = nil
	}
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	up := strings.Repeat("../", len(a)) + strings.Join(b, "/")
	if up == "" {
		return "."
	}
	return strings.TrimSuffix(up, "/")
}

func install(c *call) int {
	o, args := c.parse("dm:o:g:t:TDpCcvbsZ", map[string]byte{"directory": 'd', "mode": 'm', "owner": 'o', "group": 'g', "target-directory": 't',
		"no-target-directory": 'T', "preserve-timestamps": 'p', "compare": 'C', "verbose": 'v'})
	if o.has('b') || o.has('s') {
		return c.option("-b or -s")
	}
	mode, uid, gid := uint32(0o755), -1, -1
	var err error
	if o.has('m') {
		mode, err = changeMode(o.value('m'), 0, false, 0)
	}
	if err == nil && o.has('o') {
		uid, err = c.uid(o.value('o'))
	}
	if err == nil && o.has('g') {
		gid, err = c.gid(o.value('g'))
	}
	if err != nil {
		return c.errorf("%v", err)
	}
	finish := func(p string) {
		e := c.m.stat(p)
		if e == nil {
			return
		}
		if uid >= 0 || gid >= 0 {
			c.m.setOwner(e, uid, gid)
		}
		c.m.change(e, func(x *rootfs.Entry) { x.Mode = mode })
	}
	if o.has('d') {
		for _, name := range args {
			if err := c.m.mkdirAll(c.path(name), mode); err != nil {
				return c.errorf("cannot create directory '%s': %v", name, err)
			}
			finish(c.path(name))
		}
		return 0
	}
	if o.has('D') && len(args) == 2 && !o.has('t') {
		_ = c.m.mkdirAll(path.Dir(c.path(args[1])), 0o755) // the copy reports what went wrong
	} else if o.has('D') && o.has('t') {
		_ = c.m.mkdirAll(c.path(o.value('t')), 0o755)
	}
	from, to, status := c.targets(args, o.value('t'), o.has('T'))
	for i, name := range from {
		if old := c.m.lstat(to[i]); old != nil && old.Type != pkgindex.TypeDir {
			_ = c.m.unlink(to[i])
		}
		if err := c.copy(c.path(name), to[i], copyOptions{}, 0); err != nil {
			status = c.errorf("cannot install '%s': %v", name, err)
			continue
		}
		finish(to[i])
	}
	return status
}
