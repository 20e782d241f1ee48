package compose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/localearchive"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestLocaleArchive: of the template that a C library ships, an image has the locales that its policies keep.
func TestLocaleArchive(t *testing.T) {
	var all []localearchive.Locale
	for _, names := range [][]string{{"de_AT.utf8"}, {"de_DE", "de_DE.iso88591", "deutsch"}, {"de_DE.utf8"}, {"fr_FR.utf8"}} {
		l := localearchive.Locale{Names: names}
		for i := range l.Categories {
			l.Categories[i] = []byte(fmt.Sprint(names, i))
		}
		all = append(all, l)
	}
	template, err := localearchive.Write(all)
	if err != nil {
		t.Fatal(err)
	}
	glibc := func(data string) rpmtest.Package {
		return rpmtest.Package{Name: "glibc-common", Files: []rpmtest.File{{Path: "/usr/lib/locale/locale-archive.tmpl", Data: data},
			{Path: "/usr/lib/locale/locale-archive", Flags: 1 << 6}}, // a ghost
			Scriptlets: []rpmtest.Scriptlet{{Kind: "posttrans", Program: []string{"/usr/sbin/build-locale-archive"}}}}
	}
	for _, c := range []struct{ locales, want string }{
		{`["*"]`, "de_AT.utf8 de_DE de_DE.iso88591 deutsch de_DE.utf8 fr_FR.utf8"},
		{`["de"]`, "de_AT.utf8 de_DE de_DE.iso88591 deutsch de_DE.utf8"},
		{`["de_DE"]`, "de_DE de_DE.iso88591 deutsch de_DE.utf8"},
		{`["it"]`, ""}, {`[]`, ""},
	} {
		b := image{spec: `"accounts":{},"policies":{"locales":` + c.locales + `}`, pkgs: []rpmtest.Package{glibc(string(template))}}.build(t)
		if e := b.entry(t, "/usr/lib/locale/locale-archive.tmpl"); e.SizeBytes != 0 {
			t.Errorf("%s: the template has %d bytes", c.locales, e.SizeBytes)
		}
		var names []string
		for _, e := range b.Tree.Entries {
			if e.Path != "/usr/lib/locale/locale-archive" {
				continue
			}
			list, err := localearchive.Read([]byte(b.read(t, e.Path[1:])))
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range list {
				names = append(names, l.Names...)
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: the image has %q, want %q", c.locales, got, c.want)
		}
	}
	if _, err := (image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{glibc("no archive")}}).try(t); err == nil ||
		!strings.Contains(err.Error(), "/usr/lib/locale/locale-archive.tmpl (glibc-common-1-1.x86_64): no locale archive") {
		t.Errorf("got %v", err)
	}
}
