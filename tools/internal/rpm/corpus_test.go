package rpm

import (
	"os"
	"path/filepath"
	"testing"
)

// corpus returns the RPMs that are at hand: those of the shared data folder, and those of debrpm.
func corpus(t testing.TB) []string {
	t.Helper()
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	var files []string
	for _, dir := range []string{shared, os.Getenv("SLIMRPM_DEBRPM")} {
		if dir == "" {
			continue
		}
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".rpm" {
				files = append(files, path)
			}
			return nil
		})
	}
	if len(files) == 0 {
		t.Skip("no RPMs at hand (SLIMRPM_SHARED_DATA, SLIMRPM_DEBRPM): not checked against packages of others")
	}
	return files
}

func TestReadPackageOfOthers(t *testing.T) {
	for _, name := range corpus(t) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadPackage(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := p.CheckInstallable(); err != nil {
			t.Error(err)
		}
	}
}

func TestTablesOfOthers(t *testing.T) {
	scripts, deps := 0, 0
	for _, name := range corpus(t) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadPackage(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := Files(p.Main); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s, err := Scriptlets(p.Main)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d, err := Dependencies(p.Main)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, dep := range d {
			if dep.ScriptsOnly {
				deps++
			}
		}
		scripts += len(s)
	}
	if scripts == 0 || deps == 0 {
		t.Errorf("%d scriptlets, %d requires of scripts only", scripts, deps)
	}
	t.Logf("%d scriptlets, %d requires of scripts only", scripts, deps)
}
