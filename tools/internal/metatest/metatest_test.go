package metatest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

const debianIndex = `Package: tool
Version: 1:2.0-3
Architecture: amd64
Installed-Size: 5
Depends: libc6 (>= 2.34), default-mta | mail-transport-agent, perl:any
Pre-Depends: dpkg (>> 1.0)
Breaks: old-tool (<< 2)
Provides: virtual-tool (= 2), tool-x
Description: a tool
 over two lines

Package: native
Version: 5
Architecture: all
Depends: tool (= 5)
`

func TestDebian(t *testing.T) {
	got, err := Debian(strings.NewReader(debianIndex))
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	p := got[0]
	if want := []string{"dpkg > 1.0", "libc6 >= 2.34", "(default-mta or mail-transport-agent)", "perl"}; !slices.Equal(p.Requires, want) {
		t.Errorf("requires %q, want %q", p.Requires, want)
	}
	if want := []string{"virtual-tool = 2-0", "tool-x"}; !slices.Equal(p.Provides, want) {
		t.Errorf("provides %q, want %q", p.Provides, want)
	}
	if want := []string{"old-tool < 2"}; !slices.Equal(p.Conflicts, want) {
		t.Errorf("conflicts %q, want %q", p.Conflicts, want)
	}
	if p.InstalledBytes != 5120 || p.EVR != "1:2.0-3" || got[1].EVR != "5-0" || got[1].Arch != "noarch" {
		t.Errorf("%+v", got)
	}
	if _, err := Debian(strings.NewReader("Package: a\n")); err == nil || err.Error() != "package a: it has no version" {
		t.Errorf("error %v", err)
	}
}

// TestWriteIsRead lets our reader and, where it is, createrepo_c read what Write wrote.
func TestWriteIsRead(t *testing.T) {
	for _, compressor := range []string{"gzip", "zstd", "none"} {
		dir := t.TempDir()
		if err := Write(dir, compressor, Synthetic(300, 7)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "repodata", "repomd.xml"))
		if err != nil {
			t.Fatal(err)
		}
		index, err := repomd.ParseIndex(text)
		if err != nil {
			t.Fatal(err)
		}
		record := index.Find("primary")
		packed, err := os.ReadFile(filepath.Join(dir, record.Location))
		if err != nil {
			t.Fatal(err)
		}
		r, err := repomd.Decompress(bytes.NewReader(packed), record.OpenBytes)
		if err != nil {
			t.Fatal(err)
		}
		p, err := repomd.ParsePrimary(r)
		r.Close()
		if err != nil || len(p.Packages) != 300 {
			t.Fatalf("%s: %v", compressor, err)
		}
		if compressor != "zstd" { // older ones do not read it
			checkWithCreaterepo(t, dir)
		}
	}
}

func checkWithCreaterepo(t *testing.T, dir string) {
	t.Helper()
	program, err := exec.LookPath("mergerepo_c")
	if err != nil {
		t.Log("not checked with createrepo_c: mergerepo_c is not on PATH")
		return
	}
	merged := t.TempDir()
	if out, err := exec.Command(program, "--repo="+dir, "--outputdir="+merged, "--compress-type=gz", "--all").CombinedOutput(); err != nil {
		t.Fatalf("mergerepo_c: %v\n%s", err, out)
	}
	names, err := filepath.Glob(filepath.Join(merged, "repodata", "*primary.xml.gz"))
	if err != nil || len(names) != 1 {
		t.Fatalf("mergerepo_c made %q, %v", names, err)
	}
	f, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := repomd.Decompress(f, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if p, err := repomd.ParsePrimary(r); err != nil || len(p.Packages) != 300 {
		t.Errorf("createrepo_c reads %d packages of 300: %v", len(p.Packages), err)
	}
}

func TestSyntheticIsDeterministic(t *testing.T) {
	var a, b, c bytes.Buffer
	for _, run := range []struct {
		to   *bytes.Buffer
		seed uint64
	}{{&a, 1}, {&b, 1}, {&c, 2}} {
		if err := Primary(run.to, Synthetic(100, run.seed)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("the packages do not follow from the seed")
	}
}
