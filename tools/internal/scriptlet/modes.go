package scriptlet

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// changeMode applies a mode of chmod(1), octal or symbolic.
func changeMode(text string, old uint32, dir bool, umask uint32) (uint32, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o7777 {
			return 0, fmt.Errorf("invalid mode: %q", text)
		}
		if dir && len(text) < 5 {
			n |= uint64(old & 0o6000) // GNU keeps the set-ID bits of directories
		}
		return uint32(n), nil
	}
	mode := old
	for _, clause := range strings.Split(text, ",") {
		var err error
		if mode, err = symbolicMode(clause, mode, dir, umask); err != nil {
			return 0, fmt.Errorf("invalid mode: %q", text)
		}
	}
	return mode, nil
}

func symbolicMode(clause string, mode uint32, dir bool, umask uint32) (uint32, error) {
	who := uint32(0)
	i := 0
	for ; i < len(clause) && strings.IndexByte("ugoa", clause[i]) >= 0; i++ {
		who |= map[byte]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': 0o7777}[clause[i]]
	}
	mask := uint32(0o7777)
	if who == 0 {
		who, mask = 0o7777, ^umask
	}
	if i >= len(clause) {
		return 0, fmt.Errorf("no operator")
	}
	for i < len(clause) {
		op := clause[i]
		if strings.IndexByte("+-=", op) < 0 {
			return 0, fmt.Errorf("operator %c", op)
		}
		i++
		bits := uint32(0)
		for ; i < len(clause) && strings.IndexByte("+-=", clause[i]) < 0; i++ {
			switch clause[i] {
			case 'r':
				bits |= 0o444
			case 'w':
				bits |= 0o222
			case 'x':
				bits |= 0o111
			case 'X':
				if dir || mode&0o111 != 0 {
					bits |= 0o111
				}
			case 's':
				bits |= 0o6000
			case 't':
				bits |= 0o1000
			case 'u':
				bits |= mode >> 6 & 7 * 0o111
			case 'g':
				bits |= mode >> 3 & 7 * 0o111
			case 'o':
				bits |= mode & 7 * 0o111
			default:
				return 0, fmt.Errorf("permission %c", clause[i])
			}
		}
		bits &= who & mask
		if who != 0o7777 {
			bits &^= 0o1000 &^ (who & 0o1000)
		}
		switch op {
		case '+':
			mode |= bits
		case '-':
			mode &^= bits
		default:
			keep := uint32(0)
			if dir {
				keep = 0o6000
			}
			mode = mode&^(who&^keep) | bits
		}
	}
	return mode, nil
}

// each calls f with an operand, and with -R with all below it.
func (c *call) each(name string, recursive bool, f func(*rootfs.Entry) error) int {
	p := c.path(name)
	if path.Clean(p) == "/dev/null" {
		return c.unknown("the devices of the host are not there to be changed")
	}
	real, e, err := c.m.walk(p, true)
	if err == nil && e == nil {
		err = errNoEnt
	}
	if err != nil {
		return c.errorf("cannot access '%s': %v", name, err)
	}
	todo := []*rootfs.Entry{e}
	if recursive && e.Type == pkgindex.TypeDir {
		todo = append(todo, c.m.FS.Under(real)...)
	}
	for i, x := range todo {
		if i > 0 && x.Type == pkgindex.TypeSymlink {
			continue
		}
		if err := f(x); err != nil {
			return c.errorf("%s: %v", x.Path, err)
		}
	}
	return 0
}

var recursive = map[string]byte{"recursive": 'R', "verbose": 'v', "quiet": 'f', "silent": 'f', "changes": 'c', "no-dereference": 'h',
	"dereference": 'H', "preserve-root": 'P', "no-preserve-root": 'N'}

func chmod(c *call) int {
	args := c.args
	for i, a := range args { // -w and its like are modes
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "rwxXst") == "" {
			c.args = append(append([]string{"--"}, args[:i]...), args[i:]...)
			break
		}
		if !strings.HasPrefix(a, "-") {
			break
		}
	}
	long := map[string]byte{"reference": 'r'}
	for k, v := range recursive {
		long[k] = v
	}
	o, args := c.parse("Rvfcr:PN", long)
	mode := ""
	if o.has('r') {
		e := c.m.stat(c.path(o.value('r')))
		if e == nil {
			return c.errorf("%s: %v", o.value('r'), errNoEnt)
		}
		mode = fmt.Sprintf("0%04o", e.Mode)
	} else {
		if len(args) < 2 {
			return c.errorf("missing operand")
		}
		mode, args = args[0], args[1:]
	}
	status := 0
	for _, name := range args {
		status |= c.each(name, o.has('R'), func(e *rootfs.Entry) error {
			n, err := changeMode(mode, e.Mode, e.Type == pkgindex.TypeDir, c.s.umask)
			if err == nil {
				c.m.change(e, func(x *rootfs.Entry) { x.Mode = n })
			}
			return err
		})
	}
	return status
}

// ids resolves USER[:GROUP] of chown(1); -1 leaves one as it is.
func (c *call) ids(text string) (uid, gid int, err error) {
	uid, gid = -1, -1
	user, group, both := strings.Cut(text, ":")
	if !both {
		if u, g, ok := strings.Cut(text, "."); ok {
			if _, err := c.uid(text); err != nil {
				user, group, both = u, g, true
			}
		}
	}
	if user != "" {
		if uid, err = c.uid(user); err != nil {
			return uid, gid, err
		}
	}
	if group != "" {
		gid, err = c.gid(group)
	} else if both && user != "" {
		db, _ := c.accounts()
		if u := db.User(user); u != nil {
			gid = u.GID
		}
	}
	return uid, gid, err
}

func (c *call) accounts() (*accounts.DB, error) {
	db, err := c.m.Accounts()
	if err != nil {
		c.unknown("%v", err)
	}
	return db, err
}

func (c *call) uid(name string) (int, error) {
	db, _ := c.accounts()
	if u := db.User(name); u != nil {
		return u.UID, nil
	}
	return numericID("user", name)
}

func (c *call) gid(name string) (int, error) {
	db, _ := c.accounts()
	if g := db.Group(name); g != nil {
		return g.GID, nil
	}
	return numericID("group", name)
}

func numericID(kind, name string) (int, error) {
	if name == "root" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "+"), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("invalid %s: '%s'", kind, name)
	}
	return int(n), nil
}

// chown is chown(1) and chgrp(1).
func chown(c *call) int {
	long := map[string]byte{"reference": 'r', "from": 'F'}
	for k, v := range recursive {
		long[k] = v
	}
	o, args := c.parse("RvfchHLPNr:F:", long)
	if o.has('F') {
		return c.option("--from")
	}
	uid, gid := -1, -1
	if o.has('r') {
		e := c.m.stat(c.path(o.value('r')))
		if e == nil {
			return c.errorf("%s: %v", o.value('r'), errNoEnt)
		}
		uid, gid = e.UID, e.GID
	} else {
		if len(args) < 2 {
			return c.errorf("missing operand")
		}
		var err error
		if c.name == "chgrp" {
			gid, err = c.gid(args[0])
		} else {
			uid, gid, err = c.ids(args[0])
		}
		if err != nil {
			return c.errorf("%v", err)
		}
		args = args[1:]
	}
	status := 0
	for _, name := range args {
		set := func(e *rootfs.Entry) error {
			c.m.setOwner(e, uid, gid)
			return nil
		}
		if o.has('h') {
			if e := c.m.lstat(c.path(name)); e != nil && e.Type == pkgindex.TypeSymlink {
				_ = set(e)
				continue
			}
		}
		status |= c.each(name, o.has('R'), set)
	}
	return status
}

// setOwner is chown(2): it takes the set-ID bits from executable files, and file capabilities.
func (m *Machine) setOwner(e *rootfs.Entry, uid, gid int) {
	m.change(e, func(x *rootfs.Entry) {
		if uid >= 0 {
			x.UID = uid
		}
		if gid >= 0 {
			x.GID = gid
		}
		if x.Type == pkgindex.TypeFile {
			x.Caps = ""
			if x.Mode&0o111 != 0 {
				x.Mode &^= 0o6000
			}
		}
		m.Chowned[x.Path] = true
	})
}

func setcap(c *call) int {
	o, args := c.parse("qvrn:", nil)
	if o.has('v') || o.has('n') {
		return c.option("-v or -n")
	}
	remove := o.has('r')
	for len(args) > 0 {
		caps := ""
		if !remove {
			if caps = args[0]; caps == "-r" {
				caps = ""
			}
			args = args[1:]
		}
		if len(args) == 0 {
			return c.errorf("missing file")
		}
		_, e, err := c.m.walk(c.path(args[0]), true)
		if err != nil || e == nil || e.Type != pkgindex.TypeFile {
			return c.errorf("Failed to set capabilities on file '%s'", args[0])
		}
		if err := checkCaps(caps); err != nil {
			return c.unknown("%v", err)
		}
		c.m.change(e, func(x *rootfs.Entry) { x.Caps = caps })
		args = args[1:]
	}
	return 0
}

func checkCaps(text string) error {
	if text == "" {
		return nil
	}
	_, err := rpm.Capability(text)
	return err
}
