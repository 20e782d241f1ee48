package modulemd

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modules has two versions of foo:1, streams that exclude each other, and modules without default.
const modules = `
foo 1 1 c1 foo-0:1-1.module1.x86_64 foo-old-0:1-1.module1.x86_64
foo 1 2 c1 foo-0:1-2.module1.x86_64 foo-0:1-2.module1.src
foo 2 1 c2 foo-0:2-1.module2.x86_64 bar=2
bar 1 1 b1 bar-0:1-1.modb1.x86_64 demodularized=demo demo-0:1-1.modb1.x86_64
bar 2 1 b2 bar-0:2-1.modb2.x86_64 platform=el8
baz 1 1 z1 baz-0:1-1.modz.x86_64
qux 1 1 q1 qux-0:1-1.modq.x86_64 baz=
foreign 1 1 f1 foreign-0:1-1.s390x
`

// packages are those of the repository: modular ones, and plain ones of the same names.
var packages = strings.Fields(`foo-0:1-1.module1.x86_64 foo-0:1-2.module1.x86_64 foo-old-0:1-1.module1.x86_64 foo-0:2-1.module2.x86_64
foo-0:9-1.x86_64 fooprov-0:1-1.x86_64 bar-0:1-1.modb1.x86_64 bar-0:2-1.modb2.x86_64 bar-0:5-1.x86_64 baz-0:1-1.modz.x86_64 baz-0:3-1.x86_64
qux-0:1-1.modq.x86_64 demo-0:1-1.modb1.x86_64 demo-0:2-1.x86_64`)

func yamlOf(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		arch := "x86_64"
		if f[0] == "foreign" {
			arch = "s390x"
		}
		fmt.Fprintf(&b, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: %s\n  stream: %q\n  version: %s\n  context: %s\n  arch: %s\n"+
			"  summary: s\n  description: d\n  license: {module: [MIT]}\n", f[0], f[1], f[2], f[3], arch)
		var artifacts, requires, back []string
		for _, word := range f[4:] {
			module, stream, is := strings.Cut(word, "=")
			switch {
			case module == "demodularized":
				back = append(back, stream)
			case is:
				requires = append(requires, fmt.Sprintf("%s: [%s]", module, stream))
			default:
				artifacts = append(artifacts, word)
			}
		}
		fmt.Fprintf(&b, "  dependencies:\n  - requires: {%s}\n  artifacts: {rpms: [%s]}\n", strings.Join(requires, ", "), strings.Join(artifacts, ", "))
		if back != nil {
			fmt.Fprintf(&b, "  demodularized: {rpms: [%s]}\n", strings.Join(back, ", "))
		}
		b.WriteString("...\n")
	}
	for _, module := range []string{"foo", "bar"} {
		fmt.Fprintf(&b, "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: %s, modified: 1, stream: \"1\", profiles: {\"1\": []}}\n...\n", module)
	}
	return b.String()
}

func visible(a *Active) string {
	var out []string
	for _, nevra := range packages {
		name := nameOf(nevra)
		reason := a.Hides(name, nevra, func(visit func(string)) {
			visit(name)
			if name == "fooprov" {
				visit("foo")
			}
		})
		if reason == "" {
			out = append(out, nevra)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var activations = []struct{ summary, wanted, visible string }{
	{"defaults", "", "bar-0:1-1.modb1.x86_64 baz-0:3-1.x86_64 demo-0:1-1.modb1.x86_64 demo-0:2-1.x86_64 foo-0:1-1.module1.x86_64 foo-0:1-2.module1.x86_64 foo-old-0:1-1.module1.x86_64"},
	{"a stream that requires another than the default", "foo:2", "bar-0:2-1.modb2.x86_64 baz-0:3-1.x86_64 demo-0:2-1.x86_64 foo-0:2-1.module2.x86_64"},
	{"a module without default", "baz:1", "bar-0:1-1.modb1.x86_64 baz-0:1-1.modz.x86_64 demo-0:1-1.modb1.x86_64 demo-0:2-1.x86_64 foo-0:1-1.module1.x86_64 foo-0:1-2.module1.x86_64 foo-old-0:1-1.module1.x86_64"},
	{"a module that brings another", "qux:1", "bar-0:1-1.modb1.x86_64 baz-0:1-1.modz.x86_64 demo-0:1-1.modb1.x86_64 demo-0:2-1.x86_64 foo-0:1-1.module1.x86_64 foo-0:1-2.module1.x86_64 foo-old-0:1-1.module1.x86_64 qux-0:1-1.modq.x86_64"},
	{"a default that is off", "-foo", "bar-0:1-1.modb1.x86_64 baz-0:3-1.x86_64 demo-0:1-1.modb1.x86_64 demo-0:2-1.x86_64 foo-0:9-1.x86_64 fooprov-0:1-1.x86_64"},
}

func want(text string) map[string]string {
	out := map[string]string{}
	for _, word := range strings.Fields(text) {
		module, stream, _ := strings.Cut(strings.TrimPrefix(word, "-"), ":")
		out[module] = stream
	}
	return out
}

func index(t *testing.T) []*Index {
	x, err := Parse(strings.NewReader(yamlOf(modules)))
	if err != nil {
		t.Fatal(err)
	}
	return []*Index{x}
}

func TestActivate(t *testing.T) {
	for _, c := range activations {
		a, err := Activate(index(t), "x86_64", want(c.wanted))
		if err != nil {
			t.Errorf("%s: %v", c.summary, err)
		} else if got := visible(a); got != c.visible {
			t.Errorf("%s: got\n%s\nwant\n%s", c.summary, got, c.visible)
		}
	}
	a, err := Activate(index(t), "x86_64", nil)
	if err != nil {
		t.Fatal(err)
	}
	for nevra, why := range map[string]string{
		"foo-0:2-1.module2.x86_64": "it belongs to module foo:2, which is not active",
		"foo-0:9-1.x86_64":         "the active module foo:1 has packages of this name",
	} {
		if got := a.Hides("foo", nevra, func(func(string)) {}); got != why {
			t.Errorf("%s: got %q, want %q", nevra, got, why)
		}
	}
	if got := a.Hides("x", "x-0:1-1.noarch", func(visit func(string)) { visit("foo") }); got != "it provides foo, of which the active module foo:1 has packages" {
		t.Error(got)
	}
}

func TestActivateErrors(t *testing.T) {
	for _, c := range []struct{ wanted, err string }{
		{"fooo:1", `no repository has a module "fooo"`},
		{"foo:7", `module "foo" has no stream "7"`},
		{"foreign:1", `no repository has a module "foreign"`},
		{"foo:2 bar:1", "enabling module foo:2: foo:2 requires module bar:2, but bar:1 is active"},
		{"foo:2 -bar", "enabling module foo:2: foo:2 requires module bar:2, which is disabled"},
	} {
		_, err := Activate(index(t), "x86_64", want(c.wanted))
		if err == nil || err.Error() != c.err {
			t.Errorf("%s: got %v, want %s", c.wanted, err, c.err)
		}
	}
	var unknown *UnknownError
	if _, err := Activate(index(t), "x86_64", want("foo:7")); !errors.As(err, &unknown) || fmt.Sprint(unknown.Known) != "[1 2]" {
		t.Errorf("known streams: %v", unknown)
	}
}

// TestActivateLikeDnf asks dnf which packages it sees.
func TestActivateLikeDnf(t *testing.T) {
	dnf, err := exec.LookPath("dnf")
	if err != nil {
		t.Skip("no dnf here to compare with")
	}
	repo := t.TempDir()
	writeRepository(t, repo)
	for _, c := range activations {
		root := t.TempDir()
		state := filepath.Join(root, "etc/dnf/modules.d")
		if err := os.MkdirAll(state, 0o755); err != nil {
			t.Fatal(err)
		}
		for module, stream := range want(c.wanted) {
			text := fmt.Sprintf("[%s]\nname=%s\nstream=%s\nprofiles=\nstate=enabled\n", module, module, stream)
			if stream == "" {
				text = fmt.Sprintf("[%s]\nname=%s\nstream=\nprofiles=\nstate=disabled\n", module, module)
			}
			if err := os.WriteFile(filepath.Join(state, module+".module"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(dnf, "-q", "--installroot="+root, "--releasever=1", "--forcearch=x86_64", "--setopt=reposdir=/nonexistent",
			"--setopt=cachedir="+root+"/c", "--setopt=persistdir="+root+"/p", "--repofrompath=t,"+repo, "--setopt=module_platform_id=platform:el8",
			"repoquery", "--qf", "%{name}-%{epoch}:%{version}-%{release}.%{arch}")
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) && strings.Contains(string(exit.Stderr), "Permission denied") {
				t.Skipf("dnf cannot run here: %s", exit.Stderr)
			}
			t.Fatalf("%s: dnf: %v", c.summary, err)
		}
		got := strings.Fields(string(out))
		slices.Sort(got)
		if strings.Join(got, " ") != c.visible {
			t.Errorf("%s: dnf sees\n%s\nwe want\n%s", c.summary, strings.Join(got, " "), c.visible)
		}
	}
}

func writeRepository(t *testing.T, dir string) {
	var primary strings.Builder
	primary.WriteString(`<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">`)
	for i, nevra := range packages {
		name, rest := nameOf(nevra), nevra[len(nameOf(nevra))+len("-0:"):]
		version, rest, _ := strings.Cut(rest, "-")
		release := rest[:strings.LastIndexByte(rest, '.')]
		more := ""
		if name == "fooprov" {
			more = `<rpm:entry name="foo"/>`
		}
		fmt.Fprintf(&primary, `<package type="rpm"><name>%s</name><arch>x86_64</arch><version epoch="0" ver="%s" rel="%s"/>
<checksum type="sha256" pkgid="YES">%064d</checksum><summary>s</summary><description>d</description><packager/><url/>
<time file="1" build="1"/><size package="1" installed="1" archive="1"/><location href="%s.rpm"/><format><rpm:license>x</rpm:license>
<rpm:sourcerpm>s.src.rpm</rpm:sourcerpm><rpm:provides><rpm:entry name="%[1]s" flags="EQ" epoch="0" ver="%[2]s" rel="%[3]s"/>%[6]s</rpm:provides></format></package>
`, name, version, release, i, nevra, more)
	}
	primary.WriteString("</metadata>\n")
	index := `<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>`
	for _, f := range []struct{ kind, name, text string }{
		{"primary", "primary.xml", primary.String()},
		{"filelists", "filelists.xml", `<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="0"></filelists>`},
		{"modules", "modules.yaml", yamlOf(modules)},
	} {
		save(t, filepath.Join(dir, "repodata", f.name), f.text)
		index += fmt.Sprintf(`<data type="%s"><checksum type="sha256">%s</checksum><location href="repodata/%s"/><timestamp>1</timestamp><size>%d</size></data>`,
			f.kind, sumOf(f.text), f.name, len(f.text))
	}
	save(t, filepath.Join(dir, "repodata", "repomd.xml"), index+"</repomd>\n")
}

func save(t *testing.T, name, text string) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
