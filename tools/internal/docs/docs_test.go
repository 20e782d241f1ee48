package docs

import (
	"os"
	"path/filepath"
	"testing"
)

// root finds the checkout: README.md stands three levels up, under Bazel as a link that leads there.
func root(t *testing.T) string {
	t.Helper()
	page, err := filepath.EvalSymlinks(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(page)
}

func TestExamplesOfPagesAreTheFilesThatAreBuilt(t *testing.T) {
	dir := root(t)
	for _, page := range []string{"README.md"} {
		path := filepath.Join(dir, page)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		examples := 0
		want, err := Fill(string(data), func(name string) (string, error) {
			examples++
			content, err := os.ReadFile(filepath.Join(dir, name))
			return string(content), err
		})
		if err != nil {
			t.Fatal(err)
		}
		if examples == 0 {
			t.Errorf("%s shows no example", page)
		}
		if want == string(data) {
			continue
		}
		if os.Getenv("UPDATE_DOCS") != "" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("an example in %s differs from the file it shows; run: UPDATE_DOCS=1 go test ./tools/internal/docs", page)
	}
}

func TestFill(t *testing.T) {
	read := func(string) (string, error) { return "x = 1\n", nil }
	const filled = "a\n<!-- example: a.bzl -->\n\n```starlark\nx = 1\n```\n\nb\n<!-- example: b.yaml -->\n\n```yaml\nx = 1\n```\n"
	for _, c := range []struct{ summary, page string }{
		{"an empty example is filled", "a\n<!-- example: a.bzl -->\n\nb\n<!-- example: b.yaml -->\n"},
		{"an old example is replaced", "a\n<!-- example: a.bzl -->\n\n```starlark\nold\n\nlines\n```\n\nb\n<!-- example: b.yaml -->\n\n```yaml\nx = 2\n```\n"},
		{"a right example stays", filled},
	} {
		got, err := Fill(c.page, read)
		if err != nil || got != filled {
			t.Errorf("%s: got %q, %v", c.summary, got, err)
		}
	}
}
