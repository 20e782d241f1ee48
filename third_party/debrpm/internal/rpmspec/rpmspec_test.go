package rpmspec

import (
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
)

func TestVersions(t *testing.T) {
	for debianVersion, want := range map[string]string{
		"2.36-9+deb12u14": "2.36-9+deb12u14", "1:4.13+dfsg1-1": "1:4.13+dfsg1-1", "12.4": "12.4-0", "0:1": "1-0",
		"1.0-beta-2": "1.0^beta-2", "3.0~rc1-1~exp1": "3.0~rc1-1~exp1", "2:1:2-3": "2:1_2-3",
	} {
		v, err := debian.ParseVersion(debianVersion)
		if err != nil {
			t.Fatal(err)
		}
		if got := VersionOf(v).String(); got != want {
			t.Errorf("%s became %s, want %s", debianVersion, got, want)
		}
	}
}

func TestRelations(t *testing.T) {
	version, err := debian.ParseVersion("5-1")
	if err != nil {
		t.Fatal(err)
	}
	options := RelationOptions{Name: "p", Version: version,
		ClosureOptions: debian.ClosureOptions{Drop: map[string]string{"debconf": ""}, Choose: map[string]string{"awk": "mawk"}},
		Rename:         func(s string) string { return strings.ReplaceAll(s, "base-files", "debrpm-release") },
		Reason:         func([]debian.Relation) string { return "why" }}
	for _, test := range []struct{ sentence, field, value, want string }{
		{"a bound always names the release", "Depends", "libc6 (>= 2.34)", "Requires: libc6 >= 2.34-0"},
		{"strict operators", "Depends", "a (<< 1.0~), b (>> 1-1)", "Requires: a < 1.0~-0|Requires: b > 1-1"},
		{"below everything after all revisions", "Depends", "a (<< 1:2.39.5-.)", "Requires: a <= 1:2.39.5"},
		{"the first alternative", "Depends", "a | b", "Requires: a"},
		{"the chosen alternative", "Depends", "awk", "Requires: mawk"},
		{"a dropped dependency", "Depends", "debconf (>= 1) | x", ""},
		{"Pre-Depends order the transaction", "Pre-Depends", "a", "Requires(pre): a|Requires: a"},
		{"a renamed package", "Depends", "base-files (>= 2)", "Requires: debrpm-release >= 2-0"},
		{"provides without a version get one, as RPM would match any", "Provides", "v", "Provides: v = 5-1"},
		{"provides with a version keep it", "Provides", "v (= 3)", "Provides: v = 3-0"},
		{"breaks are conflicts", "Breaks", "old (<< 2)", "Conflicts: old < 2-0"},
		{"replaces alone is dropped", "Replaces", "old (<< 2)", ""},
	} {
		got, err := MapRelations(debian.Paragraph{test.field: test.value}, options)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got.Lines, "|"); text != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, text, test.want)
		}
	}
	got, err := MapRelations(debian.Paragraph{"Provides": "old (= 3)", "Breaks": "old (<< 3)", "Replaces": "old (<< 3)"}, options)
	if err != nil || !strings.Contains(strings.Join(got.Lines, "|"), "Obsoletes: old < 3-0") {
		t.Errorf("a renamed package is not obsoleted: %v %v", got.Lines, err)
	}
}

func TestAnalyse(t *testing.T) {
	m, err := mapping.Parse([]byte("boilerplate:\n- {name: units, match: systemctl, reason: r}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sentence, script string
		p                mapping.Package
		alternatives     string
		uncovered        string
		failure          string
	}{
		{"a literal alternative", "update-alternatives --quiet \\\n --install /usr/bin/a a /usr/bin/a1 10 \\\n --slave /usr/bin/b b /usr/bin/b1\n",
			mapping.Package{}, "/usr/bin/a a /usr/bin/a1 10 --slave /usr/bin/b b /usr/bin/b1", "", ""},
		{"an alternative behind a condition", "if x; then update-alternatives --install /l n /p 1; fi", mapping.Package{}, "/l n /p 1", "", ""},
		{"an alternative with a comment behind", "update-alternatives --install /l n /p 1 \\\n #--slave x", mapping.Package{}, "/l n /p 1", "", ""},
		{"an alternative of manual pages is dropped", "update-alternatives --install /usr/share/man/man1/x x /y 1", mapping.Package{}, "", "", ""},
		{"a computed alternative must be said", "update-alternatives --install $x y /z 1", mapping.Package{}, "", "postinst: update-alternatives --install $x y /z 1", ""},
		{"a removal is nothing", "update-alternatives --remove x /y", mapping.Package{}, "", "", ""},
		{"an unknown command", "if a && chown x /y; then", mapping.Package{}, "", "postinst: if a && chown x /y; then", ""},
		{"a covered command", "adduser --system x", mapping.Package{Covers: map[string]string{"adduser addgroup": "why"}}, "", "",
			`mapping.yaml covers "addgroup", which no maintainer script calls`},
		{"cat into a file counts, cat of a message does not", "cat <<E\ncat <<E >/etc/x", mapping.Package{}, "", "postinst: cat <<E >/etc/x", ""},
		{"boilerplate and comments", "# chown x y\nchown x y; systemctl start z", mapping.Package{}, "", "", ""},
	} {
		a, err := Analyse(map[string]string{"postinst": test.script}, m, test.p)
		failure := ""
		if err != nil {
			failure = err.Error()
		}
		var found []string
		for _, alt := range a.Alternatives {
			found = append(found, strings.Join(alt.Args, " "))
		}
		if failure != test.failure || strings.Join(found, "|") != test.alternatives || strings.Join(a.Uncovered, "|") != test.uncovered {
			t.Errorf("%s: alternatives %q, uncovered %q, error %q", test.sentence, found, a.Uncovered, failure)
		}
	}
}

func TestScriptlets(t *testing.T) {
	a := Analysis{Alternatives: []Alternative{{Args: []string{"/l", "n", "/p", "1"}, Target: "/p"}}}
	p := mapping.Package{Groups: []mapping.Group{{Name: "g", ID: 9}}, Users: []mapping.User{{Name: "u", ID: 8, Group: "g", Home: "/h", Shell: "/s"}}}
	sections, needs := Scriptlets(a, p, true)
	want := `%pre
getent group g >/dev/null || groupadd -r -g 9 g
getent passwd u >/dev/null || useradd -r -M -N -u 8 -g g -d /h -s /s u
%preun
if [ "$1" = 0 ]; then
  update-alternatives --remove n /p
fi
%post
/sbin/ldconfig
update-alternatives --install /l n /p 1
%postun -p /sbin/ldconfig`
	if got := strings.Join(sections, "\n"); got != want {
		t.Errorf("scriptlets are\n%s", got)
	}
	for _, line := range []string{"Requires(pre): passwd", "Requires(pre): base-passwd", "Requires(post): debrpm-alternatives", "Requires(post): libc-bin"} {
		if !strings.Contains(strings.Join(needs, "\n"), line) {
			t.Errorf("%q is missing in %q", line, needs)
		}
	}
	sections, needs = Scriptlets(Analysis{}, mapping.Package{}, true)
	if strings.Join(sections, "|") != "%post -p /sbin/ldconfig|%postun -p /sbin/ldconfig" || len(needs) > 0 {
		t.Errorf("ldconfig alone needs a shell: %q %q", sections, needs)
	}
}

func TestLicense(t *testing.T) {
	for _, test := range []struct{ sentence, text, want string }{
		{"free text is not guessed", "This package is free.", unknownLicense},
		{"names become SPDX", "Format: x\n\nFiles: *\nCopyright: a\nLicense: GPL-2+\n\nFiles: b\nLicense: Expat\n", "GPL-2.0-or-later AND MIT"},
		{"all of a choice are named", "Format: x\n\nFiles: *\nLicense: GPL-1+ or Artistic\n text\n", "Artistic-1.0-Perl AND GPL-1.0-or-later"},
		{"an exception is left out", "Format: x\n\nFiles: *\nLicense: GPL-3+ with Autoconf exception\n", "GPL-3.0-or-later"},
		{"other names are references", "Format: x\n\nFiles: *\nLicense: beer_ware\n", "LicenseRef-Debian-beer-ware"},
	} {
		if got := License(test.text); got != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
		}
	}
}

func TestSpecText(t *testing.T) {
	s := Spec{Name: "p", SourceName: "src", Source: EVR{Version: "1", Release: "2"}, Version: EVR{Epoch: "3", Version: "1", Release: "2+b1"},
		Summary: "100% sure", License: "MIT", Section: "libs", Tree: "/t", Scriptlets: []string{"%post -p /sbin/ldconfig", "%pre\necho %x"},
		Files: []File{
			{Path: "/etc/c", Kind: Regular, Mode: 0o644, User: "root", Group: "root", Config: true},
			{Path: "/usr/bin/[", Kind: Regular, Mode: 0o755, User: "root", Group: "root"},
			{Path: "/usr/bin/s", Kind: Regular, Mode: 0o2755, User: "root", Group: "shadow", Caps: "cap_net_raw=ep"},
			{Path: "/usr/share/doc/p", Kind: Directory, Mode: 0o755, User: "root", Group: "root"},
			{Path: "/usr/share/doc/p/copyright", Kind: Regular, Mode: 0o644, User: "root", Group: "root"},
		}}
	text := s.Text()
	for _, want := range []string{
		"Name: src\nVersion: 1\nRelease: 2\n", "%package -n p\nEpoch: 3\nVersion: 1\nRelease: 2+b1\nSummary: 100%% sure\n",
		"%post -n p -p /sbin/ldconfig\n", "%pre -n p\necho %%x\n", "%config(noreplace) \"/etc/c\"\n", "\n\"/usr/bin/[\"\n",
		"%caps(cap_net_raw=ep) %attr(2755,root,shadow) \"/usr/bin/s\"\n", "%dir \"/usr/share/doc/p\"\n%license \"/usr/share/doc/p/copyright\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the spec lacks %q:\n%s", want, text)
		}
	}
}
