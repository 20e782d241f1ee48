package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/golden"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/sbom"
)

// scannersVariable names the folder with the programs of tools/scanners, which bazelw builds.
const scannersVariable = "SLIMRPM_SCANNERS"

// found is a package, as a scanner prints it.
type found struct{ name, version, source, license string }

func (f found) String() string {
	return fmt.Sprintf("%s %s, source %q, licence %q", f.name, f.version, f.source, f.license)
}

// scanners compares the packages that scanners find in the image, and syft in its bill of materials, with those of the tree, and with the committed list of them.
func (t *tester) scanners() error {
	dir := os.Getenv(scannersVariable)
	if dir == "" {
		fmt.Printf("SKIP: $%s is not set: ./bazelw --scanners builds syft, grype, go-rpmdb and osv-scalibr; not checked: what they find\n", scannersVariable)
		return nil
	}
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	want := packagesOf(tree)
	if len(want) == 0 {
		return errors.New("the tree has no package")
	}
	var failed []error
	if t.spec.Golden != "" {
		failed = append(failed, compareWithGolden(t.spec.Golden, want))
	}
	database, err := databaseFile(t.rootfs(), tree.RPMDB)
	if err != nil {
		return err
	}
	bom, err := t.billOfMaterials(tree)
	if err != nil {
		return err
	}
	platform := "linux/" + t.spec.Arch
	for _, s := range []struct {
		name string
		args []string // program and arguments
	}{
		{"syft", []string{"anchore", "syft", t.spec.Image, platform}},
		{"grype", []string{"anchore", "grype", t.spec.Image, platform}},
		{"go-rpmdb", []string{"anchore", "go-rpmdb", database}},
		{"syft of the bill of materials", []string{"anchore", "bom", bom}},
		{"osv-scalibr", []string{"scalibr", t.rootfs()}},
	} {
		got, err := scan(filepath.Join(dir, s.args[0]), s.args[1:])
		if err == nil {
			err = compareFound(got, want, s.name == "grype")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
			continue
		}
		fmt.Printf("     %s: %d packages\n", s.name, len(got))
	}
	return errors.Join(failed...)
}

// billOfMaterials writes the bill of materials of the image, which scanners take in place of the image.
func (t *tester) billOfMaterials(tree *rootfs.Tree) (string, error) {
	var text bytes.Buffer
	if err := sbom.WriteCycloneDX(&text, tree); err != nil {
		return "", err
	}
	name := filepath.Join(t.dir, "cdx.json")
	return name, os.WriteFile(name, text.Bytes(), 0o644)
}

// databaseFile is the file that go-rpmdb opens.
func databaseFile(root string, db rootfs.RPMDB) (string, error) {
	for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
		path := filepath.Join(root, db.Path, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s has no package database", db.Path)
}

// packagesOf are the packages of a tree, sorted.
func packagesOf(tree *rootfs.Tree) []found {
	var out []found
	for _, p := range tree.Packages {
		version := strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
		out = append(out, found{p.Name, withEpoch(version), p.SourceRPM, p.License})
	}
	slices.SortFunc(out, byName)
	return out
}

func withEpoch(version string) string {
	if strings.Contains(version, ":") {
		return version
	}
	return "0:" + version
}

func byName(a, b found) int { return strings.Compare(a.name+" "+a.version, b.name+" "+b.version) }

// scan runs a scanner.
func scan(program string, args []string) ([]found, error) {
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	return readFound(string(text))
}

// readFound reads lines of tab-separated name, epoch:version-release, source RPM and licence.
func readFound(text string) ([]found, error) {
	var out []found
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("it printed %q", line)
		}
		out = append(out, found{f[0], f[1], f[2], f[3]})
	}
	slices.SortFunc(out, byName)
	return out, nil
}

// compareFound says how what a scanner found differs. Of a source package, grype keeps name and version, and only where the name is not
// that of the package.
func compareFound(got, want []found, grype bool) error {
	var failed []error
	for i, j := 0, 0; i < len(got) || j < len(want); {
		switch {
		case i == len(got) || j < len(want) && want[j].name < got[i].name:
			failed = append(failed, fmt.Errorf("misses %v", want[j]))
			j++
		case j == len(want) || got[i].name < want[j].name:
			failed = append(failed, fmt.Errorf("has %v as well", got[i]))
			i++
		default:
			w := want[j]
			if grype {
				w.source = upstream(w)
			}
			if got[i] != w {
				failed = append(failed, fmt.Errorf("has %v\n    want %v", got[i], w))
			}
			i, j = i+1, j+1
		}
	}
	return errors.Join(failed...)
}

// upstream is what grype keeps of a source package.
func upstream(p found) string {
	name := strings.TrimSuffix(p.source, ".src.rpm")
	release := strings.LastIndex(name, "-")
	if release < 0 {
		return ""
	}
	if version := strings.LastIndex(name[:release], "-"); version >= 0 && name[:version] == p.name {
		return ""
	}
	return name
}

// compareWithGolden compares the names of packages with those of the committed list. Versions are the business of the list's own test,
// which knows whether they may move.
func compareWithGolden(path string, packages []found) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading list: %w", err)
	}
	defer file.Close()
	list, err := golden.Read(file, path)
	if err != nil {
		return err
	}
	var got, want []string
	for _, p := range packages {
		got = append(got, p.name)
	}
	for _, p := range list.Packages {
		want = append(want, p.Name)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s lists %d packages\n    %s\nthe image has %d\n    %s", path, len(want), strings.Join(want, " "), len(got), strings.Join(got, " "))
	}
	return nil
}
