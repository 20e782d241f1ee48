package compose

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldcache"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// TestEL7 composes 113 packages of CentOS 7 and lets programs of others judge the result: the real rpm finds nothing to
// complain about, and ldconfig and p11-kit of the image itself make the same ld.so.cache and the same TLS bundle.
func TestEL7(t *testing.T) {
	if testing.Short() {
		t.Skip("extracts 113 packages")
	}
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	rpms, err := filepath.Glob(filepath.Join(dir, "el7-httpd", "*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Skip("no CentOS 7 packages (SLIMRPM_SHARED_DATA); not checked: a whole image against rpm -V, ldconfig and trust")
	}
	b := &built{}
	in := &Input{Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: "x86_64"}}
	in.Spec = spec(t, `"accounts":{},"policies":{},"ca_trust":{},"ld_so_cache":true,"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"},`+
		`"scriptlets_skip":{"openldap:post":"a random password","shared-mime-info:posttrans":"a cache for desktops"}`)
	for _, name := range rpms {
		in.Packages = append(in.Packages, unpackFile(t, name))
		x := in.Packages[len(in.Packages)-1].Index
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: x.Name, NEVRA: x.NEVRA})
	}
	if b.Result, err = Compose(in); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	if err := rootfs.WriteLayer(&layer, b.Layer); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d packages, %d entries, layer of %d bytes", len(in.Packages), len(b.Tree.Entries), layer.Len())
	if os.Getuid() != 0 {
		t.Skip("not root; not checked: rpm -V, ldconfig and trust on the unpacked image")
	}
	root := t.TempDir()
	tar := exec.Command("tar", "--xattrs", "--xattrs-include=*", "-xp", "-C", root)
	tar.Stdin = &layer
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	t.Run("rpm -Va", func(t *testing.T) { verifyWithRPM(t, root) })
	t.Run("ldconfig", func(t *testing.T) { compareCache(t, root) })
	t.Run("trust", func(t *testing.T) { compareBundle(t, root) })
}

// unpacked keeps what was extracted, since several tests use the same packages: file name to package.
var unpacked struct {
	sync.Mutex
	dir      string
	packages map[string]Package
}

// TestMain takes it away in the end.
func TestMain(m *testing.M) {
	code := m.Run()
	if unpacked.dir != "" {
		os.RemoveAll(unpacked.dir)
	}
	os.Exit(code)
}

// unpackFile extracts a package; the index is the caller's own.
func unpackFile(t *testing.T, rpm string) Package {
	t.Helper()
	unpacked.Lock()
	if unpacked.dir == "" {
		dir, err := os.MkdirTemp("", "unpacked")
		if err != nil {
			t.Fatal(err)
		}
		unpacked.dir, unpacked.packages = dir, map[string]Package{}
	}
	p, ok := unpacked.packages[rpm]
	at := func(kind string) string {
		return filepath.Join(unpacked.dir, fmt.Sprintf("%x.%s", sha256.Sum256([]byte(rpm)), kind))
	}
	unpacked.Unlock()
	if !ok {
		if err := extract.Run(extract.Options{RPM: rpm, Payload: at("p"), Index: at("i"), Header: at("h")}); err != nil {
			t.Fatal(err)
		}
		p = Package{Payload: at("p"), Header: at("h")}
		unpacked.Lock()
		unpacked.packages[rpm] = p
		unpacked.Unlock()
	}
	f, err := os.Open(at("i"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p.Index, err = pkgindex.Read(f, rpm); err != nil {
		t.Fatal(err)
	}
	return p
}

func verifyWithRPM(t *testing.T, root string) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("no rpm on this machine")
	}
	db := []string{"--root", root, "--define", "_dbpath /var/lib/rpm"}
	out, err := exec.Command(rpm, append(db, "-Va", "--nodeps", "--noscripts")...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("rpm -Va: %v\n%s", err, out)
	}
	out, err = exec.Command(rpm, append(db, "-qs", "acl")...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "not installed /usr/share/man/man1/getfacl.1.gz") || !strings.Contains(string(out), "normal        /usr/bin/getfacl") {
		t.Errorf("rpm -qs acl: %v\n%s", err, out)
	}
}

// compareCache runs the image's own ldconfig. That of glibc 2.17 writes a format of its own and minimum kernel versions, so
// the lists of the entries are compared.
func compareCache(t *testing.T, root string) {
	ours, err := os.ReadFile(filepath.Join(root, "etc/ld.so.cache"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := inRoot(root, "/usr/sbin/ldconfig", "-C", "/tmp/cache").CombinedOutput(); err != nil {
		t.Skipf("the image's ldconfig does not run here: %v\n%s", err, out)
	}
	theirs, err := os.ReadFile(filepath.Join(root, "tmp/cache"))
	if err != nil {
		t.Fatal(err)
	}
	theirs = theirs[max(0, bytes.Index(theirs, []byte("glibc-ld.so.cache1.1"))):]
	a, err := ldcache.Parse(ours)
	if err != nil {
		t.Fatal(err)
	}
	// glibc 2.17 counts string offsets from the start of this part of the file.
	z, err := ldcache.Parse(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Entries) == 0 || len(a.Entries) != len(z.Entries) {
		t.Fatalf("%d entries, ldconfig has %d", len(a.Entries), len(z.Entries))
	}
	for i := range a.Entries {
		if a.Entries[i] != z.Entries[i] {
			t.Errorf("entry %d: %v, ldconfig has %v", i, a.Entries[i], z.Entries[i])
		}
	}
	t.Logf("%d entries are those of the image's own ldconfig, in its order", len(a.Entries))
}

// compareBundle lets the image's own update-ca-trust make its stores, and compares ours with them.
func compareBundle(t *testing.T, root string) {
	stores := []string{"pem/tls-ca-bundle.pem", "pem/email-ca-bundle.pem", "pem/objsign-ca-bundle.pem", "openssl/ca-bundle.trust.crt", "java/cacerts"}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(root, "etc/pki/ca-trust/extracted", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	ours := map[string][]byte{}
	for _, name := range stores {
		ours[name] = read(name)
	}
	if out, err := inRoot(root, "/bin/sh", "/usr/bin/update-ca-trust").CombinedOutput(); err != nil || len(out) > 0 {
		t.Skipf("the image's update-ca-trust does not run here: %v\n%s", err, out)
	}
	for _, name := range stores {
		got, want := ours[name], read(name)
		if name == "java/cacerts" {
			got, want = withoutTimes(got), withoutTimes(want)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, update-ca-trust makes %d", name, len(got), len(want))
		}
		t.Logf("%s: %d bytes are those of update-ca-trust", name, len(got))
	}
}

// withoutTimes blanks the times of the entries of a Java keystore, which are "now" there, and drops the seal over them.
func withoutTimes(store []byte) []byte {
	out, at := bytes.Clone(store), 12
	for n := binary.BigEndian.Uint32(out[8:]); n > 0; n-- {
		at += 4
		at += 2 + int(binary.BigEndian.Uint16(out[at:]))
		clear(out[at : at+8])
		at += 8 + 7
		at += 4 + int(binary.BigEndian.Uint32(out[at:]))
	}
	return out[:at]
}
