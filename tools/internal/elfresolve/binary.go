package elfresolve

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// matchBinaries finds the files a binary request names. Every name must match something.
func (r *resolver) matchBinaries(q *request, p *pkg) ([]*file, error) {
	if p.x == nil { // all of it is in the base
		return nil, r.inBaseAlready(q)
	}
	var out []*file
	var errs []error
	for _, pattern := range q.Binaries {
		files, err := r.match(p, pattern)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: binaries: %w", q.Label, err))
			continue
		}
		if len(files) == 0 {
			errs = append(errs, r.noBinary(q, p, pattern))
		}
		for _, f := range files {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out, joinSorted(errs)
}

// inBaseAlready checks the names of a request for a package that only the base knows.
func (r *resolver) inBaseAlready(q *request) error {
	for _, name := range q.Binaries {
		if n := r.u.nodes[r.u.canonical(name)]; n == nil || n.base == nil {
			return fmt.Errorf("%s: binaries: package %s is in the base, which has no file %s", q.Label, q.Request.Packages[0], name)
		}
	}
	return nil
}

// match finds an exact path, which may be spelled through links such as /bin, or all paths of a glob.
func (r *resolver) match(p *pkg, pattern string) ([]*file, error) {
	if err := rootfs.CheckPath(pattern); err != nil {
		return nil, err
	}
	if f := r.u.find(p, pattern); f != nil {
		return []*file{f}, nil
	}
	if !strings.ContainsAny(pattern, `*?[\`) {
		return nil, nil
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("glob %q: %w", pattern, err)
	}
	dir := r.u.dir(rootfs.Dir(pattern)) // a directory without wildcards may be spelled through links as well
	var out []*file
	for i := range p.files {
		f := &p.files[i]
		literal, _ := path.Match(pattern, f.Path) // the pattern is valid
		linked, _ := path.Match(rootfs.Join(dir, rootfs.Base(pattern)), f.node.path)
		if f.Type != pkgindex.TypeDir && (literal || linked) {
			out = append(out, f)
		}
	}
	return out, nil
}

// noBinary explains a name that matches nothing: made by a scriptlet, ghost, owned by another package, or misspelled.
func (r *resolver) noBinary(q *request, p *pkg, pattern string) error {
	if err := r.managed(q, p, pattern); err != nil {
		return err
	}
	for i := range p.x.Files {
		if f := &p.x.Files[i]; f.Path == pattern {
			return fmt.Errorf("%s: binaries: %s lists %s as a ghost: the package does not ship it", q.Label, p.x.NEVRA, pattern)
		}
	}
	err := fmt.Errorf("%s: binaries: %s has no file %s", q.Label, p.x.NEVRA, pattern)
	if owners := r.ownersOf(pattern); len(owners) > 0 {
		return cli.Hint(err, "package %s has it: rpm = \"@%s//%s\"", strings.Join(owners, " and package "), r.in.Spec.Release, owners[0])
	}
	if near := nearPaths(p, pattern); len(near) > 0 {
		return cli.Hint(err, "did you mean %s?", strings.Join(near[:min(len(near), maxNearMisses)], " or "))
	}
	return cli.Hint(err, "the release knows no package with it; list what the package has with `rpm -qlp` or in its index.json")
}

// nearPaths lists files of the package that may have been meant: those of the same name, else of a similar name, else of a
// similar path. The name says more than the directory.
func nearPaths(p *pkg, pattern string) []string {
	byName := map[string][]string{}
	var names, paths []string
	for i := range p.files {
		if f := &p.files[i]; f.Type != pkgindex.TypeDir {
			name := rootfs.Base(f.Path)
			byName[name] = append(byName[name], f.Path)
			names = append(names, name)
			paths = append(paths, f.Path)
		}
	}
	name := rootfs.Base(pattern)
	if same := byName[name]; len(same) > 0 {
		return slices.Sorted(slices.Values(same))
	}
	var near []string
	for _, similar := range lockfile.NearMisses(name, names, maxNearMisses) {
		near = append(near, slices.Sorted(slices.Values(byName[similar]))...)
	}
	if len(near) == 0 {
		near = lockfile.NearMisses(pattern, paths, maxNearMisses)
	}
	return near
}

// ownersOf lists the packages that have the path: candidates, and for programs any package of the lock.
func (r *resolver) ownersOf(name string) []string {
	var out []string
	if n := r.u.nodes[r.u.canonical(name)]; n != nil {
		for _, f := range n.files {
			out = append(out, f.p.x.Name)
		}
	}
	for _, spelling := range []string{name, r.u.canonical(name)} {
		if owner := r.in.Graph.Executables[spelling]; owner != "" {
			out = append(out, owner)
		}
	}
	for _, dir := range []string{"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/"} { // the same program in another place
		if owner := r.in.Graph.Executables[dir+rootfs.Base(name)]; owner != "" && len(out) == 0 {
			out = append(out, owner)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// configs lists the configuration files that come along with the binaries of the request.
func (q *request) configs(p *pkg) []*file {
	var out []*file
	for i := range p.files {
		f := &p.files[i]
		if f.Flags&pkgindex.FlagConfig == 0 {
			continue
		}
		switch q.Config {
		case selection.ConfigPackage:
			out = append(out, f)
		case selection.ConfigFiles:
			if slices.ContainsFunc(q.binaries, func(b *file) bool { return sibling(rootfs.Base(b.Path), f.Path) }) {
				out = append(out, f)
			}
		}
	}
	return out
}

// sibling reports whether a configuration file goes by the name of the program: a component of its path is the name, or the
// name with a suffix that starts with a dot, a dash or an underscore, or with "rc".
func sibling(program, config string) bool {
	for part := range strings.SplitSeq(config, "/") {
		rest, ok := strings.CutPrefix(part, program)
		if ok && (rest == "" || rest == "rc" || strings.ContainsRune(".-_", rune(rest[0]))) {
			return true
		}
	}
	return false
}

// licence reports whether the file is part of what must come along with any file of the package.
func licence(f *file) bool {
	if f.Type == pkgindex.TypeDir {
		return false
	}
	if f.Flags&pkgindex.FlagLicense != 0 || strings.HasPrefix(f.Path, "/usr/share/licenses/") {
		return true
	}
	// Packages older than %license, and Debian's, keep them among the documentation.
	if !strings.HasPrefix(f.Path, "/usr/share/doc/") {
		return false
	}
	name := strings.ToLower(rootfs.Base(f.Path))
	for _, prefix := range []string{"licen", "copying", "copyright", "notice"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
