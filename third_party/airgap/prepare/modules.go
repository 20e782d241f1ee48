package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// The Bazel modules that are published as Go modules too. These two versions are known to build together; gazelle
// from 0.50 on has a nested Go module that its own zip lacks. Keep the versions equal to MODULE.bazel.
var goModules = []struct {
	bazelName string
	module    goModule
}{
	{"rules_go", goModule{"github.com/bazelbuild/rules_go", "v0.59.0", "h1:RLhOwYIqeMgBpKelHEWTfIPjA37so3oa/rX+/qqq/P4="}},
	{"gazelle", goModule{"github.com/bazelbuild/bazel-gazelle", "v0.47.0", "h1:g3Rr1ZbkC1Pk20aOgBITxSD/efS1WbaSty5jC786Z3Q="}},
}

// The Bazel modules that Debian ships, by their folder below /usr/share/bazel. Each must be in the module graph:
// Bazel refuses an override of a module that nothing asks for.
var debianModules = map[string]string{
	"bazel_features": "tools/features",
	"bazel_skylib":   "tools/skylib",
	"platforms":      "tools/platforms",
	"rules_cc":       "rules/cc",
	"rules_java":     "rules/java",
	"rules_license":  "rules/license",
	"rules_proto":    "rules/proto",
	"rules_python":   "rules/python",
	"rules_shell":    "rules/shell",
}

const (
	buildozerPath = "github.com/bazelbuild/buildtools/buildozer"
	// The version that gazelle requires, so that it is downloaded only once.
	buildozerVersion = "v0.0.0-20250930140053-2eb4fccefb52"
)

type modulesOptions struct {
	modcache string // Go module cache
	standIns string // folder with one stand-in module per folder
	debian   string // folder where Debian keeps Bazel modules
	out      string // folder to make
}

// makeModules makes the folder o.out. It appears under its name only when it is complete.
func makeModules(o modulesOptions) error {
	overrides, err := findDebianModules(o.debian)
	if err != nil {
		return err
	}
	partial := o.out + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("removing an interrupted preparation: %w", err)
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return fmt.Errorf("making the folder of the modules: %w", err)
	}
	if err := copyGoModules(o.modcache, partial); err != nil {
		return err
	}
	for _, m := range goModules {
		overrides[m.bazelName] = filepath.Join(o.out, m.bazelName)
	}
	standIns, err := os.ReadDir(o.standIns)
	if err != nil {
		return fmt.Errorf("listing the stand-ins: %w", err)
	}
	for _, d := range standIns {
		if err := copyTree(filepath.Join(o.standIns, d.Name()), filepath.Join(partial, d.Name())); err != nil {
			return err
		}
		overrides[d.Name()] = filepath.Join(o.out, d.Name())
	}
	if err := buildBuildozer(o.modcache, filepath.Join(partial, "buildozer")); err != nil {
		return err
	}
	if err := writeFiles(partial, configuration(o.out, o.modcache, overrides)); err != nil {
		return err
	}
	if err := os.Rename(partial, o.out); err != nil {
		return fmt.Errorf("moving the modules into place: %w", err)
	}
	return nil
}

// findDebianModules gives the folder of each module of Debian, and says which package is missing.
func findDebianModules(dir string) (map[string]string, error) {
	overrides := map[string]string{}
	var missing []string
	for name, folder := range debianModules {
		path := filepath.Join(dir, folder)
		if _, err := os.Stat(filepath.Join(path, "MODULE.bazel")); err != nil {
			missing = append(missing, name)
		}
		overrides[name] = path
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return nil, fmt.Errorf("looking for Debian's Bazel modules in %s: missing %s\n"+
			"hint: install the bazel-* packages of third_party/airgap/root.packages, or let bazelw make its own root "+
			"(unset BAZEL, no bazel in PATH)", dir, strings.Join(missing, ", "))
	}
	return overrides, nil
}

func copyGoModules(modcache, out string) error {
	var versions []string
	for _, m := range goModules {
		versions = append(versions, m.module.Path+"@"+m.module.Version)
	}
	got, err := downloadModules(modcache, versions)
	if err != nil {
		return err
	}
	dirs := map[string]string{}
	for _, d := range got {
		dirs[d.Path] = d.Dir
		for _, m := range goModules {
			if m.module.Path == d.Path && m.module.Sum != d.Sum {
				return fmt.Errorf("checking Go module %s@%s: the sum is %s, want %s", d.Path, d.Version, d.Sum, m.module.Sum)
			}
		}
	}
	for _, m := range goModules {
		if err := copyTree(dirs[m.module.Path], filepath.Join(out, m.bazelName)); err != nil {
			return err
		}
	}
	// Gazelle's repository rules compile gazelle without modules, so its dependencies must lie in vendor/. With -e,
	// because its tests import packages that do not exist.
	_, err = goTool(filepath.Join(out, "gazelle"), modcache, "mod", "vendor", "-e")
	return err
}

// copyTree copies the regular files below src. The module cache is read-only and its zips lose the run bits, which
// Bazel needs on shell scripts.
func copyTree(src, dst string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("copying %s: %w", src, err)
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return fmt.Errorf("copying %s: %w", src, err)
		}
		target := filepath.Join(dst, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("copying %s: %w", src, err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		return os.WriteFile(target, data, mode)
	})
}

// buildBuildozer compiles the program that `bazel mod tidy` edits MODULE.bazel with into the stand-in of its module.
func buildBuildozer(modcache, dir string) error {
	gobin, err := os.MkdirTemp("", "airgap")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer os.RemoveAll(gobin)
	if err := os.Setenv("GOBIN", gobin); err != nil {
		return fmt.Errorf("setting GOBIN: %w", err)
	}
	if _, err := goTool(dir, modcache, "install", "-trimpath", buildozerPath+"@"+buildozerVersion); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(gobin, "buildozer"))
	if err != nil {
		return fmt.Errorf("reading the compiled buildozer: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "buildozer"), data, 0o755)
}

// writeFiles writes files, given by their slash-separated path, below dir.
func writeFiles(dir string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}
