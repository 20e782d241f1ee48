package compose

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// transactionColour is rpm's on 64-bit machines that can also run 32-bit code: ELF32 and ELF64 are both welcome.
const transactionColour = 3

// setIDBits are the set-user-ID and the set-group-ID bit.
const setIDBits = 0o6000

// applyPolicies marks the files that policies leave out and those of a foreign colour, in rpm's order of rules, and then drops
// directories that this has emptied. Ghosts are treated alike, as rpm does: they keep no directory alive that lost the rest.
func (c *composer) applyPolicies() error {
	for _, p := range c.own {
		rules := newRules(&c.spec.Policies, p.Index)
		for i := range p.Index.Files {
			if p.states[i] != rootfs.StateNormal {
				continue
			}
			f := &p.Index.Files[i]
			if f.Color != 0 && f.Color&transactionColour == 0 {
				p.states[i] = rootfs.StateWrongColor
				continue
			}
			if why := rules.drops(f); why != "" {
				p.states[i] = rootfs.StateNotInstalled
				c.report.dropped(p, why)
			}
		}
		p.pruneDirs()
	}
	return nil
}

// rules are the policies as they apply to one package.
type rules struct {
	*Policies
	terminfo map[string]bool // names of the entries to keep; nil keeps all
	sources  map[string]bool // paths of Python sources of the package
}

func newRules(p *Policies, x *pkgindex.Index) *rules {
	r := &rules{Policies: p, terminfo: keptTerminfo(p.Terminfo, x)}
	if p.Pyc == "drop" {
		r.sources = map[string]bool{}
		for i := range x.Files {
			if f := &x.Files[i]; strings.HasSuffix(f.Path, ".py") {
				r.sources[f.Path] = true
			}
		}
	}
	return r
}

// drops returns the name of the policy that leaves f out, or "". The rules of rpm itself come first, in its order; those
// of ours look at paths.
func (r *rules) drops(f *pkgindex.File) string {
	switch {
	case f.Flags&pkgindex.FlagLicense != 0:
		return ""
	case len(f.Langs) > 0 && !r.keepsLanguages(f.Langs):
		return "locales"
	case r.Docs == "rpm" && f.Flags&pkgindex.FlagDoc != 0:
		return "docs"
	case r.Artifacts == "drop" && f.Flags&pkgindex.FlagArtifact != 0:
		return "artifacts"
	}
	for _, rule := range []struct {
		name  string
		on    bool
		drops func(*pkgindex.File) bool
	}{
		{"man", r.Man != "keep", isManual},
		{"info", r.Info != "keep", isInfo},
		{"build_id", r.BuildID != "keep", isBuildID},
		{"locales", r.LocaleDirs != "keep", r.isForeignLocale},
		{"pyc", r.Pyc == "drop", r.isByteCode},
		{"gdb", r.GDB != "keep", isGDBHelper},
		{"terminfo", r.terminfo != nil, r.isForeignTerminal},
		{"docs", r.Docs == "" || r.Docs == "licenses", isDocumentation},
	} {
		if rule.on && rule.drops(f) {
			return rule.name
		}
	}
	return ""
}

// keepsLanguages follows rpm's %_install_langs: a language of the file is kept if it is a prefix of one that is wanted, byte by
// byte.
func (p *Policies) keepsLanguages(langs []string) bool {
	for _, want := range p.Locales {
		if want == "*" {
			return true
		}
		for _, lang := range langs {
			if lang != "" && strings.HasPrefix(want, lang) {
				return true
			}
		}
	}
	return false
}

// pruneDirs drops directories of the package that lost files to a policy and have none left: over its directories from the
// deepest up, each only if the package lists it.
func (p *pkg) pruneDirs() {
	left, lost := map[string]int{}, map[string]bool{}
	index := map[string]int{}
	for i := range p.Index.Files {
		f := &p.Index.Files[i]
		dir := rootfs.Dir(f.Path)
		if p.states[i] == rootfs.StateNormal {
			left[dir]++
		} else {
			lost[dir] = true
		}
		if f.Type == pkgindex.TypeDir {
			index[f.Path] = i
		}
	}
	dirs := sortedKeys(index)
	for k := len(dirs) - 1; k >= 0; k-- {
		dir := dirs[k]
		if i := index[dir]; p.states[i] == rootfs.StateNormal && lost[dir] && left[dir] == 0 {
			p.states[i] = rootfs.StateNotInstalled
			parent := rootfs.Dir(dir)
			left[parent]--
			lost[parent] = true
		}
	}
}

// stripSetID takes the set-user-ID and set-group-ID bits from the new regular files of packages that the policy does not
// allow, and from those that requests strip. Hard links are one file, so that one allowed name keeps the bits for all. What
// the spec itself places has the mode that it says. On directories the set-group-ID bit means something else, and stays.
func (c *composer) stripSetID() error {
	if err := c.stripRequested(); err != nil {
		return err
	}
	if c.spec.Policies.SetUID != "strip" {
		return nil
	}
	var allowed []pathglob.Glob
	for _, pattern := range c.spec.Policies.SetUIDAllow {
		g, err := pathglob.Parse(pattern)
		if err != nil {
			return err
		}
		allowed = append(allowed, g)
	}
	kept := map[string]bool{} // first members of sets of hard links
	var found []*rootfs.Entry
	for _, e := range c.fs.Entries() {
		if e.Layer != c.layer || e.Type != pkgindex.TypeFile || e.Mode&setIDBits == 0 || slices.Contains(e.Owners, c.spec.Label) {
			continue
		}
		found = append(found, e)
		for _, g := range allowed {
			if g.Match(e.Path) {
				kept[orDefault(e.HardLink, e.Path)] = true
			}
		}
	}
	for _, e := range found {
		if !kept[orDefault(e.HardLink, e.Path)] {
			c.strip(e)
		}
	}
	return nil
}

// stripRequested strips what the selection says, unless the spec has put something else there.
func (c *composer) stripRequested() error {
	for _, p := range c.own {
		for _, name := range p.strip {
			path, err := c.fs.Canonical(name)
			if err != nil {
				return err
			}
			e := c.fs.Get(path)
			if e != nil && e.Layer == c.layer && e.Type == pkgindex.TypeFile && slices.Contains(e.Owners, p.Index.NEVRA) {
				c.strip(e)
			}
		}
	}
	return nil
}

func (c *composer) strip(e *rootfs.Entry) {
	if e.Mode&setIDBits != 0 {
		e.Mode &^= setIDBits
		c.report.Stripped = append(c.report.Stripped, e.Path)
	}
}
