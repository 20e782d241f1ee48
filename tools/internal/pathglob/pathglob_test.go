package pathglob

import "testing"

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"/a/*", "/a/b", true}, {"/a/*", "/a/b/c", false}, {"/a/**", "/a/b/c", true}, {"/a/**", "/a", true}, {"/**/x", "/x", true},
		{"/**/x", "/a/b/x", true}, {"/a/**/c/*.so", "/a/b/c/d.so", true}, {"/a/**/c/*.so", "/a/b/d/d.so", false}, {"/a/[bc]", "/a/c", true},
		{"/**/**/**/**/**/**/**/**/z", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/y", false},
	} {
		g, err := Parse(c.glob)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Match(c.path); got != c.want {
			t.Errorf("%s matches %s: %v", c.glob, c.path, got)
		}
	}
}
