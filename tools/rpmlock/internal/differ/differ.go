// Package differ compares two locks for people who review the change.
package differ

import (
	"cmp"
	"maps"
	"path"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
)

// Kinds of a change.
const (
	Updated    = "updated"
	Downgraded = "downgraded"
	Rebuilt    = "rebuilt" // the same version, other bytes
	Added      = "added"
	Removed    = "removed"
)

// Change is one package that differs, in the same way on each of Architectures.
type Change struct {
	Name          string                `json:"name"`
	Kind          string                `json:"kind"`
	Architectures []string              `json:"architectures"`
	From          string                `json:"from,omitempty"` // [epoch:]version-release
	To            string                `json:"to,omitempty"`
	Repository    string                `json:"repository"`
	SizeBytes     map[string]Sizes      `json:"size_bytes"`      // of the .rpm, by architecture
	Installed     map[string]Sizes      `json:"installed_bytes"` // by architecture
	Advisories    []advisories.Advisory `json:"advisories,omitempty"`
	// Churn is set for release metadata, which comes with every state of a repository.
	Churn bool `json:"release_metadata,omitempty"`
}

// Sizes are a size before and after.
type Sizes struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// Total is about all packages of an architecture.
type Total struct {
	Packages  Sizes `json:"packages"`
	SizeBytes Sizes `json:"size_bytes"`
	Installed Sizes `json:"installed_bytes"`
}

// Difference is what differs between two locks.
type Difference struct {
	Release string           `json:"release"`
	Changes []Change         `json:"changes"` // by name, then by architectures
	Totals  map[string]Total `json:"totals"`  // by architecture
}

// Options are what Compare should know besides the locks.
type Options struct {
	Churn      []string                     // names or globs of release metadata
	Advisories map[string]*advisories.Index // by architecture; may be nil
}

// Compare lists the packages that differ. before may be nil: then every package is added.
func Compare(before, after *lockfile.Lock, options Options) *Difference {
	d := &Difference{Release: after.Release, Changes: []Change{}, Totals: map[string]Total{}}
	if before == nil {
		before = &lockfile.Lock{}
	}
	archs := slices.Sorted(maps.Keys(after.Architectures))
	for arch := range before.Architectures {
		if !slices.Contains(archs, arch) {
			archs = append(archs, arch)
		}
	}
	slices.Sort(archs)
	for _, arch := range archs {
		old, now := before.Architectures[arch], after.Architectures[arch]
		if old == nil {
			old = &lockfile.Architecture{}
		}
		if now == nil {
			now = &lockfile.Architecture{}
		}
		d.compareArch(arch, old, now, options)
	}
	slices.SortStableFunc(d.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.Architectures, b.Architectures))
	})
	return d
}

func (d *Difference) compareArch(arch string, old, now *lockfile.Architecture, options Options) {
	total := Total{Packages: Sizes{int64(len(old.Packages)), int64(len(now.Packages))}}
	for i := range old.Packages {
		p := &old.Packages[i]
		total.SizeBytes.From += p.SizeBytes
		total.Installed.From += p.InstalledBytes
		if now.Package(p.Name) == nil {
			d.add(arch, p, nil, options)
		}
	}
	for i := range now.Packages {
		p := &now.Packages[i]
		total.SizeBytes.To += p.SizeBytes
		total.Installed.To += p.InstalledBytes
		if o := old.Package(p.Name); o == nil || o.SHA256 != p.SHA256 || o.NEVRA != p.NEVRA {
			d.add(arch, o, p, options)
		}
	}
	d.Totals[arch] = total
}

// add records a change of one architecture, together with the same change of others.
func (d *Difference) add(arch string, old, now *lockfile.Package, options Options) {
	c := Change{Architectures: []string{arch}, SizeBytes: map[string]Sizes{}, Installed: map[string]Sizes{}}
	var size, installed Sizes
	if old != nil {
		c.Name, c.From, c.Repository, c.Kind = old.Name, old.EVR(), old.Repository, Removed
		size.From, installed.From = old.SizeBytes, old.InstalledBytes
	}
	if now != nil {
		c.Name, c.To, c.Repository, c.Kind = now.Name, now.EVR(), now.Repository, Added
		size.To, installed.To = now.SizeBytes, now.InstalledBytes
	}
	c.SizeBytes[arch], c.Installed[arch] = size, installed
	c.Churn = IsChurn(options.Churn, c.Name)
	if old != nil && now != nil {
		from, to := parse(c.From), parse(c.To)
		switch order := evr.Compare(from, to); {
		case order < 0:
			c.Kind = Updated
			if index := options.Advisories[arch]; index != nil {
				c.Advisories = index.Between(c.Name, now.Arch, from, to)
			}
		case order > 0:
			c.Kind = Downgraded
		default:
			c.Kind = Rebuilt
		}
	}
	for i := range d.Changes {
		if o := &d.Changes[i]; o.Name == c.Name && o.Kind == c.Kind && o.From == c.From && o.To == c.To && o.Repository == c.Repository {
			o.Architectures = append(o.Architectures, arch)
			o.SizeBytes[arch], o.Installed[arch] = size, installed
			o.Advisories = append(o.Advisories, c.Advisories...)
			advisories.Sort(o.Advisories)
			o.Advisories = slices.CompactFunc(o.Advisories, func(a, b advisories.Advisory) bool { return a.ID == b.ID })
			return
		}
	}
	d.Changes = append(d.Changes, c)
}

// IsChurn reports whether a name is release metadata.
func IsChurn(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return ok && err == nil
	})
}

// parse reads a version; what is no version compares as the lowest.
func parse(text string) evr.EVR {
	e, err := evr.Parse(text)
	if err != nil {
		return evr.EVR{}
	}
	return e
}

// Due lists the changes that are not release metadata.
func (d *Difference) Due() []Change {
	return slices.DeleteFunc(slices.Clone(d.Changes), func(c Change) bool { return c.Churn })
}
