package main

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kinds of lines in a table: how our variant accounts for a package of EKS Distro's image.
const (
	named    = "named"    // ours names it, theirs has it
	elf      = "elf"      // theirs has it; ours gets it by a library that an ELF file needs
	requires = "requires" // theirs has it; ours gets it by resolving what packages require
	theirs   = "theirs"   // theirs has it, ours leaves it out
	ours     = "ours"     // ours names it, theirs lacks it
)

var kinds = []string{named, elf, requires, theirs, ours}

// onlyAMD64 marks a name that the image of the other architecture lacks.
const onlyAMD64 = "[amd64]"

// section is what a table says about one variant. Names of packages that the variant it builds on has are not repeated.
type section struct {
	variant, base string // base is "" for none
	list          string // name of EKS Distro's image, "" for none
	kind          map[string]string
	amd64         map[string]bool
	reason        map[string]string // of theirs and ours
}

// table is the file eksd.txt of a release, which describes its format.
type table struct {
	sections map[string]*section
	order    []string
}

func parseTable(data []byte) (*table, error) {
	t := &table{sections: map[string]*section{}}
	var current *section
	var open []string // names of a difference whose reason is still to come
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var err error
		if body, ok := strings.CutPrefix(line, "  "); !ok {
			if len(open) > 0 {
				err = fmt.Errorf("%s has no reason", strings.Join(open, " "))
			} else {
				current, err = t.header(line)
			}
		} else if current == nil {
			err = fmt.Errorf("%q belongs to no variant", body)
		} else {
			open, err = current.add(body, open)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%s has no reason", strings.Join(open, " "))
	}
	return t, lines.Err()
}

// header reads "variant: base list".
func (t *table) header(line string) (*section, error) {
	name, rest, ok := strings.Cut(line, ":")
	words := strings.Fields(rest)
	if !ok || len(words) != 2 {
		return nil, fmt.Errorf("%q is not <variant>: <base> <list>", line)
	}
	for i := range words {
		words[i] = strings.TrimPrefix(words[i], "-")
	}
	if t.sections[name] != nil {
		return nil, fmt.Errorf("%s is there twice", name)
	}
	if words[0] != "" && t.sections[words[0]] == nil {
		return nil, fmt.Errorf("%s builds on %s, which must stand before it", name, words[0])
	}
	s := &section{variant: name, base: words[0], list: words[1], kind: map[string]string{}, amd64: map[string]bool{}, reason: map[string]string{}}
	t.sections[name] = s
	t.order = append(t.order, name)
	return s, nil
}

// add reads "kind name...", for a difference "kind name... : reason", and returns the names whose reason is still to come.
func (s *section) add(body string, open []string) ([]string, error) {
	body, reason, explained := strings.Cut(body, ": ")
	words := strings.Fields(body)
	kind, names := words[0], words[1:]
	if !slices.Contains(kinds, kind) || len(names) == 0 {
		return nil, fmt.Errorf("%q: a line is one of %s, and names", body, strings.Join(kinds, ", "))
	}
	difference := kind == theirs || kind == ours
	if explained && !difference || len(open) > 0 && s.kind[open[0]] != kind {
		return nil, fmt.Errorf("%q: only differences have a reason, and each has one", body)
	}
	for i, name := range names {
		if rest, ok := strings.CutSuffix(name, onlyAMD64); ok {
			name, names[i] = rest, rest
			s.amd64[name] = true
		}
		if s.kind[name] != "" {
			return nil, fmt.Errorf("%s is both %s and %s", name, s.kind[name], kind)
		}
		s.kind[name] = kind
	}
	if !difference {
		return nil, nil
	}
	open = append(open, names...)
	if !explained {
		return open, nil
	}
	for _, name := range open {
		s.reason[name] = reason
	}
	return nil, nil
}

// have reports whether the variant, or one that it builds on, has a line of one of the kinds for the package.
func (t *table) have(variant, name string, kinds ...string) bool {
	for s := t.sections[variant]; s != nil; s = t.sections[s.base] {
		if slices.Contains(kinds, s.kind[name]) {
			return true
		}
	}
	return false
}

// listed returns the names that the image of EKS Distro has, by what the table says.
func (t *table) listed(variant, arch string) map[string]bool {
	names := map[string]bool{}
	for s := t.sections[variant]; s != nil; s = t.sections[s.base] {
		for name, kind := range s.kind {
			if kind != ours && (arch == "amd64" || !s.amd64[name]) {
				names[name] = true
			}
		}
	}
	return names
}

// compareList returns how the table differs from the list of packages of an image, one line of NEVRA each.
func (t *table) compareList(variant, arch string, nevras []string) []string {
	var findings []string
	want, got := t.listed(variant, arch), map[string]bool{}
	for _, nevra := range nevras {
		got[nameOf(nevra)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !want[name] {
			findings = append(findings, fmt.Sprintf("%s %s: EKS Distro's list has %s, and the table does not account for it", variant, arch, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !got[name] {
			findings = append(findings, fmt.Sprintf("%s %s: the table accounts for %s, and EKS Distro's list has no such package", variant, arch, name))
		}
	}
	return findings
}

// nameOf cuts version and release off.
func nameOf(nevra string) string {
	for range 2 {
		if i := strings.LastIndexByte(nevra, '-'); i > 0 {
			nevra = nevra[:i]
		}
	}
	return nevra
}
