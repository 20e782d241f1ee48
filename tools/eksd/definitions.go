package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// definition is what a variant says: the file that //variants/<variant>:definition writes.
type definition struct {
	Schema   int                    `json:"schema"`
	Variant  string                 `json:"variant"`
	Base     string                 `json:"base"`
	Releases map[string]releaseData `json:"releases"`
}

// releaseData is what a variant says about one release, as in variants/defs.bzl; only what names packages is read.
type releaseData struct {
	Packages []string            `json:"packages"`
	Requires []string            `json:"requires"`
	Exclude  []string            `json:"exclude"`
	Binaries map[string][]string `json:"binaries"`
}

// names are the packages that the variant asks for.
func (d releaseData) names() []string {
	all := slices.Concat(d.Packages, d.Requires, slices.Collect(maps.Keys(d.Binaries)))
	slices.Sort(all)
	return slices.Compact(all)
}

const definitionSchema = 1

func parseDefinition(data []byte) (*definition, error) {
	var d definition
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	if d.Schema != definitionSchema || d.Variant == "" {
		return nil, fmt.Errorf("schema %d of variant %q, want %d", d.Schema, d.Variant, definitionSchema)
	}
	return &d, nil
}

// compareDefinitions returns how the table of a release differs from our variants.
func (t *table) compareDefinitions(release string, all []*definition) []string {
	var findings []string
	find := func(format string, args ...any) {
		findings = append(findings, release+": "+fmt.Sprintf(format, args...))
	}
	seen := map[string]bool{}
	for _, d := range all {
		data, exists := d.Releases[release]
		s := t.sections[d.Variant]
		switch {
		case s == nil && exists:
			find("variant %s is not in the table", d.Variant)
			continue
		case s == nil:
			continue
		}
		seen[d.Variant] = true
		if s.base != d.Base {
			find("variant %s builds on %q, the table says %q", d.Variant, d.Base, s.base)
		}
		if !exists {
			if len(s.kind) != count(s, theirs) {
				find("variant %s does not exist, the table accounts for packages of it", d.Variant)
			}
			continue
		}
		t.compareNames(s, data, find)
	}
	for _, name := range t.order {
		if !seen[name] {
			find("the table has %s, which is no variant", name)
		}
	}
	return findings
}

func (t *table) compareNames(s *section, data releaseData, find func(string, ...any)) {
	want := data.names()
	for _, name := range want {
		switch kind := s.kind[name]; {
		case kind == named || kind == ours:
		case kind == "" && t.have(s.base, name, named, ours): // named once more, as build tools do with make
		case kind == "":
			find("variant %s names %s, which EKS Distro's image %q lacks; if that is meant, say why in a line `ours %s: ...`", s.variant, name, s.list, name)
		default:
			find("variant %s names %s, the table says %s", s.variant, name, kind)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.kind)) {
		switch kind := s.kind[name]; {
		case (kind == named || kind == ours) && !slices.Contains(want, name):
			find("variant %s no longer names %s, which the table calls %s", s.variant, name, kind)
		case kind == requires && len(data.Requires) == 0, kind == elf && len(want) == 0:
			find("variant %s gets %s by %s, but asks for nothing in that way", s.variant, name, kind)
		case (kind == requires || kind == elf) && slices.Contains(data.Exclude, name):
			find("variant %s excludes %s, which the table says it gets by %s", s.variant, name, kind)
		}
		if t.have(s.base, name, named, elf, requires) {
			find("variant %s repeats %s, which %s has", s.variant, name, s.base)
		}
	}
}

func count(s *section, kind string) int {
	n := 0
	for _, k := range s.kind {
		if k == kind {
			n++
		}
	}
	return n
}
