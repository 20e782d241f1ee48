package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// TestSignaturesOfCentOS7 verifies the headers of real packages, signed with version 3 signatures in 2014 to 2020.
func TestSignaturesOfCentOS7(t *testing.T) {
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir = filepath.Join(dir, "el7-httpd")
	names, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(names) == 0 {
		t.Skip("not checked: the packages of CentOS 7 are absent; SLIMRPM_SHARED_DATA names their folder")
	}
	const fingerprint = "6341AB2753D78A78A7C27BB124C6A8A7F4A80EB5"
	keys, err := loadKeys(dir, &lockfile.ManifestRepository{Keys: []string{"RPM-GPG-KEY-CentOS-7"}, Fingerprints: []string{fingerprint}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		pkg, err := rpm.ReadPackage(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		if got, err := keys.verifyPackage(pkg); err != nil || got != "RSA/SHA256 "+fingerprint {
			t.Errorf("%s: %q, %v", filepath.Base(name), got, err)
		}
	}
	t.Logf("%d packages verified", len(names))
}
