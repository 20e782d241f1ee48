package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// reportLines shows the report's scriptlets, one a line.
func reportLines(b *built) string {
	var out []string
	for _, s := range b.Report.Scriptlets {
		line := s.Kind + ": " + s.Status
		if s.ExitCode != 0 {
			line += fmt.Sprintf(" (exit %d: %s)", s.ExitCode, s.Output)
		}
		for _, x := range []struct {
			what  string
			paths []string
		}{{"created", s.Created}, {"changed", s.Changed}, {"removed", s.Removed}} {
			if len(x.paths) > 0 {
				line += " " + x.what + " " + strings.Join(x.paths, " ")
			}
		}
		out = append(out, strings.TrimSpace(line+" "+strings.Join(s.Detail, "; ")))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func post(body string) []rpmtest.Scriptlet { return []rpmtest.Scriptlet{{Kind: "post", Body: body}} }

func TestScriptletReport(t *testing.T) {
	b := image{spec: `"accounts":{},"policies":{},"scriptlets":"report"`, pkgs: []rpmtest.Package{
		{Name: "p", Files: []rpmtest.File{{Path: "/etc/p.conf", Data: "old\n"}, {Path: "/var/gone", Data: "x"}}, Scriptlets: []rpmtest.Scriptlet{
			{Kind: "pre", Body: "for i in a b; do touch /tmp-$i; done"},
			{Kind: "post", Body: "sed -i s/old/new/ /etc/p.conf; rm /var/gone; [ -x /x ] && systemctl daemon-reload; echo oops >&2; exit 3"},
			{Kind: "preun", Body: "rm -rf /"}, {Kind: "posttrans", Program: []string{"<lua>"}, Body: "posix.symlink('a', '/b')"}}},
		{Name: "q", Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Program: []string{"/sbin/ldconfig"}}, {Kind: "posttrans", Body: "echo\nfrobnicate"}}},
	}}.build(t)
	wantLines(t, "report", reportLines(b), `
post: emulated
post: run (exit 3: oops) changed /etc/p.conf removed /var/gone
posttrans: not covered line 2: frobnicate: the command frobnicate is not known, and the image does not have it
posttrans: run created /b
pre: run created /tmp-a /tmp-b
preun: skipped runs only when a package is removed`)
	if e := b.entry(t, "/tmp-a"); e.ModTime != epoch || !slices.Equal(e.Owners, []string{"rules_slimrpm:scriptlets"}) {
		t.Errorf("/tmp-a: time %d, owners %v", e.ModTime, e.Owners)
	}
	if got := b.read(t, "etc/p.conf"); got != "new\n" {
		t.Errorf("p.conf: %q", got)
	}
	for _, p := range b.Tree.Packages {
		if p.Name == "p" && p.FileStates != "22" {
			t.Errorf("states of changed and removed files: %s; rpm -V would complain", p.FileStates)
		}
	}
}

// TestScriptletOrder: %pretrans of all packages, then package by package in the order of their requirements, with what each can see.
func TestScriptletOrder(t *testing.T) {
	log := func(kind, text string) rpmtest.Scriptlet {
		return rpmtest.Scriptlet{Kind: kind, Body: "[ -e /bin/a ] && A=a; [ -e /bin/b ] && B=b; echo " + text + " $1 $A$B >> /log"}
	}
	pkgs := []rpmtest.Package{
		{Name: "a", Requires: []rpmtest.Requirement{{Text: "b"}}, Files: []rpmtest.File{{Path: "/bin/a"}},
			Scriptlets: []rpmtest.Scriptlet{log("pretrans", "pretrans-a"), log("pre", "pre-a"), log("post", "post-a"), log("posttrans", "posttrans-a")},
			Triggers: []rpmtest.Trigger{{Moment: rpm.SenseTriggerIn, Conditions: []string{"b"}, Body: "echo trigger-a $1 $2 >> /log"},
				{Moment: rpm.SenseTriggerIn, Conditions: []string{"b < 1"}, Body: "echo never >> /log"}}},
		{Name: "b", Files: []rpmtest.File{{Path: "/bin/b"}},
			Scriptlets: []rpmtest.Scriptlet{log("pretrans", "pretrans-b"), log("pre", "pre-b"), log("post", "post-b"), log("posttrans", "posttrans-b")},
			Triggers: []rpmtest.Trigger{{File: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/bin"}, Body: "while read f; do echo file $f >> /log; done"},
				{File: true, Trans: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/bin"}, Body: "echo trans $(cat) >> /log"}}},
	}
	want := `pretrans-b 1
pretrans-a 1
pre-b 1
post-b 1 b
file /bin/b
pre-a 1 b
post-a 1 ab
trigger-a 1 1
file /bin/a
posttrans-b 1 ab
posttrans-a 1 ab
trans /bin/b /bin/a
`
	for range 2 {
		b := image{pkgs: pkgs}.build(t)
		if got := b.read(t, "log"); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		slices.Reverse(pkgs)
	}
}

// TestScriptletWaysOut: skip with a reason, replace by a script of the user's, and entries that nothing meets.
func TestScriptletWaysOut(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.sh")
	if err := os.WriteFile(own, []byte("echo mine $1 > /mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := rpmtest.Package{Name: "bad", Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "frob"}, {Kind: "post", Body: "frobnicate"}}}
	b := image{spec: `"accounts":{},"policies":{},"scriptlets_skip":{"bad:pre":"no frobs here"},"scriptlets_replace":{"bad:post":"` + own + `"}`,
		pkgs: []rpmtest.Package{bad}}.build(t)
	wantLines(t, "report", reportLines(b), "post: replaced created /mine\npre: skipped no frobs here")
	if got := b.read(t, "mine"); got != "mine 1\n" {
		t.Errorf("/mine: %q", got)
	}
	b = image{spec: `"accounts":{},"policies":{},"scriptlets_replace":{"bad":"` + own + `"}`, pkgs: []rpmtest.Package{bad}}.build(t)
	wantLines(t, "report", reportLines(b), "post: replaced created /mine\npre: replaced the script given for the package runs once")
	for _, c := range []struct{ fields, want, hint string }{
		{`"scriptlets_skip":{"good":"x"}`, "scriptlets_skip: good: no such scriptlet runs in this layer", "take it out"},
		{`"scriptlets_replace":{"bad:posttrans":"x"}`, "scriptlets_replace: bad:posttrans: no such scriptlet", "NAME:KIND"},
		{`"scriptlets_run":["bad"]`, "", ""},
	} {
		im := image{spec: `"accounts":{},"policies":{},"scriptlets":"report",` + c.fields, pkgs: []rpmtest.Package{bad}}
		_, err := Compose(im.input(t))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(strings.Join(cli.Hints(err), ""), c.hint)) {
			t.Errorf("%s: got %v, hints %v", c.fields, err, cli.Hints(err))
		}
	}
}

// TestScriptletPre: a %pre that fails ends the build, others only warn; a slice runs nothing unless asked to.
func TestScriptletPre(t *testing.T) {
	_, err := Compose(image{pkgs: []rpmtest.Package{{Name: "p", Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "echo no room >&2; exit 2"}}}}}.input(t))
	if want := "scriptlet pre of p-1-1.x86_64: exit status 2, and rpm installs no package whose %pre fails: no room"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	im := image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/bin/x"}, {Path: "/bin/y"}}, Scriptlets: post("touch /made")}},
		partial: map[string][]string{"p": {"/bin/x"}}}
	b := im.build(t)
	wantLines(t, "report", reportLines(b), "post: skipped only some files of the package ship")
	im.spec = `"accounts":{},"policies":{},"scriptlets_run":["p"]`
	b = im.build(t)
	wantLines(t, "report", reportLines(b), "post: run created /made")
}

// TestScriptletFiles: what a package lays over what scriptlets made before it.
func TestScriptletFiles(t *testing.T) {
	b := image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/etc/keep", Data: "package", Flags: pkgindex.FlagConfig | pkgindex.FlagNoReplace},
		{Path: "/etc/replace", Data: "package", Flags: pkgindex.FlagConfig}, {Path: "/dir/", Mode: 0o40700}, {Path: "/link/"}, {Path: "/bin/tool", Data: "x", Mode: 0o100755}},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "mkdir /etc /dir /real; echo -n mine > /etc/keep; echo mine > /etc/replace; touch /dir/inner; ln -s real /link"},
			{Kind: "post", Body: "chown 7:8 /bin/tool; chmod 750 /bin/tool; ln /bin/tool /bin/second; mv /etc/replace /etc/moved"}}}}}.build(t)
	wantLines(t, "layer", b.dump(t), `
bin/ 0755 0:0
bin/second 0750 7:8 x
bin/tool == bin/second
dir/ 0700 0:0
dir/inner 0644 0:0
etc/ 0755 0:0
etc/keep 0644 0:0 mine
etc/moved 0644 0:0 package
link -> real
real/ 0755 0:0`)
}
