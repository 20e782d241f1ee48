package awk

import (
	"fmt"
	"io"
	"slices"
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
	regexes map[string]*regex
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
	in := &interp{prog: p, h: h, globals: map[string]*cell{}, streams: map[string]*stream{}, outputs: map[string]*output{}, regexes: map[string]*regex{},
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

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
