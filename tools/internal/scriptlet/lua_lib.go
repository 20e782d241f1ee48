package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// open gives a script the libraries that rpm's interpreter has, without what reaches out of the image: no coroutines either,
// whose instructions nobody would count.
func (r *luaRun) open() {
	L := r.L
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{"", lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath}} {
		L.Push(L.NewFunction(lib.open))
		L.Push(lua.LString(lib.name))
		L.Call(1, 0)
	}
	for _, name := range []string{"dofile", "loadfile", "require", "module", "newproxy", "_printregs", "collectgarbage"} {
		L.SetGlobal(name, lua.LNil)
	}
	L.SetGlobal("print", r.guard(r.print))
	L.SetGlobal("load", r.guard(r.load))
	L.SetGlobal("loadstring", r.guard(r.load))
	L.SetGlobal("collectgarbage", r.guard(func(L *lua.LState) int { L.Push(lua.LNumber(0)); return 1 }))
	L.SetGlobal("dofile", r.guard(r.dofile))
	L.SetGlobal(concatName, r.guard(r.concat))
	if t, ok := L.GetGlobal("math").(*lua.LTable); ok {
		random := r.guard(func(*lua.LState) int { r.m.stop("random numbers are different every time"); return 0 })
		t.RawSetString("random", random)
		t.RawSetString("randomseed", random)
	}
	if t, ok := L.GetGlobal("table").(*lua.LTable); ok {
		t.RawSetString("unpack", L.GetGlobal("unpack"))
		t.RawSetString("concat", r.guard(r.tableConcat))
	}
	r.boundStrings()
	L.SetGlobal("os", r.osLib())
	L.SetGlobal("io", r.ioLib())
	L.SetGlobal("posix", r.posixLib())
	L.SetGlobal("rpm", r.rpmLib())
}

func (r *luaRun) print(L *lua.LState) int {
	var out []string
	for i := 1; i <= L.GetTop(); i++ {
		out = append(out, L.ToStringMeta(L.Get(i)).String())
	}
	fmt.Fprintln(r.sh.writer(1), strings.Join(out, "\t"))
	return 0
}

func (r *luaRun) load(L *lua.LState) int {
	f, err := r.compile(L.CheckString(1), L.OptString(2, "chunk"))
	if err != nil {
		L.Push(lua.LNil)
		L.Push(lua.LString(err.Error()))
		return 2
	}
	L.Push(f)
	return 1
}

func (r *luaRun) dofile(L *lua.LState) int {
	data, err := r.m.read(r.path(L, 1))
	if err != nil {
		L.RaiseError("cannot open %s: %v", L.CheckString(1), err)
	}
	f, err := r.compile(string(data), L.CheckString(1))
	if err != nil {
		L.RaiseError("%v", err)
	}
	top := L.GetTop()
	L.Push(f)
	L.Call(0, lua.MultRet)
	return L.GetTop() - top
}

func (r *luaRun) tableConcat(L *lua.LState) int {
	t, sep := L.CheckTable(1), L.OptString(2, "")
	from, to := L.OptInt(3, 1), L.OptInt(4, t.Len())
	var out strings.Builder
	for i := from; i <= to; i++ {
		v := t.RawGetInt(i)
		if v.Type() != lua.LTString && v.Type() != lua.LTNumber {
			L.RaiseError("invalid value (at index %d) in table for 'concat'", i)
		}
		out.WriteString(v.String())
		if i < to {
			out.WriteString(sep)
		}
		r.sized(out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

func (r *luaRun) osLib() *lua.LTable {
	return r.table(map[string]lua.LGFunction{
		"execute": r.osExecute,
		"exit": func(L *lua.LState) int {
			status := 0
			if v, ok := L.Get(1).(lua.LNumber); ok {
				status = int(v)
			} else if L.Get(1) == lua.LFalse {
				status = 1
			}
			r.exit = &status
			L.RaiseError("exit")
			return 0
		},
		"getenv": func(L *lua.LState) int {
			v := r.sh.vars[L.CheckString(1)]
			if !v.Exported {
				L.Push(lua.LNil)
			} else {
				L.Push(lua.LString(v.String()))
			}
			return 1
		},
		"remove": func(L *lua.LState) int {
			p := r.path(L, 1)
			err := r.m.unlink(p)
			if err == errIsDir {
				err = r.m.rmdir(p)
			}
			return luaOK(L, L.CheckString(1), err)
		},
		"rename":   func(L *lua.LState) int { return luaOK(L, L.CheckString(1), r.m.rename(r.path(L, 1), r.path(L, 2))) },
		"time":     func(L *lua.LState) int { L.Push(lua.LNumber(r.m.Time)); return 1 },
		"clock":    func(L *lua.LState) int { L.Push(lua.LNumber(0)); return 1 },
		"difftime": func(L *lua.LState) int { L.Push(L.CheckNumber(1) - L.CheckNumber(2)); return 1 },
		"tmpname":  func(L *lua.LState) int { L.Push(lua.LString("/tmp/lua_1")); return 1 },
		"date": func(L *lua.LState) int {
			if L.GetTop() > 0 {
				r.m.stop("os.date with a format is not known")
			}
			L.Push(lua.LString(time.Unix(r.m.Time, 0).UTC().Format(time.ANSIC)))
			return 1
		},
	})
}

// luaOK returns true, or nil with the text and number of an error.
func luaOK(L *lua.LState, name string, err error) int {
	if err == nil {
		L.Push(lua.LTrue)
		return 1
	}
	return result(L, name, err)
}

func (r *luaRun) osExecute(L *lua.LState) int {
	if L.GetTop() == 0 {
		L.Push(lua.LTrue)
		return 1
	}
	return executed(L, r.command(L.CheckString(1)))
}

// executed returns what os.execute returns in Lua 5.2 and later.
func executed(L *lua.LState, status int) int {
	if status == 0 {
		L.Push(lua.LTrue)
	} else {
		L.Push(lua.LNil)
	}
	L.Push(lua.LString("exit"))
	L.Push(lua.LNumber(status))
	return 3
}

// luaFile is a file that io.open returned.
type luaFile struct {
	r      *bytes.Reader
	w      io.Writer
	closed bool
}

const fileType = "FILE*"

func (r *luaRun) ioLib() *lua.LTable {
	mt := r.L.NewTypeMetatable(fileType)
	mt.RawSetString("__index", r.table(map[string]lua.LGFunction{
		"read": r.fileRead, "write": r.fileWrite, "lines": r.fileLines, "close": r.fileClose, "seek": r.fileSeek,
		"flush":   func(L *lua.LState) int { return 0 },
		"setvbuf": func(L *lua.LState) int { return 0 },
	}))
	t := r.table(map[string]lua.LGFunction{
		"open":  r.ioOpen,
		"lines": r.ioLines,
		"popen": r.ioPopen,
		"close": func(L *lua.LState) int {
			if L.GetTop() > 0 {
				return r.fileClose(L)
			}
			return 0
		},
		"write": func(L *lua.LState) int {
			for _, s := range stringsFrom(L, 1) {
				io.WriteString(r.sh.writer(1), s)
			}
			return 0
		},
		"read": func(L *lua.LState) int {
			L.Insert(r.wrap(&luaFile{r: r.sh.stdin()}), 1)
			return r.fileRead(L)
		},
		"type": func(L *lua.LState) int {
			if u, ok := L.Get(1).(*lua.LUserData); ok {
				if f, ok := u.Value.(*luaFile); ok {
					L.Push(lua.LString(map[bool]string{false: "file", true: "closed file"}[f.closed]))
					return 1
				}
			}
			L.Push(lua.LNil)
			return 1
		},
	})
	t.RawSetString("stdin", r.wrap(&luaFile{r: r.sh.stdin()}))
	t.RawSetString("stdout", r.wrap(&luaFile{w: r.sh.writer(1)}))
	t.RawSetString("stderr", r.wrap(&luaFile{w: r.sh.writer(2)}))
	return t
}

func (r *luaRun) wrap(f *luaFile) *lua.LUserData {
	u := r.L.NewUserData()
	u.Value = f
	r.L.SetMetatable(u, r.L.GetTypeMetatable(fileType))
	return u
}

func (r *luaRun) ioOpen(L *lua.LState) int {
	name, mode := L.CheckString(1), strings.ReplaceAll(L.OptString(2, "r"), "b", "")
	// rpm.open has the compression behind a dot.
	mode, _, _ = strings.Cut(mode, ".")
	p := abs(r.sh.dir, name)
	r.note("io.open " + name)
	f := &luaFile{}
	if mode == "r" || mode == "r+" || mode == "a+" {
		data, err := r.m.read(p)
		if err != nil && mode != "a+" {
			return result(L, name, err)
		}
		f.r = bytes.NewReader(data)
		if mode == "r" {
			L.Push(r.wrap(f))
			return 1
		}
	}
	switch mode {
	case "w", "w+", "a", "a+":
	default:
		r.m.stop("mode %q of io.open is not known", mode)
	}
	opened, err := r.m.open(p, mode[0] == 'a', 0o666&^r.sh.umask, r.sh)
	if err != nil {
		return result(L, name, err)
	}
	f.w = opened.w
	L.Push(r.wrap(f))
	return 1
}

func (r *luaRun) ioPopen(L *lua.LState) int {
	if L.OptString(2, "r") != "r" {
		r.m.stop("io.popen for writing is not known")
	}
	var out bytes.Buffer
	r.note(L.CheckString(1))
	child := r.sh.child("sh", nil)
	child.vars = r.sh.vars
	child.fds[1] = &file{w: &counted{r.m, &out}, pipe: true}
	child.script(L.CheckString(1))
	L.Push(r.wrap(&luaFile{r: bytes.NewReader(out.Bytes())}))
	return 1
}

func (r *luaRun) check(L *lua.LState) *luaFile {
	if f, ok := L.CheckUserData(1).Value.(*luaFile); ok && !f.closed {
		return f
	}
	L.RaiseError("attempt to use a closed file")
	return nil
}

func (r *luaRun) fileClose(L *lua.LState) int {
	r.check(L).closed = true
	L.Push(lua.LTrue)
	return 1
}

func (r *luaRun) fileSeek(L *lua.LState) int {
	f := r.check(L)
	if f.r == nil {
		r.m.stop("seek in a file for writing is not known")
	}
	whence := map[string]int{"set": io.SeekStart, "cur": io.SeekCurrent, "end": io.SeekEnd}[L.OptString(2, "cur")]
	n, err := f.r.Seek(int64(L.OptInt(3, 0)), whence)
	if err != nil {
		return result(L, "seek", err)
	}
	L.Push(lua.LNumber(n))
	return 1
}

func (r *luaRun) fileWrite(L *lua.LState) int {
	f := r.check(L)
	if f.w == nil {
		return result(L, "write", fmt.Errorf("Bad file descriptor"))
	}
	for _, s := range stringsFrom(L, 2) {
		io.WriteString(f.w, s)
	}
	L.Push(L.Get(1))
	return 1
}

func (r *luaRun) fileRead(L *lua.LState) int {
	f := r.check(L)
	if f.r == nil {
		return result(L, "read", fmt.Errorf("Bad file descriptor"))
	}
	if L.GetTop() == 1 {
		L.Push(lua.LString("l"))
	}
	top := L.GetTop()
	for i := 2; i <= top; i++ {
		v := r.readOne(f, L.Get(i))
		L.Push(v)
		if v == lua.LNil {
			break
		}
	}
	return L.GetTop() - top
}

func (r *luaRun) readOne(f *luaFile, format lua.LValue) lua.LValue {
	if n, ok := format.(lua.LNumber); ok {
		buf := make([]byte, min(max(int(n), 0), f.r.Len()))
		if len(buf) == 0 && n > 0 {
			return lua.LNil
		}
		f.r.Read(buf)
		return lua.LString(buf)
	}
	switch strings.TrimPrefix(format.String(), "*") + " " {
	case "a ", "all ":
		data, _ := io.ReadAll(f.r)
		r.m.step(1 + len(data)>>10)
		return lua.LString(data)
	case "l ", "line ", "L ":
		if f.r.Len() == 0 {
			return lua.LNil
		}
		line, ok := readLine(f.r, '\n')
		if ok && strings.HasSuffix(format.String(), "L") {
			line += "\n"
		}
		return lua.LString(line)
	}
	r.m.stop("read format %s is not known", format)
	return lua.LNil
}

func (r *luaRun) fileLines(L *lua.LState) int {
	f := r.check(L)
	L.Push(r.guard(func(L *lua.LState) int {
		L.Push(r.readOne(f, lua.LString("l")))
		return 1
	}))
	return 1
}

func (r *luaRun) ioLines(L *lua.LState) int {
	data, err := r.m.read(r.path(L, 1))
	if err != nil {
		L.RaiseError("%s: %v", L.CheckString(1), err)
	}
	f := &luaFile{r: bytes.NewReader(data)}
	L.Push(r.guard(func(L *lua.LState) int {
		L.Push(r.readOne(f, lua.LString("l")))
		return 1
	}))
	return 1
}
