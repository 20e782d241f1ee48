package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// call is one command under way.
type call struct {
	s        *shell
	m        *Machine
	name     string
	args     []string // without the name
	in       *bytes.Reader
	out, err io.Writer
}

// command is a program that scripts call, as a function.
type command func(*call) int

// errorf prints an error as programs do.
func (c *call) errorf(format string, args ...any) int {
	fmt.Fprintf(c.err, "%s: %s\n", c.name, fmt.Sprintf(format, args...))
	return 1
}

// unknown ends the script: an option or a use that is not known here must not pass for done.
func (c *call) unknown(format string, args ...any) int {
	c.m.run.command = c.name + " " + strings.Join(c.args, " ")
	c.m.stop(format, args...)
	return 1
}

func (c *call) option(o string) int { return c.unknown("option %s is not known", o) }

// path returns an operand as a path of the tree.
func (c *call) path(p string) string { return abs(c.s.dir, p) }

// nowhere is what closed descriptors read from and write to.
func nowhere() *bytes.Reader { return bytes.NewReader(nil) }

func (s *shell) stdin() *bytes.Reader {
	if f := s.fds[0]; f != nil && f.r != nil {
		return f.r
	}
	return nowhere()
}

func (s *shell) writer(fd int) io.Writer {
	if f := s.fds[fd]; f != nil && f.w != nil {
		return f.w
	}
	return io.Discard
}

// call runs a simple command: assignments, expansions, lookup.
func (s *shell) call(c *syntax.CallExpr) {
	s.lastBg = false
	before := s.status
	args := s.fields(c.Args)
	if s.ctl != goOn {
		return
	}
	if len(args) == 0 {
		substituted := s.lastBg
		s.lastBg = false
		for _, a := range c.Assigns {
			s.assignment(a, expand.Variable{})
			if s.ctl != goOn {
				return
			}
		}
		if !s.lastBg && !substituted {
			s.status = 0
		}
		return
	}
	s.status = before
	undo := s.temporaries(args[0], c.Assigns)
	if s.ctl == goOn {
		s.m.run.command = strings.Join(args, " ")
		s.execute(args)
	}
	undo()
}

// temporaries makes the assignments before a command, and returns how to take them back.
func (s *shell) temporaries(name string, list []*syntax.Assign) func() {
	if len(list) == 0 {
		return func() {}
	}
	old := map[string]expand.Variable{}
	for _, a := range list {
		old[a.Name.Value] = s.vars[a.Name.Value]
		s.assignment(a, expand.Variable{Exported: true})
		if s.ctl != goOn {
			break
		}
	}
	if special[name] {
		return func() {}
	}
	return func() {
		for name, v := range old {
			if v.Declared() {
				s.vars[name] = v
			} else {
				delete(s.vars, name)
			}
		}
	}
}

// special are the built-ins of POSIX before which assignments stay.
var special = map[string]bool{":": true, ".": true, "eval": true, "exec": true, "exit": true, "export": true, "readonly": true,
	"return": true, "set": true, "shift": true, "trap": true, "unset": true, "break": true, "continue": true}

// assignment carries out x=y, x+=y and x=(a b).
func (s *shell) assignment(a *syntax.Assign, attrs expand.Variable) {
	if a.Name == nil {
		return
	}
	v, old := attrs, s.vars[a.Name.Value]
	v.Set, v.Kind = true, expand.String
	switch {
	case a.Index != nil:
		i := s.arithm(a.Index)
		const most = 4096
		if old.Kind == expand.Associative || i < 0 || i >= most {
			s.m.stop("this use of arrays is not known")
		}
		v.Kind, v.List = expand.Indexed, append([]string(nil), old.List...)
		for len(v.List) <= i {
			v.List = append(v.List, "")
		}
		v.List[i] = s.literal(a.Value)
	case a.Array != nil:
		v.Kind = expand.Indexed
		if a.Append {
			v.List = append(v.List, old.List...)
		}
		for _, e := range a.Array.Elems {
			if e.Index != nil {
				s.m.stop("this use of arrays is not known")
			}
			v.List = append(v.List, s.fields([]*syntax.Word{e.Value})...)
		}
	case a.Append:
		v.Str = old.String() + s.literal(a.Value)
	default:
		v.Str = s.literal(a.Value)
	}
	if s.ctl != goOn {
		return
	}
	if err := s.assign(a.Name.Value, v); err != nil {
		s.errorf("%v", err)
		s.status, s.ctl = 1, exiting
	}
}

// execute runs a command by name.
func (s *shell) execute(args []string) {
	s.m.step(5)
	if f, ok := s.funcs[args[0]]; ok {
		s.function(f, args)
		return
	}
	if b, ok := builtins[args[0]]; ok {
		s.status = b(s.prepare(args))
		return
	}
	s.status = s.program(args)
}

func (s *shell) prepare(args []string) *call {
	return &call{s: s, m: s.m, name: args[0], args: args[1:], in: s.stdin(), out: s.writer(1), err: s.writer(2)}
}

func (s *shell) function(body *syntax.Stmt, args []string) {
	s.m.enter()
	params, loops := s.params, s.loops
	s.params, s.loops = args[1:], 0
	s.saved = append(s.saved, nil)
	s.stmt(body)
	if s.ctl == returning {
		s.ctl = goOn
	}
	for name, v := range s.saved[len(s.saved)-1] {
		if v.Declared() {
			s.vars[name] = v
		} else {
			delete(s.vars, name)
		}
	}
	s.saved = s.saved[:len(s.saved)-1]
	s.params, s.loops = params, loops
	s.m.leave()
}

// systemDirs are where distributions keep programs; a file elsewhere that bears the name of one is not it.
var systemDirs = map[string]bool{"/bin": true, "/sbin": true, "/usr/bin": true, "/usr/sbin": true, "/usr/lib/systemd": true,
	"/lib/systemd": true, "/usr/libexec": true, "/usr/lib": true, "/usr/lib/rpm": true}

// program runs what is neither function nor built-in: one of our commands, or a script that the tree has.
func (s *shell) program(args []string) int {
	name := args[0]
	base := path.Base(name)
	p := s.lookup(name)
	if p == "" && optional[base] {
		s.m.note("%s is not in the image", base)
		s.errorf("%s: command not found", name)
		return 127
	}
	if !strings.Contains(name, "/") || isSystemDir(path.Dir(path.Clean(abs(s.dir, name)))) {
		if f, ok := commands[base]; ok {
			c := s.prepare(args)
			c.name = base
			return f(c)
		}
	}
	if why := refused[base]; why != "" {
		s.m.stop("%s", why)
	}
	if p == "" {
		if strings.Contains(name, "/") {
			s.m.stop("the image has no such program, and it is not one of those that are built in")
		}
		s.m.stop("the command %s is not known, and the image does not have it", name)
	}
	return s.scriptFile(p, args)
}

// isSystemDir reports whether programs of a directory are the ones that their names say: also those of Java, which brings its own.
func isSystemDir(dir string) bool { return systemDirs[dir] || strings.HasPrefix(dir, "/usr/lib/jvm/") }

// lookup finds a program in the tree.
func (s *shell) lookup(name string) string {
	if strings.Contains(name, "/") {
		if e := s.m.stat(abs(s.dir, name)); e != nil && e.Type == pkgindex.TypeFile {
			return abs(s.dir, name)
		}
		return ""
	}
	for _, dir := range strings.Split(s.vars["PATH"].Str, ":") {
		p := rootfs.Join(path.Clean("/"+dir), name)
		if e := s.m.stat(p); e != nil && e.Type == pkgindex.TypeFile && e.Mode&0o111 != 0 {
			return p
		}
	}
	return ""
}

// scriptFile runs a shell script of the tree.
func (s *shell) scriptFile(p string, args []string) int {
	e := s.m.stat(p)
	if e.Mode&0o111 == 0 {
		s.errorf("%s: Permission denied", args[0])
		return 126
	}
	const probe = 2
	if e.ELF != nil || e.SizeBytes < probe {
		s.m.stop("%s is a program of the image (%s), and no program of the image runs", e.Path, strings.Join(e.Owners, ", "))
	}
	data := s.m.data(e)
	interpreter, ok := strings.CutPrefix(firstLine(data), "#!")
	words := strings.Fields(interpreter)
	if !ok || len(words) == 0 {
		s.m.stop("%s is a program of the image (%s), and no program of the image runs", e.Path, strings.Join(e.Owners, ", "))
	}
	if !isShell(path.Base(words[0])) {
		s.m.stop("%s is a script for %s, which is not known", e.Path, words[0])
	}
	child := s.child(p, args[1:])
	for _, w := range words[1:] {
		child.options(w)
	}
	return child.script(string(data))
}

// script runs a whole file in a shell of its own.
func (s *shell) script(text string) int {
	s.m.enter()
	line := s.m.run.line
	s.eval(text)
	s.m.run.line = line
	s.m.leave()
	return s.finish()
}

func isShell(name string) bool {
	return name == "sh" || name == "bash" || name == "dash" || name == "ksh"
}
