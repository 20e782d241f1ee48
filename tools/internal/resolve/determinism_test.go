package resolve

import (
	"bytes"
	"fmt"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// TestSameAtEveryCPUCount resolves in differently ordered metadata, on as many goroutines as there may be CPUs, each with a universe of its
// own that all root sets share: solutions and explanations must not differ.
func TestSameAtEveryCPUCount(t *testing.T) {
	packages := largePackages(2000)
	rnd := rand.New(rand.NewSource(3))
	for i := range 100 { // something to choose, to refuse and to explain, not below most others
		p := &packages[1000+rnd.Intn(1000)]
		other := fmt.Sprintf("package-%05d", rnd.Intn(len(packages)))
		switch i % 5 {
		case 0:
			p.conflicts = append(p.conflicts, other)
		case 1:
			p.requires = append(p.requires, "(virtual-1 or "+other+")")
		case 2:
			p.recommends = append(p.recommends, other)
		case 3:
			p.obsoletes = append(p.obsoletes, other+" < 5")
		case 4:
			p.requires = append(p.requires, fmt.Sprintf("missing-%d", i))
		}
	}
	sets := randomRoots(universeOf(t, packages...), 30, 5)
	want, solved := "", 0
	for i, cpus := range []int{1, 2, 8} {
		for seed := range int64(2) {
			got := resolveAll(t, packages, sets, cpus, 10*int64(i)+seed)
			if want == "" {
				want, solved = got, strings.Count(got, "solution")
			}
			if got != want {
				t.Fatalf("at GOMAXPROCS %d, order %d, the answers differ from those of the first run:\n%s", cpus, seed, firstDifference(want, got))
			}
		}
	}
	if solved == 0 || solved == len(sets)*2 {
		t.Errorf("%d of %d answers are solutions: want some of both kinds", solved, len(sets)*2)
	}
}

// resolveAll shuffles the packages and returns all answers, without and with weak dependencies, as text.
func resolveAll(t *testing.T, packages []testPackage, sets [][]string, cpus int, seed int64) string {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
	shuffled := slices.Clone(packages)
	rand.New(rand.NewSource(seed)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	text := []byte(primaryXML(shuffled))
	answers := make([]string, cpus)
	errs := make([]error, cpus)
	var wait sync.WaitGroup
	for n := range answers {
		wait.Go(func() {
			var primary *repomd.Primary
			if primary, errs[n] = repomd.ParsePrimary(bytes.NewReader(text)); errs[n] != nil {
				return
			}
			answers[n] = answersOf(NewUniverse("x86_64", []Repository{{ID: "r", Priority: 99, Primary: primary}}, nil), sets)
		})
	}
	wait.Wait()
	for n, answer := range answers {
		if errs[n] != nil {
			t.Fatal(errs[n])
		}
		if answer != answers[0] {
			t.Fatalf("two goroutines differ at GOMAXPROCS %d:\n%s", cpus, firstDifference(answers[0], answer))
		}
	}
	return answers[0]
}

func answersOf(u *Universe, sets [][]string) string {
	var b strings.Builder
	for _, set := range sets {
		for _, weak := range []bool{false, true} {
			sol, err := u.Resolve(Options{Roots: set, Weak: weak})
			if err != nil {
				fmt.Fprintf(&b, "%v: %q\n", set, err.Error())
				continue
			}
			fmt.Fprintf(&b, "%v: solution %s\n", set, nevras(sol))
		}
	}
	return b.String()
}

func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return left[i] + "\n" + right[i]
		}
	}
	return "one is longer"
}
