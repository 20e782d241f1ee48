package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestAlternativesOfChildren changes the choice in images on top of each other, in both layouts, and lets Debian's program read
// and change the result.
func TestAlternativesOfChildren(t *testing.T) {
	tools := rpmtest.Package{Name: "tools", Files: []rpmtest.File{
		{Path: "/usr/bin/a", Data: "a"}, {Path: "/usr/bin/a-save", Data: "a"}, {Path: "/usr/bin/b", Data: "b"}, {Path: "/usr/bin/b-save", Data: "b"},
		{Path: "/usr/bin/b-more", Data: "b"},
	}, Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: "update-alternatives --install /usr/bin/tool tool /usr/bin/a 10 --slave /usr/bin/tool-save tool-save /usr/bin/a-save\n" +
		"update-alternatives --install /usr/bin/tool tool /usr/bin/b 20 --slave /usr/bin/tool-save tool-save /usr/bin/b-save --slave /usr/bin/tool-more tool-more /usr/bin/b-more\n"}}}
	for _, layout := range []string{"dpkg", "chkconfig"} {
		t.Run(layout, func(t *testing.T) {
			step := func(base *built, alternatives string) *built {
				return image{spec: `"accounts":{},"policies":{},"alternatives_layout":"` + layout + `","alternatives":[` + alternatives + `]`, base: base}.build(t)
			}
			base := image{spec: `"accounts":{},"policies":{},"alternatives_layout":"` + layout + `"`, pkgs: []rpmtest.Package{tools}}.build(t)
			set := step(base, `{"name":"tool","path":"/usr/bin/a","set":true}`)
			auto := step(set, `{"name":"tool","auto":true}`)
			removed := step(set, `{"name":"tool","path":"/usr/bin/a","remove":true}`)
			gone := step(removed, `{"name":"tool","path":"/usr/bin/b","remove":true}`)
			for _, c := range []struct {
				why  string
				b    *built
				want string
			}{
				{"by priority", base, "tool>/usr/bin/b tool-more>/usr/bin/b-more tool-save>/usr/bin/b-save"},
				{"set by a child", set, "tool>/usr/bin/a tool-save>/usr/bin/a-save"},
				{"by priority again", auto, "tool>/usr/bin/b tool-more>/usr/bin/b-more tool-save>/usr/bin/b-save"},
				{"the one that was set is removed", removed, "tool>/usr/bin/b tool-more>/usr/bin/b-more tool-save>/usr/bin/b-save"},
				{"all are removed", gone, ""},
			} {
				var got []string
				for _, e := range c.b.Tree.Entries {
					if name, ok := strings.CutPrefix(e.Path, "/etc/alternatives/"); ok {
						got = append(got, name+">"+e.Link)
						c.b.entry(t, "/usr/bin/"+name)
					}
				}
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("%s: got %s, want %s", c.why, s, c.want)
				}
			}
			for _, e := range gone.Tree.Entries {
				if strings.HasPrefix(e.Path, "/usr/bin/tool") || e.Path == "/var/lib/alternatives/tool" || e.Path == "/var/lib/dpkg/alternatives/tool" {
					t.Errorf("%s is left over", e.Path)
				}
			}
			if layout == "dpkg" {
				askUpdateAlternatives(t, set)
			}
		})
	}
}

// askUpdateAlternatives unpacks the image and changes root into it, with Debian's update-alternatives beside it.
func askUpdateAlternatives(t *testing.T, b *built) {
	real, err := exec.LookPath("update-alternatives")
	if err != nil || os.Geteuid() != 0 {
		t.Log("no update-alternatives, or not root; not checked: that it reads our state in the image")
		return
	}
	root := t.TempDir()
	for _, layer := range b.layers {
		tar := exec.Command("tar", "-xp", "-C", root)
		tar.Stdin = strings.NewReader(string(layer))
		if out, err := tar.CombinedOutput(); err != nil {
			t.Fatalf("tar: %v\n%s", err, out)
		}
	}
	if err := os.Remove(filepath.Join(root, "usr/bin/.wh.tool-more")); err != nil {
		t.Fatal(err) // what an engine does
	}
	run := func(args ...string) string {
		args = append([]string{"--root", root, "--log", filepath.Join(root, "log")}, args...)
		out, err := exec.Command(real, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("update-alternatives %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("--query", "tool"); !strings.Contains(out, "Status: manual\nBest: /usr/bin/b\nValue: /usr/bin/a\n") {
		t.Errorf("update-alternatives reads our state as\n%s", out)
	}
	run("--set", "tool", "/usr/bin/b")
	if target, err := os.Readlink(filepath.Join(root, "etc/alternatives/tool-more")); err != nil || target != "/usr/bin/b-more" {
		t.Errorf("after --set: %q %v", target, err)
	}
	run("--auto", "tool")
	if out := run("--display", "tool"); !strings.Contains(out, "auto mode") || !strings.Contains(out, "slave tool-save: /usr/bin/a-save") {
		t.Errorf("update-alternatives reads its own state as\n%s", out)
	}
}

// TestRenamedAlternative: Debian's program moves the links of a group that is installed under another name.
func TestRenamedAlternative(t *testing.T) {
	b := image{spec: `"accounts":{},"policies":{},"alternatives_layout":"dpkg"`, pkgs: []rpmtest.Package{{Name: "tools", Files: []rpmtest.File{
		{Path: "/usr/bin/a", Data: "a"}, {Path: "/usr/bin/b", Data: "b"}}, Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: "update-alternatives --install /usr/bin/tool tool /usr/bin/a 10\n" +
		"update-alternatives --install /usr/bin/renamed tool /usr/bin/b 5\n"}}}}}.build(t)
	b.entry(t, "/usr/bin/renamed")
	for _, e := range b.Tree.Entries {
		if e.Path == "/usr/bin/tool" {
			t.Error("the old link is left over")
		}
	}
	if link := b.entry(t, "/etc/alternatives/tool").Link; link != "/usr/bin/a" {
		t.Errorf("the choice is %s", link)
	}
}

func TestAlternativeErrors(t *testing.T) {
	tools := rpmtest.Package{Name: "tools", Files: []rpmtest.File{{Path: "/usr/bin/a", Data: "a"}}, Scriptlets: []rpmtest.Scriptlet{
		{Kind: "post", Body: "update-alternatives --install /usr/bin/tool tool /usr/bin/a 10\n"}}}
	for _, c := range []struct{ why, alternatives, want, hint string }{
		{"a choice that nobody registers", `{"name":"tool","path":"/usr/bin/b","set":true}`, "alternative tool: /usr/bin/b is not registered; there are /usr/bin/a", ""},
		{"a name that nobody registers", `{"name":"tol","path":"/usr/bin/a","set":true}`, "alternative tol: no package registers it", "the image has tool;"},
		{"a path that the image lacks", `{"name":"x","link":"/x","path":"/usr/bin/x"}`, "/usr/bin/x is not in the image", "correct the path"},
		{"nothing", `{"name":"tool","path":"/usr/bin/a"}`, "alternative tool: nothing to do", "one of set, auto and remove"},
	} {
		_, err := image{spec: `"accounts":{},"policies":{},"alternatives":[` + c.alternatives + `]`, pkgs: []rpmtest.Package{tools}}.try(t)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(strings.Join(cli.Hints(err), " "), c.hint) {
			t.Errorf("%s: got %v, hints %q", c.why, err, cli.Hints(err))
		}
	}
}
