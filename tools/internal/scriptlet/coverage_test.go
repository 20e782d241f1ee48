package scriptlet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// packageSet is a set of packages that were installed together, or could be: an image's database, or a folder of RPM files.
type packageSet struct {
	name     string
	packages []*Package
}

// TestCoverage installs the packages of every source within reach, without the contents of their files, which headers do not
// have, and prints what becomes of their scriptlets: $SLIMRPM_SHARED_DATA, $SLIMRPM_DEBRPM and $SLIMRPM_CORPUS hold RPM
// files; $SLIMRPM_RPMDBS is a folder of databases, one folder each, such as pkg/testdata of github.com/anchore/go-rpmdb.
func TestCoverage(t *testing.T) {
	var sources []packageSet
	for _, x := range []struct{ env, dir string }{{"SLIMRPM_SHARED_DATA", "el7-httpd"}, {"SLIMRPM_DEBRPM", "repo/x86_64/Packages"}, {"SLIMRPM_CORPUS", ""}} {
		root := os.Getenv(x.env)
		if root == "" {
			t.Logf("%s is not set; not counted: its scriptlets", x.env)
			continue
		}
		sources = append(sources, rpmSource(t, x.env, filepath.Join(root, x.dir)))
	}
	if root := os.Getenv("SLIMRPM_RPMDBS"); root != "" {
		sources = append(sources, databases(t, root)...)
	} else {
		t.Log("SLIMRPM_RPMDBS is not set; not counted: scriptlets of databases")
	}
	if len(sources) == 0 {
		t.Skip("no packages at hand; not checked: how many scriptlets are covered")
	}
	total, covered := 0, 0
	for _, s := range sources {
		counts, problems := cover(t, s)
		ran := counts[StatusRun] + counts[StatusEmulated]
		t.Logf("%-28s %4d packages, %4d scriptlets: %4d run, %4d emulated, %3d not covered", s.name, len(s.packages),
			ran+counts[StatusNotCovered], counts[StatusRun], counts[StatusEmulated], counts[StatusNotCovered])
		for _, p := range problems {
			t.Logf("    %s", p)
		}
		total, covered = total+ran+counts[StatusNotCovered], covered+ran
	}
	t.Logf("%d of %d scriptlets are covered, %.1f %%", covered, total, 100*float64(covered)/float64(max(total, 1)))
	const least = 0.96
	if float64(covered) < least*float64(total) {
		t.Errorf("less than %.0f %% are covered", 100*least)
	}
}

func rpmSource(t *testing.T, name, dir string) packageSet {
	t.Helper()
	s := packageSet{name: name}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".rpm") {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		headers, err := rpm.ReadPackage(f)
		if err != nil || headers.Main.Has(rpm.TagSourcePackage) {
			return nil // damaged on purpose, or a source package
		}
		if pkg := packageOf(headers.Main); pkg != nil {
			s.packages = append(s.packages, pkg)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func databases(t *testing.T, root string) []packageSet {
	t.Helper()
	var out []packageSet
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch d.Name() {
		case "rpmdb.sqlite", "Packages", "Packages.db":
		default:
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s := packageSet{name: filepath.Base(filepath.Dir(p))}
		records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))})
		if err != nil {
			t.Logf("%s: %v; not counted", s.name, err)
			return nil
		}
		for _, r := range records {
			h, err := rpm.ParseHeader(packageHeader(r.Blob()))
			if err != nil {
				t.Logf("%s: a header: %v; not counted", s.name, err)
				continue
			}
			if pkg := packageOf(h); pkg != nil {
				s.packages = append(s.packages, pkg)
			}
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// packageHeader takes out of a stored header what the package brought: the region that its first entry describes.
func packageHeader(blob []byte) []byte {
	const intro, entry = 8, 16
	if len(blob) < intro+entry {
		return nil
	}
	entries, at := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[intro+8:])
	data := intro + int(entries)*entry
	end := data + int(at) + entry
	if end > len(blob) {
		return nil
	}
	own := -int(int32(binary.BigEndian.Uint32(blob[end-8:]))) / entry
	if own < 1 || own > int(entries) {
		return nil
	}
	out := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	out = binary.BigEndian.AppendUint32(out, uint32(own))
	out = binary.BigEndian.AppendUint32(out, at+entry)
	out = append(out, blob[intro:intro+own*entry]...)
	return append(out, blob[data:end]...)
}

// packageOf makes of a header what a transaction needs.
func packageOf(h *rpm.Header) *Package {
	n, err := h.NEVRA()
	if err != nil {
		return nil
	}
	x := &pkgindex.Index{NEVRA: n.String(), Name: n.Name, Version: n.Version, Release: n.Release, Arch: n.Arch}
	if x.Scriptlets, err = rpm.Scriptlets(h); err != nil {
		return nil
	}
	files, err := rpm.Files(h)
	if err != nil {
		return nil
	}
	for _, f := range files {
		x.Files = append(x.Files, f.File)
	}
	p := &Package{Index: x, Header: h}
	x.Provides, _ = rpm.Provides(h)
	p.Requires, _ = rpm.Relations(h, rpm.KindRequire)
	return p
}

// cover installs the packages of a source, and returns the number of scriptlets by status, and what the others lack.
func cover(t *testing.T, s packageSet) (map[string]int, []string) {
	t.Helper()
	w := newWorld(t)
	status, why := map[*pkgindex.Scriptlet]string{}, map[string]int{}
	tx := Transaction{Packages: Order(s.packages), Begin: func(*Package) {}, Lay: func(p *Package) error { return lay(w, p) }}
	tx.Run = func(p *Package, sc *pkgindex.Scriptlet, args, files []string) error {
		o := w.Run(&Script{Package: p.Index.NEVRA, Kind: sc.Kind, Program: sc.Program, Body: sc.Body, Flags: sc.Flags, Args: args,
			Stdin: []byte(strings.Join(files, "\n")), Header: p.Header})
		if status[sc] != StatusNotCovered {
			status[sc] = o.Status
		}
		if o.Err != nil {
			why[fmt.Sprintf("%s of %s: %v", sc.Kind, p.Index.NEVRA, o.Err)]++
		}
		return nil
	}
	if err := tx.Walk(); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, st := range status {
		counts[st]++
	}
	problems := sortedKeys(why)
	slices.Sort(problems)
	return counts, problems
}

// lay puts the files of a package into the tree; of the first of several that have a path.
func lay(w *world, p *Package) error {
	for i := range p.Index.Files {
		f := &p.Index.Files[i]
		real, err := w.FS.Canonical(f.Path)
		if err != nil || f.Ghost() || w.FS.Get(real) != nil {
			continue
		}
		e := &rootfs.Entry{Path: real, Type: f.Type, Mode: f.Mode, Link: f.LinkTarget, Owners: []string{p.Index.NEVRA}}
		if e.Type == pkgindex.TypeSymlink && e.Link == "" {
			continue
		}
		if err := w.Put(e); err != nil {
			return err
		}
	}
	return nil
}
