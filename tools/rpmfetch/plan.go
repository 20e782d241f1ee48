package main

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

const (
	layoutMirror  = "mirror"
	layoutDistdir = "distdir"
)

// item is one file of a lock.
type item struct {
	nevra   string
	want    fetch.Digest
	targets []string // where it may be fetched, in the order to try
	places  []string // where it belongs, relative to the folder to fill; more than one for noarch packages
}

// plan lists the files of a lock in its order, each once.
func plan(l *lockfile.Lock, c *command) ([]*item, error) {
	archs := make([]string, 0, len(l.Architectures))
	for arch := range l.Architectures {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	for _, arch := range c.archs {
		if !slices.Contains(archs, arch) {
			return nil, cli.Hint(fmt.Errorf("the lock has no architecture %q", arch), "it has %s", strings.Join(archs, ", "))
		}
	}
	urls := map[[2]string][]string{}
	for _, r := range l.Repositories {
		urls[[2]string{r.ID, r.Arch}] = r.URLs
	}
	p := &planner{command: c, names: distdirNames(l), bySum: map[string]*item{}, taken: map[string]string{}}
	for _, arch := range archs {
		if len(c.archs) > 0 && !slices.Contains(c.archs, arch) {
			continue
		}
		for i := range l.Architectures[arch].Packages {
			pkg := &l.Architectures[arch].Packages[i]
			if err := p.add(arch, pkg, urls[[2]string{pkg.Repository, arch}]); err != nil {
				return nil, fmt.Errorf("package %s: %w", pkg.NEVRA, err)
			}
		}
	}
	return p.items, nil
}

type planner struct {
	*command
	names map[string]string // sha256 to name in a distdir
	items []*item
	bySum map[string]*item
	taken map[string]string // place to sha256
}

func (p *planner) add(arch string, pkg *lockfile.Package, bases []string) error {
	inMirror := mirrorPlace(pkg.Repository, arch, pkg.Path)
	place := inMirror
	if p.layout == layoutDistdir {
		place = p.names[pkg.SHA256]
	}
	base := path.Base(place)
	if !filepath.IsLocal(filepath.FromSlash(place)) || base == "." || base == arch || strings.HasSuffix(base, fetch.PartialSuffix) {
		return fmt.Errorf("the path %q cannot name a file", pkg.Path)
	}
	switch p.taken[place] {
	case "":
		p.taken[place] = pkg.SHA256
	case pkg.SHA256: // a noarch package of two architectures, in a distdir
	default:
		return cli.Hint(fmt.Errorf("another package has the place %s, too", place), "use --layout=%s", layoutDistdir)
	}
	it := p.bySum[pkg.SHA256]
	if it == nil {
		it = &item{nevra: pkg.NEVRA, want: fetch.Digest{Type: "sha256", Hex: pkg.SHA256, SizeBytes: pkg.SizeBytes}}
		if pkg.SizeBytes == 0 { // of an imported lock
			it.want.SizeBytes = -1
		}
		p.bySum[pkg.SHA256] = it
		p.items = append(p.items, it)
	}
	if !slices.Contains(it.places, place) {
		it.places = append(it.places, place)
	}
	for _, mirror := range p.mirrors {
		location := inMirror
		if !fetch.IsLocal(mirror) {
			location = url.PathEscape(location) // file names, not text of URLs
		}
		if err := it.target(strings.TrimSuffix(mirror, "/")+"/", location); err != nil {
			return err
		}
	}
	for _, base := range bases {
		if err := it.target(base, pkg.Path); err != nil {
			return err
		}
	}
	for _, elsewhere := range pkg.URLs {
		slash := strings.LastIndexByte(elsewhere, '/') + 1
		if err := it.target(elsewhere[:slash], elsewhere[slash:]); err != nil {
			return err
		}
	}
	return nil
}

func (it *item) target(base, location string) error {
	target, err := fetch.Join(base, location)
	if err == nil && !slices.Contains(it.targets, target) {
		it.targets = append(it.targets, target)
	}
	return err
}

// mirrorPlace is where a package lies in the layout mirror. rules/private/hub/lock.bzl looks in the same place. Paths of the
// metadata may lead out of the repository (Amazon Linux keeps its packages beside it), but not out of the mirror.
func mirrorPlace(repository, arch, location string) string {
	return repository + "/" + arch + path.Join("/", location)
}

// distdirNames is how files are called in the layout distdir: as in the repository or, where two packages of the lock have
// the same name, by their checksum. rules/private/hub/lock.bzl asks Bazel for the same names.
func distdirNames(l *lockfile.Lock) map[string]string {
	sums := map[string][]string{} // base name to checksums
	for _, section := range l.Architectures {
		for i := range section.Packages {
			pkg := &section.Packages[i]
			base := path.Base(pkg.Path)
			if !slices.Contains(sums[base], pkg.SHA256) {
				sums[base] = append(sums[base], pkg.SHA256)
			}
		}
	}
	names := map[string]string{}
	for _, base := range slices.Sorted(maps.Keys(sums)) {
		for _, sum := range sums[base] {
			if len(sums[base]) > 1 {
				names[sum] = sum + ".rpm"
			} else if names[sum] == "" {
				names[sum] = base
			}
		}
	}
	return names
}
