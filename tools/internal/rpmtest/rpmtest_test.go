package rpmtest

import (
	"bytes"
	stdbzip2 "compress/bzip2"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

func TestBzip2IsReadByTheStandardLibrary(t *testing.T) {
	random := make([]byte, 10000)
	rand.New(rand.NewSource(1)).Read(random)
	for _, data := range [][]byte{nil, []byte("a"), []byte("banana"), bytes.Repeat([]byte("a"), 9000), bytes.Repeat([]byte("ab\x00"), 3000), random} {
		got, err := io.ReadAll(stdbzip2.NewReader(bytes.NewReader(bzip2(data))))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: got %d bytes, error %v", len(data), len(got), err)
		}
	}
}

func sample() Package {
	return Package{
		Name: "sample", Epoch: 3, Version: "1.2", Release: "4.el9",
		Files: []File{
			{Path: "/etc/sample.conf", Data: "a=1\n", Flags: pkgindex.FlagConfig},
			{Path: "/usr/bin/sample", Mode: 0o104755, Data: "#!/bin/sh\n", Class: "POSIX shell script, ASCII text executable", Requires: []int{1}},
			{Path: "/usr/bin/sample2", Link: "sample"},
			{Path: "/usr/share/sample/"},
			{Path: "/usr/share/sample/a", Data: "linked", Inode: 7},
			{Path: "/usr/share/sample/b", Inode: 7},
			{Path: "/var/log/sample", Flags: pkgindex.FlagGhost},
		},
		Requires: append(Require("libc.so.6()(64bit)", "/bin/sh", "base >= 2:1.0"),
			Requirement{"rpmlib(CompressedFileNames) <= 3.0.4-1", rpm.SenseRPMLib}),
		Provides:   []string{"sample = 3:1.2-4.el9"},
		Scriptlets: []Scriptlet{{Kind: "post", Program: []string{"/sbin/ldconfig"}}},
	}
}

// TestRpmReadsWhatWeWrite lets the real rpm judge the packages, digests included.
func TestRpmReadsWhatWeWrite(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("no rpm on this machine: packages not checked by it")
	}
	// Since rpm 6 rpm2cpio writes an archive of its own instead of handing out the payload.
	reencodes := false
	if path, err := exec.LookPath("rpm2cpio"); err == nil {
		target, err := filepath.EvalSymlinks(path)
		reencodes = err == nil && filepath.Base(target) == "rpm2archive"
	}
	if reencodes {
		t.Log("rpm2cpio of this machine re-encodes archives: payloads not compared with it")
	}
	db := "--dbpath=" + t.TempDir()
	for _, compressor := range []string{"none", "gzip", "bzip2", "xz", "lzma", "zstd"} {
		for _, format := range []string{"newc", "stripped"} {
			p := sample()
			p.Compressor, p.CPIO = compressor, format
			name := filepath.Join(t.TempDir(), "sample.rpm")
			if err := os.WriteFile(name, Build(p), 0o666); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("rpm", db, "-Kv", name).CombinedOutput()
			if err != nil || strings.Count(string(out), ": OK") < 2 || strings.Contains(string(out), "BAD") {
				t.Errorf("%s %s: rpm -Kv: %v\n%s", compressor, format, err, out)
			}
			out, err = exec.Command("rpm", db, "-qp", "--qf", "%{NEVRA}", name).CombinedOutput()
			if err != nil || string(out) != "sample-3:1.2-4.el9.x86_64" {
				t.Errorf("%s %s: rpm -qp: %v\n%s", compressor, format, err, out)
			}
			if format == "stripped" || reencodes {
				continue // rpm2cpio refuses stripped ones
			}
			p.defaults()
			out, err = exec.Command("rpm2cpio", name).Output()
			if err != nil || !bytes.Equal(out, p.archive()) {
				t.Errorf("%s %s: rpm2cpio gives another archive (%d bytes), error %v", compressor, format, len(out), err)
			}
		}
	}
}

func TestOurReaderReadsWhatWeWrite(t *testing.T) {
	p, err := rpm.ReadPackage(bytes.NewReader(Build(sample())))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.NEVRA(), sample().NEVRA(); got != want {
		t.Errorf("NEVRA %s, want %s", got, want)
	}
	files, err := rpm.Files(p.Main)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 7 || files[4].HardLinks != 1 || files[5].HardLinks != 1 || files[1].Mode != 0o4755 || !files[6].Ghost() {
		t.Errorf("files %+v", files)
	}
	deps, err := rpm.Dependencies(p.Main)
	if err != nil {
		t.Fatal(err)
	}
	if !deps[1].ScriptsOnly || deps[0].ScriptsOnly || deps[2].String() != "base >= 2:1.0" || !deps[3].RPMLib() {
		t.Errorf("dependencies %+v", deps)
	}
}

// recorder is a test that notes whether it failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestBoundAllocs(t *testing.T) {
	var kept []byte
	for _, n := range []int{1 << 10, 8 << 20} {
		r := &recorder{TB: t}
		BoundAllocs(r, 4<<20, func() { kept = make([]byte, n) })
		if r.failed != (len(kept) > 4<<20) {
			t.Errorf("%d bytes: failed %v", n, r.failed)
		}
	}
}
