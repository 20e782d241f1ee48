package compose

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/scriptlet"
)

// scripts is the state of the transaction.
type scripts struct {
	machine       *scriptlet.Machine
	pkgs          map[*scriptlet.Package]*pkg
	reports       map[*pkgindex.Scriptlet]*ReportScriptlet
	used          map[string]bool // entries of the spec's ways out that some scriptlet met
	caTrust       bool            // a scriptlet asked for the CA stores
	localeArchive bool            // a scriptlet asked for the archive of locales
	errs          []error         // of scriptlets that end the build
	accountLog
}

// transact installs the new packages in rpm's order, and runs their scriptlets on the way. Scriptlets of a package of which only
// some files ship do not run unless the spec says so: the package was never installed.
func (c *composer) transact() error {
	c.scripts = scripts{pkgs: map[*scriptlet.Package]*pkg{}, reports: map[*pkgindex.Scriptlet]*ReportScriptlet{}, used: map[string]bool{},
		accountLog: newAccountLog(&c.spec.Accounts)}
	c.scripts.machine = &scriptlet.Machine{FS: c.fs, Arch: c.spec.Arch, Time: c.spec.SourceDateEpoch, Put: c.put, Read: c.readEntry,
		Chowned: map[string]bool{}, Backends: scriptlet.Backends{Accounts: c.accountsNow, Request: c.requestAccounts, Change: c.changeAccounts,
			Alternatives: c.scriptAlternative, Layout: c.alternativesLayout, Later: c.later}}
	if _, err := c.accountsNow(); err != nil { // those of the base and the spec
		return err
	}
	own, err := c.scriptPackages(c.own)
	if err != nil {
		return err
	}
	based, err := c.scriptPackages(c.based)
	if err != nil {
		return err
	}
	if c.hasScriptlets() {
		own = scriptlet.Order(own)
	}
	t := scriptlet.Transaction{Packages: own, Base: based, Begin: c.beginPackage, Run: c.runScriptlet,
		Lay: func(p *scriptlet.Package) error { return c.lay(c.scripts.pkgs[p]) }}
	if err := t.Walk(); err != nil {
		return err
	}
	c.reportScriptlets()
	if err := c.checkWaysOut(); err != nil {
		return err
	}
	return errors.Join(c.scripts.errs...)
}

func (c *composer) hasScriptlets() bool {
	for _, p := range c.all() {
		for i := range p.Index.Scriptlets {
			if scriptlet.NeverRuns(p.Index.Scriptlets[i].Kind) == "" {
				return true
			}
		}
	}
	return false
}

// scriptPackages reads what the transaction needs of packages: their headers only where something runs.
func (c *composer) scriptPackages(list []*pkg) ([]*scriptlet.Package, error) {
	need := c.hasScriptlets()
	var out []*scriptlet.Package
	for _, p := range list {
		s := &scriptlet.Package{Index: p.Index, Base: p.base, Partial: p.partial, Installed: func(i int) bool { return p.states[i] == rootfs.StateNormal }}
		if need && !p.base {
			if err := readScriptHeader(p, s); err != nil {
				return nil, fmt.Errorf("package %s: %w", p.Index.NEVRA, err)
			}
		}
		c.scripts.pkgs[s] = p
		out = append(out, s)
	}
	return out, nil
}

func readScriptHeader(p *pkg, s *scriptlet.Package) error {
	f, err := os.Open(p.Header)
	if err != nil {
		return err
	}
	defer f.Close()
	headers, err := rpm.ReadHeaders(f)
	if err != nil {
		return err
	}
	s.Header = headers.Main
	s.Requires, err = rpm.Relations(headers.Main, rpm.KindRequire)
	return err
}

// beginPackage makes the accounts that a package provides before its %pre. What goes wrong is told by settleAccounts, which
// does it again when all accounts are there.
func (c *composer) beginPackage(s *scriptlet.Package) {
	if requests, err := c.scripts.pkgs[s].provided(); err == nil && len(requests) > 0 {
		_ = c.requestAccounts(requests)
	}
}

func (c *composer) later(step string) {
	switch {
	case step == "ca_trust":
		c.scripts.caTrust = true
	case step == "locale_archive":
		c.scripts.localeArchive = true
	case step == "ld.so.cache" && !c.spec.LDSOCache:
		c.report.Notes = append(c.report.Notes, "ld.so.cache: scriptlets ask for it, and ld_so_cache is off")
	}
}

func (c *composer) reportOf(p *pkg, s *pkgindex.Scriptlet) *ReportScriptlet {
	r := c.scripts.reports[s]
	if r == nil {
		r = &ReportScriptlet{Package: p.Index.NEVRA, Kind: s.Kind, Program: strings.Join(s.Program, " ")}
		c.scripts.reports[s] = r
	}
	return r
}

// runScriptlet runs one, or takes the way out that the spec has for it.
func (c *composer) runScriptlet(sp *scriptlet.Package, s *pkgindex.Scriptlet, args, files []string) error {
	p := c.scripts.pkgs[sp]
	r := c.reportOf(p, s)
	script := &scriptlet.Script{Package: p.Index.NEVRA, Kind: s.Kind, Program: s.Program, Body: s.Body, Flags: s.Flags, Args: args,
		Header: sp.Header, Prefixes: prefixes(sp.Header)}
	if len(files) > 0 {
		script.Stdin = []byte(strings.Join(files, "\n") + "\n")
	}
	if done, err := c.wayOut(p, s, r, script); done || err != nil {
		return err
	}
	if p.partial && !slices.Contains(c.spec.ScriptletsRun, p.Index.Name) {
		r.Status = scriptlet.StatusSkipped
		r.note("only some files of the package ship")
		return nil
	}
	c.scripts.used["run "+p.Index.Name] = true
	status := r.Status
	c.scripts.accountErr = nil
	o := c.scripts.machine.Run(script)
	r.add(o)
	if status == scriptlet.StatusReplaced && o.Err == nil {
		r.Status = status
	}
	c.judge(p, s, o)
	return nil
}

func prefixes(h *rpm.Header) []string {
	if h == nil {
		return nil
	}
	list, _, err := h.Strings(rpm.TagPrefixes)
	if err != nil {
		return nil
	}
	return list
}

// add joins the outcome of a run to the report of a scriptlet.
func (r *ReportScriptlet) add(o *scriptlet.Outcome) {
	if r.Status != scriptlet.StatusNotCovered {
		r.Status = o.Status
	}
	r.Runs++
	if o.Err != nil {
		r.note(o.Err.Error())
	}
	for _, n := range o.Notes {
		r.note(n)
	}
	if o.ExitCode != 0 {
		r.ExitCode, r.Output = o.ExitCode, o.Output
	}
	merge := func(to *[]string, from []string) {
		*to = append(*to, from...)
		slices.Sort(*to)
		*to = slices.Compact(*to)
	}
	merge(&r.Created, o.Created)
	merge(&r.Changed, o.Changed)
	merge(&r.Removed, o.Removed)
}

// judge decides whether an outcome ends the build: what is not covered under the policy "error", and a %pre or %pretrans that
// fails, after which rpm would not install the package. Other failures are warnings, as for rpm.
func (c *composer) judge(p *pkg, s *pkgindex.Scriptlet, o *scriptlet.Outcome) {
	what := fmt.Sprintf("scriptlet %s of %s", s.Kind, p.Index.NEVRA)
	name := p.Index.Name
	if err := c.scripts.accountErr; err != nil && len(cli.Hints(err)) > 0 {
		// The table of account numbers lacks a line; no exit code that a script ignores may hide that.
		c.scripts.errs = append(c.scripts.errs, fmt.Errorf("%s: %w", what, err))
		return
	}
	switch {
	case o.Err != nil && c.spec.Scriptlets != "report":
		c.scripts.errs = append(c.scripts.errs, cli.Hint(fmt.Errorf("%s: not covered: %w", what, o.Err),
			"say why it is not needed with scriptlets_skip = {\"%s\": \"...\"}, give a shell script of your own with scriptlets_replace = {\"%s\": \"//label\"} "+
				"(\"%s:%s\" is this scriptlet alone), or leave the package out", name, name, name, s.Kind))
	case o.ExitCode != 0 && (s.Kind == "pre" || s.Kind == "pretrans"):
		text := ""
		if o.Output != "" {
			text = ": " + o.Output
		}
		hint := "skip or replace it with scriptlets_skip or scriptlets_replace, or leave the package out"
		if c.scripts.accountErr != nil {
			hint = "give the account a fixed id with the accounts attribute, or " + hint
		}
		c.scripts.errs = append(c.scripts.errs, cli.Hint(fmt.Errorf("%s: exit status %d, and rpm installs no package whose %%%s fails%s",
			what, o.ExitCode, s.Kind, text), "%s", hint))
	}
}

// wayOut skips or replaces a scriptlet where the spec says so. done means that nothing is left to run.
func (c *composer) wayOut(p *pkg, s *pkgindex.Scriptlet, r *ReportScriptlet, script *scriptlet.Script) (done bool, err error) {
	one, all := p.Index.Name+":"+s.Kind, p.Index.Name
	for _, key := range []string{one, all} {
		if reason, ok := c.spec.ScriptletsSkip[key]; ok {
			c.scripts.used["skip "+key] = true
			r.Status = scriptlet.StatusSkipped
			r.note(reason)
			return true, nil
		}
		file, ok := c.spec.ScriptletsReplace[key]
		if !ok {
			continue
		}
		c.scripts.used["replace "+key] = true
		r.Status = scriptlet.StatusReplaced
		if key == all && !c.standsIn(p, s) {
			r.note("the script given for the package runs once")
			return true, nil
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return true, fmt.Errorf("scriptlets_replace: %s: %w", key, err)
		}
		script.Program, script.Body, script.Flags = []string{"/bin/sh"}, string(data), 0
		return false, nil
	}
	return false, nil
}

// standsIn reports whether the script given for a whole package runs in place of this one: the %post, or the first of others.
func (c *composer) standsIn(p *pkg, s *pkgindex.Scriptlet) bool {
	var first *pkgindex.Scriptlet
	for i := range p.Index.Scriptlets {
		x := &p.Index.Scriptlets[i]
		if scriptlet.NeverRuns(x.Kind) != "" || c.scripts.reports[x] == nil && x != s {
			continue
		}
		if x.Kind == "post" {
			return x == s
		}
		if first == nil {
			first = x
		}
	}
	return first == s && !slices.ContainsFunc(p.Index.Scriptlets, func(x pkgindex.Scriptlet) bool { return x.Kind == "post" })
}

// reportScriptlets lists every scriptlet of the new packages, and the triggers of the base that ran.
func (c *composer) reportScriptlets() {
	for _, p := range c.all() {
		for i := range p.Index.Scriptlets {
			s := &p.Index.Scriptlets[i]
			r := c.scripts.reports[s]
			if r == nil && p.base {
				continue
			}
			if r == nil {
				r = c.reportOf(p, s)
				r.Status = scriptlet.StatusSkipped
				if why := scriptlet.NeverRuns(s.Kind); why != "" {
					r.note(why)
				} else {
					r.note("nothing sets it off")
				}
			}
			c.report.Scriptlets = append(c.report.Scriptlets, *r)
		}
	}
}

// checkWaysOut refuses entries of the spec that no scriptlet met: they would outlive their reason.
func (c *composer) checkWaysOut() error {
	var idle []string
	for _, key := range sortedKeys(c.spec.ScriptletsSkip) {
		if !c.scripts.used["skip "+key] {
			idle = append(idle, "scriptlets_skip: "+key)
		}
	}
	for _, key := range sortedKeys(c.spec.ScriptletsReplace) {
		if !c.scripts.used["replace "+key] {
			idle = append(idle, "scriptlets_replace: "+key)
		}
	}
	for _, name := range c.spec.ScriptletsRun {
		if !c.scripts.used["run "+name] {
			idle = append(idle, "scriptlets_run: "+name)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	return cli.Hint(fmt.Errorf("%s: no such scriptlet runs in this layer", strings.Join(idle, ", ")),
		"take it out, or correct it: NAME of a package that this target adds, or NAME:KIND with a kind such as pre or post")
}
