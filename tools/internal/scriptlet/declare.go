package scriptlet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// declare runs export, local, readonly and declare where the parser knows them as such.
func (s *shell) declare(d *syntax.DeclClause) {
	s.status = 0
	attrs, variant := expand.Variable{}, d.Variant.Value
	attrs.Exported, attrs.ReadOnly = variant == "export", variant == "readonly"
	for _, a := range d.Args {
		if a.Naked && a.Name == nil { // an option, or a word that expands to assignments
			for _, f := range s.fields([]*syntax.Word{a.Value}) {
				s.declareWord(variant, f, &attrs)
			}
			continue
		}
		s.localise(variant, a.Name.Value)
		if a.Naked {
			s.keep(a.Name.Value, attrs)
			continue
		}
		s.assignment(a, attrs)
		if s.ctl != goOn {
			return
		}
	}
}

func (s *shell) declareWord(variant, word string, attrs *expand.Variable) {
	if len(word) > 1 && (word[0] == '-' || word[0] == '+') {
		for _, o := range word[1:] {
			switch o {
			case 'x':
				attrs.Exported = word[0] == '-'
			case 'r':
				attrs.ReadOnly = true
			case 'a', 'p', 'g', 'i':
			case 'n': // export -n: taken out below
				attrs.Exported = false
			case 'f', 'F':
			default:
				s.m.stop("option -%c of %s is not known", o, variant)
			}
		}
		return
	}
	name, value, ok := strings.Cut(word, "=")
	s.localise(variant, name)
	if !ok {
		s.keep(name, *attrs)
		return
	}
	v := *attrs
	v.Set, v.Kind, v.Str = true, expand.String, value
	s.expansion(s.assign(name, v))
}

func (s *shell) keep(name string, attrs expand.Variable) {
	v := s.vars[name]
	v.Exported, v.ReadOnly = v.Exported || attrs.Exported, v.ReadOnly || attrs.ReadOnly
	if v.Declared() {
		s.vars[name] = v
	}
}

// localise remembers a variable that a function declares, to restore it.
func (s *shell) localise(variant, name string) {
	if len(s.saved) == 0 || variant == "export" || variant == "readonly" {
		return
	}
	top := len(s.saved) - 1
	if s.saved[top] == nil {
		s.saved[top] = map[string]expand.Variable{}
	}
	if _, ok := s.saved[top][name]; !ok {
		s.saved[top][name] = s.vars[name]
		delete(s.vars, name)
	}
}

// export is for declarations that the parser saw as plain words, such as `command export x=1`.
func export(c *call) int {
	attrs := expand.Variable{Exported: c.name == "export", ReadOnly: c.name == "readonly"}
	c.s.status = 0
	for _, a := range c.args {
		c.s.declareWord(c.name, a, &attrs)
	}
	return c.s.status
}

var setLetters = map[byte]string{'e': "errexit", 'u': "nounset", 'f': "noglob", 'a': "allexport", 'x': "xtrace", 'v': "verbose",
	'h': "hashall", 'm': "monitor", 'n': "noexec", 'C': "noclobber", 'b': "notify", 'E': "errtrace", 'T': "functrace", 'B': "braceexpand"}

var setNames = []string{"pipefail", "posix", "nolog", "ignoreeof", "emacs", "vi", "history", "privileged"}

// options applies one word of options, such as -eu, and reports whether it was one.
func (s *shell) options(word string) bool {
	if len(word) < 2 || (word[0] != '-' && word[0] != '+') || word == "--" {
		return false
	}
	for i := 1; i < len(word); i++ {
		name, ok := setLetters[word[i]]
		if !ok {
			s.m.stop("option -%c of the shell is not known", word[i])
		}
		s.opts[name] = word[0] == '-'
	}
	return true
}

func setOptions(c *call) int {
	args := c.args
	if len(args) == 0 {
		for _, name := range sortedKeys(c.s.vars) {
			fmt.Fprintf(c.out, "%s='%s'\n", name, c.s.vars[name].String())
		}
		return 0
	}
	for len(args) > 0 {
		a := args[0]
		if a == "--" || a == "-" {
			c.s.params = slices.Clone(args[1:])
			return 0
		}
		if (a == "-o" || a == "+o") && len(args) > 1 {
			if !slices.Contains(setNames, args[1]) && !slices.Contains(slices.Collect(maps.Values(setLetters)), args[1]) {
				return c.option("-o " + args[1])
			}
			c.s.opts[args[1]] = a == "-o"
			args = args[2:]
			continue
		}
		if !c.s.options(a) {
			c.s.params = slices.Clone(args)
			return 0
		}
		args = args[1:]
	}
	return 0
}
