package rpmdb

import (
	"strings"
	"testing"
)

// richCases are also installed by rpm in TestSQLiteEqualsRPM, which so confirms them.
var richCases = []struct{ summary, dependency, want string }{
	{"alternatives", "(foo or bar)", "bar foo"},
	{"a version is no name", "(foo >= 1 and bar)", "bar foo"},
	{"a condition is negated", "(foo if bar)", "foo !bar"},
	{"with an alternative it counts both ways", "(foo >= 1 if bar else baz)", "bar baz foo !bar"},
	{"the same for unless", "(foo unless bar else baz)", "bar baz foo !bar"},
	{"names of a condition in parentheses", "(a if (b or c) else d)", "a b c d !b !c"},
	{"a group before the condition", "((a or b) if c else d)", "a b c d !c"},
	{"an alternative in parentheses", "(a if b else (c and d))", "a b c d !b"},
	{"a condition in the condition", "(a if (b if c))", "a c !b"},
	{"a condition with its alternative in a condition", "(a if (b if c else d) else e)", "a b c d e !b !c !d"},
	{"a condition in a condition with an alternative", "(a if (b if c) else d)", "a b c d !b !c"},
	{"a condition in the alternative", "(a if b else (c if d))", "a b c !b !d"},
	{"a condition after a group", "((a if b) and c)", "a c !b"},
	{"two conditions beside each other", "((a if b) or (c if d))", "a c !b !d"},
	{"repeated names", "(n and n and m)", "m n"},
	{"both signs of a name", "(n if n)", "n !n"},
	{"chains of with", "(a with b with c)", "a b c"},
	{"without", "(a without b)", "a b"},
	{"parentheses inside names", "(su(x86-64) or foo(bar(baz)) >= 2:1-1)", "foo(bar(baz)) su(x86-64)"},
	{"rpmlib features are left out", "(a and rpmlib(B))", "a"},
	{"blanks and commas separate", "( a,or ,b )", "a b"},
	{"one name in parentheses", "(a)", "a"},
	{"a path", "(/usr/bin/a or /usr/bin/b)", "/usr/bin/a /usr/bin/b"},
	{"names that sort before the negation mark", "(\x01a if b)", "\x01a !b"},
	{"operators without blanks belong to the name", "(a>=1 or b)", "a>=1 b"},
	{"mixed chains do not parse", "(a and b or c)", ""},
	{"chains of if do not parse", "(a if b if c)", ""},
	{"else without a condition", "(a else b)", "a !a !b"},
	{"an unknown operator", "(a xor b)", ""},
	{"a missing operand", "(a and )", ""},
	{"nothing", "()", ""},
	{"no end", "(a and b", ""},
	{"something behind the end", "(a and b) c", "a b"},
	{"a missing version", "(a >= )", ""},
	{"an impossible comparison", "(a <> 1)", ""},
}

func TestRichNames(t *testing.T) {
	for _, c := range richCases {
		var got []string
		for _, name := range richNames([]byte(c.dependency)) {
			got = append(got, string(name))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.summary, c.dependency, text, c.want)
		}
	}
}

// TestRichNamesNested nests alternatives so deeply that names which double at each level would fill the memory.
func TestRichNamesNested(t *testing.T) {
	for _, c := range []struct {
		summary      string
		depth, names int
	}{
		{"as deep as is read", maxRichDepth - 1, 4},
		{"deeper than is read", maxRichDepth + 1, 0},
	} {
		text := strings.Repeat("(x if ", c.depth) + "(x if y)" + strings.Repeat(" else y)", c.depth)
		if got := richNames([]byte(text)); len(got) != c.names {
			t.Errorf("%s: got %d names, want %d", c.summary, len(got), c.names)
		}
	}
}
