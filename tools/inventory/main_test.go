package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const empty = `{"schema": 1, "release": "r", "images": [%]}`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func inventoryOf(images string) string { return strings.Replace(empty, "%", images, 1) }

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.json", inventoryOf(`{"name": "z", "arch": "x86_64", "size_bytes": 1, "packages": []}`))
	b := write(t, dir, "b.json", inventoryOf(`{"name": "b", "arch": "x86_64", "size_bytes": 2, "packages": []}`))
	spec := write(t, dir, "spec.json", `{"schema": 1, "release": "r", "images": [], "inventories": ["`+a+`", "`+b+`"]}`)
	out := filepath.Join(dir, "out.json")
	if err := run([]string{"--spec=" + spec, "--out=" + out}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if first, second := strings.Index(string(data), `"b"`), strings.Index(string(data), `"z"`); first < 0 || second < first {
		t.Errorf("got\n%s", data)
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	one := write(t, dir, "one.json", inventoryOf(`{"name": "z", "arch": "x86_64", "size_bytes": 1, "packages": []}`))
	for _, row := range []struct{ summary, spec, want string }{
		{"an image twice", `{"schema": 1, "release": "r", "images": [], "inventories": ["` + one + `", "` + one + `"]}`, "image z (x86_64) is there twice"},
		{"another release", `{"schema": 1, "release": "other", "images": [], "inventories": ["` + one + `"]}`, "is of release r, want other"},
		{"no release", `{"schema": 1, "images": []}`, "it names no release"},
		{"another schema", `{"schema": 3, "release": "r", "images": []}`, "schema 3, this program reads 1"},
		{"a tree that is not there", `{"schema": 1, "release": "r", "images": [{"name": "x", "tree": "absent"}]}`, "image x: open absent"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			err := run([]string{"--spec=" + write(t, dir, "spec.json", row.spec), "--out=" + filepath.Join(dir, "out")})
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
		})
	}
}
