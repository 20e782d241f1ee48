package resolve

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// largePackages makes a repository of libraries, tools and their many provides, in layers as distributions have them: a
// package requires packages of lower numbers, mostly popular ones, by soname.
func largePackages(n int) []testPackage {
	rnd := rand.New(rand.NewSource(1))
	out := make([]testPackage, n)
	for i := range out {
		p := testPackage{name: fmt.Sprintf("package-%05d", i), evr: fmt.Sprintf("%d.%d-%d.el9", 1+rnd.Intn(9), rnd.Intn(30), 1+rnd.Intn(5))}
		for j := range 1 + rnd.Intn(4) {
			p.provides = append(p.provides, fmt.Sprintf("lib%05d.so.%d()(64bit)", i, j))
		}
		for range min(i, rnd.Intn(14)) {
			lib := rnd.Intn(i)
			if rnd.Intn(3) > 0 {
				lib = rnd.Intn(min(i, 300))
			}
			p.requires = append(p.requires, fmt.Sprintf("lib%05d.so.0()(64bit)", lib))
		}
		if i > 0 && rnd.Intn(4) == 0 {
			p.requires = append(p.requires, fmt.Sprintf("package-%05d >= 0.1", rnd.Intn(i)))
		}
		if rnd.Intn(20) == 0 {
			p.provides = append(p.provides, fmt.Sprintf("virtual-%d", rnd.Intn(50)))
		}
		if i > 1000 && rnd.Intn(15) == 0 {
			p.requires = append(p.requires, fmt.Sprintf("virtual-%d", rnd.Intn(50)))
		}
		for f := range rnd.Intn(4) {
			p.files = append(p.files, fmt.Sprintf("/usr/bin/tool-%05d-%d", i, f))
		}
		out[i] = p
	}
	return out
}

const largeSize = 64_000

func BenchmarkLarge(b *testing.B) {
	text := []byte(primaryXML(largePackages(largeSize)))
	parse := func() *repomd.Primary {
		p, err := repomd.ParsePrimary(bytes.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	universe := func(p *repomd.Primary) *Universe {
		return NewUniverse("x86_64", []Repository{{ID: "large", Priority: 99, Primary: p}}, nil)
	}
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			parse()
		}
	})
	p := parse()
	b.Run("index", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			universe(p)
		}
	})
	u := universe(p)
	sets := randomRoots(u, 500, 1)
	b.Run("resolve", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, err := u.Resolve(Options{Roots: sets[i%len(sets)]}); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}
