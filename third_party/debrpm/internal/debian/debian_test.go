package debian

import (
	"strings"
	"testing"
)

func parse(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		sentence, a, b string
		want           int
	}{
		{"equal versions", "1.2-3", "1.2-3", 0},
		{"no revision is revision 0", "1.2", "1.2-0", 0},
		{"no epoch is epoch 0", "0:1", "1", 0},
		{"the epoch counts first", "1:0.1", "9.9", 1},
		{"numbers compare by value", "1.10", "1.9", 1},
		{"leading zeros mean nothing", "1.010", "1.10", 0},
		{"a tilde sorts before the end", "1.0~rc1", "1.0", -1},
		{"two tildes sort before one", "1.0~~", "1.0~", -1},
		{"a tilde and nothing sorts before a tilde and a letter", "1.0~", "1.0~a", -1},
		{"letters sort before signs", "1.0a", "1.0+", -1},
		{"plus sorts before dot", "1.2+dfsg", "1.2.1", -1},
		{"a revision of a dot is above all revisions that begin with a digit", "1:2.39.5-.", "1:2.39.5-0+deb12u3", 1},
		{"security updates are newer", "2.36-9+deb12u14", "2.36-9+deb12u9", 1},
	} {
		if got := parse(t, test.a).Compare(parse(t, test.b)); got != test.want {
			t.Errorf("%s: %s against %s is %d, want %d", test.sentence, test.a, test.b, got, test.want)
		}
		if got := parse(t, test.b).Compare(parse(t, test.a)); got != -test.want {
			t.Errorf("%s, exchanged: %d, want %d", test.sentence, got, -test.want)
		}
	}
}

func TestBadVersions(t *testing.T) {
	for _, s := range []string{"", "x:1", ":1", "1:", "1-", "1 2", "1_2", "1/2", "-1"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("version %q was read as %+v", s, v)
		}
	}
}

func TestRelations(t *testing.T) {
	groups, err := ParseRelations("libc6 (>= 2.34), python3:any, awk | gawk (<< 1:2~) ,")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range groups {
		for _, r := range g {
			got = append(got, r.Name+r.Op+r.Version.Epoch+r.Version.Upstream)
		}
	}
	if text := strings.Join(got, " "); text != "libc6>=2.34 python3 awk gawk<<12~" {
		t.Errorf("relations are %q", text)
	}
	for _, bad := range []string{"a (", "a (>= 1", "a (!= 1)", "(>= 1)", "a | ", "a b (=)", "a ()"} {
		if g, err := ParseRelations(bad); err == nil {
			t.Errorf("relation %q was read as %v", bad, g)
		}
	}
}

func TestClosure(t *testing.T) {
	sum := strings.Repeat("0", 64)
	entry := func(name, version, rest string) string {
		return "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\nSHA256: " + sum + "\nSize: 1\n" + rest + "\n\n"
	}
	x := NewIndex("amd64")
	index := entry("a", "1", "Depends: b (>= 1), debconf | debconf-2.0, shell") + entry("b", "1", "Depends: a, c") +
		entry("b", "2", "Pre-Depends: a\nDepends: v") + entry("dash", "1", "Provides: shell") + entry("bash", "1", "Provides: shell") +
		entry("w", "1", "Provides: v") + entry("broken", "1", "Depends: nothere")
	if err := x.Add(strings.NewReader(index)); err != nil {
		t.Fatal(err)
	}
	names := func(roots []string, o ClosureOptions) string {
		packages, err := x.Closure(roots, o)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, p := range packages {
			out = append(out, p.Name+"="+p.VersionText)
		}
		return strings.Join(out, " ")
	}
	drop := map[string]string{"debconf-2.0": "why"}
	for _, test := range []struct {
		sentence string
		roots    []string
		options  ClosureOptions
		want     string
	}{
		{"the newest version, cycles, one provider, dropped alternatives and a choice", []string{"a"},
			ClosureOptions{Drop: drop, Choose: map[string]string{"shell": "dash"}}, "a=1 b=2 dash=1 w=1"},
		{"a root settles a virtual name", []string{"bash", "a"}, ClosureOptions{Drop: drop}, "a=1 b=2 bash=1 w=1"},
		{"two providers need a choice", []string{"a"}, ClosureOptions{Drop: drop},
			"closure for amd64: shell, wanted by a: a virtual package of bash, dash; say which one under choose: in mapping.yaml"},
		{"a missing package is named with who wants it", []string{"broken"}, ClosureOptions{},
			"closure for amd64: nothere, wanted by broken: the mirror has no such package"},
	} {
		if got := names(test.roots, test.options); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.sentence, got, test.want)
		}
	}
}

func FuzzControl(f *testing.F) {
	f.Add("Package: a\nVersion: 1:2-3\nDepends: b (>= 1) | c\n d\n\nPackage: e\n")
	f.Add("# comment\nX\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = ReadParagraphs(strings.NewReader(text), nil, func(p Paragraph) error {
			for _, value := range p {
				if v, err := ParseVersion(value); err == nil && v.Compare(v) != 0 {
					t.Errorf("%q is not equal to itself", value)
				}
				if groups, err := ParseRelations(value); err == nil {
					for _, g := range groups {
						if len(g) == 0 || g[0].Name == "" {
							t.Errorf("relation without a name in %q", value)
						}
					}
				}
			}
			return nil
		})
	})
}
