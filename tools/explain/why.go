package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// Limits of what is printed and of the work for it: the number of chains grows exponentially with the packages in between.
const (
	defaultChains = 50
	maxChains     = 100_000
	maxSteps      = 1_000_000
	maxNeeds      = 3 // of one step, by name
	maxNearMisses = 3
)

// why prints why the word is in the image, or why it is not, and reports whether the word means anything here.
func (im *image) why(out io.Writer, word string, limit int) bool {
	if name := im.nevras[word]; name != "" {
		word = name
	}
	if im.packages[word] != nil {
		im.whyPackage(out, word, limit)
		return true
	}
	var files []*rootfs.Entry
	if strings.HasPrefix(word, "/") {
		if path, err := im.fs.Canonical(word); err == nil {
			if e := im.fs.Get(path); e != nil {
				files = append(files, e)
			}
		}
	} else {
		files = im.named(word)
	}
	for i, e := range files {
		if i > 0 {
			fmt.Fprintln(out)
		}
		im.whyFile(out, e, limit)
	}
	return im.whyNot(out, word) || len(files) > 0
}

// whyNot prints what was left out under the word.
func (im *image) whyNot(out io.Writer, word string) bool {
	found := false
	for _, c := range im.cuts {
		if c.Package == word || c.Need == word {
			fmt.Fprintf(out, "%s is left out of %s: %s\n", word, im.where(), c.Reason)
			found = true
		}
	}
	return found
}

func (im *image) whyPackage(out io.Writer, name string, limit int) {
	p := im.packages[name]
	part := ""
	if p.Partial {
		part = ", in part"
	}
	fmt.Fprintf(out, "%s is in %s%s: %s bytes", p.NEVRA, im.where(), part, count(p.SizeBytes))
	if n, bytes := im.without(name); n > 1 {
		fmt.Fprintf(out, "; with what only it brings in, %s and %s bytes", plural(n, "package"), count(bytes))
	}
	fmt.Fprintln(out)
	im.printChains(out, im.chains(name, im.asked[name], limit), limit)
}

func (im *image) whyFile(out io.Writer, e *rootfs.Entry, limit int) {
	kind := e.Type
	switch {
	case e.Type == pkgindex.TypeSymlink:
		kind = "link to " + e.Link
	case e.HardLink != "":
		kind = "hard link to " + e.HardLink
	case e.Type == pkgindex.TypeFile:
		kind = count(e.SizeBytes) + " bytes"
	}
	packages, made := im.owners(e)
	fmt.Fprintf(out, "%s is in %s: %s\n", e.Path, im.where(), kind)
	for _, owner := range made {
		if i := slices.IndexFunc(im.tree.NonRPM, func(n rootfs.NonRPM) bool { return n.Label == owner }); i >= 0 {
			n := &im.tree.NonRPM[i]
			fmt.Fprintf(out, "  of content %s: %s (%s bytes), %s\n", n.Label, n.PURL, count(n.SizeBytes), describeContent(n))
			continue
		}
		fmt.Fprintf(out, "  made by %s\n", owner)
	}
	for _, name := range packages {
		p := im.packages[name]
		var to []int
		for _, i := range im.asked[name] {
			if im.edges[i].Path == e.Path {
				to = append(to, i)
			}
		}
		if len(to) == 0 {
			to = im.asked[name]
			fmt.Fprintf(out, "  nothing asks for the file itself: it comes with %s (%s bytes)\n", p.NEVRA, count(p.SizeBytes))
		} else {
			fmt.Fprintf(out, "  of %s (%s bytes)\n", p.NEVRA, count(p.SizeBytes))
		}
		im.printChains(out, im.chains(name, to, limit), limit)
	}
}

// chain is one way from a target to a package: groups of parallel edges, the first from the target.
type chain [][]int

// chains lists the ways that end with one of the edges to, the shortest first and in order of their names, up to limit and one
// more, which says that there are others.
func (im *image) chains(name string, to []int, limit int) []chain {
	type path struct {
		names []string // from the package up
		links chain    // likewise
	}
	var out []chain
	queue := []path{{names: []string{name}}}
	for steps := 0; len(queue) > 0 && len(out) <= limit && steps < maxSteps; steps++ {
		p := queue[0]
		queue = queue[1:]
		incoming := im.asked[p.names[len(p.names)-1]]
		if len(p.names) == 1 {
			incoming = to
		}
		for _, group := range im.bySource(incoming) {
			from := im.edges[group[0]].From
			links := append(slices.Clip(p.links), group)
			if im.isRoot(&im.edges[group[0]]) {
				done := slices.Clone(links)
				slices.Reverse(done)
				out = append(out, done)
			} else if !slices.Contains(p.names, from) {
				queue = append(queue, path{append(slices.Clip(p.names), from), links})
			}
		}
	}
	return out[:min(len(out), limit+1)]
}

// bySource groups edges by where they come from, in order of the names.
func (im *image) bySource(edges []int) [][]int {
	groups := map[string][]int{}
	var names []string
	for _, i := range edges {
		from := im.edges[i].From
		if groups[from] == nil {
			names = append(names, from)
		}
		groups[from] = append(groups[from], i)
	}
	slices.Sort(names)
	var out [][]int
	for _, name := range names {
		out = append(out, groups[name])
	}
	return out
}

func (im *image) printChains(out io.Writer, chains []chain, limit int) {
	more := len(chains) > limit
	chains = chains[:min(len(chains), limit)]
	for _, c := range chains {
		fmt.Fprintln(out)
		for i, group := range c {
			first := &im.edges[group[0]]
			if i == 0 {
				fmt.Fprintf(out, "  %s: %s\n", first.From, im.needs(group))
			} else {
				p := im.packages[first.From]
				fmt.Fprintf(out, "  -> %s, %s bytes: %s\n", p.NEVRA, count(p.SizeBytes), im.needs(group))
			}
		}
		last := im.packages[im.edges[c[len(c)-1][0]].To]
		fmt.Fprintf(out, "  -> %s, %s bytes\n", last.NEVRA, count(last.SizeBytes))
	}
	fmt.Fprintln(out)
	switch {
	case more:
		fmt.Fprintf(out, "  the %s shortest chains; there are more: --all prints them\n", count(int64(len(chains))))
	case len(chains) == 0:
		fmt.Fprintln(out, "  no chain leads to it: only the base says that it is there")
	default:
		fmt.Fprintf(out, "  %s\n", plural(len(chains), "chain"))
	}
}

// needs says what one package asks of the next, once for every need, whatever links lead to the file.
func (im *image) needs(group []int) string {
	var out []string
	for _, i := range group {
		text := need(&im.edges[i])
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if more := len(out) - maxNeeds; more > 0 {
		out = append(out[:maxNeeds], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

func need(e *selection.Edge) string {
	switch e.Kind {
	case selection.EdgeRequest, selection.EdgeExtra, selection.EdgeRequires, selection.EdgeScript:
		return e.Kind + " " + e.Need
	}
	if e.File == "" {
		return e.Kind + " " + e.Need
	}
	return fmt.Sprintf("%s %s of %s", e.Kind, e.Need, e.File)
}

// unknown is the error for a word that no image knows.
func unknown(images []*image, word string) error {
	var known []string
	for _, im := range images {
		for name := range im.packages {
			known = append(known, name)
		}
		for _, c := range im.cuts {
			known = append(known, c.Package, c.Need)
		}
	}
	var near []string
	if !strings.HasPrefix(word, "/") {
		near = lockfile.NearMisses(word, known, maxNearMisses)
	}
	if len(near) == 0 {
		near = nearFiles(images, word)
	}
	var places []string
	for _, im := range images {
		places = append(places, im.where())
	}
	err := fmt.Errorf("why: %s: no package, file or cut of that name in %s", word, strings.Join(places, ", "))
	if len(near) > 0 {
		return cli.Hint(err, "did you mean %s?", strings.Join(near, " or "))
	}
	return cli.Hint(err, "the target named report beside this one lists all packages")
}

// nearFiles lists files of the same name, else of a similar name.
func nearFiles(images []*image, word string) []string {
	byName := map[string][]string{}
	var names []string
	for _, im := range images {
		for _, e := range im.tree.Entries {
			name := rootfs.Base(e.Path)
			if byName[name] == nil {
				names = append(names, name)
			}
			byName[name] = append(byName[name], e.Path)
		}
	}
	base := rootfs.Base(word)
	matches := []string{base}
	if byName[base] == nil {
		matches = lockfile.NearMisses(base, names, maxNearMisses)
	}
	var out []string
	for _, name := range matches {
		out = append(out, byName[name]...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxNearMisses)]
}
