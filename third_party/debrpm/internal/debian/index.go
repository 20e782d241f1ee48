package debian

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// Package is one entry of a Packages index.
type Package struct {
	Name         string
	Version      Version
	VersionText  string
	Architecture string // amd64, arm64, all
	SHA256       string
	SizeBytes    int64
	Depends      [][]Relation // Pre-Depends and Depends
	Provides     [][]Relation
}

// Index holds the newest version of every package for one architecture.
type Index struct {
	Architecture string
	packages     map[string]*Package
	providers    map[string][]string // virtual name -> names of packages, sorted
}

// NewIndex returns an empty index for a Debian architecture name.
func NewIndex(architecture string) *Index {
	return &Index{Architecture: architecture, packages: map[string]*Package{}}
}

// Add reads one Packages file; of two versions the newer one stays.
func (x *Index) Add(r io.Reader) error {
	keep := map[string]bool{}
	for _, name := range []string{"Package", "Version", "Architecture", "SHA256", "Size", "Depends", "Pre-Depends", "Provides"} {
		keep[name] = true
	}
	x.providers = nil
	return ReadParagraphs(r, keep, func(p Paragraph) error {
		v, err := ParseVersion(p["Version"])
		if err != nil {
			return fmt.Errorf("package %s: %w", p["Package"], err)
		}
		if old := x.packages[p["Package"]]; old != nil && old.Version.Compare(v) >= 0 {
			return nil
		}
		pkg, err := parsePackage(p, v)
		if err != nil {
			return fmt.Errorf("package %s: %w", p["Package"], err)
		}
		x.packages[pkg.Name] = pkg
		return nil
	})
}

func parsePackage(p Paragraph, v Version) (*Package, error) {
	pkg := &Package{Name: p["Package"], Version: v, VersionText: p["Version"], Architecture: p["Architecture"], SHA256: p["SHA256"]}
	if !validName(pkg.Name) || len(pkg.SHA256) != 64 || strings.Trim(pkg.SHA256, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("no valid name or no SHA256")
	}
	var err error
	if pkg.SizeBytes, err = strconv.ParseInt(p["Size"], 10, 64); err != nil {
		return nil, fmt.Errorf("field Size: %w", err)
	}
	for _, field := range []string{"Pre-Depends", "Depends"} {
		groups, err := ParseRelations(p[field])
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", field, err)
		}
		pkg.Depends = append(pkg.Depends, groups...)
	}
	pkg.Provides, err = ParseRelations(p["Provides"])
	return pkg, err
}

// Len is the number of packages.
func (x *Index) Len() int { return len(x.packages) }

// Get returns the package of that name, or nil.
func (x *Index) Get(name string) *Package { return x.packages[name] }

// Providers returns the names of the packages that provide the virtual name, sorted.
func (x *Index) Providers(name string) []string {
	if x.providers == nil {
		x.providers = map[string][]string{}
		for _, pkg := range x.packages {
			for _, group := range pkg.Provides {
				x.providers[group[0].Name] = append(x.providers[group[0].Name], pkg.Name)
			}
		}
		for _, names := range x.providers {
			sort.Strings(names)
		}
	}
	return x.providers[name]
}

// ClosureOptions say how a dependency is followed.
type ClosureOptions struct {
	// Drop holds names whose dependencies are cut wherever they occur; PackageDrop those cut for one package.
	Drop        map[string]string
	PackageDrop func(pkg, name string) bool
	// Choose maps a name that a dependency gives to the package to take instead.
	Choose map[string]string
}

// Chosen picks the alternative of a dependency that counts: none if one of them is dropped, else the first, by Choose.
func (o ClosureOptions) Chosen(pkg string, group []Relation) (Relation, bool) {
	for _, r := range group {
		if _, ok := o.Drop[r.Name]; ok || o.PackageDrop != nil && o.PackageDrop(pkg, r.Name) {
			return Relation{}, false
		}
	}
	first := group[0]
	for _, r := range group {
		if name, ok := o.Choose[r.Name]; ok {
			if name != r.Name {
				return Relation{Name: name}, true
			}
			return r, true
		}
	}
	return first, true
}

// Closure returns the roots and everything they need, sorted by name.
func (x *Index) Closure(roots []string, o ClosureOptions) ([]*Package, error) {
	type want struct{ name, from string }
	var queue []want
	for _, r := range roots {
		queue = append(queue, want{r, "packages.txt"})
	}
	found := map[string]*Package{}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		pkg, err := x.resolve(w.name, found)
		if err != nil {
			return nil, fmt.Errorf("closure for %s: %s, wanted by %s: %w", x.Architecture, w.name, w.from, err)
		}
		if found[pkg.Name] != nil {
			continue
		}
		found[pkg.Name] = pkg
		for _, group := range pkg.Depends {
			if r, ok := o.Chosen(pkg.Name, group); ok {
				queue = append(queue, want{r.Name, pkg.Name})
			}
		}
	}
	out := make([]*Package, 0, len(found))
	for _, pkg := range found {
		out = append(out, pkg)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// resolve finds the package for a name. A virtual name must have one provider, or one that is already there.
func (x *Index) resolve(name string, found map[string]*Package) (*Package, error) {
	if pkg := x.packages[name]; pkg != nil {
		return pkg, nil
	}
	providers := x.Providers(name)
	for _, p := range providers {
		if found[p] != nil {
			return found[p], nil
		}
	}
	switch len(providers) {
	case 0:
		return nil, fmt.Errorf("the mirror has no such package")
	case 1:
		return x.packages[providers[0]], nil
	}
	return nil, fmt.Errorf("a virtual package of %s; say which one under choose: in mapping.yaml", strings.Join(providers, ", "))
}
