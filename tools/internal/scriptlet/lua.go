package scriptlet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// luaRun is one Lua script.
type luaRun struct {
	m     *Machine
	sh    *shell
	L     *lua.LState
	files []string // of a file trigger, for rpm.next_file
	exit  *int     // os.exit was called
}

// errBudget ends a Lua script from within the interpreter, which asks its context before every instruction.
var errBudget = errors.New("stopped")

// luaContext counts instructions: the same ones stop everywhere, whatever the clock says.
type luaContext struct {
	run    *luaRun
	closed chan struct{}
	every  int
}

func (c *luaContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *luaContext) Value(any) any               { return nil }
func (c *luaContext) Err() error                  { return errBudget }

func (c *luaContext) Done() <-chan struct{} {
	r := c.run.m.run
	const perStep = 4
	if c.every++; c.every%perStep == 0 && r.dead == nil {
		if r.steps++; r.steps > c.run.m.maxSteps() {
			r.dead = &Uncovered{Line: r.line, Why: fmt.Sprintf(endless, c.run.m.maxSteps())}
		}
	}
	if r.dead != nil || c.run.exit != nil {
		return c.closed
	}
	return nil
}

var _ context.Context = (*luaContext)(nil)

// lua runs the body of a <lua> script and returns its exit status.
func (m *Machine) lua(s *Script) int {
	r := &luaRun{m: m, sh: m.newShell()}
	if len(s.Stdin) > 0 {
		r.files = splitLines(s.Stdin)
	}
	const calls, registry = 200, 32 << 10 // a registry that grows does so in small steps, each a copy
	r.L = lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: calls, RegistrySize: registry})
	defer r.L.Close()
	closed := make(chan struct{})
	close(closed)
	r.L.SetContext(&luaContext{run: r, closed: closed})
	r.open()
	args := r.L.NewTable()
	args.RawSetInt(1, lua.LString("<lua>"))
	for i, a := range s.Args {
		args.RawSetInt(i+2, lua.LString(a))
	}
	r.L.SetGlobal("arg", args)
	prefixes := r.L.NewTable()
	for i, p := range s.Prefixes {
		prefixes.RawSetInt(i+1, lua.LString(p))
	}
	r.L.SetGlobal("RPM_INSTALL_PREFIX", prefixes)
	f, err := r.compile(s.Body, "scriptlet")
	if err != nil {
		m.stop("it is no Lua script that is understood: %v", err)
	}
	r.L.Push(f)
	err = r.L.PCall(0, lua.MultRet, nil)
	if m.run.dead != nil {
		panic(stopped{})
	}
	if err != nil {
		if r.exit != nil {
			return *r.exit
		}
		fmt.Fprintf(&m.run.console, "%s\n", strings.SplitN(err.Error(), "\nstack traceback", 2)[0])
		return 1
	}
	return 0
}

// compile parses text, makes its concatenations calls that can be bounded, and returns it as a function.
func (r *luaRun) compile(text, name string) (*lua.LFunction, error) {
	if len(text) > maxScriptBytes {
		return nil, fmt.Errorf("%d bytes; the limit is %d", len(text), maxScriptBytes)
	}
	const deepest = 5000 // the parser keeps its stack on the heap, the compiler does not
	if strings.Count(text, "(")+strings.Count(text, "{")+strings.Count(text, "..")+strings.Count(text, "not ") > deepest*4 {
		return nil, fmt.Errorf("too many brackets and operators")
	}
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, err
	}
	boundStmts(chunk)
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		return nil, err
	}
	return r.L.NewFunctionFromProto(proto), nil
}

// guard wraps a function of ours: what stops the script becomes an error that the interpreter carries out.
func (r *luaRun) guard(f lua.LGFunction) *lua.LFunction {
	return r.L.NewFunction(func(L *lua.LState) (n int) {
		defer func() {
			if e := recover(); e != nil {
				if _, ok := e.(stopped); !ok {
					panic(e)
				}
				n = 0
			}
			if r.m.run.dead != nil {
				L.RaiseError("stopped")
			}
		}()
		if d, ok := L.GetStack(1); ok {
			if _, err := L.GetInfo("l", d, nil); err == nil && d.CurrentLine > 0 {
				r.m.run.line = d.CurrentLine
			}
		}
		return f(L)
	})
}

// table makes a module of functions.
func (r *luaRun) table(functions map[string]lua.LGFunction) *lua.LTable {
	t := r.L.NewTable()
	for _, name := range sortedKeys(functions) {
		t.RawSetString(name, r.guard(functions[name]))
	}
	return t
}

// path resolves a path of a script.
func (r *luaRun) path(L *lua.LState, n int) string { return abs(r.sh.dir, L.CheckString(n)) }

// result returns 0, or nil with the text and a number of an error, as rpm's posix functions do.
func result(L *lua.LState, name string, err error) int {
	if err == nil {
		L.Push(lua.LNumber(0))
		return 1
	}
	L.Push(lua.LNil)
	L.Push(lua.LString(name + ": " + err.Error()))
	L.Push(lua.LNumber(errno(err)))
	return 3
}

func errno(err error) int {
	for code, e := range map[int]error{2: errNoEnt, 17: errExist, 20: errNotDir, 21: errIsDir, 22: errInvalid, 39: errNotEmpty, 40: errLoop} {
		if errors.Is(err, e) {
			return code
		}
	}
	return 5
}

func (r *luaRun) note(what string) {
	r.m.run.command = what
}

// command runs a shell command line and returns its status.
func (r *luaRun) command(text string) int {
	r.note(text)
	child := r.sh.child("sh", nil)
	child.vars = r.sh.vars
	return child.script(text)
}

// argv runs a program.
func (r *luaRun) argv(args []string) int {
	r.note(strings.Join(args, " "))
	r.m.enter()
	defer r.m.leave()
	sub := r.sh.subshell()
	sub.status = sub.program(args)
	return sub.finish()
}

func stringsFrom(L *lua.LState, from int) []string {
	var out []string
	for i := from; i <= L.GetTop(); i++ {
		out = append(out, L.CheckString(i))
	}
	return out
}
