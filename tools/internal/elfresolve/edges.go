package elfresolve

import (
	"cmp"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// edges collects what asks for what: the edge without File, and the first file by path that asks so.
type edges map[selection.Edge]string

func (e edges) add(x selection.Edge) {
	file := x.File
	x.File = ""
	if old, ok := e[x]; !ok || file < old {
		e[x] = file
	}
}

func (e edges) sorted() []selection.Edge {
	out := make([]selection.Edge, 0, len(e))
	for x, file := range e {
		x.File = file
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b selection.Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Need, b.Need),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.File, b.File))
	})
	return out
}

// asker names the package and the file at a step, as an edge does.
func (r *resolver) asker(s *step) (name, file string) {
	if s.file != nil {
		return s.file.p.x.Name, s.file.Path
	}
	for _, owner := range s.node.base.Owners {
		if name := r.u.baseNames[owner]; name != "" {
			return name, s.node.path
		}
	}
	return s.owner(), s.node.path
}

// noteEdge notes that by asks for what stands at to. What one part of the base needs of another is told by the base's selection.
func (r *resolver) noteEdge(by *step, kind, need string, to *step) {
	if by.file == nil && to.file == nil {
		return
	}
	x := selection.Edge{Kind: kind, Need: need, Path: to.node.path}
	x.From, x.File = r.asker(by)
	if x.To, _ = r.asker(to); x.To != x.From {
		r.edges.add(x)
	}
}
