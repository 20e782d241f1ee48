package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// image is one root filesystem with everything that its layers say about themselves.
type image struct {
	tree     *rootfs.Tree
	fs       *rootfs.FS
	packages map[string]*rootfs.Package // by name
	nevras   map[string]string          // NEVRA to name
	reports  []*compose.Report
	edges    []selection.Edge // of all layers
	cuts     []selection.Cut
	asked    map[string][]int // edges by the name of the package that they lead to
}

func newImage(tree *rootfs.Tree) *image {
	im := &image{tree: tree, fs: rootfs.NewFS(tree.Entries), packages: map[string]*rootfs.Package{}, nevras: map[string]string{},
		asked: map[string][]int{}}
	for i := range tree.Packages {
		p := &tree.Packages[i]
		im.packages[p.Name], im.nevras[p.NEVRA] = p, p.Name
	}
	return im
}

func (im *image) addLayer(s *selection.Selection) {
	im.edges = append(im.edges, s.Edges...)
	im.cuts = append(im.cuts, s.Cut...)
}

// finish sorts what the layers said. Edges to packages that are not in the image do not count: what leads there was cut.
func (im *image) finish() {
	im.edges = slices.DeleteFunc(im.edges, func(e selection.Edge) bool { return im.packages[e.To] == nil })
	for i, e := range im.edges {
		im.asked[e.To] = append(im.asked[e.To], i)
	}
}

// isRoot reports whether an edge comes from a target or from a file that the image made itself, and not from a package.
func (im *image) isRoot(e *selection.Edge) bool { return im.packages[e.From] == nil }

// without returns how many packages and bytes the image would lose without the package: it, and what only it brings in.
func (im *image) without(name string) (packages int, bytes int64) {
	stays := map[string]bool{}
	next := map[string][]string{}
	var queue []string
	for i := range im.edges {
		e := &im.edges[i]
		if e.To == name || e.From == name {
			continue
		}
		if im.isRoot(e) {
			queue = append(queue, e.To)
		} else {
			next[e.From] = append(next[e.From], e.To)
		}
	}
	for len(queue) > 0 {
		p := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !stays[p] {
			stays[p] = true
			queue = append(queue, next[p]...)
		}
	}
	for other, p := range im.packages {
		if other == name || !stays[other] && len(im.asked[other]) > 0 {
			packages++
			bytes += p.SizeBytes
		}
	}
	return packages, bytes
}

// owners names the packages of an entry; other owners are what the image did itself.
func (im *image) owners(e *rootfs.Entry) (packages, made []string) {
	for _, owner := range e.Owners {
		if name := im.nevras[owner]; name != "" {
			packages = append(packages, name)
		} else {
			made = append(made, owner)
		}
	}
	return packages, made
}

// isContent reports whether the owner of an entry is content that is no package.
func (im *image) isContent(owner string) bool {
	return slices.ContainsFunc(im.tree.NonRPM, func(n rootfs.NonRPM) bool { return n.Label == owner })
}

// named lists the files with the name, in any directory.
func (im *image) named(name string) []*rootfs.Entry {
	var out []*rootfs.Entry
	for _, e := range im.tree.Entries {
		if rootfs.Base(e.Path) == name {
			out = append(out, e)
		}
	}
	return out
}

func (im *image) where() string { return fmt.Sprintf("%s (%s)", im.tree.Label, im.tree.Arch) }

// count writes a number with its digits in groups of three.
func count(n int64) string {
	text := fmt.Sprint(n)
	var b strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 && text[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(int64(n)) + " " + word + "s"
}
