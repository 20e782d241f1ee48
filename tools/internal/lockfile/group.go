package lockfile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// DefaultGroup is the group of the roots under install.
const DefaultGroup = "install"

// Group is a set of roots that is resolved for itself: nothing of install or of other groups comes along. What two groups have in common is
// of one version.
type Group struct {
	Name  string
	Line  int
	Roots []Root
}

// Groups are written as a map of name to roots; their order counts.
type Groups []Group

// UnmarshalYAML keeps the order of the map.
func (g *Groups) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: groups is not a map of name to roots", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		group := Group{Name: node.Content[i].Value, Line: node.Content[i].Line}
		if err := node.Content[i+1].Decode(&group.Roots); err != nil {
			return err
		}
		*g = append(*g, group)
	}
	return nil
}

var groupName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func (m *Manifest) validateGroups() (errs []error) {
	seen := map[string]int{}
	for _, group := range m.Groups {
		first, twice := seen[group.Name]
		seen[group.Name] = group.Line
		switch {
		case !groupName.MatchString(group.Name):
			errs = append(errs, fmt.Errorf("line %d: groups: %q is not a name of lower-case letters, digits, - and _", group.Line, group.Name))
		case group.Name == DefaultGroup:
			errs = append(errs, fmt.Errorf("line %d: groups: %q is the name of the roots under install", group.Line, group.Name))
		case twice:
			errs = append(errs, fmt.Errorf("line %d: groups: %q is already given in line %d", group.Line, group.Name, first))
		case len(group.Roots) == 0:
			errs = append(errs, fmt.Errorf("line %d: groups: %s is empty: nothing to lock", group.Line, group.Name))
		}
		errs = append(errs, m.validateRoots("groups: "+group.Name, group.Roots)...)
	}
	return errs
}

// InGroup reports whether a package belongs to a group; one without groups belongs to the default group only.
func (p *Package) InGroup(name string) bool {
	if len(p.Groups) == 0 {
		return name == DefaultGroup
	}
	return slices.Contains(p.Groups, name)
}

// validateGroups checks what a lock says of groups. names are those of its packages.
func (a *Architecture) validateGroups(names map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(a.Groups)) {
		roots := a.Groups[name]
		if !groupName.MatchString(name) || name == DefaultGroup {
			return fmt.Errorf("%q is not a name of a group", name)
		}
		if !slices.IsSorted(roots) {
			return fmt.Errorf("the roots of group %s are not sorted", name)
		}
		for _, root := range roots {
			if !names[root] {
				return fmt.Errorf("root %s of group %s is not among the packages", root, name)
			}
		}
	}
	for i := range a.Packages {
		if err := a.Packages[i].validateGroups(a, names); err != nil {
			return fmt.Errorf("package %s: %w", a.Packages[i].Name, err)
		}
	}
	return nil
}

func (p *Package) validateGroups(a *Architecture, names map[string]bool) error {
	if !slices.IsSorted(p.Groups) || !slices.IsSorted(p.Conflicts) {
		return errors.New("its groups or conflicts are not sorted")
	}
	for _, group := range p.Groups {
		if _, known := a.Groups[group]; !known && group != DefaultGroup {
			return fmt.Errorf("unknown group %q", group)
		}
	}
	for _, other := range p.Conflicts {
		if !names[other] || other == p.Name {
			return fmt.Errorf("it conflicts with %q, which is not another package of the lock", other)
		}
	}
	return nil
}
