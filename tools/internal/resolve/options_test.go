package resolve

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

// optionsScript asks libsolv with the options of one case: argv is "priority=file,..." (a higher one is better for libsolv), the excludes,
// the roots, "weak" and "best" or nothing.
const optionsScript = `
import sys, solv
pool = solv.Pool()
pool.setdisttype(solv.Pool.DISTTYPE_RPM)
pool.setarch("x86_64")
for n, one in enumerate(sys.argv[1].split(",")):
    priority, path = one.split("=", 1)
    repo = pool.add_repo("r%d" % n)
    repo.priority = -int(priority)
    f = solv.xfopen(path); repo.add_rpmmd(f, None); f.close()
pool.addfileprovides()
pool.createwhatprovides()
jobs = []
flags = solv.Selection.SELECTION_NAME | solv.Selection.SELECTION_GLOB | solv.Selection.SELECTION_CANON | solv.Selection.SELECTION_REL
excluded = set(s.id for glob in sys.argv[2].split() for s in pool.select(glob, flags).solvables())
jobs += [pool.Job(solv.Job.SOLVER_LOCK | solv.Job.SOLVER_SOLVABLE, s) for s in sorted(excluded)]
ok = True
for root in sys.argv[3].split(","):
    what = solv.Job.SOLVER_INSTALL | (solv.Job.SOLVER_FORCEBEST if sys.argv[5] else 0)
    found = pool.select(root, flags).jobs(what)
    ok = ok and len(found) > 0
    jobs += found
solver = pool.Solver()
solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 0 if sys.argv[4] else 1)
if not ok or solver.solve(jobs):
    print("-")
else:
    print(" ".join(sorted("%s-%s" % (s.name, s.evr) for s in solver.transaction().newsolvables())))
`

func TestOptionsLikeLibsolv(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not checked: no python3 on PATH")
	}
	if err := exec.Command(python, "-c", "import solv").Run(); err != nil {
		t.Skip("not checked: python3 has no module solv (Debian: python3-solv)")
	}
	one := func(packages ...testPackage) []testPackage { return packages }
	versions := one(pkg("a-1-1"), pkg("a-2-1"), pkg("b-1-1", requires("a")))
	broken := one(pkg("a-1-1"), pkg("a-2-1", requires("gone")))
	weak := one(pkg("a-1-1", recommends("b")), pkg("b-1-1"))
	for _, test := range []struct {
		summary    string
		repos      [][]testPackage
		priorities []string
		exclude    string
		roots      string
		weak, best bool
		want       string
	}{
		{"a newer version in a worse repository", [][]testPackage{one(pkg("a-1-1")), one(pkg("a-2-1"))}, []string{"10", "99"}, "", "a", false, false, "a-1-1"},
		{"a newer version in a better repository", [][]testPackage{one(pkg("a-1-1")), one(pkg("a-2-1"))}, []string{"99", "10"}, "", "a", false, false, "a-2-1"},
		{"a newer version in an equal repository", [][]testPackage{one(pkg("a-1-1")), one(pkg("a-2-1"))}, []string{"99", "99"}, "", "a", false, false, "a-2-1"},
		{"a provider in a better repository", [][]testPackage{one(pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x"))), one(pkg("c-1-1", provides("x")))}, []string{"99", "10"}, "", "a", false, false, "a-1-1 c-1-1"},
		{"an excluded provider", [][]testPackage{one(pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x")))}, []string{"99"}, "b", "a", false, false, "a-1-1 c-1-1"},
		{"an excluded glob", [][]testPackage{one(pkg("a-1-1", requires("x")), pkg("b1-1-1", provides("x")), pkg("b2-1-1", provides("x")))}, []string{"99"}, "b*", "a", false, false, "-"},
		{"an excluded root", [][]testPackage{versions}, []string{"99"}, "a", "b", false, false, "-"},
		{"a pinned version", [][]testPackage{versions}, []string{"99"}, "", "a-1,b", false, false, "a-1-1 b-1-1"},
		{"a version and release", [][]testPackage{versions}, []string{"99"}, "", "a-2-1", false, false, "a-2-1"},
		{"a version as a relation", [][]testPackage{versions}, []string{"99"}, "", "a < 2,b", false, false, "a-1-1 b-1-1"},
		{"a pin that is not there", [][]testPackage{versions}, []string{"99"}, "", "a = 3", false, false, "-"},
		{"weak off", [][]testPackage{weak}, []string{"99"}, "", "a", false, false, "a-1-1"},
		{"weak on", [][]testPackage{weak}, []string{"99"}, "", "a", true, false, "a-1-1 b-1-1"},
		{"weak on with an exclude", [][]testPackage{weak}, []string{"99"}, "b", "a", true, false, "a-1-1"},
		{"not the best", [][]testPackage{broken}, []string{"99"}, "", "a", false, false, "a-1-1"},
		{"the best or nothing", [][]testPackage{broken}, []string{"99"}, "", "a", false, true, "-"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			var repos []Repository
			var metadata []string
			for i, packages := range test.repos {
				text := primaryXML(packages)
				primary, err := repomd.ParsePrimary(strings.NewReader(text))
				if err != nil {
					t.Fatal(err)
				}
				priority := map[string]int{"10": 10, "99": 99}[test.priorities[i]]
				repos = append(repos, Repository{ID: "r" + test.priorities[i], Priority: priority, Primary: primary})
				file := filepath.Join(t.TempDir(), "primary.xml")
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				metadata = append(metadata, test.priorities[i]+"="+file)
			}
			u := NewUniverse("x86_64", repos, strings.Fields(test.exclude))
			ours := "-"
			sol, err := u.Resolve(Options{Roots: strings.Split(test.roots, ","), Weak: test.weak, Best: test.best})
			if err == nil {
				list := strings.Fields(nevras(sol))
				slices.Sort(list)
				ours = strings.Join(list, " ")
			}
			on := func(b bool) string { return map[bool]string{true: "on"}[b] }
			var errs bytes.Buffer
			cmd := exec.Command(python, "-c", optionsScript, strings.Join(metadata, ","), test.exclude, test.roots, on(test.weak), on(test.best))
			cmd.Stderr = &errs
			out, cmdErr := cmd.Output()
			if cmdErr != nil {
				t.Fatalf("libsolv: %v\n%s", cmdErr, errs.String())
			}
			if theirs := strings.TrimSpace(string(out)); ours != test.want || theirs != test.want {
				t.Errorf("we install %q (%v), libsolv %q, want %q", ours, err, theirs, test.want)
			}
		})
	}
}
