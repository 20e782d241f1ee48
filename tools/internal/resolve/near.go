package resolve

import (
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// maxNear is how many things that may have been meant an error names.
const maxNear = 5

// near returns what may have been meant by a name that nothing answers: for a file, files of the same base name in other folders;
// for a soname, its other versions; else names of packages with a similar spelling.
func (u *Universe) near(name string) []string {
	if base := path.Base(name); strings.HasPrefix(name, "/") && base != "/" {
		if found := u.provided(func(s string) bool { return strings.HasPrefix(s, "/") && path.Base(s) == base }); len(found) > 0 {
			return found[:min(maxNear, len(found))]
		}
		return lockfile.NearMisses(name, u.provided(func(s string) bool { return strings.HasPrefix(s, path.Dir(name)+"/") }), maxNear)
	}
	if stem, _, ok := strings.Cut(name, ".so"); ok && stem != "" {
		bits := ""
		if strings.HasSuffix(name, "(64bit)") {
			bits = "(64bit)"
		}
		found := u.provided(func(s string) bool {
			return strings.HasPrefix(s, stem+".so") && strings.HasSuffix(s, "()"+bits)
		})
		return found[:min(maxNear, len(found))]
	}
	return lockfile.NearMisses(name, u.Names(), maxNear)
}

// provided returns the capabilities and files that a package has and that match, sorted.
func (u *Universe) provided(matches func(string) bool) []string {
	var out []string
	for id := range len(u.starts) - 1 {
		if u.starts[id] == u.starts[id+1] {
			continue
		}
		if s := u.strings.Text(repomd.ID(id)); matches(s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// Near returns what may have been meant by a name, file or soname that nothing answers, the closest first.
func (u *Universe) Near(name string) []string { return u.near(name) }
