// Resolverepo reads the primary.xml of one large repository and resolves in it. It is the program that the benchmark of resolving runs.
//
//	resolverepo --primary=primary.xml.gz [--store=F] [--copies=2] [--sets=600] [--xml] [--roots=A,B]
//	resolverepo --stored=F [--sets=600] [--roots=A,B]
//
// It prints what it did in one line: times of solving, or the packages of the solution.
package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

func main() { cli.Main("resolverepo", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("resolverepo")
	primary := fs.String("primary", "", "primary.xml as createrepo_c writes it")
	stored := fs.String("stored", "", "file that --store wrote, instead of --primary")
	store := fs.String("store", "", "file to write the parsed tables to")
	roots := fs.String("roots", "", "what to install, separated by commas")
	copies := fs.Int("copies", 1, "how often to read and resolve at once, as for that many architectures")
	sets := fs.Int("sets", 0, "random sets of roots to resolve")
	asXML := fs.Bool("xml", false, "only parse, with encoding/xml")
	find := fs.Bool("find-roots", false, "print a random set of roots that can be installed")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if *asXML {
		return decodeXML(*primary)
	}
	errs := make([]error, *copies)
	universes := make([]*resolve.Universe, *copies)
	var wait sync.WaitGroup
	for i := range universes {
		wait.Go(func() {
			p, err := read(*primary, *stored)
			if err == nil && *store != "" {
				err = cli.WriteFile(*store, p.Store)
			}
			if errs[i] = err; err != nil {
				return
			}
			u := resolve.NewUniverse("x86_64", []resolve.Repository{{ID: "bench", Priority: 99, Primary: p}}, nil)
			universes[i] = u
			if *roots != "" {
				_, errs[i] = u.Resolve(resolve.Options{Roots: strings.Split(*roots, ",")})
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	u := universes[0]
	if *find {
		return findRoots(u)
	}
	if *sets > 0 {
		return solve(u, *sets)
	}
	fmt.Printf("%d packages", len(u.Packages))
	return nil
}

func read(primary, stored string) (*repomd.Primary, error) {
	if stored != "" {
		f, err := os.Open(stored)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		return repomd.LoadPrimary(f, info.Size())
	}
	r, err := open(primary)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return repomd.ParsePrimary(r)
}

func open(primary string) (io.ReadCloser, error) {
	data, err := os.Open(primary)
	if err != nil {
		return nil, err
	}
	return repomd.Decompress(data, -1)
}

// rootSets makes sets of 1 to 9 names of packages.
func rootSets(u *resolve.Universe, n int) [][]string {
	names := u.Names()
	random := rand.New(rand.NewPCG(1, 2))
	sets := make([][]string, n)
	for i := range sets {
		for range 1 + random.IntN(9) {
			sets[i] = append(sets[i], names[random.IntN(len(names))])
		}
	}
	return sets
}

func findRoots(u *resolve.Universe) error {
	for _, set := range rootSets(u, 1000) {
		if sol, err := u.Resolve(resolve.Options{Roots: set, Best: true}); err == nil && len(sol.Packages) >= 50 {
			fmt.Print(strings.Join(set, ","))
			return nil
		}
	}
	return errors.New("no set of roots that can be installed with at least 50 packages")
}

// solve resolves random sets and prints how long one took.
func solve(u *resolve.Universe, n int) error {
	var times []time.Duration
	solved := 0
	for _, set := range rootSets(u, n) {
		start := time.Now()
		if _, err := u.Resolve(resolve.Options{Roots: set}); err == nil {
			solved++
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	at := func(percent int) time.Duration { return times[(len(times)-1)*percent/100].Round(10 * time.Microsecond) }
	fmt.Printf("%d sets of roots in %d packages: median %v, 99 %% %v, worst %v; %d have a solution, the others an explanation",
		n, len(u.Packages), at(50), at(99), at(100), solved)
	return nil
}

// decodeXML parses as a program does that declares the document as structures.
func decodeXML(primary string) error {
	r, err := open(primary)
	if err != nil {
		return err
	}
	defer r.Close()
	type entry struct {
		Name  string `xml:"name,attr"`
		Flags string `xml:"flags,attr"`
		Epoch string `xml:"epoch,attr"`
		Ver   string `xml:"ver,attr"`
		Rel   string `xml:"rel,attr"`
	}
	var document struct {
		Packages []struct {
			Name    string `xml:"name"`
			Arch    string `xml:"arch"`
			Summary string `xml:"summary"`
			Version struct {
				Epoch string `xml:"epoch,attr"`
				Ver   string `xml:"ver,attr"`
				Rel   string `xml:"rel,attr"`
			} `xml:"version"`
			Checksum string `xml:"checksum"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
			Format struct {
				Provides  []entry  `xml:"provides>entry"`
				Requires  []entry  `xml:"requires>entry"`
				Conflicts []entry  `xml:"conflicts>entry"`
				Obsoletes []entry  `xml:"obsoletes>entry"`
				Files     []string `xml:"file"`
			} `xml:"format"`
		} `xml:"package"`
	}
	if err := xml.NewDecoder(r).Decode(&document); err != nil {
		return fmt.Errorf("reading %s: %w", primary, err)
	}
	fmt.Printf("%d packages", len(document.Packages))
	return nil
}
