package resolve

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/metatest"
)

// largeRepository writes the graph of this machine's Debian as a repository, or a made-up one where there is none.
func largeRepository(t *testing.T) string {
	t.Helper()
	packages := metatest.Synthetic(20_000, 1)
	lists, _ := filepath.Glob("/var/lib/apt/lists/*_main_binary-amd64_Packages*")
	if len(lists) > 0 {
		text, err := exec.Command("/usr/lib/apt/apt-helper", append([]string{"cat-file"}, lists...)...).Output()
		if err != nil {
			t.Fatalf("apt-helper: %v", err)
		}
		if packages, err = metatest.Debian(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := metatest.Write(dir, "gzip", packages); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLargeRepositoryLikeLibsolv(t *testing.T) {
	if os.Getenv("SLIMRPM_LONG") == "" {
		t.Skip("not checked: 600 root sets of a large repository take a minute; SLIMRPM_LONG=1 runs them")
	}
	dir := largeRepository(t)
	u, files := realUniverse(t, dir)
	var metadata []string
	for _, kind := range []string{"primary", "filelists"} {
		found, err := filepath.Glob(filepath.Join(dir, "repodata", "*"+kind+".xml.gz"))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s.xml.gz: %v %v", kind, found, err)
		}
		metadata = append(metadata, found...)
	}
	const sets = 600
	differ, texts := compareWithLibsolv(t, u, files, metadata, randomRoots(u, sets, 3))
	t.Logf("%d of %d root sets over %d packages have libsolv's verdict and solution", sets-differ, sets, len(u.Packages))
	if differ > 0 {
		t.Errorf("%d root sets differ:\n%s", differ, strings.Join(texts, "\n"))
	}
}
