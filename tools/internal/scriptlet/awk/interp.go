package awk

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Host is all that a program can reach.
type Host struct {
	// Step counts work, and may end the program by a panic of the host's own.
	Step func(n int)
	// Open returns the contents of a file.
	Open func(name string) ([]byte, error)
	// Write writes to a file; with append behind what is there.
	Write func(name string, data []byte, append bool) error
	// Command runs a command of the shell with an input, and returns what it printed.
	Command func(command string, in []byte) (out []byte, status int)
	// Run is Command whose output goes where the program's own goes.
	Run    func(command string, in []byte) int
	Stdin  func() []byte
	Stdout io.Writer
	Stderr io.Writer
}

// Options are those of the command line.
type Options struct {
	FS      string            // of -F; empty: the default
	Assigns []string          // name=value of -v, in order
	Args    []string          // operands: files, and name=value
	Environ map[string]string // ENVIRON
}

// Bounds of a run.
const (
	maxString = 4 << 20
	maxDepth  = 200
	maxFields = 1 << 16
	maxCached = 500 // regular expressions made of text
)

// RuntimeError ends a program, as one of awk's own errors does.
type RuntimeError struct{ text string }

func (e *RuntimeError) Error() string { return e.text }

func runtimeError(format string, args ...any) error {
	return &RuntimeError{fmt.Sprintf(format, args...)}
}

// cell is a variable: a value, or an array once it is used as one. origin is the caller's variable, of a parameter that was
// given one without a value.
type cell struct {
	v      value
	array  *array
	origin *cell
}

type interp struct {
	prog    *Program
	h       *Host
	globals map[string]*cell
	frames  [][]*cell
	depth   int

	record  string
	fields  []value // from $1 on
	split   bool    // fields are those of record
	stale   bool    // record must be made of fields
	nr, fnr float64

	argAt   int // the next operand
	started bool
	main    *stream
	streams map[string]*stream // by redirection and name
	outputs map[string]*output
	order   []string // of outputs
	regexes map[string]*regexp.Regexp
	active  map[*rule]bool
	exit    int
	ret     value
}

// control is how a statement ends.
type control int

const (
	goOn control = iota
	breaking
	continuing
	nextRecord
	nextFile
	exiting
	returning
)

// Run runs the program and returns its exit status.
func (p *Program) Run(h *Host, o Options) (status int, err error) {
	in := &interp{prog: p, h: h, globals: map[string]*cell{}, streams: map[string]*stream{}, outputs: map[string]*output{}, regexes: map[string]*regexp.Regexp{},
		active: map[*rule]bool{}, split: true, argAt: 1}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *RuntimeError:
			err = e
		case *SyntaxError: // of a regular expression that is text
			err = e
		default:
			panic(e)
		}
	}()
	for name, v := range map[string]string{"FS": " ", "OFS": " ", "ORS": "\n", "RS": "\n", "SUBSEP": "\x1c", "CONVFMT": "%.6g", "OFMT": "%.6g"} {
		in.globals[name] = &cell{v: str(v)}
	}
	env := newArray()
	for _, name := range sortedKeys(o.Environ) {
		*env.get(name) = field(o.Environ[name])
	}
	argv := newArray()
	*argv.get("0") = str("awk")
	for i, a := range o.Args {
		*argv.get(num(float64(i + 1)).text("")) = field(a)
	}
	in.globals["ENVIRON"], in.globals["ARGV"] = &cell{array: env}, &cell{array: argv}
	in.set("ARGC", num(float64(len(o.Args)+1)))
	in.set("RLENGTH", num(-1))
	if o.FS != "" {
		in.set("FS", str(unescape(o.FS)))
	}
	for _, a := range o.Assigns {
		if !in.assignOperand(a) {
			return 2, runtimeError("%q is no assignment", shorten(a))
		}
	}
	in.run()
	in.closeAll()
	return in.exit, nil
}

func (in *interp) run() {
	for _, b := range in.prog.begin {
		if in.top(b) == exiting {
			in.finish()
			return
		}
	}
	if len(in.prog.rules) > 0 || len(in.prog.end) > 0 {
		for in.nextMain() {
			if c := in.rules(); c == exiting {
				break
			} else if c == nextFile {
				in.main = nil
			}
		}
	}
	in.finish()
}

// finish runs END, after exit too; exit within it ends at once.
func (in *interp) finish() {
	for _, b := range in.prog.end {
		if in.top(b) == exiting {
			return
		}
	}
}

func (in *interp) rules() control {
	for _, r := range in.prog.rules {
		in.h.Step(1)
		switch selected, c := in.selects(r); {
		case c != goOn:
			return c
		case !selected:
			continue
		}
		if r.print {
			in.print(in.text0() + in.get("ORS"))
			continue
		}
		switch c := in.top(r.action); c {
		case nextRecord:
			return goOn
		case nextFile, exiting:
			return c
		}
	}
	return goOn
}

// selects evaluates the pattern of a rule, within which a function may end the record or the program.
func (in *interp) selects(r *rule) (selected bool, c control) {
	c = in.protect(func() control {
		selected = in.pattern(r)
		return goOn
	})
	if c == nextRecord {
		c = goOn
	}
	return selected, c
}

func (in *interp) pattern(r *rule) bool {
	switch len(r.pattern) {
	case 0:
		return true
	case 1:
		return in.eval(r.pattern[0]).bool()
	}
	if !in.active[r] && !in.eval(r.pattern[0]).bool() {
		return false
	}
	in.active[r] = !in.eval(r.pattern[1]).bool()
	return true
}

// top runs an action.
func (in *interp) top(b block) control {
	return in.protect(func() control { return in.block(b) })
}

// protect catches what a function within an expression ends.
func (in *interp) protect(run func() control) (c control) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case leave:
			in.frames, in.depth, c = nil, 0, e.c
		default:
			panic(e)
		}
	}()
	return run()
}

func (in *interp) block(b block) control {
	for _, s := range b {
		if c := in.stmt(s); c != goOn {
			return c
		}
	}
	return goOn
}

func (in *interp) stmt(s stmt) control {
	in.h.Step(1)
	switch s := s.(type) {
	case *exprStmt:
		in.eval(s.e)
	case *printing:
		in.printStmt(s)
	case *blockStmt:
		return in.block(s.body)
	case *ifStmt:
		if in.eval(s.cond).bool() {
			return in.block(s.yes)
		}
		return in.block(s.no)
	case *whileStmt:
		return in.while(s)
	case *forStmt:
		return in.forLoop(s)
	case *forIn:
		return in.forIn(s)
	case *deleteStmt:
		a := in.array(s.array)
		if s.subs == nil {
			a.clear()
		} else {
			a.delete(in.subscript(s.subs))
		}
	case *jump:
		return in.jump(s)
	default:
		panic(runtimeError("statement %T", s))
	}
	return goOn
}

func (in *interp) jump(s *jump) control {
	switch s.kind {
	case "break":
		return breaking
	case "continue":
		return continuing
	case "next", "nextfile":
		if in.main == nil {
			panic(runtimeError("%s outside of a rule", s.kind))
		}
		if s.kind == "next" {
			return nextRecord
		}
		return nextFile
	case "exit":
		if s.e != nil {
			in.exit = int(int64(in.eval(s.e).number())) & 0xff
		}
		return exiting
	}
	in.ret = value{}
	if s.e != nil {
		in.ret = in.eval(s.e)
	}
	return returning
}

// loop tells what a loop does after its body: stop, and with what.
func loop(c control) (stop bool, out control) {
	switch c {
	case goOn, continuing:
		return false, goOn
	case breaking:
		return true, goOn
	}
	return true, c
}

func (in *interp) while(s *whileStmt) control {
	for first := s.first; first || in.eval(s.cond).bool(); first = false {
		in.h.Step(1)
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
	}
	return goOn
}

func (in *interp) forLoop(s *forStmt) control {
	if s.init != nil {
		in.stmt(s.init)
	}
	for s.cond == nil || in.eval(s.cond).bool() {
		in.h.Step(1)
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
		if s.post != nil {
			in.stmt(s.post)
		}
	}
	return goOn
}

// forIn visits elements in the order in which they were made, so that every run does the same.
func (in *interp) forIn(s *forIn) control {
	a := in.array(s.array)
	keys := a.order()
	in.h.Step(1 + len(keys))
	for _, k := range keys {
		if a.at[k] == nil {
			continue
		}
		in.store(s.name, field(k))
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
	}
	return goOn
}

// cell returns the variable of a name.
func (in *interp) cell(v *varRef) *cell {
	if v.local >= 0 {
		return in.frames[len(in.frames)-1][v.local]
	}
	c := in.globals[v.name]
	if c == nil {
		in.h.Step(1)
		c = &cell{}
		in.globals[v.name] = c
	}
	return c
}

// array returns a variable as an array, which one without a value becomes.
func (in *interp) array(v *varRef) *array {
	c := in.cell(v)
	if c.array == nil {
		if c.v.kind != unset {
			panic(runtimeError("%s is no array", v.name))
		}
		if special[v.name] && v.local < 0 {
			panic(runtimeError("%s is no array", v.name))
		}
		made := newArray()
		for o := c.origin; o != nil; o = o.origin {
			if o.array != nil {
				made = o.array
				break
			}
		}
		for o := c; o != nil && o.array == nil; o = o.origin {
			o.array = made
		}
	}
	return c.array
}

// special are the variables with a meaning; those whose value is kept elsewhere are read and written by get and set.
var special = map[string]bool{"NF": true, "NR": true, "FNR": true, "FS": true, "OFS": true, "ORS": true, "RS": true, "FILENAME": true, "SUBSEP": true,
	"CONVFMT": true, "OFMT": true, "RSTART": true, "RLENGTH": true}

// get returns a global variable as text.
func (in *interp) get(name string) string {
	if c := in.globals[name]; c != nil {
		if c.v.kind == number {
			return formatNumber(c.v.n, "%.6g")
		}
		return c.v.s
	}
	return ""
}

func (in *interp) set(name string, v value) {
	if c := in.globals[name]; c != nil {
		c.v = v
	} else {
		in.globals[name] = &cell{v: v}
	}
}

// text is a value as text, bounded.
func (in *interp) text(v value) string {
	if v.kind == number {
		return v.text(in.get("CONVFMT"))
	}
	return v.s
}

func (in *interp) subscript(subs []expr) string {
	if len(subs) == 1 {
		return in.text(in.eval(subs[0]))
	}
	var parts []string
	for _, e := range subs {
		parts = append(parts, in.text(in.eval(e)))
	}
	return in.bound(strings.Join(parts, in.get("SUBSEP")))
}

// bound counts the work that a text is, and ends the program at one that is too long.
func (in *interp) bound(s string) string {
	if len(s) > maxString {
		panic(runtimeError("a string of more than %d bytes", maxString))
	}
	in.h.Step(1 + len(s)>>6)
	return s
}

// regex returns an expression for ~, split and their like: a literal, or text.
func (in *interp) regex(e expr) *regexp.Regexp {
	if l, ok := e.(*regexLit); ok {
		return l.rx
	}
	return in.compiled(in.text(in.eval(e)))
}

func (in *interp) compiled(source string) *regexp.Regexp {
	if rx := in.regexes[source]; rx != nil {
		return rx
	}
	rx, err := compile(source)
	if err != nil {
		panic(err)
	}
	in.h.Step(10 + len(source))
	if len(in.regexes) >= maxCached {
		clear(in.regexes)
	}
	in.regexes[source] = rx
	return rx
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
