package baseimage

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocitest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// listing shows a tree, one entry a line.
func listing(t *testing.T, tree *rootfs.Tree) string {
	t.Helper()
	var out strings.Builder
	for _, e := range tree.Entries {
		if e.Path == "/" {
			continue
		}
		fmt.Fprintf(&out, "%s %s %o %d %d", e.Path, e.Type, e.Mode, e.UID, e.SizeBytes)
		if e.Link != "" {
			fmt.Fprintf(&out, " -> %s", e.Link)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// onDisk is listing for an unpacked image.
func onDisk(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		kind, size, link := "file", info.Size(), ""
		switch info.Mode().Type() {
		case fs.ModeDir:
			kind, size = "dir", 0
		case fs.ModeSymlink:
			kind, size = "symlink", 0
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			link = " -> " + target
		case fs.ModeNamedPipe:
			kind = "fifo"
		}
		fmt.Fprintf(&out, "%s %s %o %d %d%s\n", strings.TrimPrefix(path, root), kind, stat.Mode&0o7777, stat.Uid, size, link)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	return strings.Join(lines, "")
}

func read(t *testing.T, layout string) (*Base, error) {
	t.Helper()
	scratch := t.TempDir()
	b, err := Read(Options{Layout: layout, Arch: "x86_64", Label: "//base", Scratch: scratch})
	if err == nil {
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	} else if left, err := os.ReadDir(scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind after an error: %v (%v)", left, err)
	}
	return b, err
}

// layersOfAllKinds are layers in which every rule of merging matters.
func layersOfAllKinds(t *testing.T) ocitest.Image {
	suid := ocitest.File("usr/bin/suid", "x")
	suid.Mode = 0o4755
	return ocitest.Image{Arch: "amd64", Compression: []string{"gzip", "zstd", ""}, Layers: [][]byte{
		ocitest.Tar(t,
			ocitest.Dir("./usr"), ocitest.Dir("usr/bin"), ocitest.Dir("usr/lib"), ocitest.Link(tar.TypeSymlink, "lib", "usr/lib"), suid,
			ocitest.File("usr/lib/a.so", "first"), ocitest.Link(tar.TypeLink, "usr/lib/b.so", "usr/lib/a.so"),
			ocitest.Dir("opaque"), ocitest.File("opaque/gone", "1"), ocitest.Dir("opaque/sub"), ocitest.File("opaque/sub/gone", "1"),
			ocitest.File("removed", "1"), ocitest.Dir("tree"), ocitest.File("tree/a", "1"), ocitest.File("kept", "old"),
			ocitest.Dir("dir-to-file"), ocitest.File("dir-to-file/x", "1"), ocitest.File("file-to-dir", "1"), ocitest.File("again", "1"),
		),
		ocitest.Tar(t,
			ocitest.Dir("opaque"), ocitest.File("opaque/new", "22"), ocitest.File("opaque/.wh..wh..opq", ""),
			ocitest.File(".wh.removed", ""), ocitest.File(".wh.tree", ""), ocitest.File("kept", "newer"),
			ocitest.File(".wh.dir-to-file", ""), ocitest.File("dir-to-file", "a file"), ocitest.File(".wh.again", ""), ocitest.File("again", "back"),
			ocitest.File(".wh.file-to-dir", ""), ocitest.Dir("file-to-dir"), ocitest.File("file-to-dir/x", "2"),
		),
		ocitest.Tar(t,
			ocitest.File("lib/through-link.so", "lands in usr/lib"), ocitest.Link(tar.TypeLink, "usr/lib/c.so", "usr/lib/a.so"),
			ocitest.File("made/of/nothing", "its parents are in no layer"), ocitest.File(".wh.never-there", ""),
			ocitest.Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o600}},
		),
	}}
}

// TestMerge compares the merged layers with what umoci unpacks.
func TestMerge(t *testing.T) {
	layout := ocitest.Layout(t, false, layersOfAllKinds(t))
	b, err := read(t, layout)
	if err != nil {
		t.Fatal(err)
	}
	want := `/again file 644 0 4
/dir-to-file file 644 0 6
/fifo fifo 600 0 0
/file-to-dir dir 755 0 0
/file-to-dir/x file 644 0 1
/kept file 644 0 5
/lib symlink 777 0 0 -> usr/lib
/made dir 755 0 0
/made/of dir 755 0 0
/made/of/nothing file 644 0 27
/opaque dir 755 0 0
/opaque/new file 644 0 2
/usr dir 755 0 0
/usr/bin dir 755 0 0
/usr/bin/suid file 4755 0 1
/usr/lib dir 755 0 0
/usr/lib/a.so file 644 0 5
/usr/lib/b.so file 644 0 5
/usr/lib/c.so file 644 0 5
/usr/lib/through-link.so file 644 0 16
`
	if got := listing(t, b.Tree); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for _, e := range b.Tree.Entries {
		if e.Path == "/usr/lib/c.so" && e.HardLink != "/usr/lib/a.so" {
			t.Errorf("c.so is a hard link to %q", e.HardLink)
		}
	}
	var tree, layer bytes.Buffer
	if err := rootfs.Write(&tree, b.Tree); err != nil {
		t.Error(err)
	}
	if err := b.WriteLayer(&layer); err != nil {
		t.Error(err)
	}
	image := layersOfAllKinds(t)
	image.Compression = []string{"gzip", "gzip", ""} // not every umoci knows zstd
	layout = ocitest.Layout(t, false, image)
	umoci, err := exec.LookPath("umoci")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("no umoci, or not root: the merged layers were not compared with what it unpacks")
	}
	index, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	tagged := bytes.Replace(index, []byte(`"platform"`), []byte(`"annotations":{"org.opencontainers.image.ref.name":"x"},"platform"`), 1)
	if err := os.WriteFile(filepath.Join(layout, "index.json"), tagged, 0o644); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle")
	if out, err := exec.Command(umoci, "unpack", "--image", layout+":x", bundle).CombinedOutput(); err != nil {
		t.Fatalf("umoci: %v\n%s", err, out)
	}
	if got := onDisk(t, filepath.Join(bundle, "rootfs")); got != want {
		t.Errorf("umoci unpacks\n%swant\n%s", got, want)
	}
}

func TestMergeRefuses(t *testing.T) {
	one := func(entries ...ocitest.Entry) ocitest.Image {
		return ocitest.Image{Arch: "amd64", Layers: [][]byte{ocitest.Tar(t, entries...)}}
	}
	for _, c := range []struct {
		summary, want string
		image         ocitest.Image
	}{
		{"a path that leads upwards", `path "../etc/passwd" leads upwards`, one(ocitest.File("../etc/passwd", "x"))},
		{"a link that leads upwards", `path "../../x" leads upwards`, one(ocitest.Link(tar.TypeLink, "x", "../../x"))},
		{"a hard link to nothing", "/x: a hard link to /y, which is no file", one(ocitest.Link(tar.TypeLink, "x", "y"))},
		{"a file below a file", "/x/y: its parent /x is a file", one(ocitest.File("x", ""), ocitest.File("x/y", ""))},
		{"a circle of links", "/a/x: resolving /a/x: more than 40 symbolic links", one(ocitest.Link(tar.TypeSymlink, "a", "b"), ocitest.Link(tar.TypeSymlink, "b", "a"), ocitest.File("a/x", ""))},
		{"a root that is a file", "the root is no directory", one(ocitest.Dir("."), ocitest.File(".", "x"))},
		{"something that is no tar", "layer 1: archive/tar: invalid tar header", ocitest.Image{Arch: "amd64", Layers: [][]byte{bytes.Repeat([]byte("x"), 2000)}}},
		{"a cut tar", "unexpected EOF", ocitest.Image{Arch: "amd64", Layers: [][]byte{ocitest.Tar(t, ocitest.File("x", strings.Repeat("x", 5000)))[:3000]}}},
		{"a damaged database", "package database /var/lib/rpm/Packages.db: reading package database (ndb)", one(ocitest.File("var/lib/rpm/Packages.db", "RpmP"+strings.Repeat("\x00", 60)))},
		{"a database of an unknown format", "not a package database of a known format", one(ocitest.File("var/lib/rpm/Packages", strings.Repeat("x", 600)))},
		{"a transaction that was cut off", "/var/lib/rpm/rpmdb.sqlite-journal says that a transaction was cut off",
			one(ocitest.File("var/lib/rpm/rpmdb.sqlite", "SQLite format 3\x00"+strings.Repeat("\x00", 1000)), ocitest.File("var/lib/rpm/rpmdb.sqlite-journal", "x"))},
	} {
		_, err := read(t, ocitest.Layout(t, false, c.image))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "reading base //base: ") {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	if _, err := Read(Options{Arch: "mips", Label: "x"}); err == nil || !strings.Contains(err.Error(), `unknown architecture "mips"`) {
		t.Errorf("an unknown architecture: %v", err)
	}
}

// TestPackages reads the database of an image in which rpm has installed packages.
func TestPackages(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("rpm is not installed: no database of its own was read")
	}
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	files, _ := filepath.Glob(filepath.Join(shared, "el7-httpd/{acl,libacl,setup}-*.rpm"))
	for _, name := range []string{"acl", "libacl", "setup"} {
		more, _ := filepath.Glob(filepath.Join(shared, "el7-httpd", name+"-*.rpm"))
		files = append(files, more...)
	}
	if shared == "" || len(files) != 3 {
		t.Skip("SLIMRPM_SHARED_DATA has no el7-httpd: no database of rpm was read")
	}
	dir := t.TempDir()
	args := append([]string{"--define", "_dbpath " + dir, "--define", "_db_backend sqlite", "--justdb", "--nodeps", "--noscripts", "--notriggers", "--nosignature",
		"--ignoresize", "--define", "__systemd_sysusers true", "--define", "_pkgverify_level none", "-i"}, files...)
	if out, err := exec.Command(rpm, args...).CombinedOutput(); err != nil {
		t.Fatalf("rpm: %v\n%s", err, out)
	}
	entries := []ocitest.Entry{ocitest.Dir("usr"), ocitest.Dir("usr/lib"), ocitest.Link(tar.TypeSymlink, "var/lib/rpm", "../../usr/lib/sysimage/rpm"), ocitest.File("usr/bin/setfacl", "x")}
	for _, name := range []string{"rpmdb.sqlite", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, ocitest.File("usr/lib/sysimage/rpm/"+name, string(data)))
	}
	b, err := read(t, ocitest.Layout(t, false, ocitest.Image{Arch: "amd64", Layers: [][]byte{ocitest.Tar(t, entries...)}}))
	if err != nil {
		t.Fatal(err)
	}
	if db := b.Tree.RPMDB; db.Backend != "sqlite" || db.Path != "/usr/lib/sysimage/rpm" {
		t.Errorf("database: %+v", b.Tree.RPMDB)
	}
	var headers bytes.Buffer
	if err := b.WriteHeaders(&headers); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range b.Tree.Packages {
		names = append(names, p.NEVRA)
		h, err := rpmdb.ParseHeader(headers.Bytes()[p.Foreign.Offset:][:p.Foreign.Size])
		if err != nil {
			t.Fatal(err)
		}
		if nevra, err := h.NEVRA(); err != nil || nevra != p.NEVRA {
			t.Errorf("the header of %s is that of %s (%v)", p.NEVRA, nevra, err)
		}
	}
	if got, want := strings.Join(names, " "), "acl-2.2.51-15.el7.x86_64 libacl-2.2.51-15.el7.x86_64 setup-2.8.71-11.el7.noarch"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, e := range b.Tree.Entries {
		want := "//base"
		if e.Path == "/usr/bin/setfacl" {
			want = "acl-2.2.51-15.el7.x86_64"
		}
		if got := strings.Join(e.Owners, " "); got != want {
			t.Errorf("%s belongs to %s, want %s", e.Path, got, want)
		}
	}
}

func FuzzLayer(f *testing.F) {
	f.Add([]byte{}, []byte{})
	for _, layer := range [][]byte{
		ocitest.Tar(f, ocitest.Dir("a"), ocitest.File("a/b", "x"), ocitest.Link(tar.TypeLink, "c", "a/b"), ocitest.Link(tar.TypeSymlink, "d", "a")),
		ocitest.Tar(f, ocitest.File("a/.wh.b", ""), ocitest.File("d/e", "y"), ocitest.File(".wh..wh..opq", "")),
	} {
		f.Add(layer, layer)
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		m := newMerger()
		for _, data := range [][]byte{lower, upper} {
			file, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.Write(data); err != nil {
				t.Fatal(err)
			}
			if m.apply(file) != nil {
				return
			}
		}
		tree := &rootfs.Tree{Schema: rootfs.Schema, Layers: 1, Entries: m.entries()}
		if err := rootfs.Write(&bytes.Buffer{}, tree); err != nil {
			t.Fatal(err)
		}
	})
}
