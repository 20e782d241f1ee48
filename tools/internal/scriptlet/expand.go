package scriptlet

import (
	"errors"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// environ gives expansions the variables of a shell, and bounds what one expansion can grow to.
type environ struct {
	s     *shell
	bytes int
	limit int
}

func (e *environ) Get(name string) expand.Variable {
	v := e.s.get(name)
	n := len(v.Str)
	for _, x := range v.List {
		n += len(x)
	}
	e.s.m.step(1 + n>>10)
	if e.bytes += n; e.bytes > e.limit {
		e.s.m.stop("an expansion of more than %d bytes", e.limit)
	}
	return v
}

func (e *environ) Set(name string, v expand.Variable) error { return e.s.assign(name, v) }

func (e *environ) Each(f func(string, expand.Variable) bool) {
	for _, name := range sortedKeys(e.s.vars) {
		if !f(name, e.s.vars[name]) {
			return
		}
	}
}

// get returns a variable or a special parameter.
func (s *shell) get(name string) expand.Variable {
	text := func(v string) expand.Variable { return expand.Variable{Set: true, Kind: expand.String, Str: v} }
	switch name {
	case "@", "*":
		return expand.Variable{Set: true, Kind: expand.Indexed, List: s.params}
	case "#":
		return text(strconv.Itoa(len(s.params)))
	case "?":
		return text(strconv.Itoa(s.status))
	case "$", "BASHPID":
		return text("1")
	case "PPID":
		return text("0")
	case "-":
		return text("h")
	case "0":
		return text(s.name)
	case "UID", "EUID":
		return text("0")
	case "HOSTNAME":
		return text("localhost")
	case "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "EPOCHREALTIME":
		if _, ok := s.vars[name]; !ok {
			s.m.stop("$%s is different every time", name)
		}
	}
	if user, ok := strings.CutPrefix(name, "HOME "); ok {
		return text(s.home(user))
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 {
		if n <= len(s.params) {
			return text(s.params[n-1])
		}
		return expand.Variable{}
	}
	return s.vars[name]
}

// home answers ~user. It must always answer: expansions would ask the host otherwise.
func (s *shell) home(user string) string {
	if db, err := s.m.Accounts(); err == nil {
		if u := db.User(user); u != nil {
			return u.Home
		}
	}
	return "~" + user
}

// assign sets a variable.
func (s *shell) assign(name string, v expand.Variable) error {
	old := s.vars[name]
	if old.ReadOnly {
		return errors.New(name + ": readonly variable")
	}
	if v.Kind == expand.KeepValue {
		v.Kind, v.Str, v.List, v.Map, v.Set = old.Kind, old.Str, old.List, old.Map, old.Set
	}
	if !v.Set && !v.Exported && !v.ReadOnly && v.Kind == expand.Unknown {
		delete(s.vars, name)
		return nil
	}
	n := len(v.Str)
	for _, x := range v.List {
		n += len(x) + 16
	}
	if n > maxVariable {
		s.m.stop("variable %s gets more than %d bytes", name, maxVariable)
	}
	const most = 10_000
	if len(s.vars) > most {
		s.m.stop("more than %d variables", most)
	}
	v.Exported = v.Exported || old.Exported || s.opts["allexport"]
	s.vars[name] = v
	return nil
}

func (s *shell) set(name, value string) {
	if err := s.assign(name, expand.Variable{Set: true, Kind: expand.String, Str: value}); err != nil {
		s.errorf("%v", err)
		s.status, s.ctl = 1, exiting
	}
}

// config returns what one expansion works with. Each needs its own: substitutions expand while an expansion is under way.
func (s *shell) config(words ...*syntax.Word) *expand.Config {
	env := &environ{s: s, limit: maxExpansion}
	for _, w := range words {
		if replaces(w) {
			const small = 8 << 10 // ${x//y/$z} multiplies the two
			env.limit = small
		}
	}
	c := &expand.Config{Env: env, NoUnset: s.opts["nounset"], DotGlob: s.opts["dotglob"], NullGlob: s.opts["nullglob"],
		ExtGlob: s.opts["extglob"], NoCaseGlob: s.opts["nocaseglob"], CmdSubst: s.substitute,
		ProcSubst: func(*syntax.ProcSubst) (string, error) { s.m.stop("process substitution is not known"); return "", nil }}
	if !s.opts["noglob"] {
		c.ReadDir2 = s.glob
	}
	return c
}

// replaces tells the words that hold ${x//y/z}.
func replaces(w *syntax.Word) bool {
	if w == nil {
		return false
	}
	found := false
	for _, part := range w.Parts {
		if _, ok := part.(*syntax.Lit); !ok {
			syntax.Walk(w, func(n syntax.Node) bool {
				if p, ok := n.(*syntax.ParamExp); ok && p.Repl != nil {
					found = true
				}
				return !found
			})
			break
		}
	}
	return found
}

func (s *shell) substitute(w io.Writer, c *syntax.CmdSubst) error {
	s.m.enter()
	defer s.m.leave()
	sub := s.subshell()
	sub.fds[1] = &file{w: &counted{s.m, w}, pipe: true}
	if len(c.Stmts) == 1 && c.Stmts[0].Cmd == nil && len(c.Stmts[0].Redirs) == 1 && c.Stmts[0].Redirs[0].Op == syntax.RdrIn {
		data, err := s.m.read(abs(s.dir, s.literal(c.Stmts[0].Redirs[0].Word))) // $(<file)
		if err != nil {
			s.errorf("%v", err)
			s.status = 1
			return nil
		}
		_, err = sub.fds[1].w.Write(data)
		return err
	}
	sub.stmts(c.Stmts)
	s.status = sub.finish()
	s.lastBg = true // the status of an assignment is that of its substitution
	return nil
}

// expansion reports an error of an expansion as shells do: a script ends there.
func (s *shell) expansion(err error) {
	if err == nil {
		return
	}
	s.errorf("%v", err)
	s.status, s.ctl = 1, exiting
}

func (s *shell) fields(words []*syntax.Word) []string {
	f, err := expand.Fields(s.config(words...), words...)
	s.expansion(err)
	s.m.step(len(f))
	return f
}

func (s *shell) literal(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	if l := w.Lit(); l != "" && !strings.ContainsAny(l, `\~`) {
		return l
	}
	t, err := expand.Literal(s.config(w), w)
	s.expansion(err)
	return t
}

func (s *shell) pattern(w *syntax.Word) string {
	t, err := expand.Pattern(s.config(w), w)
	s.expansion(err)
	return t
}

func (s *shell) arithm(x syntax.ArithmExpr) int {
	n, err := expand.Arithm(s.config(), x)
	s.expansion(err)
	return n
}

// match reports whether text matches a shell pattern as a whole.
func (s *shell) match(p, text string) bool {
	s.m.step(1 + (len(p)+len(text))>>8)
	if !pattern.HasMeta(p, 0) && !strings.Contains(p, `\`) {
		return p == text
	}
	rx, err := compilePattern(p, pattern.EntireString|pattern.ExtendedOperators)
	return err == nil && rx.MatchString(text)
}

func compilePattern(p string, mode pattern.Mode) (*regexp.Regexp, error) {
	expr, err := pattern.Regexp(p, mode)
	if err != nil {
		return nil, err
	}
	return regexp.Compile(expr)
}

// glob lists directories for expansions.
func (s *shell) glob(dir string) ([]fs.DirEntry, error) {
	list, err := s.m.readDir(abs(s.dir, dir))
	if errors.Is(err, errNotDir) {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	} else if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	out := make([]fs.DirEntry, len(list))
	for i, e := range list {
		out[i] = dirEntry{e}
	}
	return out, nil
}

// dirEntry shows an entry of the tree to package expand.
type dirEntry struct{ e *rootfs.Entry }

func (d dirEntry) Name() string               { return rootfs.Base(d.e.Path) }
func (d dirEntry) IsDir() bool                { return d.e.Type == pkgindex.TypeDir }
func (d dirEntry) Info() (fs.FileInfo, error) { return d, nil }
func (d dirEntry) Size() int64                { return d.e.SizeBytes }
func (d dirEntry) Mode() fs.FileMode          { return d.Type() | fs.FileMode(d.e.Mode&0o777) }
func (d dirEntry) ModTime() (t time.Time)     { return time.Unix(d.e.ModTime, 0) }
func (d dirEntry) Sys() any                   { return nil }
func (d dirEntry) Type() fs.FileMode {
	switch d.e.Type {
	case pkgindex.TypeDir:
		return fs.ModeDir
	case pkgindex.TypeSymlink:
		return fs.ModeSymlink
	case pkgindex.TypeFile:
		return 0
	}
	return fs.ModeIrregular
}
