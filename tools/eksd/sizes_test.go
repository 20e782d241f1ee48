package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// By its own list of files, no image of EKS Distro is smaller than what our rules would leave of it.
func TestListsByPolicy(t *testing.T) {
	root := os.Getenv("SLIMRPM_SHARED_DATA")
	if root == "" {
		t.Skip("SLIMRPM_SHARED_DATA is not set: EKS Distro's lists of files are not looked at")
	}
	rows, err := readAllLists(filepath.Join(root, lists["al2023"]))
	if err != nil {
		t.Fatal(err)
	}
	if err := larger(rows); err != nil {
		t.Error(err)
	}
	dropped := map[string]int64{}
	for _, r := range rows {
		if ours, theirs := r.sizes(); ours <= 0 || theirs < 7<<20 || r.packages < 7 || r.rpmdb == 0 || r.leftovers == 0 {
			t.Errorf("%s: %d bytes of %d, %d packages, %d of leftovers, database %d", r.name(), ours, theirs, r.packages, r.leftovers, r.rpmdb)
		}
		for policy, n := range r.policies {
			dropped[policy] += n
		}
	}
	for _, policy := range []string{"locales", "man", "info"} {
		if dropped[policy] == 0 {
			t.Errorf("policy %s leaves out nothing", policy)
		}
	}
	var table bytes.Buffer
	printLists(&table, rows)
	page := filepath.Join("..", "..", "variants", "releases", "al2023", "README.md")
	if data, err := os.ReadFile(page); err != nil || !strings.Contains(string(data), table.String()) {
		t.Errorf("%s does not have this table (%v); put it there:\n%s", page, err, table.String())
	}
}

func TestParseFiles(t *testing.T) {
	const text = "****************** Regular Files ******************\n\n-rw-r--r--   1.5KiB /etc/a b\n-rwsr-xr-x       7B /usr/share/locale/de/x.mo\n\n****************** Symlinks ******************\n\nlrwxrwxrwx   7B /lib usr/lib\n"
	files, err := parseFiles(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []pkgindex.File{{Path: "/etc/a b", SizeBytes: 1536}, {Path: "/usr/share/locale/de/x.mo", SizeBytes: 7}, {Path: "/lib", LinkTarget: "usr/lib", SizeBytes: 7}}
	for i, f := range files {
		if len(files) != len(want) || f.Path != want[i].Path || f.SizeBytes != want[i].SizeBytes || f.LinkTarget != want[i].LinkTarget {
			t.Fatalf("got %+v", files)
		}
	}
	row := listRow{policies: map[string]int64{}}
	row.count(files)
	if ours, theirs := row.sizes(); ours != 1536 || theirs != 1543 || row.policies["locales"] != 7 {
		t.Errorf("ours %d, theirs %d, policies %v", ours, theirs, row.policies)
	}
	for _, bad := range []string{"", "-rw-r--r-- 1.5KB /a\n", "-rw-r--r-- 1B a\n", "rw 1B /a\n", "-rw-r--r-- 1B\n"} {
		if _, err := parseFiles(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as a list", bad)
		}
	}
}

// Trees of our images, which Bazel has put beside this test: each beside what EKS Distro's scripts would make of the same packages.
func TestImagesAreNoLarger(t *testing.T) {
	trees, err := filepath.Glob(filepath.Join("..", "..", "variants", "debrpm_trees", "*.tree.json"))
	if err != nil {
		t.Fatal(err)
	}
	lock := os.Getenv("EKSD_LOCK")
	if len(trees) == 0 {
		t.Skip("no trees of our images: ./bazelw test //tools/eksd:sizes_test makes them, from the packages of debrpm")
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not here: our images are not compared with what EKS Distro would make of their packages")
	}
	lock, err = filepath.EvalSymlinks(filepath.Join("..", "..", lock))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := measureTrees(filepath.Dir(lock), trees)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	printMeasured(&table, rows)
	t.Logf("\n%s", table.String())
	if err := larger(rows); err != nil {
		t.Error(err)
	}
	if len(rows) < 30 {
		t.Errorf("only %d images", len(rows))
	}
	for _, m := range rows {
		if m.oursNumber == 0 || m.theirsCount < m.oursNumber/2 {
			t.Errorf("%s: ours has %d files, theirs %d", m.name(), m.oursNumber, m.theirsCount)
		}
	}
}

// An image that is larger by one byte is named.
func TestLargerIsAnError(t *testing.T) {
	rows := []measured{{image: "same", arch: "x86_64", oursFiles: 3, oursRPMDB: 2, theirsFiles: 2, theirsRPMDB: 3}}
	if err := larger(rows); err != nil {
		t.Error(err)
	}
	rows = append(rows, measured{image: "more", arch: "x86_64", oursFiles: 6, theirsFiles: 2, theirsRPMDB: 3})
	if err := larger(rows); err == nil || err.Error() != "more x86_64: ours is 6 bytes, EKS Distro's 5" {
		t.Errorf("got %v", err)
	}
}

func TestTheirRules(t *testing.T) {
	for file, want := range map[string]bool{
		"/usr/bin/a": true, "/usr/share/doc/a/README": false, "/usr/share/doc/a/COPYING": true, "/usr/share/man/man1/ssh-copy-id.1.gz": true,
		"/usr/share/man/man1/ls.1.gz": false, "/usr/lib/.build-id/aa/bb": false, "/var/log/a.log": false, "/var/log/a/b.log": true, "/usr/share/locale/de/a.mo": true,
	} {
		if got := theyKeep(file); got != want {
			t.Errorf("theyKeep(%s) = %v", file, got)
		}
	}
	shipped := map[string]bool{"/usr/bin/mount": true}
	for file, want := range map[string]bool{"/bin/mount": true, "/usr/bin/mount": true, "/usr/bin/lsblk": false, "/etc/pam.d/su": true, "/usr/share/licenses/a/b": true} {
		if got := theyCopy(file, shipped); got != want {
			t.Errorf("theyCopy(%s) = %v", file, got)
		}
	}
	for nevra, want := range map[string]string{"a-1:2-3.x86_64": "a-2-3.x86_64.rpm", "a-2-3.noarch": "a-2-3.noarch.rpm"} {
		if got := fileName(nevra); got != want {
			t.Errorf("fileName(%s) = %s", nevra, got)
		}
	}
}
