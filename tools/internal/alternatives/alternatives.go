// Package alternatives keeps the state of update-alternatives(1): groups of interchangeable programs, one link per group, and
// the files in which the real program finds that state again.
//
// Two layouts exist. "dpkg" is that of Debian: /var/lib/dpkg/alternatives/NAME, slaves by name, choices by path. "chkconfig"
// is that of Red Hat's alternatives(8): /var/lib/alternatives/NAME, everything in the order of installation. In both the link
// leads to /etc/alternatives/NAME, and that to the choice.
package alternatives

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Layouts.
const (
	Dpkg      = "dpkg"
	Chkconfig = "chkconfig"
)

// LinkDir holds the links in the middle.
const LinkDir = "/etc/alternatives"

const (
	maxStateBytes = 1 << 20
	maxPriority   = 1 << 30
)

// StateDir returns the directory of the state files of a layout.
func StateDir(layout string) string {
	if layout == Dpkg {
		return "/var/lib/dpkg/alternatives"
	}
	return "/var/lib/alternatives"
}

// Group is one link and what it can lead to.
type Group struct {
	Name    string
	Link    string
	Manual  bool
	Choice  string // Manual: path of the choice that was made
	Slaves  []SlaveLink
	Choices []Choice
	linked  string // Dpkg: where the links lead to while Manual is false; it wins among choices of equal priority
}

// SlaveLink is a link that follows its master.
type SlaveLink struct{ Name, Link string }

// Choice is one program a group can lead to. Slaves maps names of slaves to paths; a slave without a path gets no link.
type Choice struct {
	Path       string
	Priority   int
	Slaves     map[string]string
	Family     string // chkconfig only
	Initscript string // chkconfig only
}

// Install is one --install: a choice of a group with its slaves.
type Install struct {
	Name, Link string
	Choice     Choice
	SlaveLinks []SlaveLink
}

// Apply does what one command of the layout's program does: the order in which it leaves choices and slaves decides between
// equal priorities later, and is part of the state file.
func (g *Group) Apply(layout string, op *Operation) error {
	if g.Name == "" {
		g.Name = op.Name
	}
	if layout == Dpkg {
		defer func() {
			if c := g.Current(); c != nil {
				g.linked = c.Path
			}
		}()
	}
	switch op.Kind {
	case OpInstall:
		first := len(g.Choices) == 0
		if layout == Dpkg {
			g.rename(op.Install)
		}
		if err := g.Install(op.Install); err != nil {
			return err
		}
		if layout == Chkconfig && !first {
			slices.SortFunc(g.Slaves, func(a, b SlaveLink) int { return strings.Compare(a.Name, b.Name) })
		}
		g.dropUnusedSlaves()
	case OpSet:
		return g.Set(op.Path)
	case OpRemove:
		if layout == Chkconfig {
			return g.removeBySwap(op.Path)
		}
		if err := g.Remove(op.Path); err != nil {
			return err
		}
		g.dropUnusedSlaves()
	case OpRemoveAll:
		g.Choices, g.Manual, g.Choice = nil, false, ""
	case OpAuto:
		g.Manual, g.Choice = false, ""
	default:
		return fmt.Errorf("alternative %s: operation %q", op.Name, op.Kind)
	}
	return nil
}

// rename gives the group and its slaves the links of a new choice, as Debian's program does; chkconfig's refuses them.
func (g *Group) rename(in Install) {
	if g.Link != "" {
		g.Link = in.Link
	}
	g.Slaves = slices.Clone(g.Slaves)
	for i := range g.Slaves {
		for _, s := range in.SlaveLinks {
			if g.Slaves[i].Name == s.Name {
				g.Slaves[i].Link = s.Link
			}
		}
	}
}

// dropUnusedSlaves takes out slaves that no choice has any more.
func (g *Group) dropUnusedSlaves() {
	g.Slaves = slices.DeleteFunc(g.Slaves, func(s SlaveLink) bool {
		return !slices.ContainsFunc(g.Choices, func(c Choice) bool { return c.Slaves[s.Name] != "" })
	})
}

// removeBySwap fills the gap with the last choice, as chkconfig does.
func (g *Group) removeBySwap(path string) error {
	i, last := g.index(path), len(g.Choices)-1
	if i >= 0 {
		g.Choices[i], g.Choices[last] = g.Choices[last], g.Choices[i]
	}
	return g.Remove(path)
}

// Install adds a choice or replaces the one of the same path.
func (g *Group) Install(in Install) error {
	if g.Link == "" {
		g.Name, g.Link = in.Name, in.Link
	}
	if g.Link != in.Link {
		return fmt.Errorf("alternative %s: link %s, but it was registered as %s", g.Name, in.Link, g.Link)
	}
	for _, s := range in.SlaveLinks {
		i := slices.IndexFunc(g.Slaves, func(have SlaveLink) bool { return have.Name == s.Name })
		if i < 0 {
			g.Slaves = append(g.Slaves, s)
		} else if g.Slaves[i].Link != s.Link {
			return fmt.Errorf("alternative %s: slave %s has link %s, but it was registered as %s", g.Name, s.Name, s.Link, g.Slaves[i].Link)
		}
	}
	if i := g.index(in.Choice.Path); i >= 0 {
		g.Choices[i] = in.Choice
	} else {
		g.Choices = append(g.Choices, in.Choice)
	}
	return nil
}

// Set chooses path by hand, or the best choice of the family of that name.
func (g *Group) Set(path string) error {
	if !strings.HasPrefix(path, "/") {
		var best *Choice
		for i := range g.Choices {
			if c := &g.Choices[i]; c.Family == path && (best == nil || c.Priority > best.Priority) {
				best = c
			}
		}
		if best != nil {
			path = best.Path
		}
	}
	if g.index(path) < 0 {
		return fmt.Errorf("alternative %s: %s is not registered; there are %s", g.Name, path, strings.Join(g.paths(), ", "))
	}
	g.Manual, g.Choice = true, path
	return nil
}

// Remove takes path out; a group that chose it by hand goes back to automatic.
func (g *Group) Remove(path string) error {
	i := g.index(path)
	if i < 0 {
		return fmt.Errorf("alternative %s: %s is not registered; there are %s", g.Name, path, strings.Join(g.paths(), ", "))
	}
	g.Choices = slices.Delete(g.Choices, i, i+1)
	if g.Choice == path {
		g.Manual, g.Choice = false, ""
	}
	return nil
}

func (g *Group) index(path string) int {
	return slices.IndexFunc(g.Choices, func(c Choice) bool { return c.Path == path })
}

func (g *Group) paths() []string {
	var out []string
	for _, c := range g.Choices {
		out = append(out, c.Path)
	}
	slices.Sort(out)
	return out
}

// Current returns the choice in force: that made by hand, or the one of the highest priority, of equal ones the first made. It
// is nil when the group is empty.
func (g *Group) Current() *Choice {
	if i := g.index(g.Choice); g.Manual && i >= 0 {
		return &g.Choices[i]
	}
	var best *Choice
	if i := g.index(g.linked); i >= 0 {
		best = &g.Choices[i]
	}
	for i := range g.Choices {
		if c := &g.Choices[i]; best == nil || c.Priority > best.Priority {
			best = c
		}
	}
	return best
}

// Symlink is a link to make.
type Symlink struct{ Path, Target string }

// Links returns the links of the group in force. exists tells which paths the image has: like the real program, a slave whose
// file is missing gets no link.
func (g *Group) Links(exists func(path string) bool) []Symlink {
	c := g.Current()
	if c == nil {
		return nil
	}
	middle := func(name string) string { return LinkDir + "/" + name }
	out := []Symlink{{g.Link, middle(g.Name)}, {middle(g.Name), c.Path}}
	for _, s := range g.Slaves {
		if path := c.Slaves[s.Name]; path != "" && exists(path) {
			out = append(out, Symlink{s.Link, middle(s.Name)}, Symlink{middle(s.Name), path})
		}
	}
	return out
}

// Encode returns the state file.
func (g *Group) Encode(layout string) ([]byte, error) {
	links, choices := slices.Clone(g.Slaves), slices.Clone(g.Choices)
	if layout == Dpkg {
		slices.SortFunc(links, func(a, b SlaveLink) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(choices, func(a, b Choice) int { return strings.Compare(a.Path, b.Path) })
	}
	var lines []string
	mode := "auto"
	if g.Manual {
		mode = "manual"
	}
	lines = append(lines, mode, g.Link)
	for _, s := range links {
		lines = append(lines, s.Name, s.Link)
	}
	lines = append(lines, "")
	for _, c := range choices {
		priority := strconv.Itoa(c.Priority)
		if layout == Chkconfig {
			if c.Family != "" {
				priority = "@" + c.Family + "@" + priority
			}
			if c.Initscript != "" {
				priority += " " + c.Initscript
			}
		}
		lines = append(lines, c.Path, priority)
		for _, s := range links {
			lines = append(lines, c.Slaves[s.Name])
		}
	}
	if layout == Dpkg {
		lines = append(lines, "")
	}
	var out bytes.Buffer
	for i, line := range lines {
		if strings.ContainsAny(line, "\n\x00") {
			return nil, fmt.Errorf("alternative %s: line break in %q", g.Name, line)
		}
		if i < 2 && line == "" {
			return nil, fmt.Errorf("alternative %s: no link", g.Name)
		}
		out.WriteString(line + "\n")
	}
	return out.Bytes(), nil
}

// Parse reads a state file. choice is the target of /etc/alternatives/NAME: chosen by hand when the file says "manual".
func Parse(layout, name string, data []byte, choice string) (*Group, error) {
	g, err := parse(layout, name, data, choice)
	if err != nil {
		return nil, fmt.Errorf("reading alternative %s: %w", name, err)
	}
	return g, nil
}

func parse(layout, name string, data []byte, choice string) (*Group, error) {
	if len(data) > maxStateBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxStateBytes)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("NUL byte")
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	next := func() (string, error) {
		if len(lines) == 0 {
			return "", fmt.Errorf("it ends too early")
		}
		line := lines[0]
		lines = lines[1:]
		return line, nil
	}
	g := &Group{Name: name}
	mode, err := next()
	if err != nil {
		return nil, err
	}
	switch mode {
	case "auto":
		if layout == Dpkg {
			g.linked = choice
		}
	case "manual":
		g.Manual, g.Choice = true, choice
	default:
		return nil, fmt.Errorf("mode %q", mode)
	}
	if g.Link, err = next(); err != nil {
		return nil, err
	}
	if g.Link == "" {
		return nil, fmt.Errorf("no link")
	}
	for {
		slave, err := next()
		if err != nil {
			return nil, err
		}
		if slave == "" {
			break
		}
		link, err := next()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(g.Slaves, func(s SlaveLink) bool { return s.Name == slave }) {
			return nil, fmt.Errorf("slave %s is there twice", slave)
		}
		g.Slaves = append(g.Slaves, SlaveLink{slave, link})
	}
	for len(lines) > 0 && lines[0] != "" {
		c := Choice{Slaves: map[string]string{}}
		c.Path, _ = next()
		priority, err := next()
		if err != nil {
			return nil, err
		}
		if err := c.parsePriority(layout, priority); err != nil {
			return nil, err
		}
		for _, s := range g.Slaves {
			path, err := next()
			if err != nil {
				return nil, err
			}
			if path != "" {
				c.Slaves[s.Name] = path
			}
		}
		if g.index(c.Path) >= 0 {
			return nil, fmt.Errorf("choice %s is there twice", c.Path)
		}
		g.Choices = append(g.Choices, c)
	}
	if g.Manual && g.index(g.Choice) < 0 {
		// What the real programs do with a choice that is gone.
		g.Manual, g.Choice = false, ""
	}
	return g, nil
}

func (c *Choice) parsePriority(layout, s string) (err error) {
	if layout == Chkconfig {
		if rest, ok := strings.CutPrefix(s, "@"); ok {
			c.Family, s, ok = strings.Cut(rest, "@")
			if !ok {
				return fmt.Errorf("family %q", rest)
			}
		}
		s, c.Initscript, _ = strings.Cut(s, " ")
	}
	c.Priority, err = parsePriority(s)
	return err
}

func parsePriority(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n > maxPriority || n < -maxPriority {
		return 0, fmt.Errorf("priority %q: not a number in range", s)
	}
	return n, nil
}
