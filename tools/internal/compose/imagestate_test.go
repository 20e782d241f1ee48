package compose

import (
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func TestIdentity(t *testing.T) {
	release := rpmtest.Package{Name: "release", Files: []rpmtest.File{
		{Path: "/usr/lib/os-release", Data: "NAME=\"Some Linux\"\nID=some\nPRETTY_NAME=\"Some Linux 7\"\nVERSION_ID=7\n"}, {Path: "/usr/share/zoneinfo/Europe/Berlin", Data: "TZif"},
		{Path: "/etc/debian_version", Data: "12"}, {Path: "/usr/share/libc-bin/nsswitch.conf", Data: "hosts: files dns\n"},
		{Path: "/usr/lib/systemd/systemd", Data: "init"},
	}}
	plain := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{release}}.build(t)
	for path, want := range map[string]string{"/etc/os-release": "../usr/lib/os-release", "/etc/machine-id": "", "/etc/nsswitch.conf": ""} {
		if got := plain.entry(t, path); got.Link != want || want == "" && path == "/etc/machine-id" && got.SizeBytes != 0 {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if got := plain.read(t, "etc/nsswitch.conf"); got != "hosts: files dns\n" {
		t.Errorf("nsswitch.conf: %q", got)
	}
	// A child changes both; it reads the text in the layer of its base.
	child := image{spec: `"accounts":{},"policies":{},"os_release":{"PRETTY_NAME":"Ours","VARIANT":"minimal"},"timezone":"Europe/Berlin"`, base: plain}.build(t)
	if got, want := child.read(t, "etc/os-release"), "NAME=\"Some Linux\"\nID=some\nPRETTY_NAME=\"Ours\"\nVERSION_ID=7\nVARIANT=\"minimal\"\n"; got != want {
		t.Errorf("os-release: got %q, want %q", got, want)
	}
	if got := child.entry(t, "/etc/localtime").Link; got != "../usr/share/zoneinfo/Europe/Berlin" {
		t.Errorf("localtime -> %q", got)
	}
	if got := child.read(t, "etc/timezone"); got != "Europe/Berlin\n" {
		t.Errorf("timezone: %q", got)
	}
	for _, c := range []struct{ fields, want, hint string }{
		{`"os_release":{"VERSION_ID":"8"}`, "os_release: field VERSION_ID: scanners", "leave VERSION_ID out"},
		{`"os_release":{"NAME":"a$b"}`, `os_release: field "NAME" with value "a$b"`, ""},
		{`"timezone":"Europe/Berlni"`, "timezone: the image has no /usr/share/zoneinfo/Europe/Berlni", "tzdata"},
	} {
		_, err := image{spec: `"accounts":{},"policies":{},` + c.fields, base: plain}.try(t)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(strings.Join(cli.Hints(err), " "), c.hint) {
			t.Errorf("%s: got %v, hints %q", c.fields, err, cli.Hints(err))
		}
	}
	if _, err := (image{spec: `"accounts":{},"policies":{},"os_release":{"NAME":"x"}`}).try(t); err == nil || !strings.Contains(err.Error(), "neither /etc/os-release nor") {
		t.Errorf("got %v", err)
	}
}

// TestMachineIDOfPackage takes an id away that a package was built with.
func TestMachineIDOfPackage(t *testing.T) {
	b := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/etc/machine-id", Data: "0123456789abcdef0123456789abcdef\n"}}}}}.build(t)
	if e := b.entry(t, "/etc/machine-id"); e.SizeBytes != 0 || b.states("p") != "2" {
		t.Errorf("%d bytes, states %s", e.SizeBytes, b.states("p"))
	}
}

func TestNotesAboutIndexes(t *testing.T) {
	file := func(path string) rpmtest.File { return rpmtest.File{Path: path, Data: "x"} }
	b := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{
		file("/usr/share/glib-2.0/schemas/a.gschema.xml"), file("/usr/share/mime/packages/a.xml"), file("/usr/share/mime/mime.cache"),
		file("/usr/lib64/gdk-pixbuf-2.0/2.10.0/loaders/x.so"),
	}}}}.build(t)
	if len(b.Report.Notes) != 2 || !strings.Contains(b.Report.Notes[0], "/usr/lib64/gdk-pixbuf-2.0/2.10.0/loaders.cache is not made") ||
		!strings.Contains(b.Report.Notes[1], "gschemas.compiled is not made, so that programs that use GSettings abort; make it with glib-compile-schemas") {
		t.Errorf("notes %q", b.Report.Notes)
	}
}

// TestLeavings has files that only packages and the spec may have.
func TestLeavings(t *testing.T) {
	b := image{spec: `"accounts":{},"policies":{},"files":[{"path":"/etc/mine.rpmnew","text":"x"},{"path":"/dev/own","text":"x"}]`, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{
		{Path: "/etc/a.rpmsave", Data: "x"}, {Path: "/etc/a", Data: "x"}}}}}.build(t)
	for _, path := range []string{"/etc/mine.rpmnew", "/dev/own", "/etc/a.rpmsave"} {
		b.entry(t, path)
	}
	c := &composer{fs: rootfs.NewFS(b.Tree.Entries), spec: &Spec{Label: "//test:image"}, claims: map[string][]claim{"/etc/a.rpmsave": {{}}}}
	for _, path := range []string{"/etc/passwd-", "/etc/.pwd.lock", "/var/cache/ldconfig/aux-cache", "/dev/null", "/etc/deep/er/x.rpmnew", "/etc/stays"} {
		if err := c.ownFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		c.fs.Get(path).Owners = []string{"rules_slimrpm:scriptlet"}
	}
	if err := c.dropLeavings(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range c.fs.Entries() {
		if e.Type == "file" {
			left = append(left, e.Path)
		}
	}
	if got, want := strings.Join(left, " "), "/dev/own /etc/a /etc/a.rpmsave /etc/mine.rpmnew /etc/stays"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGconvCache(t *testing.T) {
	const config = "module X// INTERNAL XSO 1\nmodule INTERNAL X// XSO 1\n"
	for _, c := range []struct {
		why  string
		file rpmtest.File
		made bool
	}{
		{"an empty file", rpmtest.File{Path: "/usr/lib64/gconv/gconv-modules.cache"}, true},
		{"a ghost", rpmtest.File{Path: "/usr/lib64/gconv/gconv-modules.cache", Flags: 64}, true},
		{"one that is shipped", rpmtest.File{Path: "/usr/lib64/gconv/gconv-modules.cache", Data: "theirs"}, false},
		{"none", rpmtest.File{Path: "/usr/lib64/gconv/other"}, false},
	} {
		b := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{{Name: "libc", Files: []rpmtest.File{{Path: "/usr/lib64/gconv/gconv-modules", Data: config}, c.file}}}}.build(t)
		size := int64(-1)
		for _, e := range b.Tree.Entries {
			if e.Path == "/usr/lib64/gconv/gconv-modules.cache" {
				size = e.SizeBytes
			}
		}
		if (size > 100) != c.made {
			t.Errorf("%s: a cache of %d bytes", c.why, size)
		}
	}
}
