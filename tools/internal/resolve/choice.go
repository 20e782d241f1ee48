package resolve

import (
	"fmt"
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// PinError says that a pin matches no package.
type PinError struct {
	Pin  string
	Arch string
	// Have lists the packages of the name; without any the name itself is unknown.
	Have []string
	// Near lists names that may have been meant.
	Near []string
	// OneArch is set when the pin names this architecture.
	OneArch bool
}

func (e *PinError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("pin %q for %s: no package has that name", e.Pin, e.Arch)
	}
	return fmt.Sprintf("pin %q for %s: no package has that version; the repositories have %s", e.Pin, e.Arch, list(e.Have, maxNear))
}

// WithHint adds what may have been meant.
func (e *PinError) WithHint() error {
	if len(e.Near) == 0 {
		return e
	}
	return cli.Hint(e, "for %q, did you mean %s?", e.Pin, list(e.Near, maxNear))
}

// Pin leaves out every other version of the pinned names. It returns the pins for this architecture that match no package.
func (u *Universe) Pin(pins []lockfile.Pin) (unmatched []*PinError) {
	for i := range pins {
		pin := &pins[i]
		if !pin.Applies(u.Arch) {
			continue
		}
		from, to := u.namedText(pin.Name)
		var have []string
		matched := false
		for pkg := from; pkg < to; pkg++ {
			if pin.Allows(u.Packages[pkg].evr, u.arch(pkg)) {
				matched = true
				continue
			}
			have = append(have, u.NEVRA(pkg))
			if p := &u.Packages[pkg]; p.Excluded == "" {
				p.Excluded = fmt.Sprintf("%s is pinned in the manifest", pin.Text)
			}
		}
		if matched {
			continue
		}
		e := &PinError{Pin: pin.Text, Arch: u.Arch, Have: have, OneArch: pin.Arch == u.Arch}
		if len(have) == 0 {
			e.Near = lockfile.NearMisses(pin.Name, u.Names(), maxNear)
		}
		unmatched = append(unmatched, e)
	}
	return unmatched
}

// excludeVersions applies the exclusions that no name matches to names with a version, an architecture or both, as dnf does: names come
// first, so that "kernel-*" leaves out kernel-core and not kernel.
func (u *Universe) excludeVersions(exclude []string) {
	u.excludeWhere(exclude, -1)
	for i := range u.Repositories {
		u.excludeWhere(u.Repositories[i].Exclude, i)
	}
}

// excludeWhere is excludeVersions for one repository, or for all when it is negative.
func (u *Universe) excludeWhere(globs []string, repository int) {
	for _, glob := range globs {
		if !strings.ContainsAny(glob, "-.*?[") || u.namesMatch(glob) {
			continue
		}
		reason := fmt.Sprintf("the manifest excludes %q", glob)
		if repository >= 0 {
			reason += " from repository " + u.Repositories[repository].ID
		}
		literal := glob[:len(glob)-len(strings.TrimLeftFunc(glob, func(r rune) bool { return !strings.ContainsRune(`*?[\`, r) }))]
		for pkg := range u.Packages {
			p := &u.Packages[pkg]
			name := u.strings.Text(p.name)
			if p.Excluded != "" || repository >= 0 && p.Repository != repository || !strings.HasPrefix(literal, name) && !strings.HasPrefix(name, literal) {
				continue
			}
			if u.isVersion(glob, pkg, name) {
				p.Excluded = reason
			}
		}
	}
}

func (u *Universe) namesMatch(glob string) bool {
	if from, to := u.namedText(glob); to > from {
		return true
	}
	if !strings.ContainsAny(glob, `*?[\`) {
		return false
	}
	last := repomd.ID(0)
	for i := range u.Packages {
		if name := u.Packages[i].name; i == 0 || name != last {
			last = name
			if ok, _ := path.Match(glob, u.strings.Text(name)); ok {
				return true
			}
		}
	}
	return false
}

// isVersion matches a glob with the ways to write a package.
func (u *Universe) isVersion(glob string, pkg int, name string) bool {
	e, arch := u.Packages[pkg].evr, u.arch(pkg)
	version := name + "-" + e.Version + "-" + e.Release
	epoch := fmt.Sprintf("%s-%d:%s-%s", name, e.Epoch, e.Version, e.Release)
	for _, text := range []string{version + "." + arch, version, name + "." + arch, epoch + "." + arch, epoch, name + "-" + e.Version} {
		if ok, _ := path.Match(glob, text); ok {
			return true
		}
	}
	return false
}
