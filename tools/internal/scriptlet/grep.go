package scriptlet

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// grep is grep(1) for the options that scripts use.
func grep(c *call) int {
	o, args := c.parse("qivncEFGPwxlLosrRhHe:f:m:A:B:C:yaUz", map[string]byte{"quiet": 'q', "silent": 'q', "ignore-case": 'i', "invert-match": 'v',
		"line-number": 'n', "count": 'c', "extended-regexp": 'E', "fixed-strings": 'F', "basic-regexp": 'G', "word-regexp": 'w',
		"line-regexp": 'x', "files-with-matches": 'l', "files-without-match": 'L', "only-matching": 'o', "no-messages": 's',
		"recursive": 'r', "no-filename": 'h', "with-filename": 'H', "regexp": 'e', "max-count": 'm', "text": 'a', "perl-regexp": 'P',
		"color": 'U', "file": 'f', "after-context": 'A', "before-context": 'B'})
	switch c.name {
	case "egrep":
		o.set['E'] = true
	case "fgrep":
		o.set['F'] = true
	}
	for _, letter := range []byte("ABCz") {
		if o.has(letter) {
			return c.option("-" + string(letter))
		}
	}
	patterns := o.values['e']
	for _, name := range o.values['f'] {
		data, err := c.input(name)
		if err != nil {
			c.errorf("%s: %v", name, err)
			return 2
		}
		patterns = append(patterns, splitLines(data)...)
	}
	if !o.has('e') && !o.has('f') {
		if len(args) == 0 {
			c.errorf("no pattern")
			return 2
		}
		patterns, args = args[:1], args[1:]
	}
	g := &grepRun{c: c, o: o, limit: 1 << 30, names: len(args) > 1 && !o.has('h') || o.has('H') || (o.has('r') || o.has('R')) && !o.has('h')}
	if len(patterns) == 0 {
		g.none = true
	} else {
		rx, err := grepPattern(patterns, o)
		if err != nil {
			return c.unknown("%v", err)
		}
		g.match, g.find = rx.MatchString, rx.FindAllString
	}
	if o.has('m') {
		g.limit, _ = strconv.Atoi(o.value('m'))
	}
	return g.all(args)
}

type grepRun struct {
	c           *call
	o           options
	match       func(string) bool
	find        func(string, int) []string
	none, names bool
	limit       int
	found, bad  bool
}

func (g *grepRun) all(names []string) int {
	if len(names) == 0 {
		names = []string{"-"}
		if g.o.has('r') || g.o.has('R') {
			names = []string{"."}
		}
	}
	for _, name := range names {
		g.operand(name)
	}
	switch {
	case g.found && (g.o.has('q') || !g.bad):
		return 0
	case g.bad:
		return 2
	}
	return 1
}

func (g *grepRun) operand(name string) {
	e := g.c.m.stat(g.c.path(name))
	if e != nil && e.Type == pkgindex.TypeDir && (g.o.has('r') || g.o.has('R')) {
		list, _ := g.c.m.readDir(g.c.path(name))
		for _, x := range list {
			if x.Type == pkgindex.TypeFile || x.Type == pkgindex.TypeDir {
				g.operand(path.Join(name, path.Base(x.Path)))
			}
		}
		return
	}
	data, err := g.c.input(name)
	if err != nil {
		g.bad = true
		if !g.o.has('s') {
			g.c.errorf("%s: %v", name, err)
		}
		return
	}
	g.file(name, data)
}

func (g *grepRun) file(name string, data []byte) {
	if name == "-" {
		name = "(standard input)"
	}
	prefix := ""
	if g.names {
		prefix = name + ":"
	}
	count := 0
	for i, line := range splitLines(data) {
		g.c.m.step(1 + len(line)>>6)
		hit := !g.none && g.match(line)
		if hit == g.o.has('v') {
			continue
		}
		if count++; count > g.limit {
			count--
			break
		}
		if g.o.has('q') || g.o.has('c') || g.o.has('l') || g.o.has('L') {
			continue
		}
		number := ""
		if g.o.has('n') {
			number = strconv.Itoa(i+1) + ":"
		}
		if g.o.has('o') {
			if !g.o.has('v') {
				for _, part := range slices.DeleteFunc(g.find(line, -1), func(s string) bool { return s == "" }) {
					fmt.Fprintf(g.c.out, "%s%s%s\n", prefix, number, part)
				}
			}
			continue
		}
		fmt.Fprintf(g.c.out, "%s%s%s\n", prefix, number, line)
	}
	if g.o.has('L') != (count > 0) && (g.o.has('l') || g.o.has('L')) {
		fmt.Fprintln(g.c.out, name)
	} else if g.o.has('c') && !g.o.has('q') {
		fmt.Fprintf(g.c.out, "%s%d\n", prefix, count)
	}
	g.found = g.found || count > 0
}

// expr is expr(1): one operation, or several from left to right.
func expr(c *call) int {
	t := &exprRun{c: c, args: c.args}
	v := t.or()
	if len(t.args) > 0 || t.bad {
		c.errorf("syntax error")
		return 2
	}
	fmt.Fprintln(c.out, v)
	return boolStatus(v != "" && strings.Trim(v, "-0") != "")
}

type exprRun struct {
	c    *call
	args []string
	bad  bool
}

func (t *exprRun) op(ops ...string) string {
	if len(t.args) > 0 && slices.Contains(ops, t.args[0]) {
		op := t.args[0]
		t.args = t.args[1:]
		return op
	}
	return ""
}

func isNull(v string) bool { return v == "" || v == "0" }

func (t *exprRun) or() string {
	v := t.and()
	for t.op("|") != "" {
		if w := t.and(); isNull(v) {
			v = w
		}
	}
	return v
}

func (t *exprRun) and() string {
	v := t.compare()
	for t.op("&") != "" {
		if w := t.compare(); isNull(v) || isNull(w) {
			v = "0"
		}
	}
	return v
}

func (t *exprRun) compare() string {
	v := t.sum()
	for {
		op := t.op("=", "==", "!=", "<", ">", "<=", ">=")
		if op == "" {
			return v
		}
		w := t.sum()
		d := strings.Compare(v, w)
		if a, ok := atoi(v); ok {
			if b, ok := atoi(w); ok {
				d = a - b
			}
		}
		ok := map[string]bool{"=": d == 0, "==": d == 0, "!=": d != 0, "<": d < 0, ">": d > 0, "<=": d <= 0, ">=": d >= 0}[op]
		v = strconv.Itoa(1 - boolStatus(ok))
	}
}

func (t *exprRun) sum() string { return t.left([]string{"+", "-"}, t.product) }

func (t *exprRun) product() string { return t.left([]string{"*", "/", "%"}, t.matching) }

func (t *exprRun) left(ops []string, operand func() string) string {
	v := operand()
	for {
		op := t.op(ops...)
		if op == "" {
			return v
		}
		a, okA := atoi(v)
		b, okB := atoi(operand())
		if !okA || !okB || b == 0 && (op == "/" || op == "%") {
			t.bad = true
			return ""
		}
		switch op {
		case "+":
			a += b
		case "-":
			a -= b
		case "*":
			a *= b
		case "/":
			a /= b
		default:
			a %= b
		}
		v = strconv.Itoa(a)
	}
}

func (t *exprRun) matching() string {
	v := t.operand()
	for t.op(":") != "" {
		v = t.match(v, t.operand())
	}
	return v
}

func (t *exprRun) match(v, pattern string) string {
	rx, err := compileRegex("^"+strings.TrimPrefix(pattern, "^"), false, false)
	if err != nil {
		t.c.unknown("%v", err)
	}
	found := rx.FindStringSubmatch(v)
	switch {
	case rx.NumSubexp() > 0 && len(found) > 1:
		return found[1]
	case rx.NumSubexp() > 0:
		return ""
	case found == nil:
		return "0"
	}
	return strconv.Itoa(len(found[0]))
}

func (t *exprRun) operand() string {
	if len(t.args) == 0 {
		t.bad = true
		return ""
	}
	a := t.args[0]
	t.args = t.args[1:]
	switch {
	case a == "(":
		t.c.m.enter()
		v := t.or()
		t.c.m.leave()
		if t.op(")") == "" {
			t.bad = true
		}
		return v
	case a == "length" && len(t.args) > 0:
		return strconv.Itoa(len(t.operand()))
	case a == "match" && len(t.args) > 1:
		v := t.operand()
		return t.match(v, t.operand())
	case a == "substr" && len(t.args) > 2:
		s := t.operand()
		pos, _ := atoi(t.operand())
		n, _ := atoi(t.operand())
		if pos < 1 || pos > len(s) || n < 1 {
			return ""
		}
		return s[pos-1 : min(len(s), pos-1+min(n, len(s)))]
	}
	return a
}

// grepPattern joins the patterns of grep into one expression.
func grepPattern(patterns []string, o options) (*regexp.Regexp, error) {
	var parts []string
	for _, p := range patterns {
		for _, line := range strings.Split(p, "\n") {
			expr := regexp.QuoteMeta(line)
			if !o.has('F') {
				rx, err := compileRegex(line, o.has('E') || o.has('P'), false)
				if err != nil {
					return nil, err
				}
				expr = rx.String()
			}
			if o.has('w') {
				expr = `\b(?:` + expr + `)\b`
			}
			if o.has('x') {
				expr = `^(?:` + expr + `)$`
			}
			parts = append(parts, "(?:"+expr+")")
		}
	}
	flags := ""
	if o.has('i') || o.has('y') {
		flags = "(?i)"
	}
	rx, err := regexp.Compile(flags + strings.Join(parts, "|"))
	if err == nil {
		rx.Longest()
	}
	return rx, err
}
