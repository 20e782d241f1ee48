package mapping

import (
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	sections, err := ParseList("# head\n[base]\na1  # why\nlibstdc++6\n\n[big disabled]\ngcc\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sentence string
		with     []string
		want     string
	}{
		{"a disabled section is left out", nil, "a1 libstdc++6"},
		{"a disabled section is taken when it is named", []string{"big"}, "a1 libstdc++6 gcc"},
		{"an enabled section may be named", []string{"base"}, "a1 libstdc++6"},
		{"an unknown section is an error", []string{"bigger"}, "packages.txt has no section [bigger]"},
	} {
		roots, err := Roots(sections, test.with)
		got := strings.Join(roots, " ")
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
		}
	}
	for text, want := range map[string]string{
		"a1\n":               "line 1: package a1 comes before the first [section]",
		"[s]\nGCC\n":         `line 2: "GCC" is neither a [section] nor a package name`,
		"[s]\na1\n[t]\na1\n": "line 4: package a1 is listed in line 2 already",
		"[s off]\n":          `line 1: "[s off]" is neither a [section] nor a package name`,
	} {
		if _, err := ParseList(text); err == nil || err.Error() != want {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct{ sentence, text, want string }{
		{"an unknown key", "packges: {}\n", "field packges not found"},
		{"two users with one id", "packages:\n  a: {users: [{name: x, id: 5}]}\n  b: {users: [{name: y, id: 5}]}\n", "package b: user id 5 belongs to x already"},
		{"two groups with one id", "packages:\n  a: {groups: [{name: x, id: 5}, {name: y, id: 5}]}\n", "package a: group id 5 belongs to x already"},
		{"a relative path", "packages:\n  a: {remove: [usr/x]}\n", `path "usr/x" is not absolute`},
		{"a path that climbs", "packages:\n  a: {symlinks: {/usr/../x: y}}\n", `path "/usr/../x" is not absolute`},
		{"boilerplate without a reason", "boilerplate:\n- {name: x, match: y}\n", "boilerplate 1: name and reason are needed"},
		{"a broken expression", "boilerplate:\n- {name: x, match: '(', reason: r}\n", "boilerplate x: error parsing regexp"},
	} {
		if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %s", test.sentence, err, test.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	read := func(text string) *Mapping {
		m, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	base := read("choose: {x: y}\npackages:\n  a: {rename: b}\n  c: {rename: d}\n")
	other := read("choose: {x: y}\npackages:\n  a: {rename: b}\n  c: {rename: e}\n")
	global := read("choose: {x: z}\npackages:\n  a: {rename: b}\n  c: {rename: d}\n")
	if base.Fingerprint("a") != other.Fingerprint("a") {
		t.Error("a change of another package changes the fingerprint")
	}
	if base.Fingerprint("c") == other.Fingerprint("c") || base.Fingerprint("a") == global.Fingerprint("a") {
		t.Error("a change of the package or of a global rule keeps the fingerprint")
	}
}

func FuzzList(f *testing.F) {
	f.Add("[base]\na1 # x\n")
	f.Fuzz(func(t *testing.T, text string) {
		sections, err := ParseList(text)
		if err != nil {
			return
		}
		for _, s := range sections {
			for _, p := range s.Packages {
				if !packageName.MatchString(p) {
					t.Errorf("%q passed as a package name", p)
				}
			}
		}
	})
}
