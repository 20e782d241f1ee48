package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
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

// TestPublicKeys: keys of the base and of the child are entries of the child's database, each once.
func TestPublicKeys(t *testing.T) {
	key := func(name string) string {
		file, err := filepath.Abs("../../../third_party/keys/RPM-GPG-KEY-" + name)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	with := func(keys ...string) string {
		return `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm","keys":["` + strings.Join(keys, `","`) + `"]}`
	}
	base := image{spec: with(key("amazon-linux-2")), pkgs: []rpmtest.Package{filesystem()}}.build(t)
	child := image{spec: with(key("amazon-linux-2023"), key("amazon-linux-2")), base: base, pkgs: []rpmtest.Package{{Name: "zzz"}}}.build(t)
	grandchild := image{spec: `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`, base: child, pkgs: []rpmtest.Package{{Name: "tool"}}}.build(t)
	for _, c := range []struct {
		image *built
		want  string
	}{
		{base, "filesystem-1-1.noarch gpg-pubkey-c87f5b1a-593863f8.(none)"},
		{child, "filesystem-1-1.noarch zzz-1-1.x86_64 gpg-pubkey-c87f5b1a-593863f8.(none) gpg-pubkey-d832c631-63920d79.(none)"},
		{grandchild, "filesystem-1-1.noarch tool-1-1.x86_64 zzz-1-1.x86_64 gpg-pubkey-c87f5b1a-593863f8.(none) gpg-pubkey-d832c631-63920d79.(none)"},
	} {
		if names, _ := c.image.database(t); strings.Join(names, " ") != c.want {
			t.Errorf("got  %s\nwant %s", strings.Join(names, " "), c.want)
		}
	}
	// An image of others keeps its own entry of a key.
	foreignBase, _ := foreign(t, base.layers)
	top := image{spec: with(key("amazon-linux-2")), base: foreignBase, pkgs: []rpmtest.Package{{Name: "zzz"}}}.build(t)
	if names, _ := top.database(t); strings.Join(names, " ") != "filesystem-1-1.noarch gpg-pubkey-c87f5b1a-593863f8.(none) zzz-1-1.x86_64" {
		t.Errorf("got %q", names)
	}
	name := filepath.Join(t.TempDir(), "no-key")
	if err := os.WriteFile(name, []byte("package compose\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := image{spec: with(name), pkgs: []rpmtest.Package{filesystem()}}.try(t)
	if want := "rpmdb: " + name + ": reading public keys: neither OpenPGP packets"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a file without keys: got %v, want an error with %q", err, want)
	}
}

// TestProvided registers a package that an image of others has without saying so.
func TestProvided(t *testing.T) {
	db := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
	zlib := rpmtest.Package{Name: "zlib", Files: []rpmtest.File{{Path: "/usr/lib64/libz.so.1", Data: "z"}, {Path: "/usr/share/doc/zlib", Data: "doc"}}}
	base := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{{Name: "zlib", Files: zlib.Files[:1]}}}.build(t)
	below, _ := foreign(t, base.layers)
	in := image{spec: db, base: below, pkgs: []rpmtest.Package{{Name: "tool", Files: []rpmtest.File{{Path: "/usr/bin/tool", Data: "x"}}}}}.input(t)
	in.Provided = []Package{unpack(t, zlib)}
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range r.Tree.Packages {
		got += p.NEVRA + " " + p.FileStates + " "
		if p.Provided != (p.Name == "zlib") {
			t.Errorf("%s: provided is %v", p.NEVRA, p.Provided)
		}
	}
	if want := "tool-1-1.x86_64 0 zlib-1-1.x86_64 02 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, e := range r.Tree.Entries {
		if e.Path == "/usr/lib64/libz.so.1" && (e.Layer != 0 || !slices.Contains(e.Owners, "zlib-1-1.x86_64")) {
			t.Errorf("%+v", e)
		}
	}
}

// TestProvidedRefuses: a package that the image has anyway, in whatever version and architecture, cannot be registered besides.
func TestProvidedRefuses(t *testing.T) {
	db := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
	zlib := rpmtest.Package{Name: "zlib", Files: []rpmtest.File{{Path: "/usr/lib64/libz.so.1", Data: "z"}}}
	newer, other := zlib, zlib
	newer.Version, other.Arch = "2", "noarch"
	tool := rpmtest.Package{Name: "tool"}
	base := image{spec: db, pkgs: []rpmtest.Package{zlib}}.build(t)
	theirs, _ := foreign(t, base.layers)
	for _, c := range []struct {
		summary, want string
		image         image
		provided      []rpmtest.Package
	}{
		{"the image ships it", "package zlib-1-1.x86_64 is to be registered as provided, but the image has zlib-1-1.x86_64 already",
			image{spec: db, pkgs: []rpmtest.Package{zlib}}, []rpmtest.Package{zlib}},
		{"the image ships part of it", "package zlib-1-1.x86_64 is to be registered as provided, but the image has zlib-1-1.x86_64 already",
			image{spec: db, pkgs: []rpmtest.Package{zlib}, partial: map[string][]string{"zlib": {"/usr/lib64/libz.so.1"}}}, []rpmtest.Package{zlib}},
		{"the base has another version", "package zlib-2-1.x86_64 is to be registered as provided, but the image has zlib-1-1.x86_64 already",
			image{spec: db, base: base, pkgs: []rpmtest.Package{tool}}, []rpmtest.Package{newer}},
		{"an image of others has another architecture", "package zlib-1-1.noarch is to be registered as provided, but the image has zlib-1-1.x86_64 already",
			image{spec: db, base: theirs, pkgs: []rpmtest.Package{tool}}, []rpmtest.Package{other}},
		{"two versions", "package zlib-2-1.x86_64 is to be registered as provided, but the image has zlib-1-1.x86_64 already",
			image{spec: db, pkgs: []rpmtest.Package{tool}}, []rpmtest.Package{zlib, newer}},
	} {
		in := c.image.input(t)
		for _, p := range c.provided {
			in.Provided = append(in.Provided, unpack(t, p))
		}
		_, err := Compose(in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
		if hints := cli.Hints(err); len(hints) != 1 || hints[0] != "take zlib out of register_provided" {
			t.Errorf("%s: hints %q", c.summary, hints)
		}
	}
}

// TestSelectedTwice: what the base has in another version cannot be shipped besides.
func TestSelectedTwice(t *testing.T) {
	db := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
	base := image{spec: db, pkgs: []rpmtest.Package{{Name: "zlib"}}}.build(t)
	for _, p := range []rpmtest.Package{{Name: "zlib", Version: "2"}, {Name: "zlib", Arch: "noarch"}} {
		_, err := image{spec: db, base: base, pkgs: []rpmtest.Package{p}}.try(t)
		if want := "package " + p.NEVRA() + " is selected, but the image has zlib-1-1.x86_64 already"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "leave zlib out with exclude, or update the base or the lock") {
			t.Errorf("hints %q", hints)
		}
	}
}
