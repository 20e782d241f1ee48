package modulemd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const document = `---
document: modulemd
version: 2
data:
  name: nodejs
  stream: 1.10
  version: 20180816123422
  context: c0ffee43
  arch: x86_64
  summary: Javascript runtime
  description: >-
    Long text
  license: {module: [MIT]}
  xmd: {any: [thing, 1]}
  dependencies:
  - buildrequires: {platform: [f29]}
    requires: {platform: [f29], libuv: [], perl: [-5.24, -5.26]}
  - requires:
      platform: [el8]
  profiles:
    default:
      description: d
      rpms: [nodejs, npm]
    empty: {}
  artifacts:
    rpms:
    - nodejs-1:8.11.4-1.module_2030+42747d40.x86_64
    - nodejs-1:8.11.4-1.module_2030+42747d40.src
  demodularized:
    rpms: [old]
...
---
document: modulemd
version: 1
data:
  name: foo
  stream: "10"
  version: 1
  dependencies:
    buildrequires: {platform: f27}
    requires: {platform: f28}
---
document: modulemd-translations
version: 1
data: {module: foo, stream: "10", modified: 1, translations: {}}
---
document: modulemd-defaults
version: 1
data:
  module: nodejs
  modified: 201812071200
  stream: 1.10
  profiles:
    1.10: [default]
    "8": []
---
document: modulemd-obsoletes
version: 1
data:
  modified: 2018-05-23T14:25Z
  module: nodejs
  stream: "11"
  message: "no longer supported"
  obsoleted_by: {module: nodejs, stream: "12"}
`

func dump(x *Index) string {
	var b strings.Builder
	for i := range x.Streams {
		s := &x.Streams[i]
		fmt.Fprintf(&b, "%s %q\n", s.NSVCA(), s.Summary)
		for _, d := range s.Dependencies {
			fmt.Fprintf(&b, " requires %v\n", d.Requires)
		}
		fmt.Fprintf(&b, " artifacts %v\n demodularized %v\n profiles %v\n", s.Artifacts, s.Demodularized, s.Profiles)
	}
	for _, d := range x.Defaults {
		fmt.Fprintf(&b, "default %s:%s %d %v\n", d.Module, d.Stream, d.Modified, d.Profiles)
	}
	for _, o := range x.Obsoletes {
		fmt.Fprintf(&b, "obsolete %s:%s by %s:%s %q %v\n", o.Module, o.Stream, o.ByModule, o.ByStream, o.Message, o.Reset)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	x, err := Parse(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	want := `nodejs:1.10:20180816123422:c0ffee43:x86_64 "Javascript runtime"
 requires [{platform [f29]} {libuv []} {perl [-5.24 -5.26]}]
 requires [{platform [el8]}]
 artifacts [nodejs-1:8.11.4-1.module_2030+42747d40.x86_64 nodejs-1:8.11.4-1.module_2030+42747d40.src]
 demodularized [old]
 profiles map[default:[nodejs npm] empty:[]]
foo:10:1:: ""
 requires [{platform [f28]}]
 artifacts []
 demodularized []
 profiles map[]
default nodejs:1.10 201812071200 map[1.10:[default] 8:[]]
obsolete nodejs:11 by nodejs:12 "no longer supported" false
`
	if got := dump(x); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if x, err := Parse(strings.NewReader("")); err != nil || len(x.Streams) != 0 {
		t.Errorf("nothing: %v, %v", x, err)
	}
}

func TestParseErrors(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(document, old, new, 1) }
	for _, c := range []struct{ summary, text, want string }{
		{"no YAML", "a: [", "document 1: line 1"},
		{"a list", "- a\n", "line 1: expected a mapping"},
		{"another document", "document: recipe\nversion: 1\ndata: {}\n", `documents recipe of version "1" are not known`},
		{"a future version", edit("version: 2\n", "version: 4\n"), `documents modulemd of version "4" are not known`},
		{"no kind", "version: 2\n", "it does not say what it is"},
		{"no data", "document: modulemd\nversion: 2\n", "modulemd: no key data"},
		{"a stream without name", edit("  name: nodejs\n", ""), "stream :1.10: name or stream is missing"},
		{"a stream with a colon", edit("stream: 1.10", `stream: "a:b"`), "is no name"},
		{"a version in words", edit("20180816123422", "latest"), `the version "latest" is no number`},
		{"an artifact without epoch", edit("nodejs-1:8.11.4", "nodejs-8.11.4"), "is not name-epoch:version-release.arch"},
		{"artifacts as text", edit("rpms: [old]", "rpms: old"), "expected a list"},
		{"a key twice", edit("  context:", "  name: x\n  context:"), `key "name" is given twice`},
		{"an alias", strings.Replace(edit("c0ffee43", "&a c0"), "summary: Javascript runtime", "summary: *a", 1), "expected a text or number"},
		{"the second document", strings.Replace(document, `stream: "10"`, "stream: [10]", 1), "document 2: stream foo:: line"},
		{"defaults without module", edit("  module: nodejs\n  modified", "  modified"), "module or stream is no name"},
	} {
		_, err := Parse(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want one with %q", c.summary, err, c.want)
		}
	}
}

func TestAccepts(t *testing.T) {
	for _, c := range []struct {
		streams string
		stream  string
		want    bool
	}{
		{"", "8", true},
		{"8", "8", true},
		{"8 10", "10", true},
		{"8 10", "12", false},
		{"-8 -10", "12", true},
		{"-8 -10", "10", false},
	} {
		r := Requirement{"m", strings.Fields(c.streams)}
		if got := r.Accepts(c.stream); got != c.want {
			t.Errorf("[%s] accepts %s: %v, want %v", c.streams, c.stream, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document))
	f.Add([]byte("document: modulemd\nversion: 2\ndata: {name: a, stream: b, version: 1, artifacts: {rpms: [a-0:1-1.noarch]}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := Parse(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for _, s := range x.Streams {
			if s.Module == "" || s.Stream == "" {
				t.Errorf("a stream without name: %q", s.NSVCA())
			}
		}
	})
}

func TestReal(t *testing.T) {
	dir := os.Getenv("SLIMRPM_REAL_METADATA")
	if dir == "" {
		t.Skip("SLIMRPM_REAL_METADATA names no folder with metadata of other projects")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*modules.yaml"))
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		x, err := Parse(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		artifacts := 0
		for _, s := range x.Streams {
			artifacts += len(s.Artifacts)
		}
		t.Logf("%s: %d streams, %d artifacts, %d defaults, %d obsoletes", filepath.Base(name), len(x.Streams), artifacts, len(x.Defaults), len(x.Obsoletes))
	}
}
