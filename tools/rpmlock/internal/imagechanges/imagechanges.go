// Package imagechanges says what changes of locked packages mean for images: which images ship them, and what each becomes.
package imagechanges

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
)

// Report is what differs between two states of the images of a release.
type Report struct {
	Release string  `json:"release"`
	Images  []Image `json:"images"` // by name
	// Unshipped are changes of packages that no image has, before or after. They are no reason for new images.
	Unshipped []differ.Change `json:"unshipped"`
}

// Image is one image on all its architectures.
type Image struct {
	Name       string                  `json:"name"`
	Due        bool                    `json:"due"` // more than release metadata differs
	Difference *differ.Difference      `json:"difference"`
	Severity   string                  `json:"severity,omitempty"`
	CVEs       []string                `json:"cves,omitempty"`
	SizeBytes  map[string]differ.Sizes `json:"size_bytes"` // of its files, by architecture
}

// Due reports whether any image is.
func (r *Report) Due() bool {
	return slices.ContainsFunc(r.Images, func(im Image) bool { return im.Due })
}

// Compare tells what the images before and after differ in. The advisories, and what is release metadata, are those of the changes of
// the lock.
func Compare(before, after *inventory.Inventory, changes []differ.Change) *Report {
	r := &Report{Release: after.Release, Images: []Image{}, Unshipped: []differ.Change{}}
	names := append(before.Names(), after.Names()...)
	slices.Sort(names)
	shipped := map[string]bool{}
	rebuilt := map[string]bool{}
	for i := range changes {
		rebuilt[changes[i].Name] = changes[i].Kind == differ.Rebuilt
	}
	for _, name := range slices.Compact(names) {
		r.Images = append(r.Images, compareImage(name, before, after, changes, rebuilt))
	}
	for _, x := range []*inventory.Inventory{before, after} {
		for i := range x.Images {
			for j := range x.Images[i].Packages {
				shipped[x.Images[i].Packages[j].Name] = true
			}
		}
	}
	for i := range changes {
		if !shipped[changes[i].Name] {
			r.Unshipped = append(r.Unshipped, changes[i])
		}
	}
	return r
}

func compareImage(name string, before, after *inventory.Inventory, changes []differ.Change, rebuilt map[string]bool) Image {
	// An image is compared as if it were a lock: it too has one version of each package for each architecture.
	d := differ.Compare(asLock(before, name, nil), asLock(after, name, rebuilt), differ.Options{Churn: churnOf(changes)})
	d.Release = name
	im := Image{Name: name, Difference: d, SizeBytes: map[string]differ.Sizes{}}
	var all []advisories.Advisory
	for i := range d.Changes {
		c := &d.Changes[i]
		c.Advisories = advisoriesFor(changes, c)
		all = append(all, c.Advisories...)
		im.Due = im.Due || !c.Churn
	}
	advisories.Sort(all)
	if len(all) > 0 {
		im.Severity = all[0].Word()
	}
	for _, a := range all {
		im.CVEs = append(im.CVEs, a.CVEs...)
	}
	slices.Sort(im.CVEs)
	im.CVEs = slices.Compact(im.CVEs)
	for arch, total := range d.Totals {
		total.Installed = differ.Sizes{From: sizeOf(before.Image(name, arch)), To: sizeOf(after.Image(name, arch))}
		d.Totals[arch], im.SizeBytes[arch] = total, total.Installed
	}
	return im
}

func sizeOf(im *inventory.Image) int64 {
	if im == nil {
		return 0
	}
	return im.SizeBytes
}

// asLock is an image in the form that differ compares. Packages that are rebuilt get another checksum.
func asLock(x *inventory.Inventory, name string, rebuilt map[string]bool) *lockfile.Lock {
	l := &lockfile.Lock{Architectures: map[string]*lockfile.Architecture{}}
	for i := range x.Images {
		im := &x.Images[i]
		if im.Name != name {
			continue
		}
		section := &lockfile.Architecture{}
		for _, p := range im.Packages {
			sum := ""
			if rebuilt[p.Name] {
				sum = "rebuilt"
			}
			section.Packages = append(section.Packages, lockfile.Package{
				Name: p.Name, Arch: p.Arch, NEVRA: p.Name + "-" + p.Version + "." + p.Arch, InstalledBytes: p.SizeBytes, SHA256: sum,
			})
		}
		for _, c := range im.Content {
			section.Packages = append(section.Packages, contentPackage(c))
		}
		slices.SortFunc(section.Packages, func(a, b lockfile.Package) int { return cmp.Compare(a.Name, b.Name) })
		l.Architectures[im.Arch] = section
	}
	return l
}

// contentPackage is content in the form of a package. A program that another compiler has built is another version of it.
func contentPackage(c inventory.Content) lockfile.Package {
	name := c.Name + " (no RPM)"
	version := strings.Join(append([]string{c.Version}, c.BuiltWith...), ", ")
	return lockfile.Package{Name: name, NEVRA: name + "-" + version + ".", InstalledBytes: c.SizeBytes}
}

func churnOf(changes []differ.Change) []string {
	var out []string
	for i := range changes {
		if changes[i].Churn {
			out = append(out, changes[i].Name)
		}
	}
	return out
}

func advisoriesFor(changes []differ.Change, c *differ.Change) []advisories.Advisory {
	for i := range changes {
		if changes[i].Name == c.Name && changes[i].To == c.To {
			return changes[i].Advisories
		}
	}
	return nil
}

// Foresee is what the images become by changes of the lock, as far as the lock can tell: packages move to their new versions and grow as
// the lock says, those that are shipped in part stay as large as they are, and what is newly required is not there yet.
func Foresee(before *inventory.Inventory, changes []differ.Change) *inventory.Inventory {
	after := &inventory.Inventory{Schema: before.Schema, Release: before.Release}
	for _, im := range before.Images {
		im.Packages = slices.Clone(im.Packages)
		for i := range changes {
			foreseeOne(&im, &changes[i])
		}
		after.Images = append(after.Images, im)
	}
	return after
}

func foreseeOne(im *inventory.Image, c *differ.Change) {
	p := im.Package(c.Name)
	if p == nil || !slices.Contains(c.Architectures, im.Arch) || c.Kind == differ.Added {
		return
	}
	growth := c.Installed[im.Arch].To - c.Installed[im.Arch].From
	if p.Partial {
		growth = 0
	}
	im.SizeBytes += growth
	if c.Kind == differ.Removed {
		im.Packages = slices.DeleteFunc(im.Packages, func(q inventory.Package) bool { return q.Name == c.Name })
		return
	}
	p.Version, p.SizeBytes = c.To, p.SizeBytes+growth
}

// alike groups images that change in the same way, in the order of their names.
func (r *Report) alike() [][]*Image {
	var out [][]*Image
	for i := range r.Images {
		im := &r.Images[i]
		if len(im.Difference.Changes) == 0 {
			continue
		}
		k := slices.IndexFunc(out, func(group []*Image) bool { return sameChanges(group[0].Difference.Changes, im.Difference.Changes) })
		if k < 0 {
			out = append(out, []*Image{im})
		} else {
			out[k] = append(out[k], im)
		}
	}
	return out
}

func sameChanges(a, b []differ.Change) bool {
	return slices.EqualFunc(a, b, func(x, y differ.Change) bool {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To), slices.Compare(x.Architectures, y.Architectures)) == 0 &&
			maps.Equal(x.Installed, y.Installed)
	})
}
