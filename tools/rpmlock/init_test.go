package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/distro"
)

// TestInitOfEveryVersion makes every manifest and checks what needs no network: it parses, its URLs expand, and each pinned
// fingerprint is that of a key beside it.
func TestInitOfEveryVersion(t *testing.T) {
	table := keysTable(t)
	n := 0
	for _, name := range distro.Names() {
		d, _, err := distro.Find(name, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range d.Versions {
			n++
			w := newWorkspace(t)
			dir := w.path(v.Name)
			if err := run([]string{"init", name, "--version=" + v.Name, "--dir=" + dir}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, "rpms.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := lockfile.ParseManifest(data, "rpms.yaml")
			if err != nil {
				t.Fatal(err)
			}
			for i := range m.Repositories {
				for _, arch := range m.Architectures {
					r := &repository{config: &m.Repositories[i], arch: arch}
					source, err := r.source(m)
					if err != nil {
						t.Errorf("%s %s: %v", name, v.Name, err)
					}
					for _, url := range append(source.BaseURLs, source.MirrorList, source.MetaLink) {
						if strings.Contains(url, "$") || url != "" && !strings.HasPrefix(url, "https://") {
							t.Errorf("%s %s: URL %q", name, v.Name, url)
						}
					}
				}
				keys, err := loadKeys(dir, &m.Repositories[i])
				if err != nil {
					t.Errorf("%s %s: %v", name, v.Name, err)
					continue
				}
				if got, want := len(keys.ring.Keys()), len(m.Repositories[i].Fingerprints); got != want {
					t.Errorf("%s %s, %s: %d keys for %d fingerprints", name, v.Name, m.Repositories[i].ID, got, want)
				}
				for _, fingerprint := range m.Repositories[i].Fingerprints {
					if table != "" && !strings.Contains(table, fingerprint) {
						t.Errorf("%s %s: fingerprint %s is not in third_party/keys/README.md", name, v.Name, fingerprint)
					}
				}
			}
		}
	}
	t.Logf("%d manifests", n)
	if n < 15 {
		t.Errorf("only %d manifests", n)
	}
}

// keysTable is the README of the keys without blanks; empty when it is not beside this test, as under Bazel.
func keysTable(t *testing.T) string {
	data, err := os.ReadFile(filepath.Join("..", "..", "third_party", "keys", "README.md"))
	if err != nil {
		t.Logf("third_party/keys/README.md is not beside this test: its fingerprints are not compared")
		return ""
	}
	return strings.ReplaceAll(string(data), " ", "")
}
