package elfresolve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func TestRequires(t *testing.T) {
	in := input(world(pack("a", reg("/a")), pack("b", reg("/b")), pack("c", reg("/c")), pack("d", reg("/d"))), packages("//x:a", "a"))
	in.Graph.Packages = map[string]selection.GraphNode{"a": {Requires: []string{"b"}, Script: []string{"c"}, Scriptlet: []string{"d"},
		Cut: []selection.GraphCut{{Requires: "bash", Reason: "not needed"}}},
		"b": {ELF: []string{"a"}}, "c": {}, "d": {}}
	in.Spec.Requests[0].Deps = selection.DepsRequires
	cuts := []string{"cut bash for bash: cut from a by the lock: not needed", "cut d for d: only scriptlets of a require it, and they are emulated"}
	check(t, in, append([]string{"a", "b", "c"}, cuts...)...)
	in.Spec.Requests[0].Scripts = selection.ScriptsDrop
	check(t, in, "a", "b", cuts[0], "cut c for c: only scripts of a require it, and they are left out", cuts[1])
	in.Spec.Requests[0].Exclude = []string{"b"}
	check(t, in, "a", "cut b for b: excluded by //x:a; required by a", cuts[0], "cut c for c: only scripts of a require it, and they are left out", cuts[1])
	in.Spec.Requests = append(in.Spec.Requests, packages("//x:d", "d"))
	check(t, in, "a", "d", "cut b for b: excluded by //x:a; required by a", cuts[0], "cut c for c: only scripts of a require it, and they are left out")
	in.Graph.Packages["a"] = selection.GraphNode{Requires: []string{"nowhere"}}
	fails(t, in, "//x:a: following requires of a: package nowhere is not among the candidates")
}

func requiring(f pkgindex.File, capabilities ...string) pkgindex.File {
	f.Requires = capabilities
	return f
}

// TestScriptRequires: of two kinds of scripts in one package, each stays only where its interpreter comes otherwise, and only
// then what it requires is followed.
func TestScriptRequires(t *testing.T) {
	tools := pack("tools", requiring(script("/usr/bin/a.sh", "/bin/sh", ""), "/bin/sh", "gawk"), requiring(script("/usr/bin/b.pl", "/usr/bin/perl", ""), "/usr/bin/perl", "perl(Foo)"))
	bash := pack("bash", exe("/usr/bin/bash"), link("/usr/bin/sh", "bash"))
	gawk := pack("gawk", exe("/usr/bin/gawk"))
	gawk.Provides = []string{"awk", "gawk = 5.1-1"}
	perl, foo := pack("perl", exe("/usr/bin/perl")), pack("perl-Foo", reg("/usr/share/perl5/Foo.pm"))
	foo.Provides = []string{"perl(Foo) = 1"}
	in := input(world(tools, bash, gawk, perl, foo), packages("//x:a", "tools"))
	q := &in.Spec.Requests[0]
	q.Deps, q.Scripts = selection.DepsRequires, selection.ScriptsDrop
	in.Graph.Packages = map[string]selection.GraphNode{"tools": {Script: []string{"bash", "gawk", "perl", "perl-Foo"}}, "bash": {Requires: []string{"filesystem"}},
		"gawk": {}, "perl": {}, "perl-Foo": {Requires: []string{"perl"}}, "filesystem": {}}
	left := func(names ...string) (out []string) {
		for _, name := range names {
			out = append(out, fmt.Sprintf("cut %s for %[1]s: only scripts of tools require it, and they are left out", name))
		}
		return out
	}
	dropped := "cut tools for %s: script %s has no interpreter in the image"
	in.Spec.Requests[0].Packages = []string{"tools", "filesystem"}
	check(t, in, slices.Concat([]string{"filesystem"}, left("bash", "gawk", "perl", "perl-Foo"),
		[]string{fmt.Sprintf(dropped, "/bin/sh", "/usr/bin/a.sh"), fmt.Sprintf(dropped, "/usr/bin/perl", "/usr/bin/b.pl")})...)
	// With a shell from elsewhere the shell script stays and brings awk, and Perl stays out.
	in.Spec.Requests[0].Packages = []string{"tools", "filesystem", "bash"}
	check(t, in, slices.Concat([]string{"bash", "filesystem", "gawk", "glibc", "tools: /usr/bin/a.sh"}, left("perl", "perl-Foo"),
		[]string{fmt.Sprintf(dropped, "/usr/bin/perl", "/usr/bin/b.pl")})...)
}

// TestEdges: everything that asks for a package is told, not only the first.
func TestEdges(t *testing.T) {
	a := pack("a", exe("/usr/bin/a1", "libb.so"), exe("/usr/bin/a2", "libb.so", "libc2.so"), link("/usr/bin/cc", "c-tool"))
	b := pack("b", link("/usr/lib64/libb.so", "libb.so.1"), lib2("/usr/lib64/libb.so.1", "libb.so", "libc2.so"))
	c := pack("c", lib("/usr/lib64/libc2.so"), exe("/usr/bin/c-tool"))
	in := input(world(a, b, c), packages("//x:a", "a"), binary("//x:link", "a", "/usr/bin/cc"))
	in.Base = baseOf(filesystem(), glibc())
	in.Spec.Requests[0].Extra = []string{"c"}
	s, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Edges {
		got = append(got, fmt.Sprintf("%s %s -%s %s-> %s %s", e.From, e.File, e.Kind, e.Need, e.To, e.Path))
	}
	want := []string{
		"//x:a  -request a-> a ",
		"//x:a  -extra c-> c ",
		"//x:link  -request a-> a ",
		"a /usr/bin/a1 -elf libb.so-> b /usr/lib64/libb.so",
		"a /usr/bin/a1 -elf libb.so-> b /usr/lib64/libb.so.1",
		"a /usr/bin/a2 -elf libc2.so-> c /usr/lib64/libc2.so",
		"a /usr/bin/cc -link c-tool-> c /usr/bin/c-tool",
		"a /usr/bin/a1 -interp /lib64/ld-linux-x86-64.so.2-> glibc /usr/lib64/ld-linux-x86-64.so.2",
		"b /usr/lib64/libb.so.1 -elf libc2.so-> c /usr/lib64/libc2.so",
		"c /usr/bin/c-tool -interp /lib64/ld-linux-x86-64.so.2-> glibc /usr/lib64/ld-linux-x86-64.so.2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestSetID: a request strips what it names, hard links and targets of links included, and nothing else.
func TestSetID(t *testing.T) {
	su, mount := setuid(exe("/usr/bin/su")), setuid(exe("/usr/bin/mount"))
	umount := setuid(exe("/usr/bin/umount"))
	mount.HardLinks, umount.HardLinks = 1, 1
	all := world(pack("tools", su, mount, umount, link("/usr/bin/mnt", "mount"), exe("/usr/bin/ls")))
	strip := binary("//x:strip", "tools", "/usr/bin/mnt", "/usr/bin/ls")
	strip.SetUID = selection.SetUIDStrip
	s := check(t, input(all, strip, binary("//x:keep", "tools", "/usr/bin/su")), "glibc", "tools: /usr/bin/ls /usr/bin/mnt /usr/bin/mount /usr/bin/su")
	if got := s.Packages[1].StripSetID; !slices.Equal(got, []string{"/usr/bin/mount"}) {
		t.Errorf("stripped %q", got)
	}
	fails(t, input(all, strip, binary("//x:keep", "tools", "/usr/bin/umount")),
		"//x:image: /usr/bin/mount of tools-1-1.x86_64: //x:strip strips its set-user-ID and set-group-ID bits, //x:keep keeps them (as /usr/bin/umount)",
		`setuid = "strip" in both`)
}
