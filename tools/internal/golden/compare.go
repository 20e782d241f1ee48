package golden

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bounds of what Report prints.
const (
	maxGroups       = 40
	maxPathsOfGroup = 12
)

// Diff is how an image differs from a text.
type Diff struct {
	groups map[string]*group // by section
	notes  map[string]*group // what is other because a package moved
}

// group is what changed of a package, or of what else made paths.
type group struct {
	title string
	lines []string
}

// Equal reports whether nothing differs that must not.
func (d *Diff) Equal() bool { return len(d.groups) == 0 }

// Compare compares the text want with the image got. Where packages move without a commit, another version is no difference, and
// neither are the contents, targets and names of paths that a package of another version owns, or that were made from packages
// when any is of another version; names of packages, and type, mode, owner and capabilities of every path that is there before and
// after, must stay.
func Compare(want, got *List, moving bool) *Diff {
	d := &Diff{groups: map[string]*group{}, notes: map[string]*group{}}
	was, is := want.packages(), got.packages()
	moved := map[string]bool{}
	for _, name := range union(was, is) {
		a, b := was[name], is[name]
		if moving && a != nil && b != nil && a.Version != b.Version {
			moved[name] = true
		}
	}
	for _, name := range union(was, is) {
		d.comparePackage(name, was[name], is[name], moved[name])
	}
	old, now := want.entries(), got.entries()
	for _, key := range union(old, now) {
		a, b := old[key], now[key]
		section := cmp.Or(b, a).Section
		_, packaged := is[section]
		mayMove := moved[section] || a != nil && moved[a.Section] || !packaged && len(moved) > 0
		d.compareEntry(a, b, mayMove)
	}
	if len(moved) == 0 && len(d.groups) == 0 && moving && abs(want.MiB-got.MiB) > 1 || !moving && want.MiB != got.MiB {
		d.add(d.groups, "image", fmt.Sprintf("size %d MiB -> %d MiB", want.MiB, got.MiB))
	}
	if want.Variant != got.Variant || want.Release != got.Release || want.Arch != got.Arch {
		d.add(d.groups, "image", fmt.Sprintf("%s %s %s -> %s %s %s", want.Variant, want.Release, want.Arch, got.Variant, got.Release, got.Arch))
	}
	return d
}

func (d *Diff) comparePackage(name string, a, b *Package, moved bool) {
	switch {
	case a == nil:
		d.title(d.groups, name, fmt.Sprintf("added, %s.%s, %s", b.Version, b.Arch, size(b.Bytes))+b.marks())
	case b == nil:
		d.title(d.groups, name, fmt.Sprintf("removed, %s.%s, %s", a.Version, a.Arch, size(a.Bytes)))
	default:
		var changes []string
		if a.Version != b.Version {
			changes = append(changes, a.Version+" -> "+b.Version)
		}
		if a.Arch != b.Arch {
			changes = append(changes, a.Arch+" -> "+b.Arch)
		}
		if a.Bytes != b.Bytes {
			changes = append(changes, fmt.Sprintf("%s (%+d bytes)", size(b.Bytes), b.Bytes-a.Bytes))
		}
		same := a.marks() == b.marks()
		if !same {
			changes = append(changes, fmt.Sprintf("marks%s -> marks%s", a.marks(), b.marks()))
		}
		if len(changes) == 0 {
			return
		}
		into := d.groups
		if moved && same && a.Arch == b.Arch {
			into = d.notes
		}
		d.title(into, name, strings.Join(changes, ", "))
	}
}

func (d *Diff) compareEntry(a, b *Entry, mayMove bool) {
	into := d.groups
	if mayMove {
		into = d.notes
	}
	switch {
	case a == nil:
		d.add(into, b.Section, "+ "+b.String())
	case b == nil:
		d.add(into, a.Section, "- "+a.String())
	default:
		must, may := a.changes(b)
		if len(must) > 0 {
			d.add(d.groups, b.Section, "~ "+b.Path+": "+strings.Join(append(must, may...), ", "))
		} else if len(may) > 0 {
			d.add(into, b.Section, "~ "+b.Path+": "+strings.Join(may, ", "))
		}
	}
}

// changes says how an entry of the same key differs: in what must not change when its package moves, and in what may.
func (e *Entry) changes(b *Entry) (must, may []string) {
	note := func(list *[]string, what, was, is string) {
		if was != is {
			*list = append(*list, fmt.Sprintf("%s %s -> %s", what, cmp.Or(was, "none"), cmp.Or(is, "none")))
		}
	}
	note(&must, "is", e.Kind, b.Kind)
	note(&must, "mode", e.Mode, b.Mode)
	note(&must, "owner", e.Owner, b.Owner)
	note(&must, "capabilities", e.Caps, b.Caps)
	note(&may, "of", e.Section, b.Section)
	note(&may, "target", e.Target, b.Target)
	if e.Count != b.Count {
		note(&may, "number", fmt.Sprint(e.Count), fmt.Sprint(b.Count))
	}
	if e.Bytes == unsaid || b.Bytes == unsaid {
		note(&may, "size", e.said(), b.said())
	} else if e.Bytes != b.Bytes {
		may = append(may, fmt.Sprintf("size %d -> %d (%+d)", e.Bytes, b.Bytes, b.Bytes-e.Bytes))
	}
	note(&may, "digest", e.Digest, b.Digest)
	return must, may
}

// Report prints what differs, a paragraph for each package, bounded.
func (d *Diff) Report() string { return report(d.groups) }

// Notes prints what is other only because packages are of another version, or nothing.
func (d *Diff) Notes() string { return report(d.notes) }

func report(groups map[string]*group) string {
	var out strings.Builder
	for i, section := range slices.Sorted(maps.Keys(groups)) {
		if i == maxGroups {
			fmt.Fprintf(&out, "and %d more packages\n", len(groups)-i)
			break
		}
		g := groups[section]
		out.WriteString(section)
		if g.title != "" {
			out.WriteString(": " + g.title)
		}
		out.WriteString("\n")
		for j, line := range g.lines {
			if j == maxPathsOfGroup {
				fmt.Fprintf(&out, "    and %d more paths\n", len(g.lines)-j)
				break
			}
			out.WriteString("    " + line + "\n")
		}
	}
	return out.String()
}

func (d *Diff) group(into map[string]*group, section string) *group {
	if into[section] == nil {
		into[section] = &group{}
	}
	return into[section]
}

func (d *Diff) title(into map[string]*group, section, title string) {
	d.group(into, section).title = title
}

func (d *Diff) add(into map[string]*group, section, line string) {
	g := d.group(into, section)
	g.lines = append(g.lines, line)
}

// packages are those of the list by name; of several with one name, by name and version.
func (l *List) packages() map[string]*Package {
	out := map[string]*Package{}
	for i := range l.Packages {
		p := &l.Packages[i]
		key := p.Name
		if out[key] != nil {
			key += "-" + p.Version + "." + p.Arch
		}
		out[key] = p
	}
	return out
}

// entries are those of the list by path; lines for many by directory, kind, mode and owner.
func (l *List) entries() map[string]*Entry {
	out := map[string]*Entry{}
	for i := range l.Entries {
		e := &l.Entries[i]
		key := e.Path
		if e.Count > 0 {
			key = strings.Join([]string{e.Path, e.Kind, e.Mode, e.Owner, e.Section}, "\x00")
		}
		out[key] = e
	}
	return out
}

func union[T any](a, b map[string]T) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func abs(n int64) int64 { return max(n, -n) }

// size prints bytes as people read them.
func size(bytes int64) string {
	switch {
	case bytes >= mib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", bytes)
}
