package resolve

import (
	"errors"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

func TestWhyNot(t *testing.T) {
	packages := []testPackage{
		pkg("a-1-1", requires("x", "/usr/bin/tool"), recommends("extra")), pkg("b-1-1", provides("x")), pkg("c-1-1", provides("x"), conflicts("a")),
		pkg("d-1-1", provides("x"), requires("gone")), pkg("e-1-1", provides("x")), pkg("extra-1-1"), pkg("b-0-1", provides("x")),
		pkg("tool-2-1", files("/usr/bin/tool")), pkg("lonely-1-1"),
	}
	tests := []struct{ summary, what, want string }{
		{"what is there", "a", "a-1-1.x86_64 is in the solution"},
		{"an older version", "b-0", "b-0-1.x86_64 could be installed, but is not needed:\n- b-1-1.x86_64 is taken\n- a-1-1.x86_64 requires x, and b-1-1.x86_64 has it"},
		{"a conflict", "c", "c-1-1.x86_64 cannot be installed with the roots:\n- the manifest asks for a: that is a-1-1.x86_64\n" +
			"- suppose that c-1-1.x86_64 is to be installed\n- c-1-1.x86_64 conflicts with a, which is a-1-1.x86_64"},
		{"a requirement that nothing has", "d", "d-1-1.x86_64 cannot be installed with the roots:\n- suppose that d-1-1.x86_64 is to be installed\n" +
			"- d-1-1.x86_64 requires gone, but nothing provides it"},
		{"another provider was taken", "e", "e-1-1.x86_64 could be installed, but is not needed:\n- a-1-1.x86_64 requires x, and b-1-1.x86_64 has it"},
		{"only recommended", "extra", "extra-1-1.x86_64 could be installed, but is not needed:\n- a-1-1.x86_64 only recommends extra"},
		{"nobody asks", "lonely", "lonely-1-1.x86_64 could be installed, but is not needed:\n- no package of the solution requires or recommends it"},
		{"a file", "/usr/bin/tool", "tool-2-1.x86_64 is in the solution"},
		{"a NEVRA", "lonely-1-1.x86_64", "lonely-1-1.x86_64 could be installed, but is not needed:\n- no package of the solution requires or recommends it"},
	}
	u := universeOf(t, packages...)
	for _, test := range tests {
		got, err := u.WhyNot(test.what, Options{Roots: []string{"a"}})
		if err != nil || len(got) != 1 || got[0].String() != test.want {
			t.Errorf("%s: got %+v, %v\nwant %s", test.summary, got, err, test.want)
		}
	}
	if got, err := u.WhyNot("x", Options{Roots: []string{"a"}}); err != nil || len(got) != 5 || got[0].NEVRA != "b-1-1.x86_64" || got[0].State != Present {
		t.Errorf("a capability: %+v, %v", got, err)
	}
	_, err := u.WhyNot("lonly", Options{Roots: []string{"a"}})
	var unknown *UnknownRootError
	if !errors.As(err, &unknown) || strings.Join(cli.Hints(err), "") != `for "lonly", did you mean lonely?` {
		t.Errorf("a typing error: %v %v", err, cli.Hints(err))
	}
	if _, err := u.WhyNot("a", Options{Roots: []string{"d"}}); err == nil || !strings.HasPrefix(err.Error(), "resolving the roots, before looking for a: ") {
		t.Errorf("roots without solution: %v", err)
	}
}

func TestNearMisses(t *testing.T) {
	u := universeOf(t, pkg("a-1-1", files("/usr/bin/vi", "/usr/sbin/nft"), provides("libssl.so.3()(64bit)", "libssl.so.3(OPENSSL_3.0.0)(64bit)", "libssl.so.3")),
		pkg("b-1-1", requires("libssl.so.10()(64bit)")), pkg("c-1-1", requires("/bin/nft")))
	tests := []struct{ summary, root, want, hint string }{
		{"a file in another folder", "/usr/bin/nft", `unknown file "/usr/bin/nft" for x86_64: no package has it`, `for "/usr/bin/nft", did you mean /usr/sbin/nft?`},
		{"a mistyped file", "/usr/bin/iv", `unknown file "/usr/bin/iv" for x86_64: no package has it`, `for "/usr/bin/iv", did you mean /usr/bin/vi?`},
		{"another version of a library", "libssl.so.1.1()(64bit)", `unknown package "libssl.so.1.1()(64bit)" for x86_64: no package of that name, and nothing provides it`,
			`for "libssl.so.1.1()(64bit)", did you mean libssl.so.3()(64bit)?`},
		{"a library that a package requires", "b", "the packages for x86_64 cannot be installed together:\n- the manifest asks for b: that is b-1-1.x86_64\n" +
			"- b-1-1.x86_64 requires libssl.so.10()(64bit), but nothing provides it; there is libssl.so.3()(64bit)", ""},
		{"a file that a package requires", "c", "the packages for x86_64 cannot be installed together:\n- the manifest asks for c: that is c-1-1.x86_64\n" +
			"- c-1-1.x86_64 requires /bin/nft, but nothing provides it; there is /usr/sbin/nft", ""},
	}
	for _, test := range tests {
		_, err := u.Resolve(Options{Roots: []string{test.root}})
		if err == nil || err.Error() != test.want || strings.Join(cli.Hints(err), "; ") != test.hint {
			t.Errorf("%s: got %v, hints %v\nwant %s, %s", test.summary, err, cli.Hints(err), test.want, test.hint)
		}
	}
}
