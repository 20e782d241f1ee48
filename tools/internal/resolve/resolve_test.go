package resolve

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

func pkg(nevr string, edit ...func(*testPackage)) testPackage {
	i := strings.LastIndex(nevr[:strings.LastIndex(nevr, "-")], "-")
	p := testPackage{name: nevr[:i], evr: nevr[i+1:]}
	for _, e := range edit {
		e(&p)
	}
	return p
}

func requires(deps ...string) func(*testPackage)  { return func(p *testPackage) { p.requires = deps } }
func provides(deps ...string) func(*testPackage)  { return func(p *testPackage) { p.provides = deps } }
func conflicts(deps ...string) func(*testPackage) { return func(p *testPackage) { p.conflicts = deps } }
func obsoletes(deps ...string) func(*testPackage) { return func(p *testPackage) { p.obsoletes = deps } }
func recommends(deps ...string) func(*testPackage) {
	return func(p *testPackage) { p.recommends = deps }
}
func suggests(deps ...string) func(*testPackage) { return func(p *testPackage) { p.suggests = deps } }
func files(paths ...string) func(*testPackage)   { return func(p *testPackage) { p.files = paths } }
func arch(a string) func(*testPackage)           { return func(p *testPackage) { p.arch = a } }

var resolveTable = []struct {
	summary  string
	packages []testPackage
	roots    string
	weak     bool
	want     string // NEVRAs without architecture; "" means an error
}{
	{"the newest version of a root", []testPackage{pkg("a-1-1"), pkg("a-2-1"), pkg("a-2~rc1-1")}, "a", false, "a-2-1"},
	{"requirements are followed", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", requires("c")), pkg("c-1-1")}, "a", false, "a-1-1 b-1-1 c-1-1"},
	{"cycles are no problem", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", requires("a"))}, "a", false, "a-1-1 b-1-1"},
	{"an own provide satisfies a requirement", []testPackage{pkg("a-1-1", requires("x"), provides("x")), pkg("b-1-1", provides("x"))}, "a", false, "a-1-1"},
	{"an older version when only it fits", []testPackage{pkg("a-1-1", requires("b = 1")), pkg("b-1-1"), pkg("b-2-1")}, "a", false, "a-1-1 b-1-1"},
	{"an older root when the newest cannot be installed", []testPackage{pkg("a-1-1"), pkg("a-2-1", requires("gone"))}, "a", false, "a-1-1"},
	{"a file of primary.xml", []testPackage{pkg("a-1-1", requires("/usr/bin/x")), pkg("b-1-1", files("/usr/bin/x"))}, "a", false, "a-1-1 b-1-1"},
	{"a root by capability", []testPackage{pkg("a-1-1", provides("web = 2"))}, "web", false, "a-1-1"},
	{"a root by file", []testPackage{pkg("a-1-1", files("/usr/bin/x"))}, "/usr/bin/x", false, "a-1-1"},
	{"a root of a name prefers packages of the name", []testPackage{pkg("a-1-1"), pkg("b-1-1", provides("a = 9"))}, "a", false, "a-1-1"},
	{"a conflict decides between alternatives", []testPackage{
		pkg("a-1-1", requires("x"), conflicts("b")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x"))}, "a", false, "a-1-1 c-1-1"},
	{"a package does not conflict with itself", []testPackage{pkg("a-1-1", provides("x"), conflicts("x"))}, "a", false, "a-1-1"},
	{"obsoletes keep the old package out", []testPackage{
		pkg("a-1-1", requires("x")), pkg("old-1-1", provides("x")), pkg("znew-1-1", provides("x"), obsoletes("old < 2"))}, "a", false, "a-1-1 znew-1-1"},
	{"obsoletes look at names, not provides", []testPackage{
		pkg("a-1-1", requires("b", "c")), pkg("b-1-1", obsoletes("virtual")), pkg("c-1-1", provides("virtual"))}, "a", false, "a-1-1 b-1-1 c-1-1"},
	{"two versions of a name never together", []testPackage{pkg("a-1-1", requires("b = 1", "c")), pkg("b-1-1"), pkg("b-2-1"), pkg("c-1-1", requires("b = 2"))}, "a", false, ""},
	{"nothing is installed for what is there anyway", []testPackage{
		pkg("a-1-1", requires("x", "zz")), pkg("b-1-1", provides("x")), pkg("zz-1-1", provides("x"))}, "a", false, "a-1-1 zz-1-1"},
	{"a recommended alternative is preferred", []testPackage{
		pkg("a-1-1", requires("x"), recommends("c")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x"))}, "a", false, "a-1-1 c-1-1"},
	{"a suggested alternative is preferred", []testPackage{
		pkg("a-1-1", requires("x"), suggests("c")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x"))}, "a", false, "a-1-1 c-1-1"},
	{"an alternative that is wanted by what came later is preferred", []testPackage{
		pkg("a-1-1", requires("x", "y")), pkg("b-1-1", provides("x"), requires("z")), pkg("c-1-1", provides("x")),
		pkg("y-1-1", provides("z"), recommends("c"))}, "a", false, "a-1-1 c-1-1 y-1-1"},
	{"an alternative that is wanted because of the choice itself is preferred", []testPackage{
		pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x"), requires("z")), pkg("c-1-1", provides("x")),
		pkg("z-1-1", recommends("c"))}, "a", false, "a-1-1 c-1-1"},
	{"an older provider of a common name comes last", []testPackage{
		pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x = 1")), pkg("c-1-1", provides("x = 2"))}, "a", false, "a-1-1 c-1-1"},
	{"recommends are not followed", []testPackage{pkg("a-1-1", recommends("b")), pkg("b-1-1")}, "a", false, "a-1-1"},
	{"recommends are followed when asked", []testPackage{pkg("a-1-1", recommends("b")), pkg("b-1-1", requires("c")), pkg("c-1-1")}, "a", true, "a-1-1 b-1-1 c-1-1"},
	{"a recommendation that cannot be is skipped", []testPackage{pkg("a-1-1", recommends("b", "gone")), pkg("b-1-1", conflicts("a"))}, "a", true, "a-1-1"},
	{"noarch packages fit", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", arch("noarch"))}, "a", false, "a-1-1 b-1-1"},
	{"other architectures do not", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", arch("i686"))}, "a", false, ""},
	{"rpmlib is a feature of rpm", []testPackage{pkg("a-1-1", requires("rpmlib(PayloadIsZstd) <= 5.4.18-1"))}, "a", false, "a-1-1"},
	{"if whose condition holds", []testPackage{pkg("a-1-1", requires("(b if c)", "c")), pkg("b-1-1"), pkg("c-1-1")}, "a", false, "a-1-1 b-1-1 c-1-1"},
	{"if whose condition does not hold", []testPackage{pkg("a-1-1", requires("(b if c)")), pkg("b-1-1"), pkg("c-1-1")}, "a", false, "a-1-1"},
	{"the condition of an if with else may be installed to meet it, as in libsolv", []testPackage{pkg("a-1-1", requires("(b if c else d)")), pkg("b-1-1"), pkg("c-1-1"), pkg("d-1-1")}, "a", false, "a-1-1 b-1-1 c-1-1"},
	{"and inside or", []testPackage{pkg("a-1-1", requires("((b and gone) or c)")), pkg("b-1-1"), pkg("c-1-1")}, "a", false, "a-1-1 c-1-1"},
	{"with wants one package for both", []testPackage{
		pkg("a-1-1", requires("(x >= 2 with x < 3)")), pkg("b-1-1", provides("x = 1")), pkg("c-1-1", provides("x = 2"))}, "a", false, "a-1-1 c-1-1"},
	{"without", []testPackage{pkg("a-1-1", requires("(x without y)")), pkg("b-1-1", provides("x", "y")), pkg("c-1-1", provides("x"))}, "a", false, "a-1-1 c-1-1"},
	{"unless in a conflict", []testPackage{pkg("a-1-1", conflicts("(b unless c)"), requires("b")), pkg("b-1-1"), pkg("c-1-1")}, "a", false, "a-1-1 b-1-1 c-1-1"},
	{"a rich conflict", []testPackage{
		pkg("a-1-1", conflicts("(b and c)"), requires("b", "x")), pkg("b-1-1"), pkg("c-1-1", provides("x")), pkg("d-1-1", provides("x"))}, "a", false, "a-1-1 b-1-1 d-1-1"},
}

func TestResolve(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	for _, test := range resolveTable {
		packages := slices.Clone(test.packages)
		for range 4 { // in several orders of the metadata
			u := universeOf(t, packages...)
			sol, err := u.Resolve(Options{Roots: strings.Split(test.roots, ","), Weak: test.weak})
			got := ""
			if err == nil {
				got = nevras(sol)
				checkSolution(t, sol, strings.Split(test.roots, ","))
			}
			if got != test.want {
				t.Errorf("%s: got %q (%v), want %q", test.summary, got, err, test.want)
			}
			rnd.Shuffle(len(packages), func(i, j int) { packages[i], packages[j] = packages[j], packages[i] })
		}
	}
}

func nevras(sol *Solution) string {
	var out []string
	for _, p := range sol.Packages {
		out = append(out, strings.TrimSuffix(strings.TrimSuffix(sol.Universe.NEVRA(p), ".x86_64"), ".noarch"))
	}
	return strings.Join(out, " ")
}

func TestExplanations(t *testing.T) {
	tests := []struct {
		summary  string
		packages []testPackage
		roots    []string
		want     string
		hints    string
	}{
		{"a missing requirement", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", requires("gone >= 2"))}, []string{"a"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- a-1-1.x86_64 requires b: that is b-1-1.x86_64
- b-1-1.x86_64 requires gone >= 2, but nothing provides it`, ""},
		{"a version that is not there", []testPackage{pkg("a-1-1", requires("b >= 3")), pkg("b-1-1"), pkg("b-2-1")}, []string{"a"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- a-1-1.x86_64 requires b >= 3, but the repositories have b-1-1.x86_64, b-2-1.x86_64`, ""},
		{"two roots in conflict, and unrelated ones left out", []testPackage{
			pkg("a-1-1", conflicts("b < 2")), pkg("b-1-1"), pkg("c-1-1", requires("d")), pkg("d-1-1")}, []string{"a", "b", "c"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- the manifest asks for b: that is b-1-1.x86_64
- a-1-1.x86_64 conflicts with b < 2, which is b-1-1.x86_64`, ""},
		{"obsoleted", []testPackage{pkg("a-1-1", obsoletes("b")), pkg("b-1-1")}, []string{"a", "b"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- the manifest asks for b: that is b-1-1.x86_64
- a-1-1.x86_64 obsoletes b, which is b-1-1.x86_64`, ""},
		{"one name in two versions", []testPackage{
			pkg("a-1-1", requires("c = 1")), pkg("b-1-1", requires("c = 2")), pkg("c-1-1"), pkg("c-2-1")}, []string{"a", "b"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- the manifest asks for b: that is b-1-1.x86_64
- a-1-1.x86_64 requires c = 1: that is c-1-1.x86_64
- b-1-1.x86_64 requires c = 2: that is c-2-1.x86_64
- c-2-1.x86_64 and c-1-1.x86_64 have the same name`, ""},
		{"all alternatives fail", []testPackage{
			pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x"), requires("gone")), pkg("c-1-1", provides("x"), conflicts("a"))}, []string{"a"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- a-1-1.x86_64 requires x: that is one of b-1-1.x86_64, c-1-1.x86_64
- b-1-1.x86_64 requires gone, but nothing provides it
- c-1-1.x86_64 conflicts with a, which is a-1-1.x86_64`, ""},
		{"a rich requirement", []testPackage{pkg("a-1-1", requires("(b and gone)")), pkg("b-1-1")}, []string{"a"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- a-1-1.x86_64 requires (b and gone), which nothing can satisfy`, ""},
		{"another architecture", []testPackage{pkg("a-1-1", requires("b")), pkg("b-1-1", arch("i686"))}, []string{"a"},
			`the packages for x86_64 cannot be installed together:
- the manifest asks for a: that is a-1-1.x86_64
- a-1-1.x86_64 requires b, but it exists for i686 only`, ""},
		{"unknown roots", []testPackage{pkg("bash-1-1"), pkg("only-1-1", arch("i686"))}, []string{"bahs", "only", "wild"},
			`unknown package "bahs" for x86_64: no package of that name, and nothing provides it
unknown package "only" for x86_64: the repositories have it for i686 only
unknown package "wild" for x86_64: no package of that name, and nothing provides it`, `for "bahs", did you mean bash?`},
		{"a rich root", []testPackage{pkg("a-1-1")}, []string{"(a or b)"}, `reading root "(a or b)": rich dependencies are not roots`, ""},
	}
	for _, test := range tests {
		_, err := universeOf(t, test.packages...).Resolve(Options{Roots: test.roots})
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: error\n%v\nwant\n%s", test.summary, err, test.want)
		}
		if got := strings.Join(cli.Hints(err), "; "); got != test.hints {
			t.Errorf("%s: hints %q, want %q", test.summary, got, test.hints)
		}
	}
}

// TestExplanationsAreMinimal drops each fact's packages in turn from failing random universes: without the facts there must
// be nothing to explain.
func TestExplanationsAreMinimal(t *testing.T) {
	explained := 0
	for seed := range int64(300) {
		u := universeOf(t, randomPackages(rand.New(rand.NewSource(seed)))...)
		for _, roots := range randomRoots(u, 3, seed) {
			parsed, err := parseRoots(roots)
			if err != nil {
				t.Fatal(err)
			}
			p := u.newProblem(parsed, false)
			if err := p.build(); err != nil {
				t.Fatal(err)
			}
			s := &search{problem: p}
			conflict, _ := s.run()
			if conflict < 0 {
				continue
			}
			explained++
			facts := p.minimal(p.sat.culprits(conflict))
			if satisfiable(len(u.Packages), clausesOf(p, facts)) {
				t.Fatalf("seed %d %v: the explanation can be satisfied", seed, roots)
			}
			for i := range facts {
				if !satisfiable(len(u.Packages), clausesOf(p, slices.Delete(slices.Clone(facts), i, i+1))) {
					t.Fatalf("seed %d %v: fact %d of %d is not needed", seed, roots, i, len(facts))
				}
			}
		}
	}
	if explained < 100 {
		t.Errorf("only %d explanations were checked", explained)
	}
}

func clausesOf(p *problem, facts []int) [][]lit {
	var out [][]lit
	for _, n := range facts {
		out = append(out, slices.Clone(p.sat.clause(n)))
	}
	return out
}

// TestVerdictsByBruteForce tries every subset of small universes.
func TestVerdictsByBruteForce(t *testing.T) {
	solvable, unsolvable := 0, 0
	for seed := range int64(800) {
		rnd := rand.New(rand.NewSource(seed))
		packages := randomPackages(rnd)[1:]
		packages = packages[:min(len(packages), 10)]
		u := universeOf(t, packages...)
		root := u.Name(rnd.Intn(len(u.Packages)))
		_, err := u.Resolve(Options{Roots: []string{root}})
		var conflict *Conflict
		if err != nil && !errors.As(err, &conflict) {
			t.Fatal(err)
		}
		if possible := bruteForce(t, u, root); possible != (err == nil) {
			t.Fatalf("seed %d, root %s: brute force says %v, the solver %v", seed, root, possible, err)
		} else if possible {
			solvable++
		} else {
			unsolvable++
		}
	}
	if solvable < 80 || unsolvable < 80 {
		t.Errorf("one-sided: %d solvable, %d unsolvable", solvable, unsolvable)
	}
}

func bruteForce(t *testing.T, u *Universe, root string) bool {
	t.Helper()
	n := len(u.Packages)
	for set := 1; set < 1<<n; set++ {
		in := map[int]bool{}
		hasRoot := false
		for p := range n {
			if set>>p&1 == 1 {
				in[p] = true
				hasRoot = hasRoot || u.Name(p) == root
			}
		}
		if hasRoot && consistent(t, u, in) {
			return true
		}
	}
	return false
}

func consistent(t *testing.T, u *Universe, in map[int]bool) bool {
	t.Helper()
	for p := range in {
		from, to := u.named(u.Packages[p].name)
		for other := from; other < to; other++ {
			if other != p && in[other] {
				return false
			}
		}
		for _, d := range u.deps(p, repomd.Requires) {
			if !satisfied(t, u, in, d) {
				return false
			}
		}
		for _, d := range u.deps(p, repomd.Conflicts) {
			for _, other := range u.providers(d) {
				if other != p && in[other] {
					return false
				}
			}
		}
		for _, d := range u.deps(p, repomd.Obsoletes) {
			for _, other := range u.obsoleted(p, d) {
				if in[other] {
					return false
				}
			}
		}
	}
	return true
}

func TestPriorityOfRepositories(t *testing.T) {
	read := func(packages ...testPackage) *repomd.Primary {
		p, err := repomd.ParsePrimary(strings.NewReader(primaryXML(packages)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	repositories := func(a, b int) []Repository {
		return []Repository{
			{ID: "old", Priority: a, Primary: read(pkg("a-1-1"), pkg("x-1-1"))},
			{ID: "new", Priority: b, Primary: read(pkg("y-1-1"), pkg("a-2-1", requires("x")))},
		}
	}
	for _, test := range []struct {
		a, b int
		want string
	}{{99, 99, "a-2-1 x-1-1"}, {10, 99, "a-1-1"}, {99, 10, "a-2-1 x-1-1"}} {
		sol, err := NewUniverse("x86_64", repositories(test.a, test.b), nil).Resolve(Options{Roots: []string{"a"}})
		if err != nil || nevras(sol) != test.want {
			t.Errorf("priorities %d and %d: %v, %v, want %s", test.a, test.b, sol, err, test.want)
		}
	}
	repos := repositories(99, 99)
	repos[1].Exclude = []string{"a"}
	if sol, err := NewUniverse("x86_64", repos, nil).Resolve(Options{Roots: []string{"a"}}); err != nil || nevras(sol) != "a-1-1" {
		t.Errorf("exclude of a repository: %v", err)
	}
}

func TestAnswer(t *testing.T) {
	u := universeOf(t, pkg("a-1-1", requires("b", "c")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x = 2", "y")), pkg("d-1-1", provides("z")))
	sol, err := u.Resolve(Options{Roots: []string{"a", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ dep, want string }{
		{"b", "[b] true"},
		{"x", "[c] true"}, // a root is better than another package
		{"x = 2", "[c] true"},
		{"a", "[] true"}, // itself
		{"z", "[] false"},
		{"(b and c)", "[b c] true"},
		{"(z or b)", "[b] true"},
		{"(a or b)", "[] true"},
		{"(b if y)", "[b] true"},
		{"(b if z)", "[] true"},
		{"(z if z else c)", "[c] true"},
		{"(x without y)", "[b] true"},
	}
	for _, test := range tests {
		to, met, err := sol.Answer(0, test.dep)
		var names []string
		for _, p := range to {
			names = append(names, u.Name(p))
		}
		if got := fmt.Sprint(names, met); err != nil || got != test.want {
			t.Errorf("%s: got %s (%v), want %s", test.dep, got, err, test.want)
		}
	}
}

func TestParseDependency(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{"libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.34)(64bit)", ""},
		{"a >= 1:2-3", "a >= 1:2-3", ""},
		{"font(:lang=de)", "font(:lang=de)", ""},
		{"(a or b or c)", "(a or b or c)", ""},
		{"( a  and (b if c else d) )", "(a and (b if c else d))", ""},
		{"(perl(Foo) >= 1 with perl(Foo) < 2)", "(perl(Foo) >= 1 with perl(Foo) < 2)", ""},
		{"((a))", "a", ""},
		{"(a and b or c)", "", `"or" after "and" needs parentheses`},
		{"(a if b if c)", "", `"if" after "if" needs parentheses`},
		{"(a xor b)", "", `unknown operator "xor"`},
		{"(a and", "", "a name is missing"},
		{"(a", "", `unknown operator ""`},
		{"(a and b) c", "", `unexpected "c" at the end`},
		{"a b", "", `unexpected "b" at the end`},
		{"(a with (b and c))", "", `"with" cannot combine "and"`},
		{"", "", "a name is missing"},
		{strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100), "", "nested deeper than 32"},
	}
	for _, test := range tests {
		e, err := ParseDependency(test.in)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %s", test.in, err, test.err)
			}
		} else if err != nil || e.String() != test.want {
			t.Errorf("%s: got %v, %v", test.in, e, err)
		}
	}
}

func TestComplexDependenciesAreBounded(t *testing.T) {
	var packages []testPackage
	for i := range 200 {
		packages = append(packages, pkg(fmt.Sprintf("p%d-1-1", i), provides("x", "y", "z")))
	}
	packages = append(packages, pkg("a-1-1", requires("(b if ((x and y) or (y and z) or (x and z)))"), provides("b2")))
	_, err := universeOf(t, packages...).Resolve(Options{Roots: []string{"a"}})
	if err == nil || !strings.Contains(err.Error(), "is too complex: more than 20000 clauses") {
		t.Errorf("error %v", err)
	}
}

func FuzzParseDependency(f *testing.F) {
	for _, s := range []string{"a", "a >= 1", "(a or b)", "(a if b else (c and d))", "(a with b < 2)", "((a)", "libc.so.6()(64bit)"} {
		f.Add(s)
	}
	u := universeOf(f, pkg("a-1-1", provides("x")), pkg("b-2-1", provides("x")), pkg("c-1-1"))
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseDependency(s)
		if err != nil {
			return
		}
		again, err := ParseDependency(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q reads as %q, that as %v (%v)", s, e, again, err)
		}
		// the normal form must agree with the definition on every set of packages
		n := normaliser{providers: func(e *Expr) []int { return u.providers(u.dependency(e)) }, left: 1000}
		clauses := n.hold(e, true)
		if n.left < 0 {
			return
		}
		for set := range 8 {
			in := map[int]bool{0: set&1 != 0, 1: set&2 != 0, 2: set&4 != 0}
			holds := !slices.ContainsFunc(clauses, func(c []lit) bool {
				return !slices.ContainsFunc(c, func(l lit) bool { return in[l.variable()-1] == (l > 0) })
			})
			if holds != truth(u, in, e) {
				t.Fatalf("%s on %v: clauses say %v", e, in, holds)
			}
		}
	})
}
