// Package scriptlet runs the scripts of packages in this process, on the in-memory tree of an image.
//
// A script sees a machine that is the tree and nothing else: no process starts, no file, device, variable, account or clock of
// the host is there, and every time is the image's. Shell scripts are parsed and expanded by mvdan.cc/sh and evaluated here,
// one command after the other, pipelines included, so that the result never depends on scheduling; Lua scripts run in
// gopher-lua with rpm's own modules. The programs that scripts call are Go functions (see commands), true to the real ones for
// the options that scriptlets use. Whatever is not known stops the script with an error: nothing is skipped in silence.
//
// Loops, nesting, output and memory are bounded by counts, so that a hostile script ends with the same error everywhere.
package scriptlet

import (
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Limits of one script. The largest scriptlets of distributions need a few thousand steps and write some hundred kilobytes.
const (
	maxScriptBytes = 256 << 10
	maxSteps       = 2_000_000
	maxDepth       = 200      // functions, subshells, substitutions and scripts within each other
	maxOutput      = 16 << 20 // bytes written to pipes, variables, terminals
	maxWritten     = 64 << 20 // bytes written to files
	maxVariable    = 256 << 10
	maxExpansion   = 4 << 20 // bytes of variables in one expansion
	maxEntries     = 1 << 20 // paths that scripts make
)

// Backends are what the image does for scripts with state of its own. Each is called while a script runs.
type Backends struct {
	// Accounts returns the accounts of the image, and Change applies a change to them.
	Accounts func() (*accounts.DB, error)
	Request  func([]accounts.Request) error
	Change   func(func(*accounts.DB) error) error
	// Alternatives carries out one command line; Layout tells which program the image has.
	Alternatives func(*alternatives.Operation) error
	Layout       func() string
	// Later asks for work that is done once for the whole image: "ld.so.cache", "ca_trust", "gconv", "locale_archive".
	Later func(step string)
}

// Machine is what scripts run on. It is used for all scripts of an image, one after the other.
type Machine struct {
	FS   *rootfs.FS
	Arch string // RPM architecture
	Time int64  // of everything that is made, seconds since 1970
	Put  func(*rootfs.Entry) error
	Read func(*rootfs.Entry) ([]byte, error)
	Backends

	// Chowned holds the paths whose owner a script has set.
	Chowned map[string]bool

	run     *run
	limit   int // of steps, for tests; 0: maxSteps
	written int64
	entries int
}

// Script is one script to run.
type Script struct {
	Package  string // NEVRA, for errors
	Kind     string
	Program  []string
	Body     string
	Flags    uint32
	Args     []string
	Stdin    []byte      // file triggers: the paths, one a line
	Header   *rpm.Header // for scripts that are query formats; may be nil
	Prefixes []string    // of relocatable packages
}

// Statuses of an Outcome.
const (
	StatusRun        = "run"         // by an interpreter, to its end
	StatusEmulated   = "emulated"    // its program is one of ours
	StatusSkipped    = "skipped"     // does not run on a first installation, or by the user's wish
	StatusReplaced   = "replaced"    // the user's own script ran in its place
	StatusNotCovered = "not covered" // stopped where it used what is not known
)

// Outcome is what became of a script.
type Outcome struct {
	Status   string
	ExitCode int
	Err      error    // StatusNotCovered: where and why
	Notes    []string // commands that have no effect in an image, and the like; each once, in order
	Created  []string // paths, sorted
	Changed  []string
	Removed  []string
	Output   string // the end of what it printed, for warnings
}

// Uncovered is a use of something that is not known, or a bound that was reached.
type Uncovered struct {
	Line    int // of the script; 0 unknown
	Command string
	Why     string
}

func (u *Uncovered) Error() string {
	where := ""
	if u.Line > 0 {
		where = fmt.Sprintf("line %d: ", u.Line)
	}
	if u.Command != "" {
		return fmt.Sprintf("%s%s: %s", where, shorten(u.Command), u.Why)
	}
	return where + u.Why
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// run is the state of one script.
type run struct {
	script  *Script
	steps   int
	depth   int
	output  int
	line    int
	command string
	dead    *Uncovered // sticky: why the script must end
	before  map[string]*rootfs.Entry
	notes   []string
	console tail
	dirty   []*rootfs.Entry
}

// stopped unwinds the evaluator when a script must end at once. It never leaves this package: Run recovers it.
type stopped struct{}

// stop ends the script. Code that Lua calls must return to its caller instead and see m.run.dead there.
func (m *Machine) stop(why string, args ...any) {
	if m.run.dead == nil {
		m.run.dead = &Uncovered{Line: m.run.line, Command: m.run.command, Why: fmt.Sprintf(why, args...)}
	}
	panic(stopped{})
}

// step counts work done, and ends scripts that do too much.
func (m *Machine) step(n int) {
	if m.run.dead != nil {
		panic(stopped{})
	}
	if m.run.steps += n; m.run.steps > m.maxSteps() {
		m.stop(endless, m.maxSteps())
	}
}

const endless = "does more than %d steps of work; does it ever end?"

func (m *Machine) maxSteps() int {
	if m.limit > 0 {
		return m.limit
	}
	return maxSteps
}

func (m *Machine) enter() {
	if m.run.depth++; m.run.depth > maxDepth {
		m.stop("functions, subshells or scripts deeper than %d within each other", maxDepth)
	}
}

func (m *Machine) leave() { m.run.depth-- }

// produce counts bytes of output.
func (m *Machine) produce(n int) {
	if m.run.output += n; m.run.output > maxOutput {
		m.stop("more than %d bytes of output", maxOutput)
	}
}

func (m *Machine) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range m.run.notes {
		if n == text {
			return
		}
	}
	const most = 50
	if len(m.run.notes) < most {
		m.run.notes = append(m.run.notes, text)
	}
}

// tail keeps the end of a text.
type tail struct{ text []byte }

const tailBytes = 500

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if len(t.text) > 4*tailBytes {
		t.text = append([]byte(nil), t.text[len(t.text)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	if len(t.text) > tailBytes {
		return "..." + string(t.text[len(t.text)-tailBytes:])
	}
	return string(t.text)
}

// exists reports whether the image has a path, links followed.
func (m *Machine) exists(p string) bool { return m.FS.Stat(p) != nil }

// hasSystemd reports whether units of the image mean anything.
func (m *Machine) hasSystemd() bool {
	for _, p := range []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"} {
		if e := m.FS.Stat(p); e != nil && e.Type == pkgindex.TypeFile {
			return true
		}
	}
	return false
}
