package elfresolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// choice is what the link of an alternatives group leads to, by a command line in a scriptlet.
type choice struct {
	name, path string
	priority   int
}

// choices lists where a path leads that scriptlets of p make a link of an alternatives group, the preferred one first. The
// path is that of the link, or the one in /etc/alternatives. Command lines with variables are not understood: scriptlets are
// read here, not run.
func (r *resolver) choices(p *pkg, path string) []choice {
	var out []choice
	add := func(name, link, to string, priority int) {
		if to != "" && (r.u.canonical(link) == r.u.canonical(path) || path == alternatives.LinkDir+"/"+name) {
			out = append(out, choice{name, to, priority})
		}
	}
	for i := range p.x.Scriptlets {
		for _, op := range installs(p.x.Scriptlets[i].Body) {
			c := &op.Install.Choice
			add(op.Name, op.Install.Link, c.Path, c.Priority)
			for _, s := range op.Install.SlaveLinks {
				add(s.Name, s.Link, c.Slaves[s.Name], c.Priority)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b choice) int { return cmp.Compare(b.priority, a.priority) })
	return out
}

// installs finds the plain commands in a script that add a choice to a group.
func installs(script string) []*alternatives.Operation {
	var out []*alternatives.Operation
	script = strings.ReplaceAll(script, "\\\n", " ")
	for line := range strings.SplitSeq(strings.NewReplacer("&&", "\n", "||", "\n", ";", "\n").Replace(script), "\n") {
		words := strings.Fields(line)
		at := slices.IndexFunc(words, func(w string) bool { return alternatives.IsCommand(w) })
		if at < 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		words = words[at:]
		if end := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, "<>|&") }); end > 0 {
			words = words[:end]
		}
		for i := range words {
			words[i] = strings.Trim(words[i], `"'`)
		}
		if slices.ContainsFunc(words, func(w string) bool { return strings.ContainsAny(w, "$`") }) {
			continue
		}
		if op, err := alternatives.ParseCommand(words); err == nil && op.Kind == alternatives.OpInstall {
			out = append(out, op)
		}
	}
	return out
}

// managed explains a name that is a link only after scriptlets have run, or returns nil.
func (r *resolver) managed(q *request, p *pkg, name string) error {
	choices := r.choices(p, name)
	if len(choices) == 0 {
		return nil
	}
	c := choices[0]
	return cli.Hint(fmt.Errorf("%s: binaries: %s does not ship %s: its scriptlet makes it a link of the alternatives group %s, which leads to %s",
		q.Label, p.x.NEVRA, name, c.name, c.path),
		"name the program: binaries = [%q]; and give the root filesystem the link: symlinks = {%q: %[1]q}", c.path, name)
}

// choice finds what a link into /etc/alternatives leads to by the scriptlets of its package. The link in the middle is for the
// root filesystem to make.
func (c *closure) choice(f *file) *file {
	for _, choice := range c.r.choices(f.p, f.LinkTarget) {
		if to := c.r.u.find(f.p, choice.path); to != nil {
			return to
		}
	}
	return nil
}
