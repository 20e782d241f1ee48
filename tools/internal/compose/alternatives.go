package compose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// settleAlternatives carries out what the spec says, on what packages and the base registered.
func (c *composer) settleAlternatives() error {
	for i := range c.spec.Alternatives {
		a := &c.spec.Alternatives[i]
		err := c.changeAlternative(a.Name, func(layout string, groups map[string]*alternatives.Group) error {
			return c.applyAlternative(layout, groups, a)
		})
		if err != nil {
			return fmt.Errorf("alternatives: %w", err)
		}
	}
	return nil
}

// scriptAlternative is one command line of a scriptlet.
func (c *composer) scriptAlternative(op *alternatives.Operation) error {
	if op.Kind == alternatives.OpInstall && c.fs.Stat(op.Install.Choice.Path) == nil {
		c.report.Notes = append(c.report.Notes, fmt.Sprintf("alternative %s: %s is not in the image", op.Name, op.Install.Choice.Path))
		return nil
	}
	return c.changeAlternative(op.Name, func(layout string, groups map[string]*alternatives.Group) error {
		return applyOperation(layout, groups, op)
	})
}

// changeAlternative reads the groups, applies a change to one, and writes its links and its state file.
func (c *composer) changeAlternative(name string, change func(string, map[string]*alternatives.Group) error) error {
	layout := c.alternativesLayout()
	groups, err := c.loadAlternatives(layout)
	if err != nil {
		return err
	}
	var before []alternatives.SlaveLink
	link := ""
	if g := groups[name]; g != nil {
		before, link = slices.Clone(g.Slaves), g.Link
	}
	if err := change(layout, groups); err != nil {
		return err
	}
	if g := groups[name]; g != nil {
		if link != "" && link != g.Link {
			before = append(before, alternatives.SlaveLink{Name: name, Link: link})
		}
		return c.writeAlternative(layout, g, append(before, g.Slaves...))
	}
	return nil
}

func applyOperation(layout string, groups map[string]*alternatives.Group, op *alternatives.Operation) error {
	g := groups[op.Name]
	if g == nil {
		if op.Kind != alternatives.OpInstall {
			err := fmt.Errorf("alternative %s: no package registers it", op.Name)
			if len(groups) == 0 {
				return cli.Hint(err, "register it with link and path in alternatives")
			}
			return cli.Hint(err, "the image has %s; register another one with link and path in alternatives", strings.Join(sortedKeys(groups), ", "))
		}
		g = &alternatives.Group{}
		groups[op.Name] = g
	}
	return g.Apply(layout, op)
}

// applyAlternative is one attribute of the spec. What a user writes must be there: a path that the image lacks is an error.
func (c *composer) applyAlternative(layout string, groups map[string]*alternatives.Group, a *Alternative) error {
	switch {
	case a.Remove:
		return applyOperation(layout, groups, &alternatives.Operation{Kind: alternatives.OpRemove, Name: a.Name, Path: a.Path})
	case a.Auto:
		return applyOperation(layout, groups, &alternatives.Operation{Kind: alternatives.OpAuto, Name: a.Name})
	}
	if a.Link != "" {
		in := alternatives.Install{Name: a.Name, Link: a.Link, Choice: alternatives.Choice{Path: a.Path, Priority: a.Priority, Slaves: map[string]string{}}}
		for _, s := range a.Slaves {
			in.SlaveLinks = append(in.SlaveLinks, alternatives.SlaveLink{Name: s.Name, Link: s.Link})
			in.Choice.Slaves[s.Name] = s.Path
		}
		if err := in.Check(); err != nil {
			return err
		}
		if c.fs.Stat(a.Path) == nil {
			return cli.Hint(fmt.Errorf("alternative %s: %s is not in the image", a.Name, a.Path), "add the package that has it to the contents, or correct the path")
		}
		if err := applyOperation(layout, groups, &alternatives.Operation{Kind: alternatives.OpInstall, Name: a.Name, Install: in}); err != nil {
			return err
		}
	}
	if a.Set {
		return applyOperation(layout, groups, &alternatives.Operation{Kind: alternatives.OpSet, Name: a.Name, Path: a.Path})
	}
	if a.Link == "" {
		return cli.Hint(fmt.Errorf("alternative %s: nothing to do", a.Name), "say link and path to register one, or one of set, auto and remove")
	}
	return nil
}

// alternativesLayout tells the layout from the spec, or from the program and the state directory that the image has, or will have
// when all packages are in place.
func (c *composer) alternativesLayout() string {
	if c.spec.AlternativesLayout != "" {
		return c.spec.AlternativesLayout
	}
	for _, sign := range []string{"/var/lib/dpkg", "/etc/debian_version", "/usr/bin/dpkg"} {
		if c.claims[sign] != nil || c.fs.Stat(sign) != nil {
			return alternatives.Dpkg
		}
	}
	return alternatives.Chkconfig
}

func (c *composer) loadAlternatives(layout string) (map[string]*alternatives.Group, error) {
	groups := map[string]*alternatives.Group{}
	dir, err := c.fs.Follow(alternatives.StateDir(layout))
	if err != nil {
		return nil, err
	}
	for _, e := range c.fs.List(dir) {
		if e.Type != pkgindex.TypeFile {
			continue
		}
		data, err := c.readEntry(e)
		if err != nil {
			return nil, err
		}
		name, choice := rootfs.Base(e.Path), ""
		if link := c.fs.Get(alternatives.LinkDir + "/" + name); link != nil {
			choice = link.Link
		}
		if groups[name], err = alternatives.Parse(layout, name, data, choice); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// writeAlternative makes the links of a group and takes out those of slaves, now or before, that the choice does not have. A group
// without choices leaves nothing behind.
func (c *composer) writeAlternative(layout string, g *alternatives.Group, slaves []alternatives.SlaveLink) error {
	links := slices.Clone(slaves)
	if len(g.Choices) == 0 {
		links = append(links, alternatives.SlaveLink{Name: g.Name, Link: g.Link})
	}
	for _, s := range links {
		if path, err := c.fs.Canonical(s.Link); err == nil {
			if e := c.fs.Get(path); e != nil && e.Type == pkgindex.TypeSymlink && e.Link == alternatives.LinkDir+"/"+s.Name {
				c.fs.Remove(path)
				c.fs.Remove(alternatives.LinkDir + "/" + s.Name)
			}
		}
	}
	if len(g.Choices) == 0 {
		if path, err := c.fs.Canonical(alternatives.StateDir(layout) + "/" + g.Name); err == nil {
			c.fs.Remove(path)
		}
		return nil
	}
	exists := func(path string) bool { return c.fs.Stat(path) != nil }
	for _, l := range g.Links(exists) {
		if err := c.putLink(l.Path, l.Target, "alternatives"); err != nil {
			return fmt.Errorf("alternative %s: %w", g.Name, err)
		}
	}
	if current := g.Current(); current != nil {
		c.report.chose(ReportChoice{g.Name, current.Path, g.Manual})
	}
	data, err := g.Encode(layout)
	if err != nil {
		return err
	}
	return c.rewrite(alternatives.StateDir(layout)+"/"+g.Name, data, &rootfs.Entry{Mode: 0o644}, "alternatives")
}

// putLink makes a symbolic link as the work of a step. It may replace a link, but a file of a package only if that is a ghost.
func (c *composer) putLink(path, target, step string) error {
	path, err := c.fs.Canonical(path)
	if err != nil {
		return err
	}
	e := &rootfs.Entry{Path: path, Type: pkgindex.TypeSymlink, Mode: 0o777, Link: target, ModTime: c.spec.SourceDateEpoch,
		Owners: []string{rootfs.MadeBy(step)}}
	if old := c.fs.Get(path); old != nil {
		if old.Type != pkgindex.TypeSymlink {
			return fmt.Errorf("%s is a %s of %s", path, old.Type, strings.Join(old.Owners, ", "))
		}
		if old.Link == target {
			return nil
		}
		e.Owners = append(e.Owners, old.Owners...)
	}
	return c.put(e)
}
