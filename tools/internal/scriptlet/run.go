package scriptlet

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Flags of scripts (rpm: rpmscriptFlags).
const (
	flagExpand      = 1 << 0 // -e: macros are expanded when it runs
	flagQueryFormat = 1 << 1 // -q: the body is a query format of its own package
)

// NeverRuns tells why a kind of script does not run when a package is installed for the first time; it is empty for those
// that do.
func NeverRuns(kind string) string {
	switch kind {
	case "preun", "postun", "preuntrans", "postuntrans", "triggerun", "triggerpostun", "filetriggerun", "filetriggerpostun",
		"transfiletriggerun", "transfiletriggerpostun":
		return "runs only when a package is removed"
	case "verify":
		return "runs only for rpm -V"
	}
	return ""
}

// Run runs one script to its end, or to where it cannot go on. The tree keeps what it did until then.
func (m *Machine) Run(s *Script) *Outcome {
	m.run = &run{script: s, before: map[string]*rootfs.Entry{}}
	o := &Outcome{Status: StatusRun}
	func() {
		defer func() {
			e := recover()
			if _, ok := e.(stopped); e == nil || ok {
				return
			}
			if m.limit > 0 {
				panic(e) // tests must see it
			}
			m.run.dead = &Uncovered{Line: m.run.line, Command: m.run.command, Why: fmt.Sprintf("the interpreter does not understand it: %v", e)}
		}()
		o.ExitCode = m.interpret(s, o)
	}()
	if dead := m.run.dead; dead != nil {
		o.Status, o.Err, o.ExitCode = StatusNotCovered, dead, 0
	}
	m.settle()
	m.compare(o)
	o.Notes, o.Output = m.run.notes, strings.TrimRight(m.run.console.String(), "\n")
	m.run = nil
	return o
}

// interpret chooses the interpreter.
func (m *Machine) interpret(s *Script, o *Outcome) int {
	body := s.Body
	var err error
	if s.Flags&flagExpand != 0 {
		if body, err = m.macros(body); err != nil {
			m.stop("%v", err)
		}
	}
	if s.Flags&flagQueryFormat != 0 {
		if body, err = m.queryFormat(s.Header, body); err != nil {
			m.stop("its query format: %v", err)
		}
	}
	program := s.Program
	if len(program) == 0 {
		program = []string{"/bin/sh"}
	}
	if program[0] == "<lua>" {
		expanded := *s
		expanded.Body = body
		return m.lua(&expanded)
	}
	sh := m.newShell()
	for i, p := range s.Prefixes {
		if i == 0 {
			sh.vars["RPM_INSTALL_PREFIX"] = exported(p)
		}
		sh.vars["RPM_INSTALL_PREFIX"+strconv.Itoa(i)] = exported(p)
	}
	if isShell(path.Base(program[0])) {
		for _, w := range program[1:] {
			sh.options(w)
		}
		sh.name, sh.params = program[0], s.Args
		m.enter()
		sh.eval(body)
		m.leave()
		return sh.finish()
	}
	o.Status = StatusEmulated
	if strings.TrimSpace(body) != "" {
		m.stop("it is a script for %s, which is not known", program[0])
	}
	m.run.command = strings.Join(program, " ")
	m.enter()
	defer m.leave()
	return sh.program(program)
}

func exported(v string) expand.Variable {
	return expand.Variable{Set: true, Exported: true, Kind: expand.String, Str: v}
}

// compare fills in which paths the script created, changed and removed.
func (m *Machine) compare(o *Outcome) {
	for _, p := range sortedKeys(m.run.before) {
		old, now := m.run.before[p], m.FS.Get(p)
		switch {
		case old == nil && now != nil:
			o.Created = append(o.Created, p)
		case old != nil && now == nil:
			o.Removed = append(o.Removed, p)
		case old != nil && now != nil && differs(old, now):
			o.Changed = append(o.Changed, p)
		}
	}
}

func differs(a, b *rootfs.Entry) bool {
	return a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Link != b.Link || a.SHA256 != b.SHA256 ||
		a.SizeBytes != b.SizeBytes || a.Caps != b.Caps || a.HardLink != b.HardLink || a.ModTime != b.ModTime && a.Type == pkgindex.TypeFile
}
