package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfresolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// installedSystems is a module whose test data are package databases of real systems; nothing of ours imports it.
const installedSystems = "github.com/anchore/go-rpmdb@v0.2.0"

// TestGlibcClosureOfRealSystems: with deps = "requires" and scripts = "drop" glibc brings no shell. Which package provides a
// capability is what the installed system chose.
func TestGlibcClosureOfRealSystems(t *testing.T) {
	dir := moduleDir(t, installedSystems)
	for _, c := range []struct {
		system, database, arch string
		dropped, kept          int // packages with scripts left out, and with everything
	}{
		{"fedora35", "rpmdb.sqlite", "x86_64", 6, 16},
		{"rockylinux-9", "rpmdb.sqlite", "x86_64", 6, 14},
		{"oraclelinux-9", "rpmdb.sqlite", "x86_64", 6, 13},
		{"ubi8-s390x", "Packages", "s390x", 7, 14},
		{"cbl-mariner-2.0", "rpmdb.sqlite", "x86_64", 2, 2},
	} {
		t.Run(c.system, func(t *testing.T) {
			s := readSystem(t, filepath.Join(dir, "pkg", "testdata", c.system, c.database))
			got := s.closure(t, c.arch, "glibc", selection.ScriptsDrop)
			if len(got) != c.dropped || slices.Contains(got, "bash") {
				t.Errorf("scripts dropped: %d packages, want %d without bash: %s", len(got), c.dropped, strings.Join(got, " "))
			}
			s.followEverything()
			all := s.closure(t, c.arch, "glibc", selection.ScriptsKeep)
			if len(all) != c.kept {
				t.Errorf("everything: %d packages, want %d: %s", len(all), c.kept, strings.Join(all, " "))
			}
			t.Logf("%d packages installed; glibc brings %d of %d: %s", len(s.indexes), len(got), len(all), strings.Join(got, " "))
		})
	}
}

// moduleDir is the folder of a Go module, which the module cache has or the go command gets.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of our module
	out, err := cmd.Output()
	var m struct{ Dir, Error string }
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil || m.Error != "" {
		t.Skipf("not checked: module %s is not at hand: %v %s", module, err, m.Error)
	}
	return m.Dir
}

// system is an installed system: what rpmlock and rpmextract would know of its packages from their headers.
type system struct {
	indexes   []*pkgindex.Index
	graph     selection.Graph
	providers map[string]string
}

func readSystem(t *testing.T, file string) *system {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: f, Size: info.Size()})
	if err != nil {
		t.Fatal(err)
	}
	s := &system{graph: selection.Graph{Schema: selection.Schema, Packages: map[string]selection.GraphNode{}}, providers: map[string]string{}}
	requires := map[string][]rpm.Dependency{}
	for _, rec := range records {
		if name, err := rec.String(rpm.TagName); err != nil || name == "gpg-pubkey" {
			continue
		}
		x, deps, err := indexOf(rec.Blob())
		if err != nil {
			t.Fatal(err)
		}
		s.indexes = append(s.indexes, x)
		requires[x.Name] = deps
		for _, provided := range x.Provides {
			name, _, _ := strings.Cut(provided, " ")
			s.providers[name] = x.Name
		}
		for i := range x.Files {
			s.providers[x.Files[i].Path] = x.Name
		}
	}
	for _, x := range s.indexes {
		if err := s.link(x.Name, requires[x.Name]); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// indexOf describes a package by its stored header. A script's interpreter is the first file that only it requires.
func indexOf(blob []byte) (*pkgindex.Index, []rpm.Dependency, error) {
	h, err := packageHeader(blob)
	if err != nil {
		return nil, nil, err
	}
	id, err := h.NEVRA()
	if err != nil {
		return nil, nil, err
	}
	x := &pkgindex.Index{Schema: pkgindex.Schema, NEVRA: id.String(), Name: id.Name, Version: id.Version, Release: id.Release, Arch: id.Arch}
	if x.Provides, err = rpm.Provides(h); err != nil {
		return nil, nil, err
	}
	files, err := rpm.Files(h)
	if err != nil {
		return nil, nil, err
	}
	deps, err := rpm.Dependencies(h)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range deps {
		if !d.ScriptsOnly {
			continue
		}
		for _, i := range d.Files {
			f := &files[i].File
			f.Requires = append(f.Requires, d.Name)
			if f.Interp == "" && strings.HasPrefix(d.Name, "/") {
				f.Interp = d.Name
			}
		}
	}
	for i := range files {
		x.Files = append(x.Files, files[i].File)
	}
	return x, deps, nil
}

// packageHeader cuts what rpm added on installation off a stored header.
func packageHeader(blob []byte) (*rpm.Header, error) {
	const introSize, entrySize = 8, 16
	if len(blob) < introSize+entrySize {
		return nil, fmt.Errorf("header of %d bytes", len(blob))
	}
	data := introSize + entrySize*int(binary.BigEndian.Uint32(blob))
	region := data + int(binary.BigEndian.Uint32(blob[introSize+8:])) // its trailer: an entry with the size of the index, negated
	if region+entrySize > len(blob) {
		return nil, fmt.Errorf("region of %d bytes in a header of %d", region, len(blob))
	}
	entries := -int32(binary.BigEndian.Uint32(blob[region+8:])) / entrySize
	raw := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	raw = binary.BigEndian.AppendUint32(raw, uint32(entries))
	raw = binary.BigEndian.AppendUint32(raw, uint32(region+entrySize-data))
	raw = append(raw, blob[introSize:introSize+entrySize*int(entries)]...)
	return rpm.ParseHeader(append(raw, blob[data:region+entrySize]...))
}

// link notes the edges of a package by the kinds that locks have. Rich dependencies are skipped.
func (s *system) link(name string, deps []rpm.Dependency) error {
	strongest := map[string]int{}
	for _, d := range deps {
		if d.RPMLib() || strings.HasPrefix(d.Name, "(") {
			continue
		}
		to, ok := s.providers[d.Name]
		if !ok {
			return fmt.Errorf("%s: nothing installed provides %s", name, d.Name)
		}
		if old, ok := strongest[to]; to != name && (!ok || kindOf(d) < old) {
			strongest[to] = kindOf(d)
		}
	}
	var g selection.GraphNode
	lists := [...]*[]string{edgeELF: &g.ELF, edgeRequires: &g.Requires, edgeScript: &g.Script, edgeScriptlet: &g.Scriptlet}
	for to, kind := range strongest {
		*lists[kind] = append(*lists[kind], to)
	}
	for _, list := range lists {
		slices.Sort(*list)
	}
	s.graph.Packages[name] = g
	return nil
}

// followEverything makes requirements of scriptlets such of the packages.
func (s *system) followEverything() {
	for name, g := range s.graph.Packages {
		g.Requires, g.Scriptlet = append(g.Requires, g.Scriptlet...), nil
		s.graph.Packages[name] = g
	}
}

func (s *system) closure(t *testing.T, arch, name, scripts string) []string {
	t.Helper()
	out, err := elfresolve.Resolve(&elfresolve.Input{
		Spec: &selection.Spec{Schema: selection.Schema, Label: "//x:image", Release: "rel", Arch: arch, Requests: []selection.Request{{
			Label: "//x:rpms", Kind: selection.KindPackage, Packages: []string{name}, Deps: selection.DepsRequires, Scripts: scripts}}},
		Graph: &s.graph, Indexes: s.indexes,
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range out.Packages {
		names = append(names, p.Name)
	}
	return names
}
