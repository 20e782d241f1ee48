package scriptlet

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"mvdan.cc/sh/v3/expand"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// posixLib is the module posix of rpm's Lua.
func (r *luaRun) posixLib() *lua.LTable {
	number := func(n int) lua.LGFunction {
		return func(L *lua.LState) int { L.Push(lua.LNumber(n)); return 1 }
	}
	return r.table(map[string]lua.LGFunction{
		"access": r.posixAccess, "stat": r.posixStat, "chmod": r.posixChmod, "chown": r.posixChown, "files": r.posixFiles, "dir": r.posixDir,
		"mkdir": func(L *lua.LState) int {
			return result(L, L.CheckString(1), r.m.mkdir(r.path(L, 1), 0o777&^r.sh.umask))
		},
		"rmdir":  func(L *lua.LState) int { return result(L, L.CheckString(1), r.m.rmdir(r.path(L, 1))) },
		"unlink": func(L *lua.LState) int { return result(L, L.CheckString(1), r.m.unlink(r.path(L, 1))) },
		"symlink": func(L *lua.LState) int {
			return result(L, L.CheckString(2), r.m.symlink(L.CheckString(1), r.path(L, 2)))
		},
		"link": func(L *lua.LState) int { return result(L, L.CheckString(2), r.m.link(r.path(L, 1), r.path(L, 2))) },
		"rename": func(L *lua.LState) int {
			return result(L, L.CheckString(1), r.m.rename(r.path(L, 1), r.path(L, 2)))
		},
		"mkfifo": func(L *lua.LState) int {
			real, old, err := r.m.walk(r.path(L, 1), false)
			if err == nil && old != nil {
				err = errExist
			}
			if err == nil {
				err = r.m.put(&rootfs.Entry{Path: real, Type: pkgindex.TypeFIFO, Mode: 0o666 &^ r.sh.umask})
			}
			return result(L, L.CheckString(1), err)
		},
		"readlink": func(L *lua.LState) int {
			e := r.m.lstat(r.path(L, 1))
			switch {
			case e == nil:
				return result(L, L.CheckString(1), errNoEnt)
			case e.Type != pkgindex.TypeSymlink:
				return result(L, L.CheckString(1), errInvalid)
			}
			L.Push(lua.LString(e.Link))
			return 1
		},
		"utime": func(L *lua.LState) int {
			e := r.m.stat(r.path(L, 1))
			if e == nil {
				return result(L, L.CheckString(1), errNoEnt)
			}
			r.m.change(e, func(x *rootfs.Entry) { x.ModTime = r.m.Time })
			return result(L, "", nil)
		},
		"uname": r.posixUname, "getcwd": func(L *lua.LState) int { L.Push(lua.LString(r.sh.dir)); return 1 },
		"chdir": func(L *lua.LState) int {
			real, e, err := r.m.walk(r.path(L, 1), true)
			if err == nil && e == nil {
				err = errNoEnt
			} else if err == nil && e.Type != pkgindex.TypeDir {
				err = errNotDir
			}
			if err == nil {
				r.sh.dir = real
			}
			return result(L, L.CheckString(1), err)
		},
		"umask": func(L *lua.LState) int {
			if L.GetTop() > 0 {
				n, err := changeMode(L.CheckString(1), 0o777, false, 0)
				if err != nil {
					r.m.stop("umask %s is not known", L.CheckString(1))
				}
				r.sh.umask = n & 0o777
			}
			L.Push(lua.LString(fmt.Sprintf("%03o", r.sh.umask)))
			return 1
		},
		"setenv": r.posixSetenv, "putenv": r.posixSetenv,
		"unsetenv": func(L *lua.LState) int { delete(r.sh.vars, L.CheckString(1)); return 0 },
		"getenv": func(L *lua.LState) int {
			L.Push(lua.LNil)
			if v := r.sh.vars[L.CheckString(1)]; v.Exported {
				L.Push(lua.LString(v.String()))
			}
			return 1
		},
		"getpasswd": r.posixPasswd, "getgroup": r.posixGroup, "getprocessid": number(1), "getpid": number(1),
		"errno": func(L *lua.LState) int { L.Push(lua.LString("Success")); L.Push(lua.LNumber(0)); return 2 },
		// A script forks only to run a program in the child; here the one process there is runs it and goes on.
		"fork": number(0), "wait": number(0), "waitpid": number(0), "sleep": number(0), "setuid": number(0), "setgid": number(0),
		"redirect2null": func(L *lua.LState) int {
			if n := L.CheckInt(1); n == 1 || n == 2 {
				r.sh.fds[n] = &file{}
			}
			return result(L, "", nil)
		},
		"exec":  func(L *lua.LState) int { return result(L, "", exitError(r.argv(stringsFrom(L, 1)))) },
		"execp": func(L *lua.LState) int { return result(L, "", exitError(r.argv(stringsFrom(L, 1)))) },
		"kill":  func(L *lua.LState) int { return result(L, "kill", fmt.Errorf("No such process")) },
	})
}

// exitError hides the status of a program: exec does not return it, and its absence is no error of the script.
func exitError(int) error { return nil }

func (r *luaRun) posixAccess(L *lua.LState) int {
	e := r.m.stat(r.path(L, 1))
	if e == nil {
		return result(L, L.CheckString(1), errNoEnt)
	}
	if strings.Contains(L.OptString(2, "f"), "x") && e.Type == pkgindex.TypeFile && e.Mode&0o111 == 0 {
		return result(L, L.CheckString(1), fmt.Errorf("Permission denied"))
	}
	return result(L, "", nil)
}

func (r *luaRun) posixStat(L *lua.LState) int {
	e := r.m.lstat(r.path(L, 1)) // rpm's stat does not follow links
	if e == nil {
		return result(L, L.CheckString(1), errNoEnt)
	}
	types := map[string]string{pkgindex.TypeFile: "regular", pkgindex.TypeDir: "directory", pkgindex.TypeSymlink: "link", pkgindex.TypeFIFO: "fifo",
		pkgindex.TypeSocket: "socket", pkgindex.TypeChar: "character device", pkgindex.TypeBlock: "block device"}
	fields := map[string]lua.LValue{
		"type": lua.LString(types[e.Type]), "mode": lua.LString(modeText(e.Mode)), "_mode": lua.LNumber(e.Mode), "uid": lua.LNumber(e.UID),
		"gid": lua.LNumber(e.GID), "size": lua.LNumber(e.SizeBytes), "mtime": lua.LNumber(e.ModTime), "atime": lua.LNumber(e.ModTime),
		"ctime": lua.LNumber(e.ModTime), "nlink": lua.LNumber(1), "ino": lua.LNumber(1), "dev": lua.LNumber(1),
	}
	if field := L.OptString(2, ""); field != "" {
		v, ok := fields[field]
		if !ok {
			r.m.stop("field %s of posix.stat is not known", field)
		}
		L.Push(v)
		return 1
	}
	t := L.NewTable()
	for _, name := range sortedKeys(fields) {
		t.RawSetString(name, fields[name])
	}
	L.Push(t)
	return 1
}

// modeText is the mode as ls shows it, without the type.
func modeText(mode uint32) string {
	text := []byte("rwxrwxrwx")
	for i := range text {
		if mode&(1<<(8-i)) == 0 {
			text[i] = '-'
		}
	}
	for i, bit := range []uint32{0o4000, 0o2000, 0o1000} {
		if mode&bit == 0 {
			continue
		}
		at := 2 + 3*i
		set := "sst"[i]
		if text[at] == '-' {
			set -= 'a' - 'A'
		}
		text[at] = set
	}
	return string(text)
}

// posixChmod takes octal modes, symbolic ones, and those of ls.
func (r *luaRun) posixChmod(L *lua.LState) int {
	e := r.m.stat(r.path(L, 1))
	if e == nil {
		return result(L, L.CheckString(1), errNoEnt)
	}
	text := L.CheckString(2)
	if len(text) == 9 && strings.Trim(text, "rwxsStT-") == "" {
		mode := uint32(0)
		for i := range 9 {
			switch text[i] {
			case 'r', 'w', 'x':
				mode |= 1 << (8 - i)
			case 's', 't':
				mode |= 1<<(8-i) | 0o4000>>(i/3)
			case 'S', 'T':
				mode |= 0o4000 >> (i / 3)
			}
		}
		text = fmt.Sprintf("0%04o", mode)
	}
	n, err := changeMode(text, e.Mode, e.Type == pkgindex.TypeDir, 0)
	if err == nil {
		r.m.change(e, func(x *rootfs.Entry) { x.Mode = n })
	}
	return result(L, L.CheckString(1), err)
}

func (r *luaRun) posixChown(L *lua.LState) int {
	e := r.m.stat(r.path(L, 1))
	if e == nil {
		return result(L, L.CheckString(1), errNoEnt)
	}
	c := r.sh.prepare([]string{"posix.chown"})
	ids := [2]int{-1, -1}
	for i, resolve := range []func(string) (int, error){c.uid, c.gid} {
		v := L.Get(2 + i)
		if v == lua.LNil {
			continue
		}
		n, err := resolve(v.String())
		if err != nil {
			return result(L, L.CheckString(1), err)
		}
		ids[i] = n
	}
	r.m.setOwner(e, ids[0], ids[1])
	return result(L, "", nil)
}

// names lists a directory as readdir does, with its two special entries.
func (r *luaRun) names(p string) ([]string, error) {
	list, err := r.m.readDir(p)
	out := []string{".", ".."}
	for _, e := range list {
		out = append(out, rootfs.Base(e.Path))
	}
	return out, err
}

func (r *luaRun) posixFiles(L *lua.LState) int {
	names, err := r.names(abs(r.sh.dir, L.OptString(1, ".")))
	if err != nil {
		return result(L, L.OptString(1, "."), err)
	}
	i := 0
	L.Push(r.guard(func(L *lua.LState) int {
		if i >= len(names) {
			L.Push(lua.LNil)
		} else {
			L.Push(lua.LString(names[i]))
			i++
		}
		return 1
	}))
	return 1
}

func (r *luaRun) posixDir(L *lua.LState) int {
	names, err := r.names(abs(r.sh.dir, L.OptString(1, ".")))
	if err != nil {
		return result(L, L.OptString(1, "."), err)
	}
	t := L.NewTable()
	for _, n := range names {
		t.Append(lua.LString(n))
	}
	L.Push(t)
	L.Push(lua.LNumber(len(names)))
	return 2
}

func (r *luaRun) posixUname(L *lua.LState) int {
	fields := map[byte]string{'s': "Linux", 'n': "localhost", 'r': kernel, 'v': "#1", 'm': r.m.Arch}
	var out strings.Builder
	format := L.OptString(1, "%s %n %r %v %m")
	for i := 0; i < len(format); i++ {
		if format[i] == '%' && i+1 < len(format) {
			i++
			out.WriteString(fields[format[i]])
			continue
		}
		out.WriteByte(format[i])
	}
	L.Push(lua.LString(out.String()))
	return 1
}

func (r *luaRun) posixSetenv(L *lua.LState) int {
	name, value := L.CheckString(1), L.OptString(2, "")
	if L.GetTop() == 1 {
		name, value, _ = strings.Cut(name, "=")
	}
	r.sh.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
	return result(L, "", nil)
}

func (r *luaRun) posixPasswd(L *lua.LState) int {
	db, err := r.m.Accounts()
	if err != nil {
		r.m.stop("%v", err)
	}
	u := db.User(L.OptString(1, "root"))
	if u == nil {
		L.Push(lua.LNil)
		return 1
	}
	fields := map[string]lua.LValue{"name": lua.LString(u.Name), "uid": lua.LNumber(u.UID), "gid": lua.LNumber(u.GID), "dir": lua.LString(u.Home),
		"shell": lua.LString(u.Shell), "gecos": lua.LString(u.Gecos), "passwd": lua.LString("x")}
	return pick(L, fields)
}

func (r *luaRun) posixGroup(L *lua.LState) int {
	db, err := r.m.Accounts()
	if err != nil {
		r.m.stop("%v", err)
	}
	g := db.Group(L.OptString(1, "root"))
	if g == nil {
		L.Push(lua.LNil)
		return 1
	}
	return pick(L, map[string]lua.LValue{"name": lua.LString(g.Name), "gid": lua.LNumber(g.GID)})
}

// pick returns the field that the second argument names, or all as a table.
func pick(L *lua.LState, fields map[string]lua.LValue) int {
	if name := L.OptString(2, ""); name != "" {
		if v, ok := fields[name]; ok {
			L.Push(v)
		} else {
			L.Push(lua.LNil)
		}
		return 1
	}
	t := L.NewTable()
	for _, name := range sortedKeys(fields) {
		t.RawSetString(name, fields[name])
	}
	L.Push(t)
	return 1
}
