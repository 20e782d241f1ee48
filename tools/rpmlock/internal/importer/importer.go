// Package importer reads the package lists of other programs: rpm() rules of bazeldnf in WORKSPACE or .bzl files, bazeldnf's JSON locks,
// and rpms.lock.yaml. What a list says and a manifest or lock cannot hold is reported, never dropped silently.
package importer

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/distro"
)

// Package is one package of a list.
type Package struct {
	Name, Arch string // Arch of the file: noarch or one of those of a section
	EVR        string // without epoch when the list does not tell it
	Section    string // architecture it is listed for
	SHA256     string
	SizeBytes  int64 // 0: unknown
	SourceRPM  string
	Repository string   // as the list calls it; may be empty
	URLs       []string // full URLs, the first is the one in its repository
}

// List is what a file holds.
type List struct {
	Packages []Package
	Roots    []string            // names to ask for; nil: every package
	Mirrors  map[string][]string // repository -> base URLs, where the list names them
	Lost     []string            // sentences about what cannot be carried over
}

var fileName = regexp.MustCompile(`^(.+)-([^-]+-[^-]+)\.([^.-]+)\.rpm$`)

// splitFile reads name, version-release and architecture from the file name of a URL.
func splitFile(location string) (name, evr, arch string, ok bool) {
	base := path.Base(location)
	if u, err := url.Parse(location); err == nil {
		base = path.Base(u.Path)
	}
	f := fileName.FindStringSubmatch(base)
	if f == nil {
		return "", "", "", false
	}
	return f[1], f[2], f[3], true
}

// place is where a package lies: a base URL, with $basearch for the architecture, and the path below.
type place struct{ base, path string }

// split cuts a URL into repository and path: before "Packages/", or else before the file.
func split(location, arch string) place {
	at := strings.LastIndex(location, "/") + 1
	for _, folder := range []string{"/Packages/", "/packages/", "/getPackage/"} {
		if i := strings.Index(location, folder); i >= 0 {
			at = i + 1
			break
		}
	}
	if i := strings.Index(location, "/blobstore/"); i >= 0 { // Amazon Linux 2023 keeps packages beside its repositories
		at = i + 1
	}
	return place{withVariable(location[:at], arch), location[at:]}
}

// withVariable writes $basearch for the folder of an architecture.
func withVariable(base, arch string) string {
	parts := strings.Split(base, "/")
	for i := range parts {
		if parts[i] == arch {
			parts[i] = "$basearch"
		}
	}
	return strings.Join(parts, "/")
}

// Result is a manifest and a lock that hold a list.
type Result struct {
	Manifest []byte
	keyFiles []distro.File
	Lock     *lockfile.Lock
	Lost     []string
}

// repo is a repository under construction.
type repo struct {
	id    string
	bases []string // with $basearch
	archs map[string]bool
}

// builder makes the repositories of a list.
type builder struct {
	list   *List
	repos  []*repo
	byBase map[string]*repo
}

// Convert makes a manifest and a lock. The lock is Imported: it pins packages by digest, and `rpmlock lock` completes it.
func Convert(list *List, release string) (*Result, error) {
	b := &builder{list: list, byBase: map[string]*repo{}}
	lock := &lockfile.Lock{
		Schema: lockfile.Schema, Release: release, ManifestDigest: lockfile.Imported, Architectures: map[string]*lockfile.Architecture{},
	}
	lost := slices.Clone(list.Lost)
	for _, p := range list.Packages {
		if !slices.Contains(lockfile.KnownArchitectures(), p.Section) {
			lost = append(lost, fmt.Sprintf("%s-%s.%s: architecture %s is not one of %s", p.Name, p.EVR, p.Arch, p.Section,
				strings.Join(lockfile.KnownArchitectures(), ", ")))
			continue
		}
		if problem := p.problem(); problem != "" {
			lost = append(lost, fmt.Sprintf("%.200q for %s: %s", p.Name+"-"+p.EVR+"."+p.Arch, p.Section, problem))
			continue
		}
		section := lock.Architectures[p.Section]
		if section == nil {
			section = &lockfile.Architecture{}
			lock.Architectures[p.Section] = section
		}
		r, location := b.repository(&p)
		section.Packages = append(section.Packages, lockfile.Package{
			Name: p.Name, NEVRA: p.Name + "-" + p.EVR + "." + p.Arch, Arch: p.Arch, Repository: r.id, Path: location, SHA256: p.SHA256,
			SizeBytes: p.SizeBytes, SourceRPM: p.SourceRPM, Signature: "none", URLs: p.URLs[1:],
		})
	}
	for arch, section := range lock.Architectures {
		lost = append(lost, finish(arch, section, list.Roots)...)
	}
	if len(lock.Architectures) == 0 {
		return nil, fmt.Errorf("the list holds no package")
	}
	slices.Sort(lost)
	trust := b.trust(lock)
	lost = append(lost, trust.lost...)
	lock.RPMDB = trust.rpmdb
	for _, r := range b.repos {
		for _, arch := range slices.Sorted(maps.Keys(r.archs)) {
			lock.Repositories = append(lock.Repositories, lockfile.Repository{ID: r.id, Arch: arch, URLs: r.urls(arch), Fingerprints: trust.fingerprints(r), GPGCheck: trust.known(r)})
		}
	}
	slices.SortFunc(lock.Repositories, func(x, y lockfile.Repository) int {
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Arch, y.Arch))
	})
	return &Result{Manifest: b.manifest(lock, trust, lost), Lock: lock, Lost: lost, keyFiles: trust.files}, nil
}

var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)
	plainEVR  = regexp.MustCompile(`^([0-9]+:)?[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+$`)
	plainURL  = regexp.MustCompile(`^https?://[A-Za-z0-9.:\[\]@_-]+/[^\x00-\x20"<>\\^` + "`" + `{|}#\x7f-\x{10ffff}$]*$`)
)

// problem says why a package cannot be written to a manifest and a lock; empty when it can.
func (p *Package) problem() string {
	switch {
	case !plainName.MatchString(p.Name) || !plainEVR.MatchString(p.EVR):
		return "that is no name and version of a package"
	case p.Arch != p.Section && p.Arch != "noarch":
		return "its architecture is " + p.Arch
	}
	for _, u := range p.URLs {
		if !plainURL.MatchString(u) || strings.HasSuffix(u, "/") {
			return fmt.Sprintf("%.200q is not a URL of http or https", u)
		}
	}
	return ""
}

// finish sorts a section, drops second copies of a name and names the roots.
func finish(arch string, section *lockfile.Architecture, roots []string) (lost []string) {
	slices.SortStableFunc(section.Packages, func(x, y lockfile.Package) int { return cmp.Compare(x.Name, y.Name) })
	section.Packages = slices.CompactFunc(section.Packages, func(first, second lockfile.Package) bool {
		if first.Name != second.Name {
			return false
		}
		if first.SHA256 != second.SHA256 {
			lost = append(lost, fmt.Sprintf("%s for %s: a lock has one version of a name, and %s is taken", second.NEVRA, arch, first.NEVRA))
		}
		return true
	})
	section.Roots = []string{}
	for i := range section.Packages {
		if name := section.Packages[i].Name; roots == nil || slices.Contains(roots, name) {
			section.Roots = append(section.Roots, name)
		}
	}
	return lost
}

// repository finds or makes the repository of a package.
func (b *builder) repository(p *Package) (*repo, string) {
	at := split(p.URLs[0], p.Section)
	mirrors := b.list.Mirrors[p.Repository]
	for i, mirror := range mirrors {
		mirror = strings.TrimSuffix(mirror, "/") + "/"
		if rest, ok := strings.CutPrefix(p.URLs[0], mirror); ok && i == 0 {
			at = place{withVariable(mirror, p.Section), rest}
		}
	}
	r := b.byBase[at.base]
	if r == nil {
		r = &repo{id: b.name(at.base, p), archs: map[string]bool{}, bases: []string{at.base}}
		b.byBase[at.base] = r
		b.repos = append(b.repos, r)
	}
	for _, mirror := range mirrors {
		mirror = withVariable(strings.TrimSuffix(mirror, "/")+"/", p.Section)
		if !slices.Contains(r.bases, mirror) {
			r.bases = append(r.bases, mirror)
		}
	}
	r.archs[p.Section] = true
	return r, at.path
}

func (r *repo) urls(arch string) []string {
	var out []string
	for _, base := range r.bases {
		out = append(out, strings.ReplaceAll(base, "$basearch", arch))
	}
	return out
}

var (
	notID   = regexp.MustCompile(`[^A-Za-z0-9_.]+`)
	noNames = []string{"", "os", "pub", "linux", "tree", "content", "dist", "public", "$basearch"}
)

// name makes an id: the list's own name without the architecture, or the telling folders of the URL.
func (b *builder) name(base string, p *Package) string {
	id := strings.ReplaceAll(p.Repository, p.Section, "")
	if id == "" {
		rest := base
		if u, err := url.Parse(base); err == nil {
			rest = u.Path
		}
		var words []string
		for _, word := range strings.Split(rest, "/") {
			if !slices.Contains(noNames, word) {
				words = append(words, strings.ToLower(word))
			}
		}
		id = strings.Join(words, "-")
	}
	id = strings.Trim(notID.ReplaceAllString(id, "-"), "-.")
	if id == "" {
		id = "packages"
	}
	for unique, n := id, 2; ; n++ {
		if !slices.ContainsFunc(b.repos, func(r *repo) bool { return r.id == unique }) {
			return unique
		}
		unique = fmt.Sprintf("%s-%d", id, n)
	}
}

// Join adds another list.
func (l *List) Join(other *List) error {
	l.Packages = append(l.Packages, other.Packages...)
	l.Lost = append(l.Lost, other.Lost...)
	l.Roots = append(l.Roots, other.Roots...)
	for name, mirrors := range other.Mirrors {
		if old := l.Mirrors[name]; old != nil && !slices.Equal(old, mirrors) {
			return fmt.Errorf("repository %s has other mirrors than in a file before", name)
		}
		if l.Mirrors == nil {
			l.Mirrors = map[string][]string{}
		}
		l.Mirrors[name] = mirrors
	}
	return nil
}
