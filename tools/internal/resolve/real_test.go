package resolve

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// sharedData finds the folder of real metadata, or skips the test.
func sharedData(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("not checked: the real metadata %s is absent; SLIMRPM_SHARED_DATA names its folder", name)
	}
	return dir
}

func openMetadata(t testing.TB, dir, kind string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	index, err := repomd.ParseIndex(text)
	if err != nil {
		t.Fatal(err)
	}
	rec := index.Find(kind)
	packed, err := os.ReadFile(filepath.Join(dir, rec.Location))
	if err != nil {
		t.Fatal(err)
	}
	r, err := repomd.Decompress(bytes.NewReader(packed), rec.OpenBytes)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// realUniverse reads a repository and returns its universe with a filelists reader for Options.Files.
func realUniverse(t testing.TB, dir string) (*Universe, func([]string) error) {
	t.Helper()
	primary, err := repomd.ParsePrimary(bytes.NewReader(openMetadata(t, dir, "primary")))
	if err != nil {
		t.Fatal(err)
	}
	u := NewUniverse("x86_64", []Repository{{ID: "real", Priority: 99, Primary: primary}}, nil)
	return u, func(paths []string) error {
		wanted := map[string]bool{}
		for _, path := range paths {
			wanted[path] = true
		}
		found, err := repomd.ScanFilelists(bytes.NewReader(openMetadata(t, dir, "filelists")), wanted)
		u.AddFiles(0, found)
		return err
	}
}

func TestHttpdOfCentOS7(t *testing.T) {
	u, files := realUniverse(t, sharedData(t, "el7-httpd"))
	sol, err := u.Resolve(Options{Roots: []string{"httpd"}, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if len(sol.Packages) != 117 || len(u.Packages) != 117 {
		t.Errorf("httpd resolves to %d packages of %d, want all 117", len(sol.Packages), len(u.Packages))
	}
}
