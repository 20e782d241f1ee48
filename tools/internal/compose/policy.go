package compose

import (
	"path"
	"regexp"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// transactionColour is rpm's on 64-bit machines that can also run 32-bit code: ELF32 and ELF64 are both welcome.
const transactionColour = 3

// licenceName matches file names of licence texts and of the notices that licences want kept. It is matched against the
// name in lower case, and wants whole words, so that "xfs_copy.8" and "sm-notify.8" are none.
var licenceName = regexp.MustCompile(`^(licen[cs]es?|copying|copyrights?|notices?|credits|legal|patents|authors|[al]?gpl|mit|bsd|apache|mpl)([-_.0-9].*)?$|(^|[-_.])(licen[cs]es?|copying|copyright)([-_.].*)?$`)

// docDirs hold documentation whatever the package says about the file; the last three are Debian's.
var docDirs = []string{"/usr/share/doc/", "/usr/share/gtk-doc/", "/usr/share/doc-base/", "/usr/share/lintian/", "/usr/share/bug/"}

// applyPolicies marks the files that policies leave out and those of a foreign colour, in rpm's order of
// rules, and then drops directories that this has emptied.
func (c *composer) applyPolicies() error {
	for _, p := range c.own {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if f.Ghost() || p.states[i] != rootfs.StateNormal {
				continue
			}
			if f.Color != 0 && f.Color&transactionColour == 0 {
				p.states[i] = rootfs.StateWrongColor
				continue
			}
			if why := c.spec.Policies.drops(f); why != "" {
				p.states[i] = rootfs.StateNotInstalled
				c.report.dropped(p, why)
			}
		}
		p.pruneDirs()
	}
	return nil
}

// drops returns the name of the policy that leaves f out, or "".
func (p *Policies) drops(f *pkgindex.File) string {
	if isLicence(f) {
		return ""
	}
	in := func(dir string) bool { return strings.HasPrefix(f.Path, dir) || f.Path == strings.TrimSuffix(dir, "/") }
	switch {
	case len(f.Langs) > 0 && f.Type != pkgindex.TypeDir && !p.keepsLanguages(f.Langs):
		return "locales"
	case in("/usr/share/man/") || in("/usr/local/share/man/"):
		if p.Man != "keep" && f.Type != pkgindex.TypeDir {
			return "man"
		}
	case in("/usr/share/info/"):
		if p.Info != "keep" && f.Type != pkgindex.TypeDir {
			return "info"
		}
	case in("/usr/lib/.build-id/") || in("/usr/lib/debug/.build-id/"):
		if p.BuildID != "keep" {
			return "build_id"
		}
	case p.dropsLocalePath(f.Path):
		return "locales"
	case p.Pyc == "drop" && strings.HasSuffix(f.Path, ".pyc") && path.Base(path.Dir(f.Path)) == "__pycache__":
		return "pyc"
	case p.Docs != "keep" && f.Type != pkgindex.TypeDir:
		if f.Flags&pkgindex.FlagDoc != 0 {
			return "docs"
		}
		for _, dir := range docDirs {
			if in(dir) {
				return "docs"
			}
		}
	}
	return ""
}

// isLicence reports whether f is a licence text, or a link of Debian's that leads from one documentation directory, and so
// from one copyright file, to another.
func isLicence(f *pkgindex.File) bool {
	if f.Flags&pkgindex.FlagLicense != 0 || strings.HasPrefix(f.Path, "/usr/share/licenses/") {
		return true
	}
	rest, inDoc := strings.CutPrefix(f.Path, "/usr/share/doc/")
	if !inDoc {
		return false
	}
	if f.Type == pkgindex.TypeSymlink && !strings.Contains(rest, "/") {
		return true
	}
	return f.Type != pkgindex.TypeDir && licenceName.MatchString(strings.ToLower(rootfs.Base(f.Path)))
}

// dropsLocalePath looks at the directories that hold one locale each.
func (p *Policies) dropsLocalePath(file string) bool {
	for _, dir := range []string{"/usr/share/locale/", "/usr/lib/locale/", "/usr/share/locale-langpack/", "/usr/share/i18n/locales/"} {
		rest, ok := strings.CutPrefix(file, dir)
		if !ok {
			continue
		}
		locale, _, _ := strings.Cut(rest, "/")
		switch locale {
		case "", "C", "POSIX", "C.utf8", "C.UTF-8", "locale.alias", "locale-archive", "locale-archive.tmpl":
			return false
		}
		return !p.keepsLanguages([]string{locale})
	}
	return false
}

// keepsLanguages follows rpm: a language of the file is kept if it is a prefix of one that is wanted.
func (p *Policies) keepsLanguages(langs []string) bool {
	for _, want := range p.Locales {
		for _, lang := range langs {
			if want == "*" || lang == "C" || lang == "POSIX" || (lang != "" && strings.HasPrefix(want, lang)) {
				return true
			}
		}
	}
	for _, lang := range langs {
		if lang == "C" || lang == "POSIX" {
			return true
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
		if p.states[i] == rootfs.StateNotInstalled {
			lost[dir] = true
		} else {
			left[dir]++
		}
		if f.Type == pkgindex.TypeDir && !f.Ghost() {
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
