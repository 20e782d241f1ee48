package rpmdb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
)

// keyFiles returns the public keys at hand.
func keyFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"../../../third_party/keys/RPM-GPG-KEY-*", "../../../third_party/debrpm/keys/RPM-GPG-KEY-*",
		filepath.Join(os.Getenv("SLIMRPM_SHARED_DATA"), "*/RPM-GPG-KEY-*")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	if len(out) == 0 {
		t.Skip("no public keys at hand")
	}
	return out
}

func keysOf(t *testing.T, file string) []pgp.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pgp.Certificates(data)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestPublicKeyEqualsRPM compares the whole database with that of `rpm --import`.
func TestPublicKeyEqualsRPM(t *testing.T) {
	rpm := program(t, "rpm", "public keys were not compared with what rpm imports")
	version(t, rpm)
	out, _ := exec.Command(rpm, "--version").Output()
	if !strings.Contains(string(out), " "+keyVersion) {
		t.Skipf("rpm is not %s: its headers of public keys name another version", keyVersion)
	}
	for _, file := range keyFiles(t) {
		dir := t.TempDir()
		cmd := exec.Command(rpm, "--dbpath", dir, "--define", "_db_backend sqlite", "--define", "_keyring rpmdb", "--import", file)
		cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", testTID))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rpm --import %s: %v\n%s", file, err, out)
		}
		want, err := os.ReadFile(filepath.Join(dir, sqliteName))
		if err != nil {
			t.Fatal(err)
		}
		opts := Options{Backend: SQLite, Arch: "x86_64", InstallTID: testTID}
		for _, key := range keysOf(t, file) {
			blob, err := PublicKey(&key, testTID)
			if err != nil {
				t.Fatal(err)
			}
			opts.Packages = append(opts.Packages, Installed{Blob: func() ([]byte, error) { return blob, nil }})
		}
		t.Log(filepath.Base(file))
		compareDumps(t, dumpSQLite(t, files(t, opts)[sqliteName]), dumpSQLite(t, want))
	}
}

// TestPublicKeyIsUsed lets rpm check the signature of a package against a database of ours.
func TestPublicKeyIsUsed(t *testing.T) {
	rpm := program(t, "rpmkeys", "rpm has used no public key of our databases")
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	packages, _ := filepath.Glob(filepath.Join(shared, "el7-httpd/acl-*.rpm"))
	if shared == "" || len(packages) == 0 {
		t.Skip("SLIMRPM_SHARED_DATA has no signed package: rpm has used no public key of our databases")
	}
	key := keysOf(t, filepath.Join(shared, "el7-httpd/RPM-GPG-KEY-CentOS-7"))[0]
	blob, err := PublicKey(&key, testTID)
	if err != nil {
		t.Fatal(err)
	}
	inputs := built(t, manyPackages(3)...)
	check := func(opts Options) (string, error) {
		root := t.TempDir()
		writeFiles(t, root, files(t, opts))
		out, err := exec.Command(rpm, "--dbpath", filepath.Join(root, "var/lib/rpm"), "--define", "_db_backend sqlite", "--define", "_keyring rpmdb", "-Kv", packages[0]).CombinedOutput()
		return string(out), err
	}
	opts := options(SQLite, inputs)
	if out, err := check(opts); err == nil || !strings.Contains(out, "NOKEY") {
		t.Errorf("without the key: %v\n%s", err, out)
	}
	opts.Packages = append(opts.Packages, Installed{Blob: func() ([]byte, error) { return blob, nil }})
	out, err := check(opts)
	// The policy of newer OpenPGP libraries refuses the SHA-1 with which CentOS 7's key signs itself; that they say so of this key shows
	// that they read it from the database.
	refused := strings.Contains(out, "f4a80eb5: NOTTRUSTED") && strings.Contains(out, "SHA1 is not considered secure")
	if !refused && (err != nil || !strings.Contains(out, "f4a80eb5: OK")) {
		t.Errorf("with the key: %v\n%s", err, out)
	}
	records := readFiles(t, files(t, opts))
	if nevra, err := records[3].NEVRA(); err != nil || nevra != PublicKeyNEVRA(&key) {
		t.Errorf("the key is called %s, not %s (%v)", nevra, PublicKeyNEVRA(&key), err)
	}
}

func TestPublicKeyRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		key  pgp.Certificate
	}{
		{"key 0000000000000001 has no user id", pgp.Certificate{KeyID: 1, Created: time.Unix(1, 0)}},
		{"which is no time of rpm's", pgp.Certificate{UserID: "x", Created: time.Unix(1<<32, 0)}},
	} {
		if _, err := PublicKey(&c.key, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
	for _, data := range []string{"", "text", "\xb4\x01x"} {
		if keys, err := pgp.Certificates([]byte(data)); err == nil {
			t.Errorf("%q: %d keys", data, len(keys))
		}
	}
}
