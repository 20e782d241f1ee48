package alternatives

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// debian finds Debian's update-alternatives.
func debian(t *testing.T) string {
	t.Helper()
	real, err := exec.LookPath("update-alternatives")
	if err != nil {
		t.Skip("no update-alternatives on this machine; not checked: the layout of Debian")
	}
	if out, err := exec.Command(real, "--version").Output(); err != nil || !strings.Contains(string(out), "update-alternatives version") {
		t.Skip("update-alternatives of this machine is not Debian's; not checked: its layout")
	}
	return real
}

// chkconfig unpacks the alternatives program of CentOS 7.
func chkconfig(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	rpms, err := filepath.Glob(filepath.Join(dir, "el7-httpd", "chkconfig-*.rpm"))
	if err != nil || len(rpms) != 1 {
		t.Skip("no chkconfig package of CentOS 7 (SLIMRPM_SHARED_DATA); not checked: the layout of chkconfig")
	}
	at := func(name string) string { return filepath.Join(t.TempDir(), name) }
	payload, index := at("p"), at("i")
	if err := extract.Run(extract.Options{RPM: rpms[0], Payload: payload, Index: index, Header: at("h")}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(index)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := pkgindex.Read(f, index)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range x.Files {
		if file.Path != "/usr/sbin/alternatives" {
			continue
		}
		in, err := os.Open(payload)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		data, err := io.ReadAll(io.NewSectionReader(in, file.Offset, file.SizeBytes))
		if err != nil {
			t.Fatal(err)
		}
		real := at("alternatives")
		if err := os.WriteFile(real, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(real, "--version").CombinedOutput(); err != nil {
			t.Skipf("alternatives of CentOS 7 does not run here: %v %s; not checked: the layout of chkconfig", err, out)
		}
		return real
	}
	t.Fatal("no alternatives in the package")
	return ""
}

// scripts are histories of a group: i CHOICE PRIORITY SLAVES, s CHOICE, r CHOICE, a. Each choice and each of its slaves is a file.
var scripts = [][]string{
	{"i nft 20 save,restore", "i legacy 10 save"},
	{"i a 10 z,x", "i b 30 w,x,y", "i c 30 ", "s c"},
	{"i a 10 z,x", "i b 30 w,x,y", "i a 10 y"},
	{"i c 5 ", "i b 5 ", "i d 5 "},
	{"i a 10 z", "i b 30 w", "s a", "r a"},
	{"i a 10 z", "i b 30 w", "i c 20 ", "r a"},
	{"i a 10 z", "s a", "i b 30 w", "a"},
	{"i a 10 z", "i b 30 z", "s a", "r b"},
	{"i a 10 z", "r a"},
}

// TestRealPrograms runs histories with the real programs and with ours: state files and links must be the same after each step,
// and the real program must understand our file.
func TestRealPrograms(t *testing.T) {
	for layout, find := range map[string]func(*testing.T) string{Dpkg: debian, Chkconfig: chkconfig} {
		t.Run(layout, func(t *testing.T) {
			real := find(t)
			for i, script := range scripts {
				t.Run(fmt.Sprint(i), func(t *testing.T) { playScript(t, layout, real, script) })
			}
		})
	}
}

func playScript(t *testing.T, layout, real string, script []string) {
	root := t.TempDir()
	at := func(p string) string { return filepath.Join(root, p) }
	for _, dir := range []string{"admin", "alt", "bin"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		base := []string{"--altdir", at("alt"), "--admindir", at("admin")}
		if layout == Dpkg {
			base = append(base, "--log", at("log"), "--quiet")
		}
		out, err := exec.Command(real, append(base, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", real, args, err, out)
		}
		return string(out)
	}
	g := &Group{}
	for _, step := range script {
		v := strings.Split(step, " ")
		path := func() string { return at("bin/" + v[1]) }
		var args []string
		switch v[0] {
		case "i":
			args = []string{"--install", at("bin/tool"), "tool", path(), v[2]}
			for _, slave := range strings.FieldsFunc(v[3], func(r rune) bool { return r == ',' }) {
				args = append(args, "--slave", at("bin/tool-"+slave), "tool-"+slave, path()+"-"+slave)
				touch(t, path()+"-"+slave)
			}
			touch(t, path())
		case "s":
			args = []string{"--set", "tool", path()}
		case "r":
			args = []string{"--remove", "tool", path()}
		case "a":
			args = []string{"--auto", "tool"}
		}
		run(args...)
		op, err := ParseCommand(append([]string{"update-alternatives"}, args...))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Apply(layout, op); err != nil {
			t.Fatal(err)
		}
	}
	compareState(t, layout, g, root)
	if len(g.Choices) == 0 {
		return
	}
	data, err := g.Encode(layout)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("admin/tool"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	out := run("--display", "tool")
	for _, want := range append(g.paths(), g.Current().Path, map[bool]string{true: "manual", false: "auto"}[g.Manual]) {
		if !strings.Contains(out, want) {
			t.Errorf("%s does not see %s in our state:\n%s", real, want, out)
		}
	}
	// A choice made with our state leads to the same as one made with theirs.
	last := g.Choices[len(g.Choices)-1].Path
	run("--set", "tool", last)
	if err := g.Apply(layout, &Operation{Kind: OpSet, Name: "tool", Path: last}); err != nil {
		t.Fatal(err)
	}
	compareState(t, layout, g, root)
}

func touch(t *testing.T, name string) {
	t.Helper()
	if err := os.WriteFile(name, nil, 0o755); err != nil {
		t.Fatal(err)
	}
}

func compareState(t *testing.T, layout string, g *Group, root string) {
	t.Helper()
	at := func(p string) string { return filepath.Join(root, p) }
	want, err := os.ReadFile(at("admin/tool"))
	if len(g.Choices) == 0 {
		if err == nil {
			t.Errorf("a group without choices still has a file:\n%s", want)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Encode(layout)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("state file: ours\n%s\ntheirs\n%s", got, want)
	}
	var ours, theirs []string
	for _, l := range g.Links(func(p string) bool { _, err := os.Stat(p); return err == nil }) {
		ours = append(ours, strings.Replace(l.Path, LinkDir, at("alt"), 1)+" -> "+strings.Replace(l.Target, LinkDir, at("alt"), 1))
	}
	for _, dir := range []string{"alt", "bin"} {
		entries, err := os.ReadDir(at(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(at(dir), e.Name())); err == nil {
				theirs = append(theirs, filepath.Join(at(dir), e.Name())+" -> "+target)
			}
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		t.Errorf("links: ours\n%s\ntheirs\n%s", strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
	}
}

// TestRename gives a group and a slave other links: Debian's program moves them.
func TestRename(t *testing.T) {
	real := debian(t)
	root := t.TempDir()
	at := func(p string) string { return filepath.Join(root, p) }
	for _, dir := range []string{"admin", "alt", "bin"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin/a", "bin/b", "bin/as", "bin/bs"} {
		if err := os.WriteFile(at(name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g := &Group{}
	for _, line := range []string{
		"--install ROOT/bin/tool tool ROOT/bin/a 10 --slave ROOT/bin/save save ROOT/bin/as",
		"--install ROOT/bin/renamed tool ROOT/bin/b 20 --slave ROOT/bin/resaved save ROOT/bin/bs",
	} {
		words := strings.Fields(strings.ReplaceAll(line, "ROOT", root))
		out, err := exec.Command(real, append([]string{"--altdir", at("alt"), "--admindir", at("admin"), "--log", at("log")}, words...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("update-alternatives: %v\n%s", err, out)
		}
		op, err := ParseCommand(append([]string{"update-alternatives"}, words...))
		if err == nil {
			err = g.Apply(Dpkg, op)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ours, err := g.Encode(Dpkg)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(at("admin/tool"))
	if err != nil || string(ours) != string(theirs) {
		t.Errorf("state: %v, ours\n%s\ntheirs\n%s", err, ours, theirs)
	}
	for name, want := range map[string]bool{"bin/tool": false, "bin/save": false, "bin/renamed": true, "bin/resaved": true} {
		if _, err := os.Lstat(at(name)); (err == nil) != want {
			t.Errorf("update-alternatives: %s: %v", name, err)
		}
	}
	err = (&Group{Name: "tool", Link: "/bin/tool"}).Apply(Chkconfig, &Operation{Kind: OpInstall, Name: "tool", Install: Install{Name: "tool", Link: "/bin/other", Choice: Choice{Path: "/bin/b"}}})
	if err == nil || !strings.Contains(err.Error(), "registered as /bin/tool") {
		t.Errorf("chkconfig: got %v", err)
	}
}
