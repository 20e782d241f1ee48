package rpmdb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// longKeys is a package whose index keys do not fit on their pages, some of them with a long start in common.
func longKeys() rpmtest.Package {
	p := rpmtest.Package{Name: "long-keys"}
	for i := range 40 {
		p.Provides = append(p.Provides, strings.Repeat("k", 900+i*17), fmt.Sprintf("%s%02d", strings.Repeat("same", 600), i))
	}
	return p
}

// TestBerkeleyDBVerifies lets Berkeley DB check databases of many sizes.
func TestBerkeleyDBVerifies(t *testing.T) {
	verify := program(t, "db5.3_verify", "Berkeley DB itself did not judge our databases")
	inputs := built(t, append(append(manyPackages(400), everyTable(), longKeys()), oddPackages()...)...)
	for _, n := range []int{0, 1, 2, 3, 60, 190, 400, len(inputs)} {
		dir := t.TempDir()
		args := []string{"-q"}
		for name, data := range files(t, options(BDB, inputs[:n])) {
			args = append(args, filepath.Join(dir, name))
			if err := os.WriteFile(args[len(args)-1], data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if len(args) != 20 {
			t.Fatalf("%d files", len(args)-1)
		}
		if out, err := exec.Command(verify, args...).CombinedOutput(); err != nil {
			t.Errorf("%d packages: %v\n%s", n, err, out)
		}
	}
}

// bdbRoot is a root file system with an rpm that can write Berkeley DB, which those since 4.17 cannot.
func bdbRoot(t *testing.T) string {
	t.Helper()
	root := os.Getenv("SLIMRPM_BDB_ROOT")
	if root == "" {
		t.Skip("SLIMRPM_BDB_ROOT names no root with an rpm that writes Berkeley DB: databases were not compared with the ones rpm writes, nor used by it. " +
			"To make one: mmdebstrap --variant=essential --include=rpm,db-util bullseye DIR")
	}
	return root
}

// inRoot runs a program below root and returns its output.
func inRoot(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command("chroot", append([]string{root}, args...)...)
	var stderr bytes.Buffer // Debian's rpm warns there of being used
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(stderr.String(), "error") {
		t.Errorf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// TestBerkeleyDBEqualsRPM compares every key and value of all files with those that rpm 4.16 writes. It knows no
// SOURCE_DATE_EPOCH, so install times are taken from what it wrote.
func TestBerkeleyDBEqualsRPM(t *testing.T) {
	root := bdbRoot(t)
	t.Log(strings.TrimSpace(inRoot(t, root, "rpm", "--version")))
	inputs := built(t, append(append(manyPackages(120), everyTable(), longKeys()), oddPackages()...)...)
	inputs = slices.DeleteFunc(inputs, func(in input) bool { return strings.HasPrefix(in.nevra, "format-6") })
	dir, err := os.MkdirTemp(filepath.Join(root, "tmp"), "bdb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	inside := strings.TrimPrefix(dir, root)
	args := []string{"rpm", "--define", "_db_backend bdb", "--define", "_dbpath " + inside + "/theirs", "--define", "_transaction_color 3", "--ignoresize",
		"--define", "_pkgverify_level none", "--justdb", "--nodeps", "--noscripts", "--notriggers", "--noorder", "--ignorearch", "--nosignature", "-i"}
	for i, in := range inputs {
		name := fmt.Sprintf("%05d.rpm", i)
		if err := os.WriteFile(filepath.Join(dir, name), in.rpm, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, inside+"/"+name)
	}
	inRoot(t, root, args...)
	theirs, err := os.ReadFile(filepath.Join(dir, "theirs", bdbPackages))
	if err != nil {
		t.Fatal(err)
	}
	opts := options(BDB, inputs)
	for i, rec := range readFiles(t, map[string][]byte{bdbPackages: theirs}) {
		if nevra, err := rec.NEVRA(); err != nil || nevra != inputs[i].nevra {
			t.Fatalf("header %d is %s, want %s (%v)", rec.Number, nevra, inputs[i].nevra, err)
		}
		tid, err := rec.Uint32s(rpm.TagInstallTID)
		if err != nil {
			t.Fatal(err)
		}
		time, err := rec.Uint32s(rpm.TagInstallTime)
		if err != nil {
			t.Fatal(err)
		}
		opts.InstallTID, opts.Packages[i].InstallTime = tid[0], time[0]
	}
	ours := filepath.Join(dir, "ours")
	if err := os.Mkdir(ours, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files(t, opts) {
		if err := os.WriteFile(filepath.Join(ours, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		dump := func(side string) []byte {
			out := inRoot(t, root, "db5.3_dump", inside+"/"+side+"/"+name)
			_, body, _ := strings.Cut(out, "HEADER=END\n")
			return sortPairs(name, body)
		}
		got, want := dump("ours"), dump("theirs")
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes of dump, rpm's have %d:\n%s", name, len(got), len(want), firstDifference(got, want))
		}
	}
	t.Logf("%d packages", len(inputs))
}

// sortPairs sorts the pairs of a dumped hash, whose order depends on the number of buckets.
func sortPairs(name, body string) []byte {
	if name != bdbPackages {
		return []byte(body)
	}
	lines := strings.Split(strings.TrimSuffix(body, "DATA=END\n"), "\n")
	var pairs []string
	for i := 0; i+1 < len(lines); i += 2 {
		pairs = append(pairs, lines[i]+"\n"+lines[i+1])
	}
	slices.Sort(pairs)
	return []byte(strings.Join(pairs, "\n"))
}

func firstDifference(got, want []byte) string {
	a, b := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d:\n got %.300s\nwant %.300s\nbefore %.100s", i, a[i], b[i], a[max(0, i-1)])
		}
	}
	return "one is longer"
}

// TestBerkeleyDBQueries lets rpm 4.16 query, verify, rebuild and change a database of ours.
func TestBerkeleyDBQueries(t *testing.T) {
	root := bdbRoot(t)
	inputs := built(t, append(append(manyPackages(120), everyTable(), longKeys()), oddPackages()...)...)
	inputs = slices.DeleteFunc(inputs, func(in input) bool { return strings.HasPrefix(in.nevra, "format-6") })
	dir, err := os.MkdirTemp(filepath.Join(root, "tmp"), "bdb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, data := range files(t, options(BDB, inputs)) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rpm := func(args ...string) string {
		return inRoot(t, root, append([]string{"rpm", "--define", "_db_backend bdb", "--define", "_dbpath " + strings.TrimPrefix(dir, root), "--nosignature"}, args...)...)
	}
	list := func() []string {
		all := strings.Fields(rpm("-qa", "--qf", "%{nevra}\n"))
		slices.Sort(all)
		return all
	}
	var want []string
	for _, in := range inputs {
		want = append(want, in.nevra)
	}
	slices.Sort(want)
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("rpm -qa: got %q, want %q", got, want)
	}
	check := func(when string) {
		for _, c := range []struct {
			want string
			args []string
		}{
			{"every-table", []string{"-qf", "--qf", "%{name}", "/usr/bin/every"}},
			{"every-table", []string{"-qf", "--qf", "%{name}", "/"}},
			{"every-tableevery-table", []string{"-q", "--qf", "%{name}", "--whatprovides", "twice"}},
			{"every-table", []string{"-q", "--qf", "%{name}", "--whatrecommends", "rec"}},
			{"long-keys", []string{"-q", "--qf", "%{name}", "--whatprovides", strings.Repeat("k", 900+39*17)}},
			{"package-0101", []string{"-q", "--qf", "%{name}", "--whatprovides", "lib101.so.3()(64bit)"}},
			{"", []string{"-V", "--nodeps", "--nofiles", "every-table"}},
			{"", []string{"-e", "--test", "--nodeps", "every-table"}},
		} {
			if got := rpm(c.args...); got != c.want {
				t.Errorf("%s: rpm %.100q: got %q, want %q", when, c.args, got, c.want)
			}
		}
	}
	check("as written")
	rpm("--verifydb")
	rpm("-e", "--nodeps", "--justdb", "--noscripts", "--notriggers", "package-0003", "long-keys")
	rpm("--verifydb")
	rpm("--rebuilddb")
	want = slices.DeleteFunc(want, func(n string) bool { return strings.HasPrefix(n, "package-0003") || strings.HasPrefix(n, "long-keys") })
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("rpm -qa after erasing and rebuilding: got %q, want %q", got, want)
	}
}
