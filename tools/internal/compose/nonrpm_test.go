package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/content"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// contentOf makes content of files with these bytes.
func contentOf(t *testing.T, label string, files map[string]string) NonRPM {
	t.Helper()
	dir := t.TempDir()
	s := &content.Spec{Schema: content.Schema, Label: label, Name: "app", Version: "1.0", PURL: "pkg:generic/app@1.0", License: "MIT",
		Updates: map[string]string{"kind": "built"}}
	for path, data := range files {
		source := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(source, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Files = append(s.Files, content.File{Path: path, Source: source, Mode: "0755"})
	}
	payload, err := os.Create(filepath.Join(dir, "payload.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer payload.Close()
	x, err := content.Build(s, payload)
	if err != nil {
		t.Fatal(err)
	}
	return NonRPM{Index: x, Payload: payload.Name()}
}

func TestNonRPM(t *testing.T) {
	app := contentOf(t, "//x:app", map[string]string{"/opt/app/run": "#!/bin/none\n", "/bin/app": "app"})
	base := image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/usr/bin/"}, {Path: "/bin", Link: "usr/bin"}}}},
		nonRPM: []NonRPM{app}, spec: `"accounts":{},"policies":{},"symlinks":[{"path":"/usr/bin/a","target":"app"}]`}.build(t)
	if got := base.dump(t); !strings.Contains(got, "opt/app/run 0755 0:0") || !strings.Contains(got, "usr/bin/app 0755 0:0") {
		t.Errorf("layer:\n%s", got)
	}
	n := base.Tree.NonRPM
	if len(n) != 1 || n[0].Label != "//x:app" || n[0].Files != 2 || n[0].SizeBytes != 15 || n[0].PURL != "pkg:generic/app@1.0" {
		t.Errorf("tree: %+v", n)
	}
	if r := base.Report.NonRPM; len(r) != 1 || r[0].Name != "app" {
		t.Errorf("report: %+v", r)
	}
	child := image{base: base, pkgs: []rpmtest.Package{{Name: "q", Files: []rpmtest.File{{Path: "/etc/q", Data: "q"}}}}}.build(t)
	if n := child.Tree.NonRPM; len(n) != 1 || n[0].Layer != 0 || n[0].Files != 2 || len(child.Report.NonRPM) != 0 {
		t.Errorf("child: tree %+v, report %+v", n, child.Report.NonRPM)
	}
	for _, c := range []struct {
		why        string
		in         image
		want, hint string
	}{
		{"a package of the image has the path", image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/opt/app/run", Data: "other", Mode: 0o100755}}}}, nonRPM: []NonRPM{app}},
			"file conflict: /opt/app/run: content //x:app (app 1.0) and p-1-1.x86_64: sha256 ", "give the content another path or prefix"},
		{"a package of the base has the path", image{base: image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/opt/app", Data: "file"}}}}}.build(t), nonRPM: []NonRPM{app}},
			"/opt/app/run: its parent /opt/app is a file (p-1-1.x86_64)", ""},
		{"a package of the child has the path", image{base: base, pkgs: []rpmtest.Package{{Name: "q", Files: []rpmtest.File{{Path: "/opt/app/run", Data: "other"}}}}},
			"file conflict: /opt/app/run: q-1-1.x86_64 and content //x:app of the base", "give the content another path"},
		{"the base has the content", image{base: base, nonRPM: []NonRPM{app}}, "content //x:app: the image has it already", "leave it out here"},
		{"another content has the path", image{nonRPM: []NonRPM{app, contentOf(t, "//x:other", map[string]string{"/bin/app": "else"})}},
			"file conflict: /bin/app: content //x:other (app 1.0) and //x:app: sha256 ", ""},
		{"accounts", image{nonRPM: []NonRPM{contentOf(t, "//x:other", map[string]string{"/etc/passwd": "x"})}}, "/etc/passwd: made from the accounts", "accounts attribute"},
	} {
		_, err := c.in.try(t)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		} else if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, c.hint) {
			t.Errorf("%s: hints %q, want %q", c.why, hints, c.hint)
		}
	}
	shared := image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/bin/app", Data: "app", Mode: 0o100755}}}}, nonRPM: []NonRPM{app}}.build(t)
	for _, e := range shared.Tree.Entries {
		if e.Path == "/bin/app" && strings.Join(e.Owners, " ") != "//x:app p-1-1.x86_64" {
			t.Errorf("a file that is equal: owners %v", e.Owners)
		}
	}
}
