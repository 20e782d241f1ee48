package resolve

import (
	"errors"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"testing"
)

func size(bytes int64) func(*testPackage) { return func(p *testPackage) { p.bytes = bytes } }

func TestSmallest(t *testing.T) {
	tests := []struct {
		summary  string
		packages []testPackage
		want     string
		bytes    int64
	}{
		{"the smaller provider", []testPackage{
			pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x"), size(10)), pkg("c-1-1", provides("x"), size(5))}, "a-1-1 c-1-1", 5},
		{"with what it needs", []testPackage{
			pkg("a-1-1", requires("x")), pkg("b-1-1", provides("x"), size(10)), pkg("c-1-1", provides("x"), size(5), requires("d")), pkg("d-1-1", size(6))},
			"a-1-1 b-1-1", 10},
		{"one for two", []testPackage{
			pkg("a-1-1", requires("x", "y")), pkg("b-1-1", provides("x"), size(4)), pkg("c-1-1", provides("y"), size(4)), pkg("d-1-1", provides("x", "y"), size(7))},
			"a-1-1 d-1-1", 7},
		{"never an older version to save bytes", []testPackage{
			pkg("a-1-1", requires("b")), pkg("b-1-1", size(1)), pkg("b-2-1", size(100))}, "a-1-1 b-2-1", 100},
		{"an older version where there is no other way", []testPackage{
			pkg("a-1-1", requires("b < 2")), pkg("b-1-1", size(1)), pkg("b-2-1", size(100))}, "a-1-1 b-1-1", 1},
		{"fewer packages of equal size", []testPackage{
			pkg("a-1-1", requires("x", "y")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("y")), pkg("d-1-1", provides("x", "y"))}, "a-1-1 d-1-1", 0},
		{"not what a condition needs", []testPackage{
			pkg("a-1-1", requires("(b if c)", "x")), pkg("b-1-1", size(9)), pkg("c-1-1", provides("x"), size(1)), pkg("d-1-1", provides("x"), size(5))},
			"a-1-1 d-1-1", 5},
	}
	for _, test := range tests {
		sol, err := universeOf(t, test.packages...).Resolve(Options{Roots: []string{"a"}, Policy: Smallest})
		if err != nil || nevras(sol) != test.want || sol.Size.InstalledBytes != test.bytes || !sol.Size.Proven() {
			t.Errorf("%s: got %v (%+v, %v), want %s", test.summary, sol, sol.Size, err, test.want)
		}
	}
}

// TestSmallestByBruteForce compares with the smallest of all subsets of small universes.
func TestSmallestByBruteForce(t *testing.T) {
	universes := 300
	if os.Getenv("SLIMRPM_LONG") != "" {
		universes = 2000
	}
	solved, better := 0, 0
	for seed := int64(0); solved < universes; seed++ {
		rnd := rand.New(rand.NewSource(seed + 5000))
		packages := fewVersions(rnd, randomPackages(rnd)[1:])
		u := universeOf(t, packages...)
		roots := []string{"root", "root"}
		if rnd.Intn(2) == 0 {
			roots[1] = u.Name(rnd.Intn(len(u.Packages)))
		}
		like, err := u.Resolve(Options{Roots: roots})
		if err != nil {
			var conflict *Conflict
			if _, err := u.Resolve(Options{Roots: roots, Policy: Smallest}); !errors.As(err, &conflict) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		sol, err := u.Resolve(Options{Roots: roots, Policy: Smallest})
		if err != nil || !sol.Size.Proven() {
			t.Fatalf("seed %d: %v, %+v", seed, err, sol)
		}
		checkSolution(t, sol, roots)
		got, want := costOf(u, sol.Packages), smallestSubset(t, u, roots, like)
		if got != want || sol.Size.InstalledBytes != got>>countBits {
			t.Fatalf("seed %d, roots %v: costs %x with %s, brute force finds %x", seed, roots, got, nevras(sol), want)
		}
		if solved++; got < costOf(u, like.Packages) {
			better++
		}
	}
	t.Logf("%d universes, in %d of them the smallest solution is smaller than dnf's", solved, better)
	if better < universes/10 {
		t.Errorf("the universes are too easy")
	}
}

// fewVersions leaves mostly one version of each name, gives sizes, and makes every package provide one of a few capabilities.
func fewVersions(rnd *rand.Rand, packages []testPackage) []testPackage {
	var out []testPackage
	for _, p := range packages {
		if n := len(out); n > 0 && out[n-1].name == p.name && rnd.Intn(5) > 0 {
			continue
		}
		p.bytes = int64(rnd.Intn(50))
		p.provides = append(p.provides, fmt.Sprintf("slot%d", rnd.Intn(4)))
		p.requires = p.requires[:min(len(p.requires), rnd.Intn(3))]
		if rnd.Intn(3) == 0 {
			p.requires = append(p.requires, fmt.Sprintf("slot%d", rnd.Intn(4)))
		}
		out = append(out, p)
	}
	return append(out[:min(len(out), 11)], pkg("root-1-1", requires("slot0", "slot1", "(slot2 or slot3)")))
}

func costOf(u *Universe, packages []int) int64 {
	var cost int64
	for _, p := range packages {
		cost += u.cost(p)
	}
	return cost
}

func smallestSubset(t *testing.T, u *Universe, roots []string, like *Solution) int64 {
	t.Helper()
	var allowed []int
	for p := range u.Packages {
		from, to := u.named(u.Packages[p].name)
		taken := to - 1 // the newest
		for other := from; other < to; other++ {
			if slices.Contains(like.Packages, other) {
				taken = other
			}
		}
		if p == taken {
			allowed = append(allowed, p)
		}
	}
	best := int64(-1)
	for set := 1; set < 1<<len(allowed); set++ {
		in := map[int]bool{}
		cost := int64(0)
		for i, p := range allowed {
			if set>>i&1 == 1 {
				in[p] = true
				cost += u.cost(p)
			}
		}
		has := func(root string) bool {
			return slices.ContainsFunc(allowed, func(p int) bool { return in[p] && u.Name(p) == root })
		}
		if (best < 0 || cost < best) && has(roots[0]) && has(roots[1]) && consistent(t, u, in) {
			best = cost
		}
	}
	return best
}

func TestSmallestSaysItsBound(t *testing.T) {
	var packages []testPackage
	rnd := rand.New(rand.NewSource(1))
	root := testPackage{name: "root", evr: "1-1"}
	for i := range 60 { // a hard covering problem
		root.requires = append(root.requires, fmt.Sprintf("c%d", i))
	}
	for i := range 80 {
		p := testPackage{name: fmt.Sprintf("p%02d", i), evr: "1-1", bytes: int64(90 + rnd.Intn(20))}
		for range 6 {
			p.provides = append(p.provides, fmt.Sprintf("c%d", rnd.Intn(60)))
		}
		packages = append(packages, p)
	}
	for i := range 60 {
		packages = append(packages, testPackage{name: fmt.Sprintf("q%02d", i), evr: "1-1", bytes: 200, provides: []string{fmt.Sprintf("c%d", i)}})
	}
	u := universeOf(t, append(packages, root)...)
	like, err := u.Resolve(Options{Roots: []string{"root"}})
	if err != nil {
		t.Fatal(err)
	}
	sol, err := u.Resolve(Options{Roots: []string{"root"}, Policy: Smallest, Budget: 300})
	if err != nil {
		t.Fatal(err)
	}
	s := sol.Size
	if s.Proven() || s.LowerBound <= 0 || s.LowerBound >= s.InstalledBytes || s.InstalledBytes > costOf(u, like.Packages)>>countBits {
		t.Errorf("%+v, dnf takes %d bytes", s, costOf(u, like.Packages)>>countBits)
	}
	checkSolution(t, sol, []string{"root"})
	again, err := u.Resolve(Options{Roots: []string{"root"}, Policy: Smallest, Budget: 300})
	if err != nil || !slices.Equal(again.Packages, sol.Packages) || *again.Size != *s {
		t.Errorf("the same search ends elsewhere: %+v, %v", again, err)
	}
	t.Logf("%+v, dnf takes %d bytes", s, costOf(u, like.Packages)>>countBits)
}

// TestSmallestOfCentOSStream9 shows what the policy saves in a real distribution.
func TestSmallestOfCentOSStream9(t *testing.T) {
	u, files := realUniverse(t, sharedData(t, "cs9-baseos"))
	proven, saved, solved := 0, int64(0), 0
	for _, roots := range randomRoots(u, 40, 3) {
		like, err := u.Resolve(Options{Roots: roots, Files: files})
		if err != nil {
			continue
		}
		sol, err := u.Resolve(Options{Roots: roots, Files: files, Policy: Smallest})
		if err != nil {
			t.Fatal(err)
		}
		checkSolution(t, sol, roots)
		if solved++; sol.Size.Proven() {
			proven++
		}
		saved += costOf(u, like.Packages)>>countBits - sol.Size.InstalledBytes
		for _, p := range sol.Packages {
			if _, to := u.named(u.Packages[p].name); p != to-1 && !slices.Contains(like.Packages, p) && u.Packages[to-1].noa == u.Packages[p].noa {
				t.Errorf("%v: %s is not the newest", roots, u.NEVRA(p))
			}
		}
	}
	t.Logf("%d of %d proven, %d bytes less than dnf in the mean", proven, solved, saved/int64(max(solved, 1)))
	if proven < solved {
		t.Errorf("only %d of %d are proven to be the smallest", proven, solved)
	}

}
