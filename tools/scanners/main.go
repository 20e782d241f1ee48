// Scanners compares the packages that syft, grype and osv-scalibr find in images with those that the build says are in them. It builds
// the scanners, which are modules of their own, and needs root, skopeo and umoci.
//
// Usage, after ./bazelw build //variants/...:
//
//	scanners bazel-bin/variants/*/*_test.spec.json
//
// A spec is that of imagetest, beside whose runfiles it lies.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func main() { cli.Main("scanners", run) }

// image is what a spec says.
type image struct {
	Image string `json:"image"`
	Arch  string `json:"arch"`
	Tree  string `json:"tree"`
}

// found is a package, as a scanner prints it.
type found struct{ name, version, source, license string }

func run(args []string) error {
	if len(args) == 0 {
		return cli.Hint(errors.New("no specs given"), "./bazelw build //variants/... makes bazel-bin/variants/*/*_test.spec.json")
	}
	dir, err := os.MkdirTemp("", "scanners-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, module := range []string{"anchore", "scalibr"} {
		start := time.Now()
		build := exec.Command("go", "build", "-o", dir, ".")
		build.Dir = filepath.Join("tools", "scanners", module)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", build.Dir, err, out)
		}
		fmt.Printf("built tools/scanners/%s in %.0f s\n", module, time.Since(start).Seconds())
	}
	var failed []error
	fmt.Printf("%-36s %-6s %8s %6s %6s %6s\n", "image", "arch", "packages", "syft", "grype", "scalibr")
	for _, spec := range args {
		if err := scan(dir, spec); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", spec, err))
		}
	}
	return errors.Join(failed...)
}

// scan prints a row of the table.
func scan(dir, spec string) error {
	data, err := os.ReadFile(spec)
	if err != nil {
		return err
	}
	var i image
	if err := json.Unmarshal(data, &i); err != nil {
		return err
	}
	files := filepath.Join(strings.TrimSuffix(spec, ".spec.json")+".runfiles", "_main")
	want, err := expected(filepath.Join(files, i.Tree))
	if err != nil {
		return err
	}
	layout := filepath.Join(files, i.Image)
	scratch, err := os.MkdirTemp(dir, "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	single, bundle := filepath.Join(scratch, "layout"), filepath.Join(scratch, "bundle")
	for _, c := range [][]string{
		{"skopeo", "copy", "--quiet", "--override-os", "linux", "--override-arch", i.Arch, "oci:" + layout, "oci:" + single + ":test"},
		{"umoci", "unpack", "--image", single + ":test", bundle},
	} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", c[0], err, out)
		}
	}
	platform := "linux/" + i.Arch
	row := fmt.Sprintf("%-36s %-6s %8d", i.Image, i.Arch, len(want))
	var failed []error
	for _, s := range []struct {
		name string
		args []string
	}{
		{"syft", []string{"anchore", "syft", layout, platform}},
		{"grype", []string{"anchore", "grype", layout, platform}},
		{"scalibr", []string{"scalibr", filepath.Join(bundle, "rootfs")}},
	} {
		got, err := list(filepath.Join(dir, s.args[0]), s.args[1:])
		if err == nil {
			err = compare(got, want, s.name == "grype")
		}
		verdict := "same"
		if err != nil {
			verdict = "DIFFER"
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		row += fmt.Sprintf(" %6s", verdict)
	}
	fmt.Println(row)
	return errors.Join(failed...)
}

// expected are the packages of a tree, sorted.
func expected(name string) ([]found, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tree, err := rootfs.Read(file, name)
	if err != nil {
		return nil, err
	}
	var out []found
	for _, p := range tree.Packages {
		version := strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
		if !strings.Contains(version, ":") {
			version = "0:" + version
		}
		out = append(out, found{p.Name, version, p.SourceRPM, p.License})
	}
	slices.SortFunc(out, byName)
	return out, nil
}

func byName(a, b found) int { return strings.Compare(a.name+" "+a.version, b.name+" "+b.version) }

// list runs a scanner.
func list(program string, args []string) ([]found, error) {
	cmd := exec.Command(program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.Bytes())
	}
	var out []found
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("it printed %q", line)
		}
		out = append(out, found{f[0], f[1], f[2], f[3]})
	}
	slices.SortFunc(out, byName)
	return out, nil
}

// compare says how what a scanner found differs. Of a source package, grype keeps name and version, and only where the name is not that of
// the package.
func compare(got, want []found, grype bool) error {
	var failed []error
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			failed = append(failed, fmt.Errorf("it misses %v", want[i]))
		case i >= len(want):
			failed = append(failed, fmt.Errorf("it has %v as well", got[i]))
		default:
			w := want[i]
			if grype {
				w.source = upstream(w)
			}
			if got[i] != w {
				failed = append(failed, fmt.Errorf("it has %q, want %q", got[i], w))
			}
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
