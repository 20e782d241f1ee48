package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Directories that policies are about. Paths are those of the package, so both sides of a merged /usr are named.
var (
	manualDirs = []string{"/usr/share/man/", "/usr/local/share/man/"}
	infoDirs   = []string{"/usr/share/info/"}
	buildIDs   = []string{"/usr/lib/.build-id/", "/usr/lib/debug/.build-id/"}
	// documentationDirs hold documentation whatever the package says about the file; the last three are Debian's.
	documentationDirs = []string{"/usr/share/doc/", "/usr/share/gtk-doc/", "/usr/share/doc-base/", "/usr/share/lintian/", "/usr/share/bug/"}
	localeDirs        = []string{"/usr/share/locale/", "/usr/lib/locale/", "/usr/share/locale-langpack/", "/usr/share/i18n/locales/"}
	terminfoDirs      = []string{"/usr/share/terminfo/", "/usr/lib/terminfo/", "/lib/terminfo/", "/etc/terminfo/"}
	gdbDirs           = []string{"/usr/share/gdb/auto-load/"}
	libraryDirs       = []string{"/usr/lib/", "/usr/lib64/", "/lib/", "/lib64/"}
)

// below returns the rest of path after the first of dirs that it lies below.
func below(path string, dirs []string) (string, bool) {
	for _, dir := range dirs {
		if rest, ok := strings.CutPrefix(path, dir); ok {
			return rest, true
		}
	}
	return "", false
}

func isManual(f *pkgindex.File) bool {
	_, ok := below(f.Path, manualDirs)
	return ok && f.Type != pkgindex.TypeDir
}

func isInfo(f *pkgindex.File) bool {
	_, ok := below(f.Path, infoDirs)
	return ok && f.Type != pkgindex.TypeDir
}

func isBuildID(f *pkgindex.File) bool {
	_, ok := below(f.Path+"/", buildIDs)
	return ok
}

// isForeignLocale looks at the directories that hold one locale each. Those of no language, and what all share, stay.
func (p *Policies) isForeignLocale(f *pkgindex.File) bool {
	rest, ok := below(f.Path, localeDirs)
	if !ok {
		return false
	}
	locale, _, _ := strings.Cut(rest, "/")
	switch locale {
	case "", "C", "POSIX", "C.utf8", "C.UTF-8", "locale.alias", "locale-archive", "locale-archive.tmpl":
		return false
	}
	return !p.keepsLanguages([]string{locale})
}

// isByteCode reports whether Python can make f again: it lies in __pycache__, which is read only together with the source, or
// (Python 2) beside a source of the same package.
func (r *rules) isByteCode(f *pkgindex.File) bool {
	stem, pyc := strings.CutSuffix(f.Path, ".pyc")
	if !pyc {
		var pyo bool
		if stem, pyo = strings.CutSuffix(f.Path, ".pyo"); !pyo {
			return false
		}
	}
	return rootfs.Base(rootfs.Dir(f.Path)) == "__pycache__" || r.sources[stem+".py"]
}

// isGDBHelper reports whether only gdb reads f: its auto-load directory, and the scripts that it looks for beside libraries.
func isGDBHelper(f *pkgindex.File) bool {
	if _, ok := below(f.Path+"/", gdbDirs); ok {
		return true
	}
	if _, ok := below(f.Path, libraryDirs); !ok || f.Type == pkgindex.TypeDir {
		return false
	}
	for _, suffix := range []string{"-gdb.py", "-gdb.scm", "-gdb.gdb"} {
		if strings.HasSuffix(f.Path, suffix) {
			return true
		}
	}
	return false
}

// terminalOf returns the name of the terminal that a terminfo file describes: DIR/<first letter or its hexadecimal code>/NAME.
func terminalOf(path string) (string, bool) {
	rest, ok := below(path, terminfoDirs)
	if !ok {
		return "", false
	}
	letter, name, ok := strings.Cut(rest, "/")
	return name, ok && name != "" && (len(letter) == 1 || len(letter) == 2)
}

// keptTerminfo closes a list of terminals over the symbolic links of a package: an alias is of no use without its file.
func keptTerminfo(names []string, x *pkgindex.Index) map[string]bool {
	if names == nil || slices.Contains(names, "*") {
		return nil
	}
	kept := map[string]bool{}
	for _, name := range names {
		kept[name] = true
	}
	for changed := len(kept) > 0; changed; {
		changed = false
		for i := range x.Files {
			f := &x.Files[i]
			if name, ok := terminalOf(f.Path); !ok || f.Type != pkgindex.TypeSymlink || !kept[name] {
				continue
			}
			if target := rootfs.Base(f.LinkTarget); !kept[target] {
				kept[target], changed = true, true
			}
		}
	}
	return kept
}

func (r *rules) isForeignTerminal(f *pkgindex.File) bool {
	name, ok := terminalOf(f.Path)
	return ok && f.Type != pkgindex.TypeDir && !r.terminfo[name]
}

// isDocumentation reports whether f is documentation other than a licence text: by flag, or by directory.
func isDocumentation(f *pkgindex.File) bool {
	if f.Type == pkgindex.TypeDir || isLicence(f) {
		return false
	}
	if f.Flags&pkgindex.FlagDoc != 0 && !isManual(f) && !isInfo(f) {
		return true // manuals have policies of their own
	}
	_, ok := below(f.Path, documentationDirs)
	return ok
}

// licenceName matches the names, in lower case, of licence texts and of the notices that licences want kept: a word that
// means one, alone or before a separator; the short names of licences only before a version or a suffix of text; or a name
// whose last word before such a suffix means a licence.
var licenceName = regexp.MustCompile(`^(licen[cs]es?|copying|copyrights?|notices?|credits|legal|patents|authors)([-_.].*|[0-9]*)$` +
	`|^([al]?gpl|mit|bsd|apache|mpl)([-_.]?v?[0-9][-_.0-9a-z+]*)?(\.(txt|md|html|gz))?$` +
	`|[-_.](licen[cs]es?|copying|copyright)(\.(txt|md|html|gz))?$`)

// isLicence reports whether f is a licence text that no flag marks: in /usr/share/licenses, by its whole name in a
// documentation directory, or a link of Debian's that leads from one documentation directory, and so from one copyright file,
// to another.
func isLicence(f *pkgindex.File) bool {
	if strings.HasPrefix(f.Path, "/usr/share/licenses/") {
		return true
	}
	rest, inDoc := strings.CutPrefix(f.Path, "/usr/share/doc/")
	if !inDoc {
		return false
	}
	if f.Type == pkgindex.TypeSymlink && !strings.Contains(rest, "/") {
		return true
	}
	return licenceName.MatchString(strings.ToLower(rootfs.Base(f.Path)))
}
