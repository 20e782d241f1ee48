package scriptlet

import (
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// tmpfilesDirs are those of tmpfiles.d(5).
var tmpfilesDirs = []string{"/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d"}

// tmpfiles is systemd-tmpfiles --create.
func tmpfiles(c *call) int {
	o, args := c.parse("E", map[string]byte{"create": 'c', "remove": 'r', "clean": 'l', "boot": 'b', "prefix": 'p', "exclude-prefix": 'x',
		"replace": 'R', "root": 'o', "user": 'u', "graceful": 'g'})
	for _, letter := range []byte("px") {
		for _, v := range o.values[letter] {
			if letter == 'x' && (v == "/dev" || v == "/proc" || v == "/sys" || v == "/run") {
				continue
			}
			return c.option("--prefix")
		}
	}
	if o.has('o') || o.has('u') || !o.has('c') {
		return c.unknown("only --create is known")
	}
	texts, err := c.operandFiles(args, tmpfilesDirs)
	if err != nil {
		return c.errorf("%v", err)
	}
	status := 0
	for _, text := range texts {
		for i, line := range strings.Split(text, "\n") {
			v := tmpfilesFields(line)
			if len(v) < 2 || strings.HasPrefix(v[0], "#") {
				continue
			}
			for len(v) < 7 {
				v = append(v, "-")
			}
			if err := c.tmpfile(v, o.has('b')); err != nil {
				status = c.errorf("line %d: %s: %v", i+1, v[1], err)
			}
		}
	}
	return status
}

// tmpfilesFields splits a line; the seventh field is the rest of it.
func tmpfilesFields(line string) []string {
	var out []string
	for line = strings.TrimSpace(line); line != "" && len(out) < 6; {
		var field string
		if line[0] == '"' {
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				return nil
			}
			field, line = line[1:end+1], line[end+2:]
		} else {
			end := strings.IndexAny(line, " \t")
			if end < 0 {
				end = len(line)
			}
			field, line = line[:end], line[end:]
		}
		out = append(out, field)
		line = strings.TrimLeft(line, " \t")
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

// tmpfile carries out one line.
func (c *call) tmpfile(v []string, boot bool) error {
	kind := strings.TrimRight(v[0], "+!-=~^$?")
	flags := v[0][len(kind):]
	if strings.Contains(flags, "!") && !boot {
		return nil
	}
	p := v[1]
	if strings.Contains(p, "%") || strings.Contains(v[6], "%") {
		c.unknown("specifiers of tmpfiles.d are not known: %s", strings.Join(v, " "))
	}
	m := c.m
	mode, given := uint32(0o755), v[2] != "-"
	if kind == "f" || kind == "F" {
		mode = 0o644
	}
	if given {
		n, err := changeMode(strings.TrimLeft(v[2], "~:"), 0, false, 0)
		if err != nil {
			return err
		}
		mode = n
	}
	var err error
	switch kind {
	case "d", "D", "v", "q", "Q":
		if e := m.stat(p); e == nil {
			_ = m.mkdirAll(path.Dir(p), 0o755)
			err = m.mkdir(p, mode)
			given = false
		}
	case "e", "z", "Z", "m":
		if strings.ContainsAny(p, "*?[") {
			c.unknown("globs in tmpfiles.d are not known: %s", p)
		}
		if m.stat(p) == nil {
			return nil
		}
	case "f", "F":
		if m.stat(p) == nil || strings.Contains(flags, "+") || kind == "F" {
			_ = m.mkdirAll(path.Dir(p), 0o755)
			text := v[6]
			if text == "-" {
				text = ""
			}
			err = m.replace(p, []byte(text), mode)
		}
	case "L":
		return c.tmpfileLink(p, v[6], flags)
	case "p":
		if m.stat(p) == nil {
			e := &rootfs.Entry{Type: pkgindex.TypeFIFO, Mode: mode}
			if e.Path, _, err = m.walk(p, false); err == nil {
				err = m.put(e)
			}
		}
	case "C":
		from := v[6]
		if from == "-" {
			from = "/usr/share/factory" + p
		}
		if m.stat(p) != nil || m.stat(from) == nil {
			return nil
		}
		return c.copy(from, p, copyOptions{recursive: true, noDeref: true, mode: true, owner: true}, 0)
	case "x", "X", "r", "R":
		return nil // for cleaning and removing
	case "a", "A", "t", "T", "h", "H", "w", "c", "b":
		if path.Dir(p) == "/dev" || strings.HasPrefix(p, "/sys/") || strings.HasPrefix(p, "/proc/") || strings.ContainsRune("aAtThH", rune(kind[0])) {
			c.m.note("tmpfiles.d: %s lines have no effect in an image", kind)
			return nil
		}
		c.unknown("lines of type %s are not known", kind)
	default:
		c.unknown("lines of type %s are not known", v[0])
	}
	if err != nil {
		return err
	}
	return c.tmpfileOwner(p, v, mode, given)
}

func (c *call) tmpfileLink(p, target, flags string) error {
	if target == "-" {
		target = "/usr/share/factory" + p
	}
	old := c.m.lstat(p)
	if old != nil && !strings.Contains(flags, "+") {
		return nil
	}
	if old != nil {
		c.m.drop(old.Path)
	}
	_ = c.m.mkdirAll(path.Dir(p), 0o755)
	return c.m.symlink(target, p)
}

func (c *call) tmpfileOwner(p string, v []string, mode uint32, given bool) error {
	e := c.m.stat(p)
	if e == nil {
		return nil
	}
	uid, gid := -1, -1
	var err error
	if v[3] != "-" {
		if uid, err = c.uid(strings.TrimLeft(v[3], ":")); err != nil {
			return err
		}
	}
	if v[4] != "-" {
		if gid, err = c.gid(strings.TrimLeft(v[4], ":")); err != nil {
			return err
		}
	}
	if uid >= 0 || gid >= 0 {
		c.m.setOwner(e, uid, gid)
	}
	if given && e.Mode != mode {
		c.m.change(e, func(x *rootfs.Entry) { x.Mode = mode })
	}
	return nil
}
