package compose

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// merge is one question about packages that meet: what the tree is, what the states are, or that they conflict.
type merge struct {
	why      string
	policies string   // JSON fields, besides keepAll
	options  []string // of rpm, the same
	pkgs     [][]rpmtest.File
	layer    string   // entries, "; " between them; directories left out
	states   []string // of each package
	conflict string   // part of our error; rpm refuses too
}

func merges() []merge {
	const doc, ghost, licence = pkgindex.FlagDoc, pkgindex.FlagGhost, pkgindex.FlagLicense
	link := rpmtest.File{Path: "/bin", Link: "usr/bin"}
	usrbin := rpmtest.File{Path: "/usr/bin/", MTime: 1}
	set := func(first uint32) []rpmtest.File { // a set of three hard links
		return []rpmtest.File{{Path: "/opt/a", Data: "x", Inode: 9, Flags: first}, {Path: "/opt/b", Data: "x", Inode: 9}, {Path: "/opt/c", Data: "x", Inode: 9}}
	}
	lastDoc := set(0)
	lastDoc[2].Flags = doc
	onlyMiddle := set(doc)
	onlyMiddle[2].Flags = doc
	empty := []rpmtest.File{{Path: "/opt/a", Inode: 9}, {Path: "/opt/b", Inode: 9}}
	nodocs, excludedocs := `"docs":"rpm"`, []string{"--excludedocs"}
	return []merge{
		{why: "equal directories are shared", pkgs: [][]rpmtest.File{{{Path: "/opt/d/", Mode: 0o040711}}, {{Path: "/opt/d/", Mode: 0o040711}}}, states: []string{"0", "0"}},
		{why: "directories of other modes conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/d/", Mode: 0o040711}}, {{Path: "/opt/d/", Mode: 0o040700}}},
			conflict: "file conflict: /opt/d: a-1-1.x86_64 and b-1-1.x86_64: mode 0711 against 0700"},
		{why: "equal files are shared", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "x"}}, {{Path: "/opt/f", Data: "x"}}}, layer: "opt/f x", states: []string{"0", "0"}},
		{why: "files with other contents conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "x"}}, {{Path: "/opt/f", Data: "y"}}},
			conflict: "file conflict: /opt/f: a-1-1.x86_64 and b-1-1.x86_64: sha256"},
		{why: "files with other modes conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "x"}}, {{Path: "/opt/f", Data: "x", Mode: 0o100755}}},
			conflict: "mode 0644 against 0755"},
		{why: "equal links are shared", pkgs: [][]rpmtest.File{{{Path: "/opt/l", Link: "x"}}, {{Path: "/opt/l", Link: "x"}}}, layer: "opt/l > x", states: []string{"0", "0"}},
		{why: "links to other targets conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/l", Link: "x"}}, {{Path: "/opt/l", Link: "y"}}}, conflict: "link target x against y"},
		{why: "a link and a file conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/l", Link: "x"}}, {{Path: "/opt/l", Data: "x"}}}, conflict: "type symlink against file"},
		{why: "a link and a directory conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/l", Link: "x"}}, {{Path: "/opt/l/"}}}, conflict: "type symlink against dir"},
		{why: "of two colours the 64-bit file is installed", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "32", Color: 1}}, {{Path: "/opt/f", Data: "64", Color: 2}}},
			layer: "opt/f 64", states: []string{"4", "0"}},
		{why: "also when it comes first", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "64", Color: 2}}, {{Path: "/opt/f", Data: "32", Color: 1}}},
			layer: "opt/f 64", states: []string{"0", "4"}},
		{why: "equal files of two colours are shared", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "x", Color: 1}}, {{Path: "/opt/f", Data: "x", Color: 2}}},
			layer: "opt/f x", states: []string{"0", "0"}},
		{why: "a file of a colour and one of none conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "32", Color: 2}}, {{Path: "/opt/f", Data: "sh"}}},
			conflict: "file conflict: /opt/f"},
		{why: "two files of one colour conflict", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "x", Color: 2}}, {{Path: "/opt/f", Data: "y", Color: 2}}},
			conflict: "file conflict: /opt/f"},
		{why: "two 64-bit packages share what a 32-bit one does not get", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "64", Color: 2}},
			{{Path: "/opt/f", Data: "32", Color: 1}}, {{Path: "/opt/f", Data: "64", Color: 2}}}, layer: "opt/f 64", states: []string{"0", "4", "0"}},
		{why: "a colour alone is no reason to leave a file out", pkgs: [][]rpmtest.File{{{Path: "/opt/f", Data: "32", Color: 1}}}, layer: "opt/f 32", states: []string{"0"}},
		{why: "ghosts are listed, not made", pkgs: [][]rpmtest.File{{{Path: "/opt/g", Flags: ghost}, {Path: "/opt/x"}}}, layer: "opt/x ", states: []string{"00"}},
		{why: "a ghost and a file of another package", pkgs: [][]rpmtest.File{{{Path: "/opt/g", Flags: ghost}}, {{Path: "/opt/g", Data: "x"}}}, layer: "opt/g x", states: []string{"0", "0"}},
		{why: "a ghost falls under --excludedocs like any file", policies: nodocs, options: excludedocs,
			pkgs: [][]rpmtest.File{{{Path: "/opt/g", Flags: ghost | doc}, {Path: "/opt/x"}}}, layer: "opt/x ", states: []string{"20"}},
		{why: "a directory goes with its last file", policies: nodocs, options: excludedocs,
			pkgs: [][]rpmtest.File{{{Path: "/opt/d/"}, {Path: "/opt/d/e/"}, {Path: "/opt/d/e/f", Flags: doc}, {Path: "/opt/k/"}}}, states: []string{"2220"}},
		{why: "not when a ghost is left in it", policies: nodocs, options: excludedocs,
			pkgs: [][]rpmtest.File{{{Path: "/opt/d/"}, {Path: "/opt/d/f", Flags: doc}, {Path: "/opt/d/g", Flags: ghost}}}, states: []string{"020"}},
		{why: "a licence is no documentation", policies: nodocs, options: excludedocs,
			pkgs: [][]rpmtest.File{{{Path: "/opt/l", Data: "l", Flags: doc | licence}}}, layer: "opt/l l", states: []string{"0"}},
		{why: "languages do not apply to licences", policies: `"locales":["de_DE"]`, options: []string{"--define", "_install_langs de_DE"},
			pkgs: [][]rpmtest.File{{{Path: "/opt/1", Langs: "fr", Flags: licence}, {Path: "/opt/2", Langs: "fr"}, {Path: "/opt/3", Langs: "fr|de"},
				{Path: "/opt/4", Langs: "de_DE"}, {Path: "/opt/5", Langs: "de_DE@euro"}, {Path: "/opt/6", Langs: "C"}}},
			layer: "opt/1 ; opt/3 ; opt/4 ", states: []string{"020022"}},
		{why: "a directory with a foreign language goes, and comes back for what lies in it", policies: `"locales":["de"]`, options: []string{"--define", "_install_langs de"},
			pkgs: [][]rpmtest.File{{{Path: "/opt/fr/", Langs: "fr", Mode: 0o040700}, {Path: "/opt/fr/x", Data: "x"}}}, layer: "opt/fr/x x", states: []string{"20"}},
		{why: "artifacts", policies: `"artifacts":"drop"`, options: []string{"--excludeartifacts"},
			pkgs: [][]rpmtest.File{{{Path: "/opt/a", Flags: pkgindex.FlagArtifact}, {Path: "/opt/b"}}}, layer: "opt/b ", states: []string{"20"}},
		{why: "hard links", pkgs: [][]rpmtest.File{set(0)}, layer: "opt/a x; opt/b = opt/a; opt/c = opt/a", states: []string{"000"}},
		{why: "hard links without the first", policies: nodocs, options: excludedocs, pkgs: [][]rpmtest.File{set(doc)}, layer: "opt/b x; opt/c = opt/b", states: []string{"200"}},
		{why: "hard links without the one that has the data", policies: nodocs, options: excludedocs, pkgs: [][]rpmtest.File{lastDoc},
			layer: "opt/a x; opt/b = opt/a", states: []string{"002"}},
		{why: "hard links of which one is left", policies: nodocs, options: excludedocs, pkgs: [][]rpmtest.File{onlyMiddle}, layer: "opt/b x", states: []string{"202"}},
		{why: "an empty set of hard links", pkgs: [][]rpmtest.File{empty}, layer: "opt/a ; opt/b = opt/a", states: []string{"00"}},
		{why: "one set of hard links in two packages", pkgs: [][]rpmtest.File{set(0), set(0)}, layer: "opt/a x; opt/b = opt/a; opt/c = opt/a", states: []string{"000", "000"}},
		{why: "a file below a link of another package", pkgs: [][]rpmtest.File{{link, usrbin}, {{Path: "/bin/tool", Data: "t"}}},
			layer: "bin > usr/bin; usr/bin/tool t", states: []string{"00", "0"}},
		{why: "one file by its two names", pkgs: [][]rpmtest.File{{link, usrbin}, {{Path: "/bin/tool", Data: "t"}}, {{Path: "/usr/bin/tool", Data: "t"}}},
			layer: "bin > usr/bin; usr/bin/tool t", states: []string{"00", "0", "0"}},
		{why: "two files by two names of one path", pkgs: [][]rpmtest.File{{link, usrbin}, {{Path: "/bin/tool", Data: "t"}}, {{Path: "/usr/bin/tool", Data: "u"}}},
			conflict: "file conflict: /usr/bin/tool: b-1-1.x86_64 and c-1-1.x86_64"},
		{why: "a real directory where another package has the link", pkgs: [][]rpmtest.File{{link, usrbin}, {{Path: "/bin/"}, {Path: "/bin/tool"}}},
			conflict: "type symlink against dir"},
	}
}

// TestMergeRules holds the rules for packages that meet, in both orders of the packages.
func TestMergeRules(t *testing.T) {
	for _, m := range merges() {
		pkgs := m.packages()
		for range 2 {
			b, err := image{spec: `"accounts":{},"policies":{` + keepAll + m.extra() + `}`, pkgs: pkgs}.try(t)
			slices.Reverse(pkgs)
			if m.conflict != "" {
				if err == nil || !strings.Contains(err.Error(), m.conflict) {
					t.Errorf("%s: got %v, want %q", m.why, err, m.conflict)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", m.why, err)
				continue
			}
			if got := shape(t, b.layers[0]); got != m.layer {
				t.Errorf("%s: layer %q, want %q", m.why, got, m.layer)
			}
			for i, want := range m.states {
				if got := b.states(string(rune('a' + i))); got != want {
					t.Errorf("%s: states of %c %s, want %s", m.why, 'a'+i, got, want)
				}
				loser := string(rune('a'+i)) + "-1-1.x86_64"
				told := slices.ContainsFunc(b.Tree.Entries, func(e *rootfs.Entry) bool { return slices.Contains(e.Overwrites, loser) })
				if lost := strings.ContainsRune(want, rootfs.StateWrongColor); told != lost {
					t.Errorf("%s: the tree says %v about an overwritten file of %s, want %v", m.why, told, loser, lost)
				}
			}
		}
	}
}

// TestMergeRulesOfRPM asks the real rpm the same questions: its tree, its states and its conflicts must be the ones above.
func TestMergeRulesOfRPM(t *testing.T) {
	needRPM(t)
	for _, m := range merges() {
		dir := t.TempDir()
		var names []string
		var packages []Package
		for _, p := range m.packages() {
			name := filepath.Join(dir, p.Name+".rpm")
			if err := os.WriteFile(name, rpmtest.Build(p), 0o644); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			packages = append(packages, unpack(t, p))
		}
		if m.conflict != "" {
			args := append([]string{"--root", t.TempDir(), "--define", "_dbpath /var/lib/rpm", "--nodeps", "--noscripts", "--nosignature", "-i"}, names...)
			if out, err := exec.Command("rpm", args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "conflicts") {
				t.Errorf("%s: rpm finds no conflict: %v\n%s", m.why, err, out)
			}
			continue
		}
		root := installWithRPM(t, [][]string{names}, nil, append([]string{"--noorder"}, m.options...)...)
		in := image{spec: `"accounts":{},"policies":{` + keepAll + m.extra() + `}`, pkgs: m.packages()}.input(t)
		r, err := Compose(in)
		if err != nil {
			t.Fatal(err)
		}
		var layer bytes.Buffer
		if err := rootfs.WriteLayer(&layer, r.Layer); err != nil {
			t.Fatal(err)
		}
		ours, theirs := describeLayer(t, layer.Bytes()), describeRoot(t, root)
		for _, made := range []string{"/", "/var", "/var/lib"} {
			delete(theirs, made) // of the test and of rpm's database
		}
		for _, path := range sortedKeys(theirs) {
			if path == "/var/lib/rpm" {
				delete(theirs, path)
			}
		}
		if got, want := fmt.Sprint(ours), fmt.Sprint(theirs); got != want {
			t.Errorf("%s: ours\n%s\nrpm's\n%s", m.why, got, want)
		}
		if got, want := statesOfTree(r.Tree, packages), statesOfRPM(t, root); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: states\n%v, rpm's\n%v", m.why, got, want)
		}
	}
}

func (m *merge) packages() (pkgs []rpmtest.Package) {
	for i, files := range m.pkgs {
		pkgs = append(pkgs, rpmtest.Package{Name: string(rune('a' + i)), Files: slices.Clone(files)})
	}
	return pkgs
}

func (m *merge) extra() string {
	if m.policies == "" {
		return ""
	}
	return "," + m.policies
}

// shape prints a layer without directories, attributes and owners.
func shape(t *testing.T, layer []byte) string {
	t.Helper()
	var lines []string
	tr := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return strings.Join(lines, "; ")
		}
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			lines = append(lines, h.Name+" > "+h.Linkname)
		case tar.TypeLink:
			lines = append(lines, h.Name+" = "+h.Linkname)
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, h.Name+" "+string(data))
		}
	}
}
