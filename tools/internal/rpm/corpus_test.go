package rpm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
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

// TestVerifyEL7 verifies real version 3 signatures of CentOS 7, over the header and over header and payload.
func TestVerifyEL7(t *testing.T) {
	verified := 0
	for _, name := range corpus(t) {
		key, err := os.ReadFile(filepath.Join(filepath.Dir(name), "RPM-GPG-KEY-CentOS-7"))
		if err != nil {
			continue
		}
		ring, err := pgp.ReadKeyring(key)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ReadPackage(f)
		if err != nil {
			t.Fatal(err)
		}
		header, errHeader := VerifyHeader(p, ring, Policy{})
		all, errAll := VerifyPackage(p, f, ring, Policy{})
		f.Close()
		const want = "RSA/SHA256 6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5"
		if errHeader != nil || errAll != nil || header.String() != want || all.String() != want {
			t.Errorf("%s: %v %v, %v %v", name, header, errHeader, all, errAll)
		}
		if header.PayloadSigned || !all.PayloadSigned {
			t.Errorf("%s: payload signed by the header: %v, by the package: %v", name, header.PayloadSigned, all.PayloadSigned)
		}
		verified++
	}
	if verified == 0 {
		t.Skip("no CentOS 7 packages at hand: version 3 signatures of others not checked")
	}
	t.Logf("%d packages verified", verified)
}

// BenchmarkReadHeaders reads all headers at hand, file tables included. Corpus: el7-httpd, and debrpm if it is given.
func BenchmarkReadHeaders(b *testing.B) {
	files := corpus(b)
	for b.Loop() {
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				b.Fatal(err)
			}
			p, err := ReadPackage(f)
			f.Close()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := Files(p.Main); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(files)), "packages/op")
}
