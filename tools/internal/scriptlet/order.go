package scriptlet

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Order returns the packages in an order in which rpm could install them: what a package requires comes before it, and
// within a cycle what its %pre and %post require. Packages that nothing puts in order keep the one they are given in.
func Order(packages []*Package) []*Package {
	o := newOrdering(packages)
	all := make([]int, len(packages))
	for i := range all {
		all[i] = i
	}
	var out []*Package
	for _, component := range o.components(all, false) {
		if len(component) > 1 {
			var inner []int
			for _, c := range o.components(component, true) {
				inner = append(inner, c...)
			}
			component = inner
		}
		for _, i := range component {
			out = append(out, packages[i])
		}
	}
	return out
}

// edge is a requirement of one package on another.
type edge struct {
	to  int
	pre bool // a script that runs on installation needs it
}

type ordering struct{ edges [][]edge }

// installTime are the requirements that must be there when the scripts of a first installation run.
const installTime = rpm.SensePre | rpm.SensePost | rpm.SensePreReq | rpm.SenseInterp

func newOrdering(packages []*Package) *ordering {
	o := &ordering{edges: make([][]edge, len(packages))}
	wanted := map[string]bool{} // files that something requires
	for _, p := range packages {
		for _, d := range p.Requires {
			if strings.HasPrefix(d.Name, "/") {
				wanted[d.Name] = true
			}
		}
	}
	providers := map[string][]int{}
	for i, p := range packages {
		for _, c := range p.Index.Provides {
			name, _, _ := strings.Cut(c, " ")
			providers[name] = append(providers[name], i)
		}
		providers[p.Index.Name] = append(providers[p.Index.Name], i)
		for k := range p.Index.Files {
			if path := p.Index.Files[k].Path; wanted[path] || wanted[strings.TrimPrefix(path, "/usr")] {
				providers[path] = append(providers[path], i)
				providers[strings.TrimPrefix(path, "/usr")] = append(providers[strings.TrimPrefix(path, "/usr")], i)
			}
		}
	}
	for i, p := range packages {
		for _, d := range p.Requires {
			if d.RPMLib() || strings.HasPrefix(d.Name, "(") || d.Flags&rpm.SenseMeta != 0 || onlyLater(d.Flags) {
				continue
			}
			for _, to := range providers[d.Name] {
				if to != i {
					o.edges[i] = append(o.edges[i], edge{to, d.Flags&installTime != 0})
				}
			}
		}
		slices.SortFunc(o.edges[i], func(a, b edge) int { return a.to - b.to })
	}
	return o
}

// onlyLater reports whether a requirement is for scripts that do not run on a first installation.
func onlyLater(s rpm.Sense) bool {
	const later = rpm.SensePreUn | rpm.SensePostUn | rpm.SenseVerify | rpm.SensePreUnTrans | rpm.SensePostUnTrans | rpm.SensePostTrans
	return s&later != 0 && s&(rpm.SensePre|rpm.SensePost|rpm.SensePreReq) == 0
}

// components returns the cycles of some nodes, required ones first (Tarjan's algorithm without recursion); with pre only the
// edges that scripts need count.
func (o *ordering) components(nodes []int, pre bool) [][]int {
	in := map[int]bool{}
	for _, n := range nodes {
		in[n] = true
	}
	index, low, onStack := map[int]int{}, map[int]int{}, map[int]bool{}
	var stack []int
	var out [][]int
	type frame struct{ node, next int }
	for _, start := range nodes {
		if _, seen := index[start]; seen {
			continue
		}
		frames := []frame{{start, 0}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			n := f.node
			if f.next == 0 {
				index[n] = len(index)
				low[n] = index[n]
				stack, onStack[n] = append(stack, n), true
			}
			descended := false
			for f.next < len(o.edges[n]) {
				e := o.edges[n][f.next]
				f.next++
				if !in[e.to] || pre && !e.pre {
					continue
				}
				if _, seen := index[e.to]; !seen {
					frames = append(frames, frame{e.to, 0})
					descended = true
					break
				}
				if onStack[e.to] {
					low[n] = min(low[n], index[e.to])
				}
			}
			if descended {
				continue
			}
			if low[n] == index[n] {
				var c []int
				for {
					top := stack[len(stack)-1]
					stack = stack[:len(stack)-1]
					onStack[top] = false
					c = append(c, top)
					if top == n {
						break
					}
				}
				slices.Sort(c)
				out = append(out, c)
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				parent := frames[len(frames)-1].node
				low[parent] = min(low[parent], low[n])
			}
		}
	}
	return out
}

// Package is one package of a transaction.
type Package struct {
	Index     *pkgindex.Index
	Header    *rpm.Header
	Requires  []rpm.Dependency
	Installed func(file int) bool // whether a file of the index ships
	Base      bool                // in the image already: only its triggers count
	Partial   bool
}
