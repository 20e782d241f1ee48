package metatest

import (
	"fmt"
	"math/rand/v2"
)

// Synthetic makes n packages of libraries, programs and their many provides, in layers as distributions have them: a package requires
// packages of lower numbers, mostly popular ones, by soname. Equal arguments give equal packages.
func Synthetic(n int, seed uint64) []Package {
	rnd := rand.New(rand.NewPCG(seed, 0))
	out := make([]Package, n)
	for i := range out {
		p := Package{
			Name: fmt.Sprintf("package-%05d", i), EVR: fmt.Sprintf("%d.%d-%d.el9", 1+rnd.IntN(9), rnd.IntN(30), 1+rnd.IntN(5)),
			Summary: "A package of a made-up repository", InstalledBytes: int64(rnd.IntN(5 << 20)),
			Description: "This text is as long as the average description of a package in the repositories of distributions, which fills a few lines. " +
				"It is not read by a resolver, but it has to be skipped, decompressed and hashed, which takes time.",
		}
		if rnd.IntN(4) == 0 {
			p.Arch = "noarch"
		}
		for j := range 1 + rnd.IntN(4) {
			p.Provides = append(p.Provides, fmt.Sprintf("lib%05d.so.%d()(64bit)", i, j))
		}
		for range min(i, rnd.IntN(14)) {
			lib := rnd.IntN(i)
			if rnd.IntN(3) > 0 {
				lib = rnd.IntN(min(i, 300))
			}
			p.Requires = append(p.Requires, fmt.Sprintf("lib%05d.so.0()(64bit)", lib))
		}
		if i > 0 && rnd.IntN(4) == 0 {
			p.Requires = append(p.Requires, fmt.Sprintf("package-%05d >= 0.1", rnd.IntN(i)))
		}
		if rnd.IntN(20) == 0 {
			p.Provides = append(p.Provides, fmt.Sprintf("virtual-%d", rnd.IntN(50)))
		}
		if i > 1000 && rnd.IntN(15) == 0 {
			p.Requires = append(p.Requires, fmt.Sprintf("virtual-%d", rnd.IntN(50)))
		}
		if i > 0 && rnd.IntN(10) == 0 {
			p.Requires = append(p.Requires, fmt.Sprintf("/usr/bin/tool-%05d-0", rnd.IntN(i)/4*4))
		}
		if i > 2000 && rnd.IntN(100) == 0 {
			p.Conflicts = append(p.Conflicts, fmt.Sprintf("package-%05d", 2000+rnd.IntN(i-2000)))
		}
		for f := range rnd.IntN(4) {
			p.Files = append(p.Files, fmt.Sprintf("/usr/bin/tool-%05d-%d", i, f))
		}
		if i%4 == 0 && len(p.Files) == 0 {
			p.Files = append(p.Files, fmt.Sprintf("/usr/bin/tool-%05d-0", i))
		}
		p.Listed = append(p.Listed, "/usr/share/doc/"+p.Name, "/usr/share/licenses/"+p.Name+"/COPYING")
		out[i] = p
	}
	return out
}
