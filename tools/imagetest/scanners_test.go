package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func scannedTree() *rootfs.Tree {
	return &rootfs.Tree{Packages: []rootfs.Package{
		{Name: "bash", NEVRA: "bash-5.2-1.x86_64", Arch: "x86_64", SourceRPM: "bash-5.2-1.src.rpm", License: "GPL-3.0-or-later"},
		{Name: "libssl3", NEVRA: "libssl3-1:3.0-2.x86_64", Arch: "x86_64", SourceRPM: "openssl-3.0-2.src.rpm", License: "Apache-2.0"},
	}}
}

const scanned = "bash\t0:5.2-1\tbash-5.2-1.src.rpm\tGPL-3.0-or-later\nlibssl3\t1:3.0-2\topenssl-3.0-2.src.rpm\tApache-2.0\n"

func TestScannersAreComparedWithTheTree(t *testing.T) {
	got, err := readFound(scanned)
	if err != nil {
		t.Fatal(err)
	}
	if err := compareFound(got, packagesOf(scannedTree()), false); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name   string
		change func(*rootfs.Tree)
		want   string
	}{
		{"a package that the tree has not", func(t *rootfs.Tree) { t.Packages = t.Packages[1:] }, "has bash 0:5.2-1, source"},
		{"a package that the image has not", func(t *rootfs.Tree) {
			t.Packages = append(t.Packages, rootfs.Package{Name: "aaa", NEVRA: "aaa-1-1.noarch", Arch: "noarch"})
		}, "misses aaa 0:1-1"},
		{"another version", func(t *rootfs.Tree) { t.Packages[0].NEVRA = "bash-5.2-2.x86_64" }, "want bash 0:5.2-2"},
		{"another epoch", func(t *rootfs.Tree) { t.Packages[1].NEVRA = "libssl3-3.0-2.x86_64" }, "want libssl3 0:3.0-2"},
		{"another source", func(t *rootfs.Tree) { t.Packages[1].SourceRPM = "libssl-3.0-2.src.rpm" }, `source "libssl-3.0-2.src.rpm"`},
		{"another licence", func(t *rootfs.Tree) { t.Packages[0].License = "MIT" }, `licence "MIT"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := scannedTree()
			c.change(tree)
			err := compareFound(got, packagesOf(tree), false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	for _, text := range []string{"bash\t5.2\n", "no packages found\n"} {
		if _, err := readFound(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestGrypeKeepsSourcesOfOtherNames(t *testing.T) {
	got, err := readFound("bash\t0:5.2-1\t\tGPL-3.0-or-later\nlibssl3\t1:3.0-2\topenssl-3.0-2\tApache-2.0\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := compareFound(got, packagesOf(scannedTree()), true); err != nil {
		t.Error(err)
	}
	got[1].source = ""
	if err := compareFound(got, packagesOf(scannedTree()), true); err == nil {
		t.Error("a source that grype lost was not seen")
	}
}

func TestPackagesAreComparedWithTheGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden.txt")
	const head = "variant x debrpm amd64\nimage 1 MiB 1 paths\npackage bash 5.2-0 x86_64 1\n"
	for _, c := range []struct{ text, want string }{
		{head + "package libssl3 1:3.0-2 x86_64 1\n", ""},
		{head, "lists 1 packages"},
		{head + "package libssl3 1:3.0-2 x86_64 1\npackage zlib 1-1 x86_64 1\n", "lists 3 packages"},
		{"damaged\n", "is not understood"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := compareWithGolden(path, packagesOf(scannedTree()))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
