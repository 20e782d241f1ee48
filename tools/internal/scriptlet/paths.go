package scriptlet

import (
	"fmt"
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func mkdirCommand(c *call) int {
	o, args := c.parse("pm:vZ", map[string]byte{"parents": 'p', "mode": 'm', "verbose": 'v'})
	mode := 0o777 &^ c.s.umask
	if o.has('m') {
		n, err := changeMode(o.value('m'), 0o777, false, c.s.umask)
		if err != nil {
			return c.errorf("%v", err)
		}
		mode = n
	}
	status := 0
	for _, name := range args {
		make := c.m.mkdir
		if o.has('p') {
			make = c.m.mkdirAll
		}
		if err := make(c.path(name), mode); err != nil {
			status = c.errorf("cannot create directory '%s': %v", name, err)
		}
	}
	return status
}

func rmdirCommand(c *call) int {
	o, args := c.parse("pv", map[string]byte{"parents": 'p', "verbose": 'v', "ignore-fail-on-non-empty": 'i'})
	status := 0
	for _, name := range args {
		for at := name; at != "" && at != "."; at = path.Dir(at) {
			err := c.m.rmdir(c.path(at))
			if err != nil && !(err == errNotEmpty && o.has('i')) {
				status = c.errorf("failed to remove '%s': %v", at, err)
			}
			if err != nil || !o.has('p') || at == "/" {
				break
			}
		}
	}
	return status
}

func rm(c *call) int {
	o, args := c.parse("rRfvdiI", map[string]byte{"recursive": 'r', "force": 'f', "verbose": 'v', "dir": 'd', "no-preserve-root": 'N',
		"preserve-root": 'P', "one-file-system": 'o'})
	status := 0
	for _, name := range args {
		if base := path.Base(name); base == "." || base == ".." {
			status = c.errorf("refusing to remove '.' or '..' directory: skipping '%s'", name)
			continue
		}
		real, e, err := c.m.walk(strings.TrimRight(c.path(name), "/")+"", false)
		if strings.Trim(name, "/") == "" && name != "" {
			if o.has('N') {
				return c.unknown("this removes the whole image")
			}
			status = c.errorf("it is dangerous to operate recursively on '/'")
			continue
		}
		if err == nil && e == nil {
			err = errNoEnt
		}
		switch {
		case err != nil:
			if !o.has('f') {
				status = c.errorf("cannot remove '%s': %v", name, err)
			}
		case e.Type == pkgindex.TypeDir && o.has('d') && len(c.m.FS.Under(real)) == 0:
			c.m.drop(real)
		case e.Type == pkgindex.TypeDir && !o.has('r') && !o.has('R'):
			status = c.errorf("cannot remove '%s': %v", name, errIsDir)
		default:
			c.m.drop(real)
		}
	}
	return status
}

func touch(c *call) int {
	o, args := c.parse("acmhr:d:t:", map[string]byte{"no-create": 'c', "reference": 'r', "date": 'd', "no-dereference": 'h', "time": 't'})
	when := c.m.Time
	if o.has('r') {
		e := c.m.stat(c.path(o.value('r')))
		if e == nil {
			return c.errorf("failed to get attributes of '%s': %v", o.value('r'), errNoEnt)
		}
		when = e.ModTime
	} else if o.has('d') || o.has('t') {
		return c.unknown("a given time is not known")
	}
	status := 0
	for _, name := range args {
		p := c.path(name)
		if path.Clean(p) == "/dev/null" {
			continue
		}
		e := c.m.stat(p)
		if e == nil {
			if o.has('c') {
				continue
			}
			var err error
			if e, err = c.m.create(p, 0o666&^c.s.umask); err != nil {
				status = c.errorf("cannot touch '%s': %v", name, err)
				continue
			}
		}
		c.m.change(e, func(x *rootfs.Entry) { x.ModTime = when })
	}
	return status
}

func readlink(c *call) int {
	o, args := c.parse("femnqsvz", map[string]byte{"canonicalize": 'f', "canonicalize-existing": 'e', "canonicalize-missing": 'm',
		"no-newline": 'n', "quiet": 'q', "silent": 's'})
	if c.name == "realpath" && !o.has('e') && !o.has('m') {
		o.set['f'] = true
	}
	status, end := 0, "\n"
	if o.has('n') {
		end = ""
	}
	for _, name := range args {
		if o.has('f') || o.has('e') || o.has('m') {
			real, e, err := c.m.walk(c.path(name), true)
			if o.has('m') && err != nil {
				real, err = c.m.FS.Follow(c.path(name))
			}
			if err != nil || o.has('e') && e == nil {
				status = 1
				continue
			}
			fmt.Fprint(c.out, real, end)
			continue
		}
		e := c.m.lstat(c.path(name))
		if e == nil || e.Type != pkgindex.TypeSymlink {
			status = 1
			continue
		}
		fmt.Fprint(c.out, e.Link, end)
	}
	return status
}

// mktemp makes the same names every time: nobody else is there to guess them.
func mktemp(c *call) int {
	o, args := c.parse("dqup:t", map[string]byte{"directory": 'd', "quiet": 'q', "tmpdir": 'p', "dry-run": 'u'})
	template := "tmp.XXXXXXXXXX"
	if len(args) > 0 {
		template = args[0]
	}
	dir := ""
	if len(args) == 0 || o.has('p') || o.has('t') {
		dir = "/tmp/"
		if v := o.value('p'); v != "" {
			dir = v + "/"
		}
	}
	cut := strings.LastIndexByte(template, 'X')
	start := cut
	for start > 0 && template[start-1] == 'X' {
		start--
	}
	const fewest = 3
	if cut-start+1 < fewest {
		return c.errorf("too few X's in template '%s'", template)
	}
	for n := 1; ; n++ {
		name := dir + template[:start] + fmt.Sprintf("%0*d", cut-start+1, n) + template[cut+1:]
		p := c.path(name)
		if c.m.lstat(p) != nil {
			continue
		}
		var err error
		if o.has('d') {
			err = c.m.mkdir(p, 0o700)
		} else if !o.has('u') {
			_, err = c.m.create(p, 0o600)
		}
		if err != nil {
			return c.errorf("failed to create file via template '%s': %v", template, err)
		}
		fmt.Fprintln(c.out, name)
		return 0
	}
}

func mknod(c *call) int {
	o, args := c.parse("m:Z", map[string]byte{"mode": 'm'})
	mode := 0o666 &^ c.s.umask
	if o.has('m') {
		n, err := changeMode(o.value('m'), 0o666, false, c.s.umask)
		if err != nil {
			return c.errorf("%v", err)
		}
		mode = n
	}
	if c.name == "mkfifo" {
		args = append(args, "p")
	}
	if len(args) < 2 {
		return c.errorf("missing operand")
	}
	e := &rootfs.Entry{Mode: mode}
	switch args[1] {
	case "p":
		e.Type = pkgindex.TypeFIFO
	case "c", "u", "b":
		if len(args) != 4 {
			return c.errorf("missing operand")
		}
		major, okA := atoi(args[2])
		minor, okB := atoi(args[3])
		if !okA || !okB || major < 0 || minor < 0 {
			return c.errorf("invalid device")
		}
		e.Type, e.RdevMajor, e.RdevMinor = pkgindex.TypeChar, uint32(major), uint32(minor)
		if args[1] == "b" {
			e.Type = pkgindex.TypeBlock
		}
	default:
		return c.errorf("invalid device type '%s'", args[1])
	}
	real, old, err := c.m.walk(c.path(args[0]), false)
	if err == nil && (old != nil || device(real) != nil) {
		err = errExist
	}
	if err == nil {
		e.Path = real
		err = c.m.put(e)
	}
	if err != nil {
		return c.errorf("%s: %v", args[0], err)
	}
	return 0
}

// statCommand is stat(1) with -c.
func statCommand(c *call) int {
	o, args := c.parse("c:L", map[string]byte{"format": 'c', "printf": 'p', "dereference": 'L'})
	if !o.has('c') {
		return c.unknown("only -c FORMAT is known")
	}
	status := 0
	for _, name := range args {
		e := c.m.lstat(c.path(name))
		if o.has('L') {
			e = c.m.stat(c.path(name))
		}
		if e == nil {
			status = c.errorf("cannot statx '%s': %v", name, errNoEnt)
			continue
		}
		format := o.value('c')
		var out strings.Builder
		for i := 0; i < len(format); i++ {
			if format[i] != '%' || i+1 >= len(format) {
				out.WriteByte(format[i])
				continue
			}
			i++
			out.WriteString(c.statField(format[i], name, e))
		}
		fmt.Fprintln(c.out, out.String())
	}
	return status
}

func (c *call) statField(letter byte, name string, e *rootfs.Entry) string {
	db, _ := c.accounts()
	switch letter {
	case 'a':
		return fmt.Sprintf("%o", e.Mode)
	case 'u':
		return fmt.Sprint(e.UID)
	case 'g':
		return fmt.Sprint(e.GID)
	case 'U':
		for _, u := range db.Users {
			if u.UID == e.UID {
				return u.Name
			}
		}
		return "UNKNOWN"
	case 'G':
		for _, g := range db.Groups {
			if g.GID == e.GID {
				return g.Name
			}
		}
		return "UNKNOWN"
	case 's':
		return fmt.Sprint(e.SizeBytes)
	case 'n':
		return name
	case 'Y':
		return fmt.Sprint(e.ModTime)
	case 'F':
		return map[string]string{pkgindex.TypeFile: "regular file", pkgindex.TypeDir: "directory", pkgindex.TypeSymlink: "symbolic link",
			pkgindex.TypeFIFO: "fifo", pkgindex.TypeSocket: "socket", pkgindex.TypeChar: "character special file", pkgindex.TypeBlock: "block special file"}[e.Type]
	case '%':
		return "%"
	}
	c.unknown("field %%%c is not known", letter)
	return ""
}

// ls lists names only.
func ls(c *call) int {
	o, args := c.parse("1adAUfFrR", map[string]byte{"all": 'a', "almost-all": 'A', "directory": 'd'})
	if o.has('F') || o.has('r') || o.has('R') {
		return c.unknown("only -1, -a, -A and -d are known")
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	status := 0
	for _, name := range args {
		e := c.m.stat(c.path(name))
		if e == nil {
			e = c.m.lstat(c.path(name))
		}
		if e == nil {
			c.errorf("cannot access '%s': %v", name, errNoEnt)
			status = 2
			continue
		}
		if e.Type != pkgindex.TypeDir || o.has('d') {
			fmt.Fprintln(c.out, name)
			continue
		}
		if len(args) > 1 {
			fmt.Fprintf(c.out, "%s:\n", name)
		}
		list, _ := c.m.readDir(c.path(name))
		if o.has('a') {
			fmt.Fprint(c.out, ".\n..\n")
		}
		for _, x := range list {
			if base := rootfs.Base(x.Path); o.has('a') || o.has('A') || !strings.HasPrefix(base, ".") {
				fmt.Fprintln(c.out, base)
			}
		}
	}
	return status
}

func which(c *call) int {
	o, args := c.parse("as", map[string]byte{"skip-alias": 'k', "skip-functions": 'k'})
	_ = o
	status := 0
	for _, a := range args {
		p := c.s.lookup(a)
		if p == "" {
			status = 1
			continue
		}
		fmt.Fprintln(c.out, p)
	}
	return status
}
