package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestBackends: in every backend the database of a child holds the packages of both layers, with the states of the tree.
func TestBackends(t *testing.T) {
	for _, c := range []struct {
		backend, headers string
	}{
		{"sqlite", "rpmdb.sqlite"},
		{"ndb", "Packages.db"},
		{"bdb", "Packages"},
	} {
		db := `"accounts":{},"policies":{},"rpmdb":{"backend":"` + c.backend + `","path":"/usr/lib/sysimage/rpm"}`
		base := image{spec: db, pkgs: []rpmtest.Package{filesystem()}}.build(t)
		child := image{spec: db, base: base, pkgs: []rpmtest.Package{
			{Name: "tool", Files: []rpmtest.File{{Path: "/usr/bin/tool", Data: "x"}, {Path: "/usr/share/man/man1/tool.1"}}}}}.build(t)
		dir := filepath.Join(t.TempDir(), "usr/lib/sysimage/rpm")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		data := child.read(t, "usr/lib/sysimage/rpm/"+c.headers)
		for _, e := range child.Tree.Entries {
			if rootfs.Dir(e.Path) != "/usr/lib/sysimage/rpm" {
				continue
			}
			layer := []*built{base, child}[e.Layer] // an index without entries is the same in both
			if err := os.WriteFile(filepath.Join(dir, rootfs.Base(e.Path)), []byte(layer.read(t, e.Path[1:])), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := rpmdb.Detect(strings.NewReader(data)); err != nil || string(got) != c.backend {
			t.Errorf("%s: detected %s, %v", c.backend, got, err)
		}
		records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: strings.NewReader(data), Size: int64(len(data))})
		if err != nil || len(records) != 2 {
			t.Fatalf("%s: %d records, %v", c.backend, len(records), err)
		}
		if link := child.entry(t, "/var/lib/rpm"); link.Link != "../../usr/lib/sysimage/rpm" {
			t.Errorf("%s: /var/lib/rpm: %+v", c.backend, link)
		}
		if b := child.Tree.RPMDB.Backend; b != c.backend {
			t.Errorf("tree.json says %s", b)
		}
		rpm, err := exec.LookPath("rpm")
		if err != nil {
			t.Logf("no rpm on this machine; not checked: rpm reads the database of backend %s", c.backend)
			continue
		}
		cmd := exec.Command(rpm, "--define", "_dbpath "+dir, "--define", "_db_backend "+c.backend, "--nosignature", "-qs", "tool")
		var stderr strings.Builder // says that Berkeley DB is only read
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if strings.Contains(stderr.String(), "dummy database") {
			t.Logf("rpm is built without backend %s; not checked: rpm reads the database", c.backend)
			continue
		}
		want := "normal        /usr/bin/tool\nnot installed /usr/share/man/man1/tool.1\n"
		if err != nil || string(out) != want {
			t.Errorf("%s: rpm -qs: %v\n%s%s", c.backend, err, out, stderr.String())
		}
	}
}
