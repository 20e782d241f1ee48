package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// workspace is one with the variant app, whose image has one package with one file.
type workspace struct {
	t    *testing.T
	dir  string
	spec Spec
	tree *rootfs.Tree
}

func newWorkspace(t *testing.T) *workspace {
	const nevra = "app-1.0-1.x86_64"
	w := &workspace{t: t, dir: t.TempDir()}
	w.tree = &rootfs.Tree{Schema: rootfs.Schema, Arch: "x86_64", Layers: 1,
		Packages: []rootfs.Package{{Name: "app", NEVRA: nevra, Arch: "x86_64", SizeBytes: 3 << 20}},
		Entries:  []*rootfs.Entry{{Path: "/app", Type: pkgindex.TypeFile, Mode: 0o755, SizeBytes: 3 << 20, SHA256: strings.Repeat("ab", 32), Owners: []string{nevra}}}}
	w.spec = Spec{Schema: specSchema, Variant: "app", Release: "debrpm", Arch: "amd64", Tree: filepath.Join(w.dir, "tree.json"),
		Path: "variants/app/golden/debrpm_amd64.txt", Update: "//variants/app:update_goldens", Moving: true, BudgetMiB: 4}
	w.write("variants/README.md", "# variants\n\n"+tableStart+tableEnd)
	w.write("variants/app/README.md", "# app\n")
	w.write("variants/"+peersFile, `{"app": {"packages": 2, "mib": {"amd64": 7.5}}}`)
	return w
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// run runs the program on spec and tree as they are, and returns error and hints.
func (w *workspace) run(args ...string) string {
	w.t.Helper()
	var tree strings.Builder
	if err := rootfs.Write(&tree, w.tree); err != nil {
		w.t.Fatal(err)
	}
	w.write("tree.json", tree.String())
	if _, err := os.Stat(filepath.Join(w.dir, w.spec.Path)); err == nil {
		w.spec.Golden = filepath.Join(w.dir, w.spec.Path)
	}
	spec, err := json.Marshal(w.spec)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("spec.json", string(spec))
	err = run(append([]string{"--spec=" + filepath.Join(w.dir, "spec.json")}, args...))
	if err == nil {
		return ""
	}
	return err.Error() + "\n" + strings.Join(cli.Hints(err), "\n")
}

func (w *workspace) mustFail(want ...string) {
	w.t.Helper()
	got := w.run()
	for _, part := range want {
		if !strings.Contains(got, part) {
			w.t.Errorf("the error misses %q:\n%s", part, got)
		}
	}
}

func (w *workspace) mustPass(args ...string) {
	w.t.Helper()
	if got := w.run(args...); got != "" {
		w.t.Error(got)
	}
}

func TestAListIsMissedWrittenAndCompared(t *testing.T) {
	w := newWorkspace(t)
	const hint = "./bazelw run //variants/app:update_goldens (all images: ./bazelw run //variants:update_goldens)"
	w.mustFail("variants/app/golden/debrpm_amd64.txt does not exist: nobody has reviewed what is in app (debrpm, amd64)", hint)
	w.mustPass("--update", "--workspace="+w.dir)
	w.mustPass()
	const line = "Size on debrpm: 3 MiB (amd64), 0 MiB (arm64), 1, arm64 0 packages; EKS Distro's on AL2023: 7.5 MiB, ? MiB, 2 packages.\n"
	if page := w.read("variants/app/README.md"); page != "# app\n\n"+line {
		t.Errorf("the page of the image is\n%s", page)
	}
	if page := w.read("variants/README.md"); !strings.Contains(page, "| app | debrpm | 1, arm64 0 | 3 | 0 | 2 | 7.5 | ? |\n") {
		t.Errorf("the page of all images is\n%s", page)
	}
	w.tree.Entries[0].Mode = 0o4755
	w.mustFail("app (debrpm, amd64) is not what variants/app/golden/debrpm_amd64.txt says:\napp\n    ~ /app: mode 0755 -> 4755", hint)
	w.mustPass("--update", "--workspace="+w.dir)
	w.mustPass()
	if files, err := filepath.Glob(filepath.Join(w.dir, "variants/app/golden/*")); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v", files)
	}
	w.write(w.spec.Path, "<<<<<<< HEAD\n")
	w.mustFail(`debrpm_amd64.txt: line 1: "<<<<<<< HEAD" is not understood`, hint)
	w.mustPass("--update", "--workspace="+w.dir)
	w.mustPass()
}

func TestSizesHaveBudgets(t *testing.T) {
	w := newWorkspace(t)
	w.mustPass("--update", "--workspace="+w.dir)
	w.spec.BudgetMiB = 2
	w.mustFail("app (debrpm, amd64): the image has 3.0 MiB in regular files, 1.0 MiB more than its budget of 2 MiB\n",
		"app-1.0-1.x86_64\n", "/app (app-1.0-1.x86_64)", "raise size_budget in the BUILD file; ./bazelw run //variants/app:why -- NAME")
	w.spec.BudgetMiB = 0
	w.mustFail("app (debrpm, amd64) has no size budget", `add size_budget = {"debrpm": {"amd64": 5}} (MiB) to its BUILD file`)
}

func TestBadCallsAreToldWhatToDo(t *testing.T) {
	t.Setenv("GOLDEN_SPECS", "")
	t.Setenv("BUILD_WORKSPACE_DIRECTORY", "")
	w := newWorkspace(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no spec given"},
		{[]string{"--spec=x", "--update"}, "no workspace to write to"},
		{[]string{"--spec=" + filepath.Join(w.dir, "none")}, "reading spec: open "},
	} {
		if err := run(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.args, err, c.want)
		}
	}
	w.spec.Schema = 7
	w.mustFail("schema 7, this tool reads 1")
	w.spec.Schema = specSchema
	w.write("tree.json", "{}")
	w.spec.BaseTree = filepath.Join(w.dir, "missing.json")
	w.mustFail("reading tree: open ")
}
