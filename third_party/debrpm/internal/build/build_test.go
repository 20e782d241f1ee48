package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

func TestFilesystem(t *testing.T) {
	fs, err := ParseFilesystem("# c\n/tmp 1777\n/bin -> usr/bin\n/usr/lib/{triplet}\n", "x86_64-linux-gnu")
	if err != nil {
		t.Fatal(err)
	}
	shared := fs.Shared()
	for _, name := range []string{"/tmp", "/bin", "/lib64", "/usr/lib/x86_64-linux-gnu"} {
		if !shared[name] {
			t.Errorf("%s is not shared", name)
		}
	}
	if fs[0].Target != "usr/bin" || fs[1].Mode != 0o1777 {
		t.Errorf("entries are %+v", fs)
	}
	for _, bad := range []string{"tmp", "/tmp 999", "/a/../b", "/a -> b c", "/a/"} {
		if _, err := ParseFilesystem(bad, "x"); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"/usr/share/bug/**", "/usr/share/bug/x/y", true}, {"/usr/share/bug/**", "/usr/share/bug", true}, {"/usr/share/bug/**", "/usr/share/bugs", false},
		{"/usr/*/x", "/usr/a/x", true}, {"/usr/*/x", "/usr/a/b/x", false}, {"/a", "/a", true},
	} {
		if got := matches(test.pattern, test.path); got != test.want {
			t.Errorf("%s against %s is %v", test.pattern, test.path, got)
		}
	}
}

// TestApply changes a small tree by mapping data.
func TestApply(t *testing.T) {
	newTestTree := func(t *testing.T) *tree {
		root := t.TempDir()
		var files []rpmspec.File
		for _, name := range []string{"/etc/conf", "/usr/share/crt/b.crt", "/usr/share/crt/a.crt", "/usr/sbin/drop"} {
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, rpmspec.File{Path: name, Kind: rpmspec.Regular, Mode: 0o600, User: "root", Group: "root"})
		}
		return newTree(root, files, 1000)
	}
	tree := newTestTree(t)
	err := tree.apply(mapping.Package{
		Remove: []string{"/usr/sbin/*"}, Copies: []mapping.Copy{{From: "/etc/conf", To: "/etc/copy", Config: true},
			{From: "/usr/share/crt/", To: "/etc/list", List: true}},
		Symlinks: map[string]string{"/etc/link": "copy"}, Ghosts: []string{"/var/ghost"}, Caps: map[string]string{"/etc/conf": "cap_chown=ep"},
		Attrs: []mapping.Attr{{Path: "/etc/conf", Mode: "4711", User: "u", Group: "g"}, {Path: "/var/d", Mode: "2775", User: "root", Group: "mail", Dir: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range tree.list() {
		lines = append(lines, string(f.Kind)+f.Path)
	}
	want := "f/etc/conf f/etc/copy l/etc/link f/etc/list f/usr/share/crt/a.crt f/usr/share/crt/b.crt d/var/d f/var/ghost"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("files are %s", got)
	}
	if text, err := tree.read("/etc/list"); err != nil || text != "a.crt\nb.crt\n" {
		t.Errorf("the list is %q, %v", text, err)
	}
	if f := tree.files["/etc/conf"]; f.User != "u" || f.Mode != 0o4711 || f.Caps != "cap_chown=ep" || !tree.files["/etc/copy"].Config || !tree.files["/var/ghost"].Ghost {
		t.Errorf("attributes are lost: %+v", tree.files)
	}
	info, err := os.Lstat(tree.on("/etc/link"))
	if err != nil || info.ModTime().Unix() != 1000 {
		t.Errorf("the time of the link is %v, %v", info.ModTime(), err)
	}
	for _, test := range []struct {
		sentence, want string
		p              mapping.Package
	}{
		{"a pattern that matches nothing", "pattern /nope matches no file", mapping.Package{Remove: []string{"/nope"}}},
		{"a copy of nothing", "copy from /nope: no such file", mapping.Package{Copies: []mapping.Copy{{From: "/nope", To: "/x"}}}},
		{"a file that is there", "/etc/conf is in the package already", mapping.Package{Files: []mapping.File{{Path: "/etc/conf"}}}},
		{"attributes of nothing", "attrs of /nope: no such file", mapping.Package{Attrs: []mapping.Attr{{Path: "/nope", Mode: "0755"}}}},
		{"a mode that is none", "mode of /etc/conf", mapping.Package{Attrs: []mapping.Attr{{Path: "/etc/conf", Mode: "9"}}}},
		{"capabilities of nothing", "caps of /nope", mapping.Package{Caps: map[string]string{"/nope": "x"}}},
		{"an empty listing", "listing of /nope/: no files", mapping.Package{Copies: []mapping.Copy{{From: "/nope/", To: "/x", List: true}}}},
	} {
		if err := newTestTree(t).apply(test.p); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %s", test.sentence, err, test.want)
		}
	}
}

func TestUnresolved(t *testing.T) {
	headers := []Header{
		{Name: "a", Requires: []string{"b", "/bin/sh", "rpmlib(X)", "libz.so.1"}, Provides: []string{"a"}},
		{Name: "b", Provides: []string{"b"}, Paths: []string{"/bin/sh"}, Requires: []string{"libz.so.1"}},
	}
	if got := strings.Join(Unresolved(headers), "|"); got != "a: libz.so.1|b: libz.so.1" {
		t.Errorf("unresolved are %q", got)
	}
}
