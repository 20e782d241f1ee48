package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// TestManifestsOfOurReleases reads the manifests of variants/ with their keys: what can be checked without their repositories.
func TestManifestsOfOurReleases(t *testing.T) {
	root := filepath.Join("..", "..")
	names, err := filepath.Glob(filepath.Join(root, "variants", "releases", "*", "rpms.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Skip("not checked: the manifests are not beside this test")
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := lockfile.ParseManifest(data, name)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := filepath.Base(filepath.Dir(name)); m.Release != want {
			t.Errorf("%s: release is %q, want %q", name, m.Release, want)
		}
		for i := range m.Repositories {
			r := &repository{config: &m.Repositories[i], arch: "aarch64"}
			if _, err := loadKeys(filepath.Dir(name), r.config); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := r.source(m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
