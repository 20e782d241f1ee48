package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lists names the folder of EKS Distro's lists, below the folder of real data, that belongs to a release.
var lists = map[string]string{"al2023": "eksd-al2023"}

var releases = []string{"al2", "al2023"}

func readTable(t *testing.T, release string) *table {
	t.Helper()
	path := filepath.Join("..", "..", "variants", "releases", release, "eksd.txt")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseTable(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return parsed
}

// readDefinitions returns what all variants say. Bazel evaluates their BUILD files; without it there is nothing to read.
func readDefinitions(t *testing.T) []*definition {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "variants", "*", "definition.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		if os.Getenv("TEST_SRCDIR") != "" {
			t.Fatal("Bazel gave no definition of a variant")
		}
		t.Skip("the definitions of variants are made by Bazel; run: ./bazelw test //tools/eksd:eksd_test")
	}
	var all []*definition
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := parseDefinition(data)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
	return all
}

func TestVariantsNameWhatEKSDistroHas(t *testing.T) {
	all := readDefinitions(t)
	for _, release := range releases {
		tab := readTable(t, release)
		for _, finding := range tab.compareDefinitions(release, all) {
			t.Errorf("variants/releases/%s/eksd.txt: %s", release, finding)
		}
		t.Logf("%s: %d variants", release, len(tab.order))
	}
}

func TestTableIsWhatEKSDistroLists(t *testing.T) {
	root := os.Getenv("SLIMRPM_SHARED_DATA")
	if root == "" {
		t.Skip("SLIMRPM_SHARED_DATA is not set: EKS Distro's own lists are not compared with the tables")
	}
	for release, folder := range lists {
		tab := readTable(t, release)
		compared := 0
		for _, arch := range []string{"amd64", "arm64"} {
			dir := filepath.Join(root, folder, "linux_"+arch)
			for _, variant := range tab.order {
				data, err := os.ReadFile(filepath.Join(dir, tab.sections[variant].list))
				if tab.sections[variant].list == "" || os.IsNotExist(err) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, finding := range tab.compareList(variant, arch, strings.Fields(string(data))) {
					t.Errorf("variants/releases/%s/eksd.txt: %s", release, finding)
				}
				compared++
			}
		}
		if compared < 20 {
			t.Errorf("%s: only %d lists found below %s", release, compared, root)
		}
		t.Logf("%s: %d lists compared", release, compared)
	}
}

// Each change that the comparison exists for, made to a small table that is right.
func TestComparisonNoticesChanges(t *testing.T) {
	const text = "base: - base\n  named setup\n  theirs gpg-pubkey: keys\n\ntool: base tool\n  named bash tool\n  elf libc[amd64]\n  theirs sh\n  theirs zsh: two shells\n  ours extra: wanted\n"
	definitions := func() []*definition {
		return []*definition{
			{Variant: "base", Releases: map[string]releaseData{"r": {Packages: []string{"setup"}}}},
			{Variant: "tool", Base: "base", Releases: map[string]releaseData{"r": {
				Packages: []string{"bash", "extra", "setup"}, Binaries: map[string][]string{"tool": {"/usr/bin/tool"}}}}},
		}
	}
	list := []string{"bash-1-1.x86_64", "gpg-pubkey-1-2", "libc-2-1.x86_64", "setup-1-1.noarch", "sh-1-1.x86_64", "tool-1:2-3.x86_64", "zsh-1-1.x86_64"}
	set := func(change func(r *releaseData)) func([]*definition) []*definition {
		return func(all []*definition) []*definition {
			r := all[1].Releases["r"]
			change(&r)
			all[1].Releases["r"] = r
			return all
		}
	}
	same := func(all []*definition) []*definition { return all }
	for _, c := range []struct {
		summary     string
		table       string
		definitions func([]*definition) []*definition
		list        []string
		want        string // in the only finding; "" for none
	}{
		{"nothing changed", text, same, list, ""},
		{"a variant asks for more", text, set(func(r *releaseData) { r.Requires = []string{"cowsay"} }), list, "names cowsay"},
		{"a variant asks for less", text, set(func(r *releaseData) { r.Packages = []string{"bash", "setup"} }), list, "no longer names extra"},
		{"a binary is of another package", text, set(func(r *releaseData) { r.Binaries = map[string][]string{"tool-core": nil} }), list, "names tool-core"},
		{"a package is asked for that the table calls a library", text, set(func(r *releaseData) { r.Packages = append(r.Packages, "libc") }), list, "the table says elf"},
		{"a variant excludes what the table says it gets", text, set(func(r *releaseData) { r.Exclude = []string{"libc"} }), list, "excludes libc"},
		{"a variant builds on another", text, func(all []*definition) []*definition { all[1].Base = ""; return all }, list, "builds on"},
		{"a variant is new", text, func(all []*definition) []*definition {
			return append(all, &definition{Variant: "new", Releases: map[string]releaseData{"r": {}}})
		}, list, "variant new is not in the table"},
		{"a variant is gone", text, func(all []*definition) []*definition { return all[:1] }, list, "the table has tool, which is no variant"},
		{"theirs has one more", text, same, append(slices.Clone(list), "new-1-1.noarch"), "list has new"},
		{"theirs has one fewer", text, same, slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.HasPrefix(s, "zsh") }), "accounts for zsh"},
		{"a line repeats the base", text + "  elf setup\n", same, list, "repeats setup"},
	} {
		tab, err := parseTable([]byte(c.table))
		if err != nil {
			t.Fatalf("%s: %v", c.summary, err)
		}
		findings := append(tab.compareDefinitions("r", c.definitions(definitions())), tab.compareList("tool", "amd64", c.list)...)
		if c.want == "" {
			if len(findings) != 0 {
				t.Errorf("%s: found %q", c.summary, findings)
			}
		} else if !slices.ContainsFunc(findings, func(s string) bool { return strings.Contains(s, c.want) }) {
			t.Errorf("%s: found %q, want %q", c.summary, findings, c.want)
		}
	}
	if tab, err := parseTable([]byte(text)); err != nil || len(tab.compareList("tool", "arm64", list)) != 1 {
		t.Errorf("the list of arm64 has libc, which is marked [amd64], and that is not found (%v)", err)
	}
}

func TestTableIsStrict(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"base base\n", "is not <variant>"},
		{"tool: base tool\n", "must stand before it"},
		{"base: - base\nbase: - base\n", "twice"},
		{"  named a\n", "belongs to no variant"},
		{"base: - base\n  nmaed a\n", "a line is one of"},
		{"base: - base\n  named\n", "a line is one of"},
		{"base: - base\n  named a\n  elf a\n", "is both named and elf"},
		{"base: - base\n  theirs a\n", "a has no reason"},
		{"base: - base\n  theirs a\nglibc: base glibc\n", "a has no reason"},
		{"base: - base\n  named a: why\n", "only differences"},
		{"base: - base\n  theirs a\n  ours b: why\n", "each has one"},
	} {
		if _, err := parseTable([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}
