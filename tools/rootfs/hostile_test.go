package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestHostileLinks: files behind symbolic links land inside the root, at their real place, or nowhere.
func TestHostileLinks(t *testing.T) {
	for _, test := range []struct {
		summary string
		files   []rpmtest.File
		want    string // a path of the layer
		err     string
	}{
		{"a link that climbs", []rpmtest.File{{Path: "/l", Link: "../../../../tmp"}, {Path: "/l/x", Data: "x"}}, "tmp/x", ""},
		{"an absolute link", []rpmtest.File{{Path: "/l", Link: "/tmp"}, {Path: "/l/x", Data: "x"}}, "tmp/x", ""},
		{"links through each other", []rpmtest.File{{Path: "/a", Link: "b/.."}, {Path: "/b", Link: "/c/../../../d"}, {Path: "/b/x", Data: "x"}}, "d/x", ""},
		{"links in a circle without a file behind them", []rpmtest.File{{Path: "/a", Link: "b"}, {Path: "/b", Link: "a"}}, "a", ""},
		{"a file behind links in a circle", []rpmtest.File{{Path: "/a", Link: "b"}, {Path: "/b", Link: "a"}, {Path: "/a/x", Data: "x"}}, "", "symbolic links"},
		{"a file behind a link to itself", []rpmtest.File{{Path: "/a", Link: "a"}, {Path: "/a/x", Data: "x"}}, "", "symbolic links"},
	} {
		names, err := layerOf(t, rpmtest.Package{Name: "evil", Files: test.files})
		switch {
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v", test.summary, err)
		case test.err == "" && (err != nil || !slices.Contains(names, test.want)):
			t.Errorf("%s: %q, error %v", test.summary, names, err)
		}
		for _, name := range names {
			if !filepath.IsLocal(name) {
				t.Errorf("%s: %q leaves the root", test.summary, name)
			}
		}
	}
}

// layerOf composes a layer of one package and lists it.
func layerOf(t *testing.T, p rpmtest.Package) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, at("rpm"), string(rpmtest.Build(p)))
	if err := extract.Run(extract.Options{RPM: at("rpm"), Payload: at("tar"), Index: at("index"), Header: at("header")}); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at("spec"), `{"schema": 1, "label": "//evil", "release": "test", "arch": "x86_64", "source_date_epoch": 1, "accounts": {}, "policies": {}}`)
	writeFile(t, at("sel"), `{"schema": 1, "label": "//evil", "release": "test", "arch": "x86_64", "packages": [{"name": "evil", "nevra": "`+p.NEVRA()+`", "why": []}]}`)
	err := run([]string{"--spec=" + at("spec"), "--selection=" + at("sel"), "--index=" + at("index"), "--payload=" + at("tar"), "--header=" + at("header"),
		"--layer=" + at("layer"), "--tree=" + at("tree"), "--report=" + at("report")})
	if err != nil {
		return nil, err
	}
	f, err := os.Open(at("layer"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}
