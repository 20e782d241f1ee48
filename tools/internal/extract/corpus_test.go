package extract_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// maxFlipped is the size of the largest package that is judged damaged too.
const maxFlipped = 2 << 20

// judge asks rpmkeys and us about packages, with the same keys.
type judge struct {
	db   string
	ring *pgp.Keyring
}

// verdict says which of digests and signatures of a package are right; a package that cannot be read has neither.
type verdict struct{ digests, all bool }

func newJudge(t *testing.T, dir string) *judge {
	t.Helper()
	j := &judge{db: filepath.Join(t.TempDir(), "db")}
	var keys []byte
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".asc") && !strings.HasSuffix(path, ".pub") && !strings.HasPrefix(d.Name(), "RPM-GPG-KEY") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if _, err := pgp.ReadKeyring(data); err != nil {
			t.Logf("%s: not a key for us: %v", path, err)
			return nil
		}
		if out, err := exec.Command("rpmkeys", "--dbpath", j.db, "--import", path).CombinedOutput(); err != nil {
			t.Logf("%s: not a key for rpm: %s", path, out)
			return nil
		}
		keys = append(append(keys, data...), '\n')
		return nil
	})
	if keys == nil {
		return j
	}
	ring, err := pgp.ReadKeyring(keys)
	if err != nil {
		t.Fatalf("reading all keys together: %v", err)
	}
	t.Logf("%d keys", len(ring.Keys()))
	j.ring = ring
	return j
}

func (j *judge) rpm(name string) (verdict, string) {
	out, err := exec.Command("rpmkeys", "--dbpath", j.db, "-K", name).CombinedOutput()
	line := string(out)
	return verdict{digests: strings.Contains(line, ": digests "), all: err == nil}, strings.TrimSpace(line)
}

// us judges as rpmkeys does by default: signatures must be good if there are any.
func (j *judge) us(name string) (verdict, error) {
	f, err := os.Open(name)
	if err != nil {
		return verdict{}, err
	}
	defer f.Close()
	p, err := rpm.ReadPackage(f)
	if err != nil {
		return verdict{}, err
	}
	if _, err := rpm.VerifyPackage(p, f, nil, rpm.Policy{AllowUnsigned: true}); err != nil {
		return verdict{}, err
	}
	signed := false
	for _, tag := range []rpm.Tag{rpm.SigOpenPGP, rpm.SigRSA, rpm.SigDSA, rpm.SigPGP, rpm.SigGPG} {
		signed = signed || p.Signature.Has(tag)
	}
	if !signed {
		return verdict{true, true}, nil
	}
	if j.ring == nil {
		return verdict{digests: true}, fmt.Errorf("no keys")
	}
	if _, err := f.Seek(p.HeaderEnd, 0); err != nil {
		return verdict{}, err
	}
	_, err = rpm.VerifyPackage(p, f, j.ring, rpm.Policy{AllowSHA1: true, Now: time.Now()})
	return verdict{true, err == nil}, err
}

// compareVerdicts judges a package as it is, with a byte of its header and with one of its payload changed.
func (j *judge) compareVerdicts(t *testing.T, name string) {
	t.Helper()
	check := func(what, file string) {
		theirs, line := j.rpm(file)
		ours, err := j.us(file)
		if ours != theirs {
			t.Errorf("%s: rpmkeys says %q, we say digests %v, all %v: %v", what, line, ours.digests, ours.all, err)
		}
	}
	check("as it is", name)
	data, err := os.ReadFile(name)
	if err != nil || len(data) > maxFlipped {
		return
	}
	p, err := rpm.ReadPackage(bytes.NewReader(data))
	if err != nil {
		return
	}
	for _, change := range []struct {
		what string
		at   int
	}{{"header changed", int(p.HeaderEnd) - 20}, {"payload changed", (int(p.HeaderEnd) + len(data)) / 2}} {
		mutant := bytes.Clone(data)
		mutant[min(change.at, len(mutant)-1)] ^= 1
		file := filepath.Join(t.TempDir(), "mutant.rpm")
		if err := os.WriteFile(file, mutant, 0o666); err != nil {
			t.Fatal(err)
		}
		check(change.what, file)
	}
}

// compareTree extracts a package and compares it with what rpm and rpm2cpio give. It reports what both refuse.
func compareTree(t *testing.T, name string) (files int, refused bool) {
	t.Helper()
	source := exec.Command("rpm", "--nosignature", "--nodigest", "-qp", "--qf", "%{SOURCEPACKAGE}", name)
	out, err := source.Output()
	if err != nil || string(out) == "1" {
		return 0, true // the verdict says what there is to say
	}
	dir := t.TempDir()
	o := extract.Options{RPM: name, Payload: filepath.Join(dir, "payload.tar"), Index: filepath.Join(dir, "index.json"), Header: filepath.Join(dir, "header.bin")}
	if err := extract.Run(o); err != nil {
		if exec.Command("sh", "-c", `rpm2cpio "$1" | cpio -t`, "sh", name).Run() != nil {
			return 0, true
		}
		t.Error(err)
		return 0, false
	}
	x := readIndex(t, dir)
	compareTable(t, name, x)
	compareContents(t, name, x, o.Payload)
	return len(x.Files), false
}

// TestCorpus compares our verdict and our tree with rpm's for every RPM below the directory SLIMRPM_CORPUS; see
// third_party/corpus. The keys found there are known to both sides.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("SLIMRPM_CORPUS")
	if dir == "" {
		t.Skip("SLIMRPM_CORPUS names no directory of RPMs (third_party/corpus/fetch makes one): not compared with rpm")
	}
	for _, tool := range []string{"rpm", "rpmkeys", "rpm2cpio", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine: not compared with rpm", tool)
		}
	}
	j := newJudge(t, dir)
	type row struct{ packages, verdicts, trees, files, noTree int }
	rows := map[string]*row{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".rpm") {
			return err
		}
		relative, _ := filepath.Rel(dir, name)
		corpus, _, _ := strings.Cut(relative, string(filepath.Separator))
		if rows[corpus] == nil {
			rows[corpus] = &row{}
		}
		r := rows[corpus]
		r.packages++
		if t.Run("verdict/"+relative, func(t *testing.T) { j.compareVerdicts(t, name) }) {
			r.verdicts++
		}
		files, refused := 0, false
		if t.Run("tree/"+relative, func(t *testing.T) { files, refused = compareTree(t, name) }) {
			if refused {
				r.noTree++
			} else {
				r.trees++
				r.files += files
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	sort.Strings(names)
	t.Logf("%-14s %8s %14s %11s %12s %18s", "corpus", "packages", "verdicts equal", "trees equal", "files in them", "source or damaged")
	for _, name := range names {
		r := rows[name]
		t.Logf("%-14s %8d %14d %11d %12d %18d", name, r.packages, r.verdicts, r.trees, r.files, r.noTree)
	}
	if len(rows) == 0 {
		t.Errorf("%s holds no RPMs", dir)
	}
}
