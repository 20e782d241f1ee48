package verdict

import (
	"archive/zip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	want := Verdict{Schema: Schema, Test: "//a/b:c_test", Digest: "sha256:1", Arch: "amd64", Checks: 3}
	logs := t.TempDir()
	dir := filepath.Join(logs, "a/b/c_test/test.outputs")
	if _, err := Read(logs, want.Test); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "//a/b:c_test") {
		t.Errorf("got error %v for a test that has not run", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, want); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"//a/b:c_test", "@@//a/b:c_test"} {
		if got, err := Read(logs, label); err != nil || *got != want {
			t.Errorf("%s: got %+v, %v", label, got, err)
		}
	}
	zipped(t, dir)
	if got, err := Read(logs, want.Test); err != nil || *got != want {
		t.Errorf("from a zip: got %+v, %v", got, err)
	}
}

// zipped moves the file into outputs.zip, as Bazel does without --nozip_undeclared_test_outputs.
func zipped(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "outputs.zip"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create(Name)
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, z.Close(), f.Close(), os.Remove(filepath.Join(dir, Name))); err != nil {
		t.Fatal(err)
	}
}

func TestLayoutDigest(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct{ text, digest, want string }{
		{`{"schemaVersion": 2, "manifests": [{"digest": "sha256:1"}]}`, "sha256:1", ""},
		{`{"manifests": []}`, "", "it names 0 images, want one"},
		{`x`, "", "index.json"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(row.text), 0o644); err != nil {
			t.Fatal(err)
		}
		digest, err := LayoutDigest(dir)
		if digest != row.digest || (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %q, %v", row.text, digest, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	logs := t.TempDir()
	dir := filepath.Join(logs, "a/t/test.outputs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ summary, text, want string }{
		{"no JSON", "x", "reading the verdict of //a:t"},
		{"another schema", `{"schema": 7}`, "schema 7, this program reads 1"},
		{"an unknown key", `{"schema": 1, "passed": true}`, "passed"},
	} {
		if err := os.WriteFile(filepath.Join(dir, Name), []byte(row.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(logs, "//a:t"); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got error %v, want one with %q", row.summary, err, row.want)
		}
	}
}
