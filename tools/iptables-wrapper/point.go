package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
)

// group is an alternative with the layout of its state file.
type group struct {
	*alternatives.Group
	layout string
}

// point makes the alternatives that lead to this program lead to the programs of a kind. Alternatives that somebody has pointed elsewhere
// stay. Each link and each state file is replaced as a whole, the links that programs are called by last.
func (w *wrapper) point(m mode) error {
	groups, err := w.groups(m)
	if err != nil {
		return err
	}
	links, slaves := map[string]string{}, map[string]bool{}
	var masters, order []string
	exists := func(p string) bool { return w.fs.isProgram(p) }
	for _, g := range groups {
		for _, s := range g.Slaves {
			slaves[s.Link] = true
		}
		for i, l := range g.Links(exists) {
			if i < 2 {
				masters = append(masters, l.Path)
			} else {
				order = append(order, l.Path)
			}
			links[l.Path] = l.Target
		}
	}
	for _, p := range append(order, masters...) {
		if err := w.fs.link(p, links[p]); err != nil {
			return err
		}
	}
	for p := range slaves { // of this program, that the other has not
		if _, stays := links[p]; !stays {
			if err := w.fs.remove(p); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		data, err := g.Encode(g.layout)
		if err != nil {
			return err
		}
		if err := w.fs.write(alternatives.StateDir(g.layout)+"/"+g.Name, data); err != nil {
			return err
		}
	}
	return nil
}

// groups reads the alternatives that lead to this program, and chooses those of the kind in them.
func (w *wrapper) groups(m mode) ([]group, error) {
	var out []group
	for _, layout := range []string{alternatives.Dpkg, alternatives.Chkconfig} {
		for _, family := range families {
			data, err := w.fs.read(alternatives.StateDir(layout) + "/" + family.name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			current, err := w.fs.target(alternatives.LinkDir + "/" + family.name)
			if err != nil {
				return nil, err
			}
			g, err := alternatives.Parse(layout, family.name, data, current)
			if err != nil {
				return nil, err
			}
			if !w.isSelf(current) {
				continue
			}
			want := ""
			for _, c := range g.Choices {
				if path.Base(c.Path) == family.name+"-"+string(m) {
					want = c.Path
				}
			}
			if want == "" {
				return nil, fmt.Errorf("alternative %s has no choice %s-%s", family.name, family.name, string(m))
			}
			if err := g.Set(want); err != nil {
				return nil, err
			}
			out = append(out, group{g, layout})
		}
	}
	return out, nil
}
