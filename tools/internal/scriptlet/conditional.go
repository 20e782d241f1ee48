package scriptlet

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// testCommand is test(1) and [.
func testCommand(c *call) int {
	args := c.args
	if c.name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			c.errorf("missing `]'")
			return 2
		}
		args = args[:len(args)-1]
	}
	t := &tester{c: c, args: args}
	ok := t.whole()
	if t.err != nil {
		c.errorf("%v", t.err)
		return 2
	}
	return boolStatus(ok)
}

// tester evaluates the words of test: first by their number, as POSIX says, then as an expression.
type tester struct {
	c    *call
	args []string
	err  error
}

func (t *tester) whole() bool {
	a := t.args
	switch {
	case len(a) == 0:
		return false
	case len(a) == 1:
		return a[0] != ""
	case len(a) == 2 && a[0] == "!":
		return a[1] == ""
	case len(a) == 2 && isUnary(a[0]):
		return t.unary(a[0], a[1])
	case len(a) == 3 && isBinary(a[1]):
		return t.binary(a[0], a[1], a[2])
	case len(a) == 4 && a[0] == "!":
		t.args = a[1:]
		return !t.whole()
	}
	ok := t.or()
	if t.err == nil && len(t.args) > 0 {
		t.err = fmt.Errorf("%s: unexpected operator", t.args[0])
	}
	return ok
}

func (t *tester) next() string {
	if len(t.args) == 0 {
		if t.err == nil {
			t.err = fmt.Errorf("argument expected")
		}
		return ""
	}
	a := t.args[0]
	t.args = t.args[1:]
	return a
}

func (t *tester) peek(i int) string {
	if i < len(t.args) {
		return t.args[i]
	}
	return ""
}

func (t *tester) or() bool {
	ok := t.and()
	for t.peek(0) == "-o" {
		t.next()
		right := t.and()
		ok = ok || right
	}
	return ok
}

func (t *tester) and() bool {
	ok := t.not(0)
	for t.peek(0) == "-a" {
		t.next()
		right := t.not(0)
		ok = ok && right
	}
	return ok
}

func (t *tester) not(depth int) bool {
	const deepest = 100
	if depth > deepest {
		t.c.unknown("an expression that is too deep")
	}
	if t.peek(0) == "!" && len(t.args) > 1 {
		t.next()
		return !t.not(depth + 1)
	}
	if len(t.args) >= 3 && isBinary(t.args[1]) {
		x, op, y := t.next(), t.next(), t.next()
		return t.binary(x, op, y)
	}
	if t.peek(0) == "(" {
		t.next()
		t.c.m.enter()
		ok := t.or()
		t.c.m.leave()
		if t.next() != ")" && t.err == nil {
			t.err = fmt.Errorf("`)' expected")
		}
		return ok
	}
	if isUnary(t.peek(0)) && len(t.args) > 1 {
		op, x := t.next(), t.next()
		return t.unary(op, x)
	}
	return t.next() != ""
}

func isUnary(op string) bool {
	return len(op) == 2 && op[0] == '-' && strings.IndexByte("bcdefgGhkLnNOprsStuwxzv", op[1]) >= 0
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (t *tester) unary(op, x string) bool {
	if op == "-t" {
		return false
	}
	return t.c.s.fileTest(op, x)
}

// fileTest answers the questions about files and strings, as root asks them.
func (s *shell) fileTest(op, x string) bool {
	switch op {
	case "-n":
		return x != ""
	case "-z":
		return x == ""
	case "-v":
		return s.get(x).IsSet()
	case "-L", "-h":
		e := s.m.lstat(abs(s.dir, x))
		return x != "" && e != nil && e.Type == pkgindex.TypeSymlink
	}
	if x == "" {
		return false
	}
	e := s.m.stat(abs(s.dir, x))
	if e == nil {
		return false
	}
	types := map[string]string{"-f": pkgindex.TypeFile, "-d": pkgindex.TypeDir, "-b": pkgindex.TypeBlock, "-c": pkgindex.TypeChar,
		"-p": pkgindex.TypeFIFO, "-S": pkgindex.TypeSocket}
	if want, ok := types[op]; ok {
		return e.Type == want
	}
	switch op {
	case "-x":
		return e.Type == pkgindex.TypeDir || e.Mode&0o111 != 0
	case "-s":
		return e.Type == pkgindex.TypeDir || e.SizeBytes > 0
	case "-u":
		return e.Mode&0o4000 != 0
	case "-g":
		return e.Mode&0o2000 != 0
	case "-k":
		return e.Mode&0o1000 != 0
	case "-O":
		return e.UID == 0
	case "-G":
		return e.GID == 0
	case "-N":
		return false
	}
	return true // -e, -r, -w
}

func (t *tester) binary(x, op, y string) bool {
	ok, err := t.c.s.compare(x, op, y)
	if err != nil && t.err == nil {
		t.err = err
	}
	return ok
}

func (s *shell) compare(x, op, y string) (bool, error) {
	switch op {
	case "=", "==":
		return x == y, nil
	case "!=":
		return x != y, nil
	case "<":
		return x < y, nil
	case ">":
		return x > y, nil
	case "-nt", "-ot", "-ef":
		a, b := s.m.stat(abs(s.dir, x)), s.m.stat(abs(s.dir, y))
		switch op {
		case "-nt":
			return a != nil && (b == nil || a.ModTime > b.ModTime), nil
		case "-ot":
			return b != nil && (a == nil || a.ModTime < b.ModTime), nil
		}
		return a != nil && b != nil && (a == b || sameFile(a, b)), nil
	}
	a, okA := atoi(x)
	b, okB := atoi(y)
	if !okA || !okB {
		bad := x
		if okA {
			bad = y
		}
		return false, fmt.Errorf("%s: integer expression expected", bad)
	}
	switch op {
	case "-eq":
		return a == b, nil
	case "-ne":
		return a != b, nil
	case "-lt":
		return a < b, nil
	case "-le":
		return a <= b, nil
	case "-gt":
		return a > b, nil
	}
	return a >= b, nil
}

func sameFile(a, b *rootfs.Entry) bool {
	first := func(e *rootfs.Entry) string {
		if e.HardLink != "" {
			return e.HardLink
		}
		return e.Path
	}
	return first(a) == first(b)
}

// testExpr is [[ ]].
func (s *shell) testExpr(x syntax.TestExpr) bool {
	s.m.step(1)
	switch x := x.(type) {
	case *syntax.Word:
		return s.literal(x) != ""
	case *syntax.ParenTest:
		return s.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return !s.testExpr(x.X)
		}
		w, ok := x.X.(*syntax.Word)
		if !ok || !isUnary(x.Op.String()) {
			s.m.stop("[[ %s is not known", x.Op)
		}
		return x.Op != syntax.TsFdTerm && s.fileTest(x.Op.String(), s.literal(w))
	case *syntax.BinaryTest:
		return s.binaryTest(x)
	}
	s.m.stop("%T is not known", x)
	return false
}

func (s *shell) binaryTest(x *syntax.BinaryTest) bool {
	switch x.Op {
	case syntax.AndTest:
		return s.testExpr(x.X) && s.testExpr(x.Y)
	case syntax.OrTest:
		return s.testExpr(x.X) || s.testExpr(x.Y)
	}
	a, okA := x.X.(*syntax.Word)
	b, okB := x.Y.(*syntax.Word)
	if !okA || !okB {
		s.m.stop("[[ %s is not known", x.Op)
	}
	left := s.literal(a)
	switch x.Op {
	case syntax.TsMatch, syntax.TsMatchShort:
		return s.match(s.pattern(b), left)
	case syntax.TsNoMatch:
		return !s.match(s.pattern(b), left)
	case syntax.TsReMatch:
		rx, err := compileRegex(s.literal(b), true, false)
		if err != nil {
			s.m.stop("%v", err)
		}
		s.m.step(1 + len(left)>>6)
		return rx.MatchString(left)
	}
	ok, err := s.compare(left, x.Op.String(), s.literal(b))
	if err != nil {
		s.errorf("%v", err)
	}
	return ok
}
