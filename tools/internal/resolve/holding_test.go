package resolve

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// find returns the packages of NEVRAs without architecture.
func find(t *testing.T, u *Universe, nevras []string) []int {
	t.Helper()
	var out []int
	for _, nevra := range nevras {
		i := slices.IndexFunc(u.Packages, func(p Package) bool { return p.name != 0 && nevraOf(u, p) == nevra+".x86_64" })
		if i < 0 {
			t.Fatalf("no package %s", nevra)
		}
		out = append(out, i)
	}
	return out
}

func nevraOf(u *Universe, p Package) string {
	return u.Repositories[p.Repository].Primary.NEVRA(p.Source)
}

func TestHolding(t *testing.T) {
	universe := []testPackage{
		pkg("tool-1-1", requires("libc", "web")), pkg("tool-2-1", requires("libc >= 2", "web")),
		pkg("libc-1-1"), pkg("libc-2-1", requires("libc-data = 2")), pkg("libc-data-1-1"), pkg("libc-data-2-1"),
		pkg("apache-1-1", provides("web")), pkg("apache-2-1", provides("web")), pkg("zserver-1-1", provides("web")),
		pkg("strict-1-1", requires("libc = 2")), pkg("other-1-1"), pkg("other-2-1"),
		pkg("pinned-1-1", requires("libc = 1")),
	}
	for _, test := range []struct {
		summary, roots, held, newest string
		want, released               string // "" for want: an error with the words of released
	}{
		{"nothing held is a plain resolution", "tool", "", "", "apache-2-1 libc-2-1 libc-data-2-1 tool-2-1", ""},
		{"everything held stays", "tool", "tool-1-1 libc-1-1 apache-1-1", "", "apache-1-1 libc-1-1 tool-1-1", ""},
		{"a held provider stays against a better one", "tool", "tool-1-1 libc-1-1 zserver-1-1", "", "libc-1-1 tool-1-1 zserver-1-1", ""},
		{"what no root needs goes", "other", "tool-1-1 libc-1-1 apache-1-1 other-1-1", "", "other-1-1", ""},
		{"a new root comes in its newest version and moves nothing", "tool other", "tool-1-1 libc-1-1 apache-1-1", "",
			"apache-1-1 libc-1-1 other-2-1 tool-1-1", ""},
		{"a new root that needs a newer library moves that only", "tool strict", "tool-1-1 libc-1-1 apache-1-1", "",
			"apache-1-1 libc-2-1 libc-data-2-1 strict-1-1 tool-1-1", "libc"},
		{"an update moves the package and what it needs", "tool", "libc-1-1 apache-1-1", "tool",
			"apache-1-1 libc-2-1 libc-data-2-1 tool-2-1", "libc"},
		{"an update of a leaf moves the leaf", "tool", "tool-1-1 libc-1-1", "apache", "apache-2-1 libc-1-1 tool-1-1", ""},
		{"a root with a version moves the held one", "tool@>=@2", "tool-1-1 libc-1-1 apache-1-1", "",
			"apache-1-1 libc-2-1 libc-data-2-1 tool-2-1", "libc tool"},
		{"an update against what must stay is an error", "tool pinned", "pinned-1-1 apache-1-1", "tool libc",
			"", "pinned-1-1.x86_64 requires libc = 1, but all that provide it are left out: libc-1-1.x86_64 (the newest version is asked for, libc-2-1.x86_64)"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			u := universeOf(t, universe...)
			roots := strings.Fields(test.roots)
			for i := range roots {
				roots[i] = strings.ReplaceAll(roots[i], "@", " ")
			}
			kept, err := u.ResolveHolding(Options{Roots: roots}, Holding{Packages: find(t, u, strings.Fields(test.held)), Newest: strings.Fields(test.newest)})
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), test.released) {
					t.Fatalf("error %v, want %s", err, test.released)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := nevras(kept.Solution); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := strings.Join(kept.Released, " "); got != test.released {
				t.Errorf("released %q, want %q", got, test.released)
			}
		})
	}
}

func TestGoneIsNotReplaced(t *testing.T) {
	u := universeOf(t, pkg("tool-1-1", requires("lib")), pkg("lib-2-1"), pkg("free-1-1"))
	const reason = "the lock holds lib-1-1.x86_64, which is gone"
	holding := Holding{Gone: map[string]string{"lib": reason}}
	if _, err := u.ResolveHolding(Options{Roots: []string{"tool"}}, holding); err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("error %v, want %q in it", err, reason)
	}
	u = universeOf(t, pkg("tool-1-1", requires("lib")), pkg("lib-2-1"), pkg("free-1-1"))
	if _, err := u.ResolveHolding(Options{Roots: []string{"free"}}, holding); err != nil {
		t.Errorf("a package that is gone and not needed: %v", err)
	}
}

// TestHoldingRandomly: a solution that is held comes again; with one root more, the verdict is that of a plain resolution, what
// was not released stays, and nothing was released without need.
func TestHoldingRandomly(t *testing.T) {
	moved := 0
	for seed := range 150 {
		rnd := rand.New(rand.NewSource(int64(seed)))
		packages := randomPackages(rnd)
		roots := randomRoots(universeOf(t, packages...), 6, int64(seed))
		for i, set := range roots {
			if len(set) == 0 {
				continue
			}
			before, err := universeOf(t, packages...).Resolve(Options{Roots: set})
			if err != nil {
				continue
			}
			held := before.Packages
			again, err := universeOf(t, packages...).ResolveHolding(Options{Roots: set}, Holding{Packages: held, All: true})
			if err != nil || !slices.Equal(again.Packages, held) || len(again.Released) > 0 {
				t.Fatalf("universe %d, roots %v: held %v, got %v, %v", seed, set, nevras(before), again, err)
			}
			more := append(slices.Clone(set), roots[(i+1)%len(roots)]...)
			_, plain := universeOf(t, packages...).Resolve(Options{Roots: more})
			u := universeOf(t, packages...)
			kept, err := u.ResolveHolding(Options{Roots: more}, Holding{Packages: held, All: true})
			if (plain == nil) != (err == nil) {
				t.Fatalf("universe %d, roots %v, held %v: %v, without holding %v", seed, more, nevras(before), err, plain)
			}
			if err != nil {
				continue
			}
			checkSolution(t, kept.Solution, more)
			checkKept(t, packages, before, kept, more)
			moved += len(kept.Released)
		}
	}
	if moved < 10 {
		t.Errorf("only %d packages had to move: the test sees too little", moved)
	}
	t.Logf("%d packages had to move", moved)
}

func checkKept(t *testing.T, packages []testPackage, before *Solution, kept *Kept, roots []string) {
	t.Helper()
	holding := Holding{}
	for _, pkg := range before.Packages {
		name := before.Universe.Name(pkg)
		if !slices.Contains(kept.Released, name) {
			holding.Packages = append(holding.Packages, pkg)
			for _, now := range kept.Packages {
				if kept.Universe.Name(now) == name && now != pkg {
					t.Errorf("%v: %s became %s without need", roots, before.Universe.NEVRA(pkg), kept.Universe.NEVRA(now))
				}
			}
		}
	}
	for _, name := range kept.Released {
		u := universeOf(t, packages...)
		strict := u.strictly(append(slices.Clone(holding.Packages), u.heldOf(before, name)))
		if _, err := strict.Resolve(Options{Roots: roots}); err == nil {
			t.Errorf("%v: %s was released without need (%v)", roots, name, kept.Released)
		}
	}
}

// strictly leaves only the held version of each name.
func (u *Universe) strictly(held []int) *Universe {
	u.held = map[int]bool{}
	for _, pkg := range held {
		u.held[pkg] = true
		u.hold(pkg)
	}
	return u
}

func (u *Universe) heldOf(before *Solution, name string) int {
	for _, pkg := range before.Packages {
		if before.Universe.Name(pkg) == name {
			return pkg
		}
	}
	panic(fmt.Sprintf("%s is not held", name))
}
