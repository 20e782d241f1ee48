// Package resolve decides which packages an installation into an empty root needs: what dnf would install.
//
// It is a SAT solver (two watched literals, first-UIP learning) whose decisions follow the preferences of libsolv, the
// solver below dnf, zypper and microdnf: best repository, best version per name, nothing obsoleted, then what is already
// wanted by others. The result depends on the set of packages only, not on their order in the metadata, on map order or on
// the number of CPUs.
//
// Sources: libsolv's documentation (libsolv-bindings, libsolv-pool), rpm's page on rich dependencies, and comparison with
// libsolv in the tests. Limits: one architecture and noarch, no multilib, nothing installed before.
package resolve

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Repository is the metadata of one repository.
type Repository struct {
	ID       string
	Priority int // lower is better
	Primary  *repomd.Primary
	Exclude  []string // names, NEVRAs or globs of packages that must not be taken from it
	// Hides says why a package must not be taken, or nothing when it may; nil hides none. Module streams hide packages.
	Hides func(*repomd.Package) string
}

// Package is a package of a universe. Universe.Packages is ordered by name, EVR, architecture and repository.
type Package struct {
	Repository int // index into Universe.Repositories
	Source     *repomd.Package
	Excluded   string // why it may not be taken; empty when it may

	name   repomd.ID // in Universe.strings
	evr    evr.EVR
	noa    bool // noarch
	byHold bool // Excluded in favour of a held package, see Holding
}

// Universe is an index over the packages that may be installed on one architecture.
type Universe struct {
	Arch         string
	Repositories []Repository
	Packages     []Package

	strings  *repomd.Strings
	remap    [][]repomd.ID       // per repository: its string numbers to ours
	evrBase  []uint32            // per repository: where its EVRs start in evrs
	evrs     []evr.EVR           // of all repositories
	provides []provide           // sorted by name, see provStart
	starts   []uint32            // provides of name n are provides[starts[n]:starts[n+1]]
	extra    map[repomd.ID][]int // files found in filelists.xml
	byName   []int               // indices of Packages by order, grouped; nameRange finds a group
	ranges   map[repomd.ID][2]int
	foreign  map[string][]string // names that only other architectures have
	cache    map[depKey][]int
	anyOf    []int32 // per string: 1 + the place in lists of what provides it in any version; 0 is not known yet
	lists    [][]int
	kinds    []nameKind   // per string; 0 is not known yet
	spare    *problem     // of the last solve, for its memory
	held     map[int]bool // see Holding
	keepAll  bool
}

type provide struct {
	pkg int32
	evr uint32
	op  evr.Op
}

type depKey struct {
	name repomd.ID
	evr  uint32
	op   evr.Op
}

// NewUniverse indexes repositories for an architecture. exclude holds names, NEVRAs or globs of packages that must not be taken.
func NewUniverse(arch string, repositories []Repository, exclude []string) *Universe {
	u := &Universe{
		Arch: arch, Repositories: repositories, strings: repomd.NewStrings(), evrs: make([]evr.EVR, 1),
		extra: map[repomd.ID][]int{}, ranges: map[repomd.ID][2]int{}, foreign: map[string][]string{}, cache: map[depKey][]int{},
	}
	for i := range repositories {
		u.addRepository(i, exclude)
	}
	u.sort()
	u.index()
	u.excludeVersions(exclude)
	return u
}

func (u *Universe) addRepository(i int, exclude []string) {
	primary := u.Repositories[i].Primary
	var remap []repomd.ID
	if i == 0 {
		u.strings = primary.Strings
	} else {
		remap = make([]repomd.ID, primary.Strings.Len())
		for id := range remap {
			remap[id] = u.strings.InternString(primary.Text(repomd.ID(id)))
		}
	}
	u.remap = append(u.remap, remap)
	u.evrBase = append(u.evrBase, uint32(len(u.evrs)))
	u.evrs = append(u.evrs, primary.EVRs...)
	for j := range primary.Packages {
		src := &primary.Packages[j]
		name, arch := primary.Text(src.Name), primary.Text(src.Arch)
		if arch != u.Arch && arch != "noarch" {
			u.foreign[name] = append(u.foreign[name], arch)
			continue
		}
		u.Packages = append(u.Packages, Package{
			Repository: i, Source: src, name: u.id(i, src.Name), evr: primary.EVRs[src.EVR], noa: arch == "noarch",
			Excluded: excludedBy(name, src, exclude, u.Repositories[i]),
		})
	}
}

func excludedBy(name string, src *repomd.Package, exclude []string, repo Repository) string {
	for _, glob := range exclude {
		if ok, _ := path.Match(glob, name); ok {
			return fmt.Sprintf("the manifest excludes %q", glob)
		}
	}
	for _, glob := range repo.Exclude {
		if ok, _ := path.Match(glob, name); ok {
			return fmt.Sprintf("the manifest excludes %q from repository %s", glob, repo.ID)
		}
	}
	if repo.Hides != nil {
		return repo.Hides(src)
	}
	return ""
}

// id maps a string number of a repository to one of the universe.
func (u *Universe) id(repository int, id repomd.ID) repomd.ID {
	if remap := u.remap[repository]; remap != nil {
		return remap[id]
	}
	return id
}

// sort orders the packages and drops all but the first copy of a package that several repositories have.
func (u *Universe) sort() {
	slices.SortStableFunc(u.Packages, func(a, b Package) int {
		if a.name != b.name {
			return strings.Compare(u.strings.Text(a.name), u.strings.Text(b.name))
		}
		if c := evr.Compare(a.evr, b.evr); c != 0 {
			return c
		}
		if a.noa != b.noa {
			if a.noa {
				return 1
			}
			return -1
		}
		if c := u.Repositories[a.Repository].Priority - u.Repositories[b.Repository].Priority; c != 0 {
			return c
		}
		if a.Repository != b.Repository {
			return a.Repository - b.Repository
		}
		return strings.Compare(a.Source.Location, b.Source.Location)
	})
	u.Packages = slices.CompactFunc(u.Packages, func(a, b Package) bool {
		return a.name == b.name && a.noa == b.noa && a.Repository == b.Repository && a.evr == b.evr && a.Source.Checksum == b.Source.Checksum
	})
}

func (u *Universe) index() {
	for i := range u.Packages {
		r := u.ranges[u.Packages[i].name]
		if r[1] == 0 {
			r[0] = i
		}
		r[1] = i + 1
		u.ranges[u.Packages[i].name] = r
	}
	u.starts = make([]uint32, u.strings.Len()+1)
	u.eachProvide(func(name repomd.ID, _ provide) { u.starts[name+1]++ })
	for n := 1; n < len(u.starts); n++ {
		u.starts[n] += u.starts[n-1]
	}
	u.provides = make([]provide, u.starts[len(u.starts)-1])
	next := slices.Clone(u.starts)
	u.eachProvide(func(name repomd.ID, p provide) {
		u.provides[next[name]] = p
		next[name]++
	})
}

func (u *Universe) eachProvide(visit func(repomd.ID, provide)) {
	for i := range u.Packages {
		p := &u.Packages[i]
		primary := u.Repositories[p.Repository].Primary
		for _, dep := range primary.Deps(p.Source, repomd.Provides) {
			visit(u.id(p.Repository, dep.Name), provide{int32(i), u.evrBase[p.Repository] + dep.EVR, dep.Op})
		}
		for _, file := range primary.Files(p.Source) {
			visit(u.id(p.Repository, file.Path), provide{pkg: int32(i)})
		}
	}
}

// AddFiles records files that a filelists.xml of a repository holds, so that they can satisfy requirements.
func (u *Universe) AddFiles(repository int, files []repomd.FoundFile) {
	bySum := map[[32]byte][]int{}
	for i := range u.Packages {
		if p := &u.Packages[i]; p.Repository == repository {
			bySum[p.Source.Checksum] = append(bySum[p.Source.Checksum], i)
		}
	}
	for _, f := range files {
		id := u.strings.InternString(f.Path)
		u.extra[id] = append(u.extra[id], bySum[f.Package]...)
	}
	u.forget()
}

// forget drops the remembered answers to dependencies.
func (u *Universe) forget() {
	clear(u.cache)
	clear(u.anyOf)
	u.lists = u.lists[:0]
}

// Name returns the name of a package.
func (u *Universe) Name(pkg int) string { return u.strings.Text(u.Packages[pkg].name) }

// NEVRA returns name-[epoch:]version-release.arch of a package.
func (u *Universe) NEVRA(pkg int) string {
	p := &u.Packages[pkg]
	return u.Repositories[p.Repository].Primary.NEVRA(p.Source)
}

// Names returns every package name that may be taken, sorted.
func (u *Universe) Names() []string {
	var names []string
	for i := range u.Packages {
		if i == 0 || u.Packages[i].name != u.Packages[i-1].name {
			names = append(names, u.Name(i))
		}
	}
	return names
}

// named returns the packages of a name, in order.
func (u *Universe) named(id repomd.ID) (from, to int) {
	r := u.ranges[id]
	return r[0], r[1]
}

// dependency is a dependency entry in numbers of the universe.
type dependency struct {
	name repomd.ID
	evr  uint32
	op   evr.Op
}

func (u *Universe) deps(pkg int, kind repomd.Kind) iter.Seq2[int, dependency] {
	p := &u.Packages[pkg]
	list := u.Repositories[p.Repository].Primary.Deps(p.Source, kind)
	return func(yield func(int, dependency) bool) {
		for i, d := range list {
			if !yield(i, dependency{u.id(p.Repository, d.Name), u.evrBase[p.Repository] + d.EVR, d.Op}) {
				return
			}
		}
	}
}

// text writes a dependency as a user would.
func (u *Universe) text(d dependency) string {
	if d.op == 0 {
		return u.strings.Text(d.name)
	}
	return u.strings.Text(d.name) + " " + d.op.String() + " " + u.evrs[d.evr].String()
}

// providers returns the packages that satisfy a plain dependency and are not excluded, in order. The slice is shared.
func (u *Universe) providers(d dependency) []int {
	if d.op == 0 {
		return u.anyProviders(d.name)
	}
	key := depKey(d)
	if list, ok := u.cache[key]; ok {
		return list
	}
	list := u.takeable(u.allProviders(d))
	u.cache[key] = list
	return list
}

// anyProviders is providers for a name in any version. Most dependencies are such; looking them up takes no hashing.
func (u *Universe) anyProviders(name repomd.ID) []int {
	if int(name) >= len(u.anyOf) {
		u.anyOf = append(u.anyOf, make([]int32, u.strings.Len()-len(u.anyOf))...)
	}
	if at := u.anyOf[name]; at > 0 {
		return u.lists[at-1]
	}
	list := u.takeable(u.allProviders(dependency{name: name}))
	u.lists = append(u.lists, list)
	u.anyOf[name] = int32(len(u.lists))
	return list
}

// takeable drops the excluded packages.
func (u *Universe) takeable(list []int) []int {
	return slices.DeleteFunc(list, func(p int) bool { return u.Packages[p].Excluded != "" })
}

// allProviders is providers with the excluded packages.
func (u *Universe) allProviders(d dependency) []int {
	var list []int
	if int(d.name)+1 < len(u.starts) {
		for _, p := range u.provides[u.starts[d.name]:u.starts[d.name+1]] {
			if evr.Satisfies(p.op, u.evrs[p.evr], d.op, u.evrs[d.evr]) {
				list = append(list, int(p.pkg))
			}
		}
	}
	if d.op == 0 {
		list = append(list, u.extra[d.name]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
