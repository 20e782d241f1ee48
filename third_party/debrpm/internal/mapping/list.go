package mapping

import (
	"fmt"
	"regexp"
	"strings"
)

// Section is a group of packages.txt.
type Section struct {
	Name     string
	Disabled bool // only taken when named
	Packages []string
}

var (
	sectionLine = regexp.MustCompile(`^\[([a-z0-9-]+)( disabled)?\]$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)
)

// ReadList reads packages.txt: "[section]" or "[section disabled]" lines, one package name a line, "#" comments.
func ReadList(name string) ([]Section, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	sections, err := ParseList(string(data))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return sections, nil
}

// ParseList is ReadList for text.
func ParseList(text string) ([]Section, error) {
	var sections []Section
	seen := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			sections = append(sections, Section{Name: m[1], Disabled: m[2] != ""})
			continue
		}
		if !packageName.MatchString(line) {
			return nil, fmt.Errorf("line %d: %q is neither a [section] nor a package name", i+1, line)
		}
		if len(sections) == 0 {
			return nil, fmt.Errorf("line %d: package %s comes before the first [section]", i+1, line)
		}
		if first, ok := seen[line]; ok {
			return nil, fmt.Errorf("line %d: package %s is listed in line %d already", i+1, line, first)
		}
		seen[line] = i + 1
		s := &sections[len(sections)-1]
		s.Packages = append(s.Packages, line)
	}
	return sections, nil
}

// Roots returns the packages of all enabled sections and of the disabled ones that with names.
func Roots(sections []Section, with []string) ([]string, error) {
	wanted := map[string]bool{}
	for _, name := range with {
		wanted[name] = true
	}
	var roots []string
	for _, s := range sections {
		if !s.Disabled || wanted[s.Name] {
			roots = append(roots, s.Packages...)
		}
		delete(wanted, s.Name)
	}
	for _, name := range with {
		if wanted[name] {
			return nil, fmt.Errorf("packages.txt has no section [%s]", name)
		}
	}
	return roots, nil
}
