package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

const keepAll = `"docs":"keep","man":"keep","info":"keep","locales":["*"],"locale_dirs":"keep","build_id":"keep","gdb":"keep"`

func TestPolicies(t *testing.T) {
	p := rpmtest.Package{Name: "p", Files: []rpmtest.File{
		{Path: "/usr/bin/p", Data: "p"},                                                  // 0
		{Path: "/usr/lib/.build-id/"},                                                    // 1
		{Path: "/usr/lib/.build-id/aa/"},                                                 // 2
		{Path: "/usr/lib/.build-id/aa/bb", Link: "../../../bin/p"},                       // 3
		{Path: "/usr/share/doc/p/"},                                                      // 4
		{Path: "/usr/share/doc/p/COPYING", Flags: pkgindex.FlagDoc, Data: "l"},           // 5
		{Path: "/usr/share/doc/p/README", Flags: pkgindex.FlagDoc},                       // 6
		{Path: "/usr/share/doc/q/"},                                                      // 7
		{Path: "/usr/share/doc/q/README"},                                                // 8
		{Path: "/usr/share/doc/s", Link: "p"},                                            // 9
		{Path: "/usr/share/info/p.info.gz"},                                              // 10
		{Path: "/usr/share/licenses/p/x", Flags: pkgindex.FlagLicense},                   // 11
		{Path: "/usr/share/locale/de/"},                                                  // 12
		{Path: "/usr/share/locale/de/LC_MESSAGES/"},                                      // 13
		{Path: "/usr/share/locale/de/LC_MESSAGES/p.mo", Langs: "de", Data: "de"},         // 14
		{Path: "/usr/share/locale/de_AT/LC_MESSAGES/p.mo", Data: "at"},                   // 15
		{Path: "/usr/share/locale/fr/LC_MESSAGES/p.mo", Langs: "fr", Data: "fr"},         // 16
		{Path: "/usr/share/locale/locale.alias", Data: "a"},                              // 17
		{Path: "/usr/share/man/man1/xfs_copy.8.gz", Flags: pkgindex.FlagDoc},             // 18
		{Path: "/usr/share/p/__pycache__/p.cpython-311.pyc"},                             // 19
		{Path: "/usr/share/p/module.pyc"},                                                // 20
		{Path: "/usr/share/p/readme.txt", Flags: pkgindex.FlagDoc | pkgindex.FlagConfig}, // 21
	}}
	for _, c := range []struct{ why, policies, states string }{
		{"defaults", ``, "0222002220202222202002"},
		{"one language", `"locales":["de_DE"]`, "0222002220200002202002"},
		{"languages by flags only", `"locale_dirs":"keep"`, "0222002220202220202002"},
		{"rpm's --excludedocs", keepAll + `,"docs":"rpm"`, "0000222000000000002002"},
		{"everything", keepAll, "0000000000000000000000"},
		{"no byte code", keepAll + `,"pyc":"drop"`, "0000000000000000000200"},
	} {
		b := image{spec: `"accounts":{},"policies":{` + c.policies + `}`, pkgs: []rpmtest.Package{p}}.build(t)
		if got := b.states("p"); got != c.states {
			t.Errorf("%s: states\n%s, want\n%s", c.why, got, c.states)
		}
	}
}

// TestPolicyRules looks at one file at a time: which policy drops it when the others keep everything.
func TestPolicyRules(t *testing.T) {
	const doc, licence, artifact = pkgindex.FlagDoc, pkgindex.FlagLicense, pkgindex.FlagArtifact
	for _, c := range []struct {
		policies string // besides keepAll
		file     rpmtest.File
		dropped  bool
	}{
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/docker-manifest-annotate.1.gz"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/xfs_copy.8.gz"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/ssh-copy-id.1.gz"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/sm-notify.8.gz"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/bsd-games.txt"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/mit-howto.txt"}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/COPYING.LESSERv3"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/COPYING3"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/copyright"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/LICENSE-2.0.txt"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/GPL-2"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/lgpl-2.1.txt"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/zlib-license.txt"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/doc/x/NOTICE"}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/opt/x/README", Flags: doc}, true},
		{`"docs":"licenses"`, rpmtest.File{Path: "/opt/x/README", Flags: doc | licence}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/man/man1/x.1", Flags: doc}, false},
		{`"docs":"licenses"`, rpmtest.File{Path: "/usr/share/docs/x"}, false},
		{`"docs":"rpm"`, rpmtest.File{Path: "/usr/share/man/man1/x.1", Flags: doc}, true},
		{`"docs":"rpm"`, rpmtest.File{Path: "/usr/share/doc/x/README"}, false},
		{`"docs":"rpm"`, rpmtest.File{Path: "/usr/share/doc/x/COPYING", Flags: doc}, true},
		{`"docs":"rpm"`, rpmtest.File{Path: "/usr/share/doc/x/COPYING", Flags: doc | licence}, false},
		{`"docs":"rpm"`, rpmtest.File{Path: "/etc/x.doc", Flags: doc | pkgindex.FlagGhost}, true},
		{`"man":"drop"`, rpmtest.File{Path: "/usr/share/man/de/man1/x.1.gz"}, true},
		{`"man":"drop"`, rpmtest.File{Path: "/usr/share/manual/x"}, false},
		{`"info":"drop"`, rpmtest.File{Path: "/usr/share/info/dir"}, true},
		{`"locales":["de_DE"]`, rpmtest.File{Path: "/opt/x", Langs: "de"}, false},
		{`"locales":["de_DE"]`, rpmtest.File{Path: "/opt/x", Langs: "fr|de"}, false},
		{`"locales":["de"]`, rpmtest.File{Path: "/opt/x", Langs: "de_AT"}, true},
		{`"locales":["en_US"]`, rpmtest.File{Path: "/opt/x", Langs: "e"}, false},
		{`"locales":[]`, rpmtest.File{Path: "/opt/x", Langs: "C"}, true},
		{`"locales":[]`, rpmtest.File{Path: "/opt/x", Langs: "de", Flags: licence}, false},
		{`"locales":[],"locale_dirs":"drop"`, rpmtest.File{Path: "/usr/lib/locale/C.utf8/LC_CTYPE"}, false},
		{`"locales":[],"locale_dirs":"drop"`, rpmtest.File{Path: "/usr/lib/locale/de_DE/LC_CTYPE"}, true},
		{`"pyc":"drop"`, rpmtest.File{Path: "/usr/lib/python/x.pyc"}, false},
		{`"pyc":"drop"`, rpmtest.File{Path: "/usr/lib/python/beside.pyc"}, true},
		{`"pyc":"drop"`, rpmtest.File{Path: "/usr/lib/python/beside.pyo"}, true},
		{`"pyc":"drop"`, rpmtest.File{Path: "/usr/lib/python/__pycache__/x.cpython-311.opt-1.pyc"}, true},
		{`"build_id":"drop"`, rpmtest.File{Path: "/usr/lib/.build-id/aa/bb", Link: "x"}, true},
		{`"gdb":"drop"`, rpmtest.File{Path: "/usr/share/gdb/auto-load/usr/lib/libx.so-gdb.py"}, true},
		{`"gdb":"drop"`, rpmtest.File{Path: "/usr/lib64/libstdc++.so.6.0.19-gdb.py"}, true},
		{`"gdb":"drop"`, rpmtest.File{Path: "/usr/share/x/my-gdb.py"}, false},
		{`"gdb":"drop"`, rpmtest.File{Path: "/usr/share/gdb/system-gdbinit/x.py"}, false},
		{`"terminfo":[]`, rpmtest.File{Path: "/usr/share/terminfo/x/xterm"}, true},
		{`"terminfo":["xterm"]`, rpmtest.File{Path: "/lib/terminfo/x/xterm"}, false},
		{`"terminfo":["xterm"]`, rpmtest.File{Path: "/usr/share/terminfo/78/xterm"}, false},
		{`"terminfo":["alias"]`, rpmtest.File{Path: "/usr/share/terminfo/l/linux"}, false},
		{`"terminfo":["xterm"]`, rpmtest.File{Path: "/usr/share/terminfo/l/linux"}, true},
		{`"terminfo":["*"]`, rpmtest.File{Path: "/usr/share/terminfo/l/linux"}, false},
		{`"terminfo":[]`, rpmtest.File{Path: "/usr/share/terminfo/README"}, false},
		{`"artifacts":"drop"`, rpmtest.File{Path: "/opt/x", Flags: artifact}, true},
		{`"artifacts":"keep"`, rpmtest.File{Path: "/opt/x", Flags: artifact}, false},
	} {
		p := rpmtest.Package{Name: "p", Files: []rpmtest.File{c.file, {Path: "/usr/share/terminfo/a/alias", Link: "../l/linux"},
			{Path: "/usr/lib/python/beside.py"}}}
		in := image{spec: `"accounts":{},"policies":{` + keepAll + `,` + c.policies + `}`, pkgs: []rpmtest.Package{p}}.input(t)
		b, err := Compose(in)
		if err != nil {
			t.Fatal(err)
		}
		state := byte('0')
		for i, f := range in.Packages[0].Index.Files {
			if f.Path == c.file.Path {
				state = b.Tree.Packages[0].FileStates[i]
			}
		}
		if got := state == '2'; got != c.dropped {
			t.Errorf("%s, %s: state %c", c.policies, c.file.Path, state)
		}
	}
}

// TestPruneDirs: a directory that lost something goes when nothing is left, but not one that was empty from the start.
func TestPruneDirs(t *testing.T) {
	p := rpmtest.Package{Name: "p", Files: []rpmtest.File{
		{Path: "/opt/empty/"}, {Path: "/opt/gone/"}, {Path: "/opt/gone/below/"}, {Path: "/opt/gone/below/x", Flags: pkgindex.FlagDoc},
		{Path: "/opt/held/"}, {Path: "/opt/held/ghost", Flags: pkgindex.FlagGhost}, {Path: "/opt/held/x", Flags: pkgindex.FlagDoc},
	}}
	b := image{spec: `"accounts":{},"policies":{` + keepAll + `,"docs":"rpm"}`, pkgs: []rpmtest.Package{p}}.build(t)
	if got := b.states("p"); got != "0222002" {
		t.Errorf("states %s", got)
	}
	wantLines(t, "layer", b.dump(t), "opt/ 0755 0:0\nopt/empty/ 0755 0:0\nopt/held/ 0755 0:0")
}

func TestSetUIDPolicy(t *testing.T) {
	p := rpmtest.Package{Name: "p", Files: []rpmtest.File{
		{Path: "/usr/bin/mount", Mode: 0o104755, Data: "m"}, {Path: "/usr/bin/other", Mode: 0o106755, Data: "o"},
		{Path: "/usr/bin/one", Mode: 0o104755, Data: "l", Inode: 9}, {Path: "/usr/bin/two", Mode: 0o104755, Data: "l", Inode: 9},
		{Path: "/var/mail/", Mode: 0o042775},
	}}
	const files = `"files":[{"path":"/usr/bin/mine","mode":"4755"}]`
	b := image{spec: `"accounts":{},"policies":{"setuid":"strip","setuid_allow":["/usr/bin/m*","/**/two"]},` + files, pkgs: []rpmtest.Package{p}}.build(t)
	wantLines(t, "layer", b.dump(t), `
usr/ 0755 0:0
usr/bin/ 0755 0:0
usr/bin/mine 4755 0:0
usr/bin/mount 4755 0:0 m
usr/bin/one 4755 0:0 l
usr/bin/other 0755 0:0 o
usr/bin/two == usr/bin/one
var/ 0755 0:0
var/mail/ 2775 0:0`)
	if got := strings.Join(b.Report.Stripped, " "); got != "/usr/bin/other" {
		t.Errorf("stripped %s", got)
	}
	if got := b.states("p"); got != "02000" {
		t.Errorf("states %s: the file is not what the package says", got)
	}
	b = image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{p}}.build(t)
	if e := b.entry(t, "/usr/bin/other"); e.Mode != 0o6755 || len(b.Report.Stripped) > 0 {
		t.Errorf("keep: mode %04o", e.Mode)
	}
}

// TestStripRequested: what requests strip loses its bits and is "not installed", all hard links of it, whatever the policy.
func TestStripRequested(t *testing.T) {
	in := image{spec: `"accounts":{},"policies":{"setuid_allow":["/**"]}`, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{
		{Path: "/usr/bin/keep", Mode: 0o104755, Data: "k"},
		{Path: "/usr/bin/one", Mode: 0o106755, Data: "l", Inode: 9}, {Path: "/usr/bin/two", Mode: 0o106755, Data: "l", Inode: 9},
	}}}}.input(t)
	in.Selection.Packages[0].StripSetID = []string{"/usr/bin/one", "/usr/bin/two"}
	in.Selection.Cut = []selection.Cut{{Package: "bash", Need: "/bin/sh", Reason: "no reason"}}
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]uint32{}
	for _, e := range r.Tree.Entries {
		modes[e.Path] = e.Mode
	}
	if modes["/usr/bin/keep"] != 0o4755 || modes["/usr/bin/one"] != 0o755 || modes["/usr/bin/two"] != 0o755 {
		t.Errorf("modes %v", modes)
	}
	if got := strings.Join(r.Report.Stripped, " "); got != "/usr/bin/one /usr/bin/two" {
		t.Errorf("stripped %s", got)
	}
	if got := r.Tree.Packages[0].FileStates; got != "022" {
		t.Errorf("states %s", got)
	}
	if !slices.Equal(r.Report.Cut, in.Selection.Cut) {
		t.Errorf("the report has cuts %v", r.Report.Cut)
	}
}

// TestSetIDOwners: what runs with somebody's rights never ships when nobody knows whose.
func TestSetIDOwners(t *testing.T) {
	for _, c := range []struct {
		why, spec string
		file      rpmtest.File
		want      string
	}{
		{"a number that is nobody's", `"accounts":{}`, rpmtest.File{Path: "/x", Mode: 0o104755, User: "77"}, "unknown user 77: owner of /x of p-1-1.x86_64"},
		{"a group number that is nobody's", `"accounts":{}`, rpmtest.File{Path: "/x", Mode: 0o102755, Group: "77"}, "unknown group 77: owner of /x"},
		{"an unknown name", `"accounts":{}`, rpmtest.File{Path: "/x", Mode: 0o104755, User: "joe"}, "unknown user joe: owner of /x"},
		{"stripped, and yet unknown", `"accounts":{},"policies":{"setuid":"strip"}`, rpmtest.File{Path: "/x", Mode: 0o104755, User: "joe"}, "unknown user joe"},
		{"a number of an account", `"accounts":{"users":[{"name":"u","uid":77,"gid":77}],"groups":[{"name":"u","gid":77}]}`,
			rpmtest.File{Path: "/x", Mode: 0o104755, User: "77"}, ""},
		{"a number that owns a plain file", `"accounts":{}`, rpmtest.File{Path: "/x", User: "77"}, ""},
	} {
		_, err := image{spec: c.spec, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{c.file}}}}.try(t)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.why, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		} else if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, "to the accounts attribute, or the package that makes it") {
			t.Errorf("%s: hints %q", c.why, hints)
		}
	}
}

// TestIMA: signatures become an extended attribute only where asked for.
func TestIMA(t *testing.T) {
	p := rpmtest.Package{Name: "p", Files: []rpmtest.File{{Path: "/usr/bin/signed", Data: "x"}}}
	for _, c := range []struct{ policies, signature, want, err string }{
		{``, "030204", "", ""},
		{`"ima":"drop"`, "030204", "", ""},
		{`"ima":"keep"`, "030204", "\x03\x02\x04", ""},
		{`"ima":"keep"`, "", "", ""},
		{`"ima":"keep"`, "03020", "", "package p-1-1.x86_64: /usr/bin/signed: IMA signature: encoding/hex"},
	} {
		in := image{spec: `"accounts":{},"policies":{` + c.policies + `}`, pkgs: []rpmtest.Package{p}}.input(t)
		in.Packages[0].Index.Files[0].IMA = c.signature
		r, err := Compose(in)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %q: got %v, want %q", c.policies, c.signature, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range r.Tree.Entries {
			if e.Path == "/usr/bin/signed" && string(e.Xattrs["security.ima"]) != c.want {
				t.Errorf("%s, %q: attribute %q", c.policies, c.signature, e.Xattrs["security.ima"])
			}
		}
	}
}
