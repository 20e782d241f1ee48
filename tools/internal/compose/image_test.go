package compose

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

const epoch = 1710000000

// image describes a composition for tests.
type image struct {
	spec    string // JSON fields of the spec besides those that every spec has
	pkgs    []rpmtest.Package
	partial map[string][]string // files by package name
	base    *built
	nonRPM  []NonRPM
}

// built is a composed image with what a child needs of it.
type built struct {
	*Result
	packages []Package
	layers   [][]byte // base first
	foreign  string   // file with the headers of an image of others
	replaced []string // what the reports of all layers say
}

func spec(t *testing.T, fields string) *Spec {
	t.Helper()
	text := fmt.Sprintf(`{"schema":1,"label":"//test:image","release":"test","arch":"x86_64","source_date_epoch":%d`, epoch)
	if fields != "" {
		text += "," + fields
	} else {
		text += `,"accounts":{},"policies":{}`
	}
	s, err := ReadSpec(strings.NewReader(text+"}"), "spec.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unpack writes the package and runs rpmextract's library on it.
func unpack(t *testing.T, p rpmtest.Package) Package {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("a.rpm"), rpmtest.Build(p), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := extract.Run(extract.Options{RPM: at("a.rpm"), Payload: at("payload.tar"), Index: at("index.json"), Header: at("header.bin")}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(at("index.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := pkgindex.Read(f, "index.json")
	if err != nil {
		t.Fatal(err)
	}
	return Package{Index: x, Payload: at("payload.tar"), Header: at("header.bin")}
}

func (im image) input(t *testing.T) *Input {
	t.Helper()
	in := &Input{Spec: spec(t, im.spec), Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: "x86_64"}}
	in.NonRPM = im.nonRPM
	for _, p := range im.pkgs {
		pkg := unpack(t, p)
		in.Packages = append(in.Packages, pkg)
		files, partial := im.partial[p.Name]
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Name, NEVRA: p.NEVRA(), Partial: partial, Files: files})
	}
	if im.base != nil {
		in.Base, in.BasePackages, in.BaseForeign = im.base.Tree, im.base.packages, im.base.foreign
		for i, layer := range im.base.layers {
			name := filepath.Join(t.TempDir(), itoa(i))
			if err := os.WriteFile(name, layer, 0o644); err != nil {
				t.Fatal(err)
			}
			in.BaseLayers = append(in.BaseLayers, name)
		}
	}
	return in
}

func (im image) try(t *testing.T) (*built, error) {
	t.Helper()
	in := im.input(t)
	r, err := Compose(in)
	if err != nil {
		return nil, err
	}
	b := &built{Result: r, packages: append(append([]Package(nil), in.BasePackages...), in.Packages...), replaced: r.Report.Replaced}
	if im.base != nil {
		b.layers, b.foreign = im.base.layers, im.base.foreign
		b.replaced = append(slices.Clone(b.replaced), im.base.replaced...)
	}
	var layer bytes.Buffer
	if err := rootfs.WriteLayer(&layer, r.Layer); err != nil {
		return nil, err
	}
	b.layers = append(append([][]byte(nil), b.layers...), layer.Bytes())
	// A child reads the tree from disk, so what is not in tree.json must not help it.
	var tree bytes.Buffer
	if err := rootfs.Write(&tree, r.Tree); err != nil {
		return nil, err
	}
	if b.Tree, err = rootfs.Read(&tree, "tree.json"); err != nil {
		return nil, err
	}
	return b, nil
}

func (im image) build(t *testing.T) *built {
	t.Helper()
	b, err := im.try(t)
	if err != nil {
		t.Fatal(err)
	}
	b.verify(t)
	return b
}

// verify wants the database of the image to tell the truth about its files, but for what the report lists of images of others.
func (b *built) verify(t *testing.T) {
	t.Helper()
	records := b.records(t)
	if len(records) == 0 {
		records = b.unwritten(t)
	}
	view := rootfs.NewFS(b.Tree.Entries).View(func(e *rootfs.Entry) ([]byte, error) { return b.content(t, e), nil })
	tree, err := view.Installed()
	if err != nil {
		t.Fatal(err)
	}
	findings, err := rpmdb.Verify(records, tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		i := slices.IndexFunc(b.Tree.Packages, func(p rootfs.Package) bool { return p.NEVRA == f.NEVRA })
		if b.Tree.Packages[i].Foreign == nil || !slices.Contains(b.replaced, f.Path) {
			t.Errorf("package %s: %s", f.NEVRA, f)
		}
	}
}

// content is what the layers hold of a regular file.
func (b *built) content(t *testing.T, e *rootfs.Entry) []byte {
	t.Helper()
	path := e.Path
	if e.HardLink != "" {
		path = e.HardLink
	}
	tr := tar.NewReader(bytes.NewReader(b.layers[e.Layer]))
	for {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if "/"+h.Name != path {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
}

// records are the entries of the image's database, none if it has none.
func (b *built) records(t *testing.T) []rpmdb.Record {
	t.Helper()
	for _, main := range rpmdb.MainFiles() {
		path := rootfs.Join(b.Tree.RPMDB.Path, main)
		i := slices.IndexFunc(b.Tree.Entries, func(e *rootfs.Entry) bool { return e.Path == path })
		if i < 0 {
			continue
		}
		data := b.content(t, b.Tree.Entries[i])
		records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))})
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
	return nil
}

// unwritten is what the database would hold if the image had one.
func (b *built) unwritten(t *testing.T) (out []rpmdb.Record) {
	t.Helper()
	opts := rpmdb.Options{Backend: rpmdb.NDB, Arch: b.Tree.Arch}
	for _, p := range b.Tree.Packages {
		i := slices.IndexFunc(b.packages, func(x Package) bool { return x.Index.NEVRA == p.NEVRA })
		if i < 0 || p.Foreign != nil {
			continue
		}
		open := func() (io.ReadCloser, error) { return os.Open(b.packages[i].Header) }
		opts.Packages = append(opts.Packages, rpmdb.Installed{Open: open, FileStates: numericStates([]byte(p.FileStates))})
	}
	db, err := rpmdb.Plan(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range db.Files {
		if data, err := f.Bytes(); err != nil {
			t.Fatal(err)
		} else if f.Name == "Packages.db" {
			if out, err = rpmdb.ReadAll(rpmdb.Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// dump prints the newest layer: one line per tar entry.
func (b *built) dump(t *testing.T) string {
	t.Helper()
	var out []string
	tr := tar.NewReader(bytes.NewReader(b.layers[len(b.layers)-1]))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return strings.Join(out, "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %04o %d:%d", h.Name, h.Mode, h.Uid, h.Gid)
		switch h.Typeflag {
		case tar.TypeSymlink:
			line = h.Name + " -> " + h.Linkname
		case tar.TypeLink:
			line = h.Name + " == " + h.Linkname
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > 40 || bytes.ContainsAny(data, "\n\x00") {
				data = fmt.Appendf(nil, "<%d bytes>", len(data))
			}
			line += " " + string(data)
		}
		out = append(out, strings.TrimRight(line, " "))
	}
}

// read returns the contents of a file of the newest layer.
func (b *built) read(t *testing.T, name string) string {
	t.Helper()
	tr := tar.NewReader(bytes.NewReader(b.layers[len(b.layers)-1]))
	for {
		h, err := tr.Next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if h.Name == name {
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	}
}

func (b *built) entry(t *testing.T, path string) *rootfs.Entry {
	t.Helper()
	i := sort.Search(len(b.Tree.Entries), func(i int) bool { return b.Tree.Entries[i].Path >= path })
	if i == len(b.Tree.Entries) || b.Tree.Entries[i].Path != path {
		t.Fatalf("no entry %s", path)
	}
	return b.Tree.Entries[i]
}

func (b *built) states(name string) string {
	for _, p := range b.Tree.Packages {
		if p.Name == name {
			return p.FileStates
		}
	}
	return "no such package"
}

func (b *built) reportJSON(t *testing.T) string {
	t.Helper()
	data, err := json.Marshal(b.Report)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// filesystem is the package with the links of a merged /usr.
func filesystem() rpmtest.Package {
	return rpmtest.Package{Name: "filesystem", Arch: "noarch", Files: []rpmtest.File{
		{Path: "/bin", Link: "usr/bin"}, {Path: "/etc/"}, {Path: "/lib64", Link: "usr/lib64"}, {Path: "/usr/"}, {Path: "/usr/bin/"},
		{Path: "/usr/lib64/"}, {Path: "/usr/share/doc/"}, {Path: "/var/lib/"},
	}}
}

func wantLines(t *testing.T, what, got, want string) {
	t.Helper()
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("%s: got\n%s\nwant\n%s", what, got, want)
	}
}

func itoa(n int) string { return fmt.Sprint(n) }
