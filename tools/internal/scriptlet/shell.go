package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// control says how the evaluator leaves the commands that it is in.
type control int

const (
	goOn control = iota
	breaking
	continuing
	returning
	exiting
)

// file is an open file of a script.
type file struct {
	r    *bytes.Reader
	w    io.Writer
	pipe bool // a pipe or the console, not a file that could be read again
}

// shell is one shell process. Subshells are copies.
type shell struct {
	m       *Machine
	name    string // $0
	params  []string
	vars    map[string]expand.Variable
	saved   []map[string]expand.Variable // of functions that declared local variables
	funcs   map[string]*syntax.Stmt
	fds     map[int]*file
	dir     string
	umask   uint32
	status  int
	lastBg  bool
	opts    map[string]bool
	trap    string // of EXIT
	ctl     control
	levels  int  // of break and continue
	loops   int  // loops around here
	tested  int  // conditions around here, in which a failure is no reason to leave under set -e
	getopts int  // place in the word that getopts looks at
	nested  bool // a script within a script: $0 and parameters of its own
}

// newShell returns the shell that runs a scriptlet.
func (m *Machine) newShell() *shell {
	s := &shell{m: m, name: "sh", vars: map[string]expand.Variable{}, funcs: map[string]*syntax.Stmt{}, dir: "/", umask: 0o022,
		opts: map[string]bool{}, fds: map[int]*file{}}
	for name, value := range map[string]string{"PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin", "HOME": "/", "LC_ALL": "C"} {
		s.vars[name] = expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: value}
	}
	for name, value := range map[string]string{"PWD": "/", "IFS": " \t\n", "OPTIND": "1", "PS1": "# ", "PS4": "+ "} {
		s.vars[name] = expand.Variable{Set: true, Kind: expand.String, Str: value}
	}
	console := &file{w: &counted{m, &m.run.console}, pipe: true}
	s.fds[0], s.fds[1], s.fds[2] = &file{r: bytes.NewReader(m.run.script.Stdin)}, console, console
	return s
}

// counted bounds what is written to something that is no file of the tree.
type counted struct {
	m *Machine
	w io.Writer
}

func (c *counted) Write(p []byte) (int, error) {
	c.m.produce(len(p))
	return c.w.Write(p)
}

// subshell returns a copy whose changes stay its own.
func (s *shell) subshell() *shell {
	c := *s
	c.vars, c.funcs, c.fds, c.opts = maps.Clone(s.vars), maps.Clone(s.funcs), maps.Clone(s.fds), maps.Clone(s.opts)
	c.trap, c.saved = "", nil
	s.m.step(2 + len(s.vars)/8)
	return &c
}

// finish runs the EXIT trap of a shell that ends.
func (s *shell) finish() int {
	if s.ctl == exiting {
		s.ctl = goOn
	}
	if trap := s.trap; trap != "" {
		s.trap = ""
		status := s.status
		s.eval(trap)
		if s.ctl != exiting {
			s.status = status
		}
	}
	s.ctl = goOn
	return s.status
}

// parse reads a script.
func (m *Machine) parse(text, name string) (*syntax.File, error) {
	if len(text) > maxScriptBytes {
		m.stop("a script of %d bytes; the limit is %d", len(text), maxScriptBytes)
	}
	const most = 5000 // the time to parse grows with the square of the depth
	if n := strings.Count(text, "("); n > most {
		m.stop("a script with %d brackets; the limit is %d", n, most)
	}
	m.step(1 + len(text)/64)
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
}

// eval runs text in this shell.
func (s *shell) eval(text string) int {
	f, err := s.m.parse(text, s.name)
	if err != nil {
		if s.m.run.depth <= 1 {
			s.m.stop("it is no shell script: %v", err)
		}
		s.errorf("%v", err)
		s.status = 2
		return s.status
	}
	s.m.enter()
	defer s.m.leave()
	s.stmts(f.Stmts)
	return s.status
}

func (s *shell) errorf(format string, args ...any) {
	if f := s.fds[2]; f != nil && f.w != nil {
		fmt.Fprintf(f.w, "%s: %s\n", s.name, fmt.Sprintf(format, args...))
	}
}

func (s *shell) stmts(list []*syntax.Stmt) {
	for _, st := range list {
		s.stmt(st)
		if s.ctl != goOn {
			return
		}
	}
}

// cond runs the commands of a condition, where failing is allowed.
func (s *shell) cond(list []*syntax.Stmt) bool {
	s.tested++
	s.stmts(list)
	s.tested--
	return s.status == 0
}

func (s *shell) stmt(st *syntax.Stmt) {
	s.m.step(1)
	if s.nestedLine() {
		s.m.run.line = int(st.Pos().Line())
	}
	if st.Coprocess || st.Disown {
		s.m.stop("coprocesses are not known")
	}
	if st.Background {
		// Runs to its end first: nothing may depend on which of two commands is faster.
		sub := s.subshell()
		sub.fds[0] = &file{r: bytes.NewReader(nil)}
		s.m.enter()
		sub.command(st)
		s.lastBg, s.vars["!"] = true, expand.Variable{Set: true, Kind: expand.String, Str: "2"}
		s.m.leave()
		sub.finish()
		s.status = 0
		return
	}
	if st.Negated {
		s.tested++
		s.command(st)
		s.tested--
		if s.ctl == goOn {
			s.status = boolStatus(s.status != 0)
		}
		return
	}
	s.command(st)
	if s.status != 0 && s.opts["errexit"] && s.tested == 0 && s.ctl == goOn && failsAlone(st.Cmd) {
		s.ctl = exiting
	}
}

// nestedLine reports whether positions are those of the scriptlet itself.
func (s *shell) nestedLine() bool { return !s.nested }

// failsAlone tells the commands that end a script under set -e: those that contain others have left it to them.
func failsAlone(c syntax.Command) bool {
	switch c := c.(type) {
	case *syntax.BinaryCmd:
		return c.Op != syntax.AndStmt && c.Op != syntax.OrStmt
	case *syntax.IfClause, *syntax.WhileClause, *syntax.ForClause, *syntax.CaseClause, *syntax.Block:
		return false
	}
	return true
}

func boolStatus(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

// command runs a statement with its redirections.
func (s *shell) command(st *syntax.Stmt) {
	if len(st.Redirs) == 0 {
		s.run(st.Cmd)
		return
	}
	before := s.fds
	s.fds = maps.Clone(before)
	ok := s.redirect(st.Redirs)
	if ok {
		s.run(st.Cmd)
	} else if s.ctl == goOn {
		s.status = 1
	}
	if call, isCall := st.Cmd.(*syntax.CallExpr); isCall && ok && len(call.Args) == 1 && call.Args[0].Lit() == "exec" {
		return // exec without a command keeps them
	}
	s.fds = before
}

func (s *shell) run(c syntax.Command) {
	switch c := c.(type) {
	case nil:
		s.status = 0
	case *syntax.CallExpr:
		s.call(c)
	case *syntax.Block:
		s.stmts(c.Stmts)
	case *syntax.Subshell:
		s.inSubshell(func(sub *shell) { sub.stmts(c.Stmts) })
	case *syntax.BinaryCmd:
		s.binary(c)
	case *syntax.IfClause:
		s.ifClause(c)
	case *syntax.WhileClause:
		s.loop(func() bool { return s.cond(c.Cond) != c.Until }, c.Do, nil)
	case *syntax.ForClause:
		s.forClause(c)
	case *syntax.CaseClause:
		s.caseClause(c)
	case *syntax.FuncDecl:
		if c.Name == nil {
			s.m.stop("a function without a name")
		}
		s.funcs[c.Name.Value] = c.Body
		s.status = 0
	case *syntax.ArithmCmd:
		s.status = boolStatus(s.arithm(c.X) != 0)
	case *syntax.LetClause:
		for _, x := range c.Exprs {
			s.status = boolStatus(s.arithm(x) != 0)
		}
	case *syntax.TestClause:
		s.status = boolStatus(s.testExpr(c.X))
	case *syntax.DeclClause:
		s.declare(c)
	case *syntax.TimeClause:
		if c.Stmt != nil {
			s.stmt(c.Stmt)
		}
	default:
		s.m.stop("%T is not known", c)
	}
}

func (s *shell) inSubshell(f func(*shell)) {
	s.m.enter()
	sub := s.subshell()
	f(sub)
	s.status = sub.finish()
	s.m.leave()
}

func (s *shell) binary(c *syntax.BinaryCmd) {
	switch c.Op {
	case syntax.AndStmt, syntax.OrStmt:
		s.tested++
		s.stmt(c.X)
		s.tested--
		if s.ctl == goOn && (s.status == 0) == (c.Op == syntax.AndStmt) {
			s.stmt(c.Y)
		}
	case syntax.Pipe, syntax.PipeAll:
		s.pipe(c)
	default:
		s.m.stop("operator %s is not known", c.Op)
	}
}

// pipe runs the left side to its end and then the right one on what it wrote, so that the result is always the same.
func (s *shell) pipe(c *syntax.BinaryCmd) {
	var through bytes.Buffer
	left := 0
	s.inSubshell(func(sub *shell) {
		sub.fds[1] = &file{w: &counted{s.m, &through}, pipe: true}
		if c.Op == syntax.PipeAll {
			sub.fds[2] = sub.fds[1]
		}
		sub.tested++
		sub.stmt(c.X)
	})
	left = s.status
	s.inSubshell(func(sub *shell) {
		sub.fds[0] = &file{r: bytes.NewReader(through.Bytes()), pipe: true}
		sub.tested++
		sub.stmt(c.Y)
	})
	if s.opts["pipefail"] && s.status == 0 {
		s.status = left
	}
}

// child returns a shell for a script file: exported variables and open files only.
func (s *shell) child(name string, params []string) *shell {
	c := s.m.newShell()
	c.name, c.params, c.dir, c.umask, c.nested = name, params, s.dir, s.umask, true
	c.fds = maps.Clone(s.fds)
	for k, v := range s.vars {
		if v.Exported {
			c.vars[k] = v
		}
	}
	c.vars["PWD"] = expand.Variable{Set: true, Kind: expand.String, Str: s.dir}
	return c
}

func atoi(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil
}
