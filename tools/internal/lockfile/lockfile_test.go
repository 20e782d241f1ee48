package lockfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

const manifest = `schema: 1
release: al2023
architectures: [x86_64, aarch64]
releasever: "2023.6"
vars: {region: default}
rpmdb: {backend: sqlite, path: /var/lib/rpm}
repositories:
  - id: core
    mirrorlist: https://mirror.example/$releasever/$basearch/mirror.list
    keys: [keys/KEY]
    fingerprints: [b21c 50fa 44a9 9720 eaa7 2f7f e951 904a d832 c631]
    priority: 10
    exclude: [kernel*]
  - id: local
    baseurl: [a/, b/]
    gpgcheck: false
install:
  - glibc
  - {name: microcode_ctl, only: [x86_64]}
exclude: [systemd]
cut:
  - {package: a, requires: b, reason: not needed}
weak: false
`

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest([]byte(manifest), "rpms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.For("x86_64"), m.For("aarch64")); got != "[{glibc [] 18} {microcode_ctl [x86_64] 19}] [{glibc [] 18}]" {
		t.Errorf("roots are %s", got)
	}
	core, local := m.Repositories[0], m.Repositories[1]
	if core.Fingerprints[0] != "B21C50FA44A99720EAA72F7FE951904AD832C631" || core.Priority != 10 || !core.CheckPackages() {
		t.Errorf("core is %+v", core)
	}
	if local.Priority != DefaultPriority || local.CheckPackages() || fmt.Sprint(local.BaseURL) != "[a/ b/]" {
		t.Errorf("local is %+v", local)
	}
}

func TestManifestRefusals(t *testing.T) {
	tests := []struct{ summary, old, new, err string }{
		{"an unknown key", "weak:", "week:", `line 23: unknown key "week" (did you mean "weak"?)`},
		{"an unknown key without a near one", "weak:", "something_else:", `line 23: unknown key "something_else" (known: schema, release, `},
		{"an unknown key of the database", "backend:", "backed:", `line 6: unknown key "backed" (did you mean "backend"?)`},
		{"a key given twice", "weak: false", "weak: false\nweak: true", `line 24: key "weak" is already given in line 23`},
		{"no architecture", "[x86_64, aarch64]", "[]", "architectures is empty"},
		{"an architecture twice", "[x86_64, aarch64]", "[x86_64, x86_64]", `architecture "x86_64" is listed twice`},
		{"a foreign architecture", "[x86_64, aarch64]", "[x86_64, aarc64]", `unknown architecture "aarc64" (did you mean "aarch64"?)`},
		{"an unknown database", "sqlite", "sqlit", `rpmdb: unknown backend "sqlit" (did you mean "sqlite"?)`},
		{"a relative database", "/var/lib/rpm", "var/lib/rpm", `rpmdb: path "var/lib/rpm" is not a clean absolute path`},
		{"a climbing database", "/var/lib/rpm", "/var/../rpm", `rpmdb: path "/var/../rpm" is not a clean absolute path`},
		{"a bad release name", "release: al2023", "release: AL-2023", `release "AL-2023" is not a name`},
		{"two sources", "    priority: 10", "    baseurl: x", `repository "core": needs exactly one of baseurl, mirrorlist and metalink`},
		{"no source", "    baseurl: [a/, b/]\n", "", `repository "local": needs exactly one of baseurl`},
		{"a repository twice", "id: local", "id: core", `repository "core" is listed twice`},
		{"no fingerprint", "    fingerprints: [b21c 50fa 44a9 9720 eaa7 2f7f e951 904a d832 c631]\n", "", "keys or fingerprints are missing"},
		{"a key id in place of a fingerprint", "b21c 50fa 44a9 9720 eaa7 2f7f e951 904a d832 c631", "d832c631", `fingerprint "d832c631" is not 40 or 64 hexadecimal digits`},
		{"an absolute key", "keys/KEY", "/keys/KEY", `key "/keys/KEY" is not a path relative to the manifest`},
		{"a priority out of range", "priority: 10", "priority: 5000", "priority 5000 is not between 1 and 1000"},
		{"a bad glob", "[kernel*]", `["[a"]`, `exclude: "[a" is not a name, NEVRA or glob`},
		{"a root twice", "  - glibc", "  - glibc\n  - glibc", `line 19: install: "glibc" is already given in line 18`},
		{"an empty root", "  - glibc", "  - ''", `line 18: install: "" is not a package`},
		{"a root that is a list", "  - glibc", "  - [glibc]", "line 18: expected a name or {name: ..., only: [...]}"},
		{"a cut without a reason", "reason: not needed", "reason: ''", "cut: each entry needs package, requires and reason"},
		{"a later schema", "schema: 1", "schema: 7", "schema 7, this tool reads 1"},
		{"a number where a list belongs", "[systemd]", "5", "line 20: cannot unmarshal !!int `5` into []string"},
		{"an unknown policy", "weak: false", "policy: smalest", `unknown policy "smalest" (did you mean "smallest"?)`},
		{"smallest with weak dependencies", "weak: false", "weak: true\npolicy: smallest", "policy smallest takes the fewest bytes, weak: true more"},
		{"a budget without a search", "weak: false", "budget: 5", "budget is for policy smallest, and policy is dnf"},
		{"a budget without end", "weak: false", "policy: smallest\nbudget: 99999999999", "budget 99999999999 is not between 1 and 10000000"},
		{"best that is no boolean", "weak: false", "best: maybe", "line 23: cannot unmarshal !!str `maybe` into bool"},
		{"a pin without a version", "weak: false", "pin: [bash]", `line 23: pin: "bash" is neither "name = version" nor name-version-release[.arch]`},
		{"a pin with a range", "weak: false", "pin: [bash >= 5]", `pin: "bash >= 5" is neither`},
		{"a pin with a glob", "weak: false", "pin: [bash = 5*]", `pin: "bash = 5*" is neither`},
		{"a pin of a bad epoch", "weak: false", "pin: {bash: 99999999999:1-1}", `line 23: pin: "bash = 99999999999:1-1" is neither`},
		{"a pin that is a word", "weak: false", "pin: bash", `line 23: pin is neither a list of "name = version" nor a map of name to version`},
		{"a name pinned twice", "weak: false", "pin: [bash = 5, bash-6-1]", `line 23: pin: "bash = 5" and "bash-6-1" are of the same name`},
		{"groups that are a list", "weak: false", "groups: [a]", "line 23: groups is not a map of name to roots"},
		{"a group without roots", "weak: false", "groups: {a: []}", "line 23: groups: a is empty: nothing to lock"},
		{"a group of a bad name", "weak: false", "groups: {A b: [x]}", `line 23: groups: "A b" is not a name of lower-case letters`},
		{"a group named install", "weak: false", "groups: {install: [x]}", `line 23: groups: "install" is the name of the roots under install`},
		{"a group twice", "weak: false", "groups: {a: [x], a: [y]}", `line 23: groups: "a" is already given in line 23`},
		{"a root of a group twice", "weak: false", "groups: {a: [x, x]}", `line 23: groups: a: "x" is already given in line 23`},
		{"a root of a group for a foreign architecture", "weak: false", "groups: {a: [{name: x, only: [s390x]}]}", `groups: a: "x": only: unknown architecture "s390x"`},
		{"two documents", "weak: false", "weak: false\n---\na: b", "more than one YAML document"},
	}
	for _, test := range tests {
		if !strings.Contains(manifest, test.old) {
			t.Fatalf("the manifest has no %q", test.old)
		}
		_, err := ParseManifest([]byte(strings.Replace(manifest, test.old, test.new, 1)), "rpms.yaml")
		if err == nil || !strings.HasPrefix(err.Error(), "reading manifest rpms.yaml: ") || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
		}
	}
	if _, err := ParseManifest(nil, "rpms.yaml"); err == nil || err.Error() != "reading manifest rpms.yaml: the file is empty" {
		t.Errorf("an empty manifest: %v", err)
	}
}

func TestPins(t *testing.T) {
	for _, test := range []struct {
		pin, name, version, arch string
		allowed                  bool
	}{
		{"bash = 5.2", "bash", "5.2-1", "x86_64", true}, {"bash=5.2", "bash", "5.3-1", "x86_64", false},
		{"bash = 5.2", "bash", "1:5.2-1", "x86_64", true}, {"bash = 0:5.2", "bash", "1:5.2-1", "x86_64", false},
		{"bash = 5.2-1", "bash", "5.2-2", "x86_64", false}, {"bash-5.2-1", "bash", "5.2-1", "noarch", true},
		{"bash-5.2-1.x86_64", "bash", "5.2-1", "x86_64", true}, {"bash-5.2-1.x86_64", "bash", "5.2-1", "noarch", false},
		{"python3-pip-wheel-21.3-7.el9.noarch", "python3-pip-wheel", "21.3-7.el9", "noarch", true},
		{"bash-1:5.2-1", "bash", "5.2-1", "x86_64", false}, {"libstdc++ = 11.5.0", "libstdc++", "11.5.0-2", "aarch64", true},
	} {
		pin, err := ParsePin(test.pin)
		version, errVersion := evr.Parse(test.version)
		if err != nil || errVersion != nil || pin.Name != test.name || pin.Allows(version, test.arch) != test.allowed {
			t.Errorf("%s: %+v (%v) allows %s.%s: %v, want %v", test.pin, pin, err, test.version, test.arch, pin.Allows(version, test.arch), test.allowed)
		}
	}
	if pin, err := ParsePin("bash-5.2-1.x86_64"); err != nil || pin.Applies("aarch64") || !pin.Applies("x86_64") {
		t.Errorf("a pin for one architecture is %+v (%v)", pin, err)
	}
}

// example is a small lock in which every field is set.
func example() *Lock {
	p := func(name string) Package {
		return Package{
			Name: name, NEVRA: name + "-1-1.x86_64", Arch: "x86_64", Repository: "core", Path: "Packages/" + name + ".rpm",
			SHA256: strings.Repeat("ab", 32), SizeBytes: 10, InstalledBytes: 20, SourceRPM: name + ".src.rpm", License: "MIT & <GPL>",
			BuildTime: 5, Signature: "none",
		}
	}
	a, b := p("a"), p("b")
	a.ELF, a.Requires, a.Script, a.Scriptlet, a.Weak = []string{"b"}, []string{"b"}, []string{"b"}, []string{"b"}, []string{"b"}
	a.Cut = []Cut{{"bash", "not needed"}}
	a.Executables = []string{"/usr/bin/a", "/usr/bin/b"}
	return &Lock{
		Schema: 1, Release: "test", ManifestDigest: "sha256:00", SourceDateEpoch: 7, RPMDB: RPMDB{"sqlite", "/var/lib/rpm"},
		Repositories:  []Repository{{ID: "core", Arch: "x86_64", URLs: []string{"repo/"}, Fingerprints: []string{"AB"}, GPGCheck: true}},
		Architectures: map[string]*Architecture{"x86_64": {Roots: []string{"a"}, Packages: []Package{a, b}}},
	}
}

func text(t testing.TB, l *Lock) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteAndRead(t *testing.T) {
	written := text(t, example())
	want := `        {
          "name": "b",
          "nevra": "b-1-1.x86_64",
          "arch": "x86_64",
          "repository": "core",
          "path": "Packages/b.rpm",
          "sha256": "` + strings.Repeat("ab", 32) + `",
          "size_bytes": 10,
          "installed_bytes": 20,
          "source_rpm": "b.src.rpm",
          "license": "MIT & <GPL>",
          "build_time": 5,
          "signature": "none"
        }
      ]
    }
  }
}
`
	if !strings.HasSuffix(written, want) {
		t.Errorf("the lock is written as\n%s", written)
	}
	if !strings.Contains(written, "\n          \"executables\": [\"/usr/bin/a\", \"/usr/bin/b\"]\n") {
		t.Error("lists of names are not on one line")
	}
	read, err := Read(strings.NewReader(written), "rpms.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(read, example()) {
		t.Errorf("read back as %+v", read)
	}
	if text(t, read) != written {
		t.Error("writing is not stable")
	}
	var plain Lock
	if err := json.Unmarshal([]byte(written), &plain); err != nil {
		t.Errorf("encoding/json does not read it: %v", err)
	}
}

func TestReadRefusals(t *testing.T) {
	good := text(t, example())
	tests := []struct{ summary, old, new, err string }{
		{"an unknown key", `"release"`, `"relaese"`, `unknown field "relaese"`},
		{"another schema", `"schema": 1`, `"schema": 2`, "schema 2, this tool reads 1"},
		{"no schema", `"schema": 1,`, "", "it has no schema number; it is not a lock"},
		{"something after it", "\n}\n", "\n}\n{}", "invalid character"},
		{"cut off", "\n  }\n}\n", "", "unexpected end of JSON input"},
		{"an edge to nowhere", `"elf": ["b"]`, `"elf": ["c"]`, `architecture x86_64: package a: its edge leads to "c", which is not locked`},
		{"edges out of order", `"elf": ["b"]`, `"elf": ["b", "a"]`, "package a: its edges are not sorted"},
		{"packages out of order", `"name": "b"`, `"name": "a"`, "package a is listed twice or out of order"},
		{"an unknown repository", `"repository": "core"`, `"repository": "cor"`, `package a: unknown repository "cor"`},
		{"a short digest", strings.Repeat("ab", 32), "abab", `package a: sha256 "abab" is not 64`},
		{"an absolute path", `"Packages/a.rpm"`, `"/Packages/a.rpm"`, `package a: path "/Packages/a.rpm" is not relative`},
		{"no size", `"size_bytes": 10`, `"size_bytes": 0`, "package a: size_bytes 0 is not positive"},
		{"a root that is not locked", `"roots": ["a"]`, `"roots": ["x"]`, "root x is not among the packages"},
		{"a repository without URL", `"urls": ["repo/"]`, `"urls": []`, "repository core of x86_64 has no URL"},
		{"a conflict of a merge", "{\n", "<<<<<<< HEAD\n{\n", "invalid character '<'"},
	}
	for _, test := range tests {
		if !strings.Contains(good, test.old) {
			t.Fatalf("the lock has no %q", test.old)
		}
		_, err := Read(strings.NewReader(strings.Replace(good, test.old, test.new, 1)), "rpms.lock.json")
		if err == nil || !strings.HasPrefix(err.Error(), "reading lock rpms.lock.json: ") || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
		}
	}
}

func TestCheckFresh(t *testing.T) {
	l := example()
	l.ManifestDigest = Digest([]byte(manifest))
	if err := l.CheckFresh([]byte(manifest), "rpms.yaml", "rpms.lock.json", "bazel run @test//:lock"); err != nil {
		t.Error(err)
	}
	err := l.CheckFresh([]byte(manifest+"#"), "rpms.yaml", "rpms.lock.json", "bazel run @test//:lock")
	if err == nil || err.Error() != "rpms.lock.json is out of date: rpms.yaml has changed since it was made" {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(err); !slices.Equal(hints, []string{"bazel run @test//:lock"}) {
		t.Errorf("hints %v", hints)
	}
}

func TestNearMisses(t *testing.T) {
	known := []string{"glibc", "glibc-common", "glib2", "iptables-nft", "iptables-libs", "openssl", "openssl-libs", "libcurl", "curl", "bash"}
	tests := []struct{ word, want string }{
		{"glbic", "[glibc glib2]"},
		{"Bash", "[bash]"},
		{"bahs", "[bash]"},
		{"iptables", "[iptables-libs iptables-nft]"},
		{"opensll", "[openssl]"},
		{"openssl-lib", "[openssl-libs]"},
		{"zzzzz", "[]"},
	}
	for _, test := range tests {
		if got := fmt.Sprint(NearMisses(test.word, known, 3)); got != test.want {
			t.Errorf("%s: %s, want %s", test.word, got, test.want)
		}
		reversed := slices.Clone(known)
		slices.Reverse(reversed)
		if got := fmt.Sprint(NearMisses(test.word, reversed, 3)); got != test.want {
			t.Errorf("%s: the answer depends on the order", test.word)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(manifest))
	f.Add([]byte("schema: 1\ninstall: [{name: a, only: [x86_64]}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data, "m")
		if err != nil {
			return
		}
		if len(m.Architectures) == 0 || len(m.Repositories) == 0 || len(m.Install) == 0 {
			t.Errorf("an incomplete manifest was accepted: %+v", m)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(text(f, example())))
	f.Add([]byte(`{"schema":1}`))
	f.Add([]byte(`{"schema":1,"architectures":{"x86_64":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Read(bytes.NewReader(data), "l")
		if err != nil {
			return
		}
		again, err := Read(strings.NewReader(text(t, l)), "l")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if text(t, again) != text(t, l) {
			t.Error("writing is not stable")
		}
	})
}
