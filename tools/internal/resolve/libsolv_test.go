package resolve

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// libsolvScript resolves root sets with libsolv: argv is primary and filelists, stdin one root set a line, stdout one solution a
// line, or "-" when there is none.
const libsolvScript = `
import sys, solv
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_RPM)
pool.setarch("x86_64")
repo = pool.add_repo("r")
f = solv.xfopen(sys.argv[1]); repo.add_rpmmd(f, None); f.close()
if len(sys.argv) > 2:
    f = solv.xfopen(sys.argv[2]); repo.add_rpmmd(f, "FL", solv.Repo.REPO_LOCALPOOL | solv.Repo.REPO_EXTEND_SOLVABLES); f.close()
pool.addfileprovides()
pool.createwhatprovides()
foreign = [s for s in repo.solvables if s.arch not in ("x86_64", "noarch")]
locks = [pool.Job(solv.Job.SOLVER_LOCK | solv.Job.SOLVER_SOLVABLE, s.id) for s in foreign]
for line in sys.stdin:
    jobs = list(locks)
    ok = True
    for root in sorted(line.split()):
        sel = pool.select(root, solv.Selection.SELECTION_NAME)
        if sel.isempty():
            ok = False
        jobs += sel.jobs(solv.Job.SOLVER_INSTALL)
    solver = pool.Solver()
    solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    if not ok or solver.solve(jobs):
        print("-")
        continue
    print(" ".join(sorted("%s-%s.%s" % (s.name, s.evr, s.arch) for s in solver.transaction().newsolvables())))
`

// askLibsolv returns the solutions of libsolv, or skips the test.
func askLibsolv(t *testing.T, files []string, rootSets [][]string) [][]string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not checked: no python3 on PATH")
	}
	if err := exec.Command(python, "-c", "import solv").Run(); err != nil {
		t.Skip("not checked: python3 has no module solv (Debian: python3-solv)")
	}
	var in, out, errs bytes.Buffer
	for _, roots := range rootSets {
		fmt.Fprintln(&in, strings.Join(roots, " "))
	}
	cmd := exec.Command(python, append([]string{"-c", libsolvScript}, files...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("python3: %v\n%s", err, errs.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(rootSets) {
		t.Fatalf("libsolv gave %d answers to %d questions", len(lines), len(rootSets))
	}
	solutions := make([][]string, len(lines))
	for i, line := range lines {
		if line != "-" {
			solutions[i] = strings.Fields(line)
		}
	}
	return solutions
}

// compareWithLibsolv resolves root sets in both. The verdicts must be the same; it returns how many sets are not, with texts
// for the first few.
func compareWithLibsolv(t *testing.T, u *Universe, files func([]string) error, metadata []string, rootSets [][]string) (differ int, texts []string) {
	t.Helper()
	theirs := askLibsolv(t, metadata, rootSets)
	for i, roots := range rootSets {
		sol, err := u.Resolve(Options{Roots: roots, Files: files})
		var ours []string
		if err == nil {
			for _, p := range sol.Packages {
				ours = append(ours, u.NEVRA(p))
			}
			slices.Sort(ours)
			checkSolution(t, sol, roots)
		}
		if (ours == nil) != (theirs[i] == nil) {
			t.Errorf("%v: libsolv installs %v, we %v: %v", roots, theirs[i], ours, err)
		} else if !slices.Equal(ours, theirs[i]) {
			differ++
			texts = append(texts, fmt.Sprintf("%v: only we install %v, only libsolv %v", roots, minus(ours, theirs[i]), minus(theirs[i], ours)))
		}
	}
	return differ, texts
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// randomRoots picks root sets of 1 to 5 packages, always the same ones.
func randomRoots(u *Universe, sets int, seed int64) [][]string {
	rnd := rand.New(rand.NewSource(seed))
	names := u.Names()
	out := make([][]string, sets)
	for i := range out {
		for range 1 + rnd.Intn(5) {
			out[i] = append(out[i], names[rnd.Intn(len(names))])
		}
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
	}
	return out
}

func TestCentOSStream9LikeLibsolv(t *testing.T) {
	dir := sharedData(t, "cs9-baseos")
	u, files := realUniverse(t, dir)
	metadata, err := filepath.Glob(filepath.Join(dir, "repodata", "*-primary.xml.gz"))
	if err != nil || len(metadata) != 1 {
		t.Fatalf("primary.xml.gz: %v %v", metadata, err)
	}
	lists, err := filepath.Glob(filepath.Join(dir, "repodata", "*-filelists.xml.gz"))
	if err != nil || len(lists) != 1 {
		t.Fatalf("filelists.xml.gz: %v %v", lists, err)
	}
	sets := 200
	if os.Getenv("SLIMRPM_LONG") != "" {
		sets = 3000
	}
	if differ, texts := compareWithLibsolv(t, u, files, append(metadata, lists...), randomRoots(u, sets, 1)); differ > 0 {
		t.Errorf("%d of %d root sets resolve otherwise than in libsolv:\n%s", differ, sets, strings.Join(texts, "\n"))
	}
}
