package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

// mirror serves a folder with faults.
type mirror struct {
	mu    sync.Mutex
	dir   string
	fault func(w http.ResponseWriter, r *http.Request, data []byte) bool // true: it has answered
	asked map[string]int
	url   string
}

func newMirror(t *testing.T, dir string) *mirror {
	m := &mirror{dir: dir, asked: map[string]int{}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.url = server.URL + "/"
	return m
}

// turn makes another folder current.
func (m *mirror) turn(dir string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dir = dir
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked[filepath.Base(r.URL.Path)]++
	name := filepath.Join(m.dir, filepath.FromSlash(r.URL.Path))
	data, err := os.ReadFile(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if m.fault == nil || !m.fault(w, r, data) {
		http.ServeContent(w, r, name, time.Unix(1700000000, 0), bytes.NewReader(data))
	}
}

// release writes the packages of a distribution, one of them in a given version.
func release(t *testing.T, dir, version, revision string) {
	packages := distribution("x86_64")
	packages[0].Version = version
	repotest.Write(t, dir, repotest.Options{Revision: revision}, packages...)
}

// mirrored writes a manifest for one architecture, with a line such as "baseurl: [a, b]".
func (w *workspace) mirrored(line string) {
	w.write("rpms.yaml", fmt.Sprintf(`schema: 1
release: test
architectures: [x86_64]
rpmdb: {backend: sqlite, path: /var/lib/rpm}
repositories:
  - id: main
    %s
    gpgcheck: false
install: [tool]
`, line))
}

// check locks and compares the result with the right one. No file of the cache may be wrong.
func (w *workspace) check(t *testing.T, want, wantError string) {
	t.Helper()
	os.Remove(w.path("rpms.lock.json"))
	text := w.run("lock", "--retries=0")
	switch {
	case wantError != "" && !strings.Contains(text, wantError):
		t.Errorf("the error is\n%s\nwithout\n%s", text, wantError)
	case wantError == "" && text != "":
		t.Errorf("lock failed:\n%s", text)
	case wantError == "" && !strings.Contains(w.read("rpms.lock.json"), want):
		t.Errorf("the lock has no %s", want)
	}
	w.checkDigests()
}

func isPrimary(r *http.Request) bool { return strings.Contains(r.URL.Path, "primary") }

func TestMirrorFaults(t *testing.T) {
	type answer = func(w http.ResponseWriter, r *http.Request, data []byte) bool
	cut := func(percent int) answer {
		return func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			if !isPrimary(r) || r.Header.Get("Range") != "" {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:len(data)*percent/100])
			panic(http.ErrAbortHandler)
		}
	}
	code := func(code int) answer {
		return func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if isPrimary(r) {
				w.WriteHeader(code)
			}
			return isPrimary(r)
		}
	}
	faults := map[string]answer{
		"404": code(404), "429": code(429), "503": code(503),
		"another file": func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			if isPrimary(r) {
				w.Write(bytes.Repeat([]byte("x"), len(data)))
			}
			return isPrimary(r)
		},
		"a longer file": func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			if isPrimary(r) {
				w.Write(append(bytes.Clone(data), data...))
			}
			return isPrimary(r)
		},
		"a redirect loop": func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if isPrimary(r) {
				http.Redirect(w, r, r.URL.Path, http.StatusFound)
			}
			return isPrimary(r)
		},
	}
	for percent := 0; percent < 100; percent += 10 {
		faults[fmt.Sprintf("cut at %d %%", percent)] = cut(percent)
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorkspace(t)
			release(t, w.path("repo"), "2.0", "1700000000")
			bad, good := newMirror(t, w.path("repo")), newMirror(t, w.path("repo"))
			bad.fault = fault
			w.mirrored("baseurl: [" + bad.url + ", " + good.url + "]")
			w.check(t, "tool-2.0", "")
		})
	}
}

func TestStaleMirror(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("old"), "1.0", "1600000000")
	release(t, w.path("new"), "2.0", "1700000000")
	a, b := newMirror(t, w.path("new")), newMirror(t, w.path("old"))
	w.mirrored("baseurl: [" + a.url + ", " + b.url + "]")
	if text := w.run("lock"); text != "" {
		t.Fatal(text)
	}
	a.dir = w.path("gone") // what is left is the stale mirror
	text := w.run("lock")
	for _, part := range []string{b.url + "repodata/repomd.xml is out of date: its revision is 1600000000, and the lock was made from revision 1700000000", "--allow-older"} {
		if !strings.Contains(text, part) {
			t.Errorf("the error is\n%s\nwithout %s", text, part)
		}
	}
	if text := w.run("update", "--allow-older"); text != "" || !strings.Contains(w.read("rpms.lock.json"), "tool-1.0") {
		t.Errorf("with --allow-older:\n%s", text)
	}
}

func TestMetalinkChoosesTheCurrentIndex(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("old"), "1.0", "1600000000")
	release(t, w.path("new"), "2.0", "1700000000")
	release(t, w.path("other"), "3.0", "1800000000")
	stale, current, foreign := newMirror(t, w.path("old")), newMirror(t, w.path("new")), newMirror(t, w.path("other"))
	version := func(dir string) string {
		data := []byte(w.read(dir + "/repodata/repomd.xml"))
		return fmt.Sprintf(`<size>%d</size><verification><hash type="md5">00</hash><hash type="sha256">%x</hash></verification>`, len(data), sha256.Sum256(data))
	}
	write := func(mirrors ...*mirror) {
		text := `<metalink><files><file name="repomd.xml">` + version("new") + `<mm0:alternates xmlns:mm0="http://mm"><mm0:alternate><mm0:timestamp>1600000000</mm0:timestamp>` +
			version("old") + `</mm0:alternate></mm0:alternates><resources>`
		for i, m := range mirrors {
			text += fmt.Sprintf(`<url preference="%d">%srepodata/repomd.xml</url>`, 100-i, m.url)
		}
		w.write("list/metalink", text+"</resources></file></files></metalink>")
	}
	list := newMirror(t, w.path("list"))
	w.mirrored("metalink: " + list.url + "metalink")
	write(stale)
	w.check(t, "tool-1.0", "") // an alternate is better than nothing
	write(stale, foreign, current)
	w.check(t, "tool-2.0", "")
	write(stale)
	if text := w.run("lock"); !strings.Contains(text, "the lock was made from revision 1700000000") {
		t.Errorf("an alternate that is older than the lock: %s", text)
	}
}

// TestSwappedRepository publishes a new repository between two requests.
func TestSwappedRepository(t *testing.T) {
	for _, swap := range [][2]string{{"old", "new"}, {"new", "old"}} {
		w := newWorkspace(t)
		release(t, w.path("old"), "1.0", "1600000000")
		release(t, w.path("new"), "2.0", "1700000000")
		m := newMirror(t, w.path(swap[0]))
		m.fault = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
			if strings.HasSuffix(r.URL.Path, "repomd.xml") {
				m.dir = w.path(swap[1])
			}
			return false
		}
		w.mirrored("baseurl: " + m.url)
		want := map[string]string{"old": "tool-1.0", "new": "tool-2.0"}[swap[1]]
		w.check(t, want, "")
	}
}

func TestConditionalRequests(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	m := newMirror(t, w.path("repo"))
	notModified := 0
	m.fault = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Header.Get("If-Modified-Since") != "" {
			notModified++
		}
		return false
	}
	w.mirrored("baseurl: " + m.url)
	w.check(t, "tool-2.0", "")
	before := len(m.asked)
	first := fmt.Sprint(m.asked)
	w.check(t, "tool-2.0", "")
	if notModified != 1 || len(m.asked) != before {
		t.Errorf("%d conditional requests; asked %s, then %v", notModified, first, m.asked)
	}
	// parsed metadata that is damaged is made again
	names, _ := filepath.Glob(w.path("cache/parsed-*/*"))
	if len(names) != 1 {
		t.Fatalf("parsed metadata: %v", names)
	}
	if err := os.WriteFile(names[0], []byte("rubbish"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.check(t, "tool-2.0", "")
}

// TestModules locks a package of a module stream, with metadata as it is and damaged.
func TestModules(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	yaml := "---\ndocument: modulemd\nversion: 2\ndata:\n  name: tools\n  stream: \"1\"\n  version: 1\n  context: c0ffee00\n  arch: x86_64\n" +
		"  artifacts: {rpms: [tool-0:2.0-1.x86_64]}\n...\n"
	w.write("repo/repodata/modules.yaml", yaml)
	index := w.read("repo/repodata/repomd.xml")
	w.write("repo/repodata/repomd.xml", strings.Replace(index, "</repomd>", fmt.Sprintf(
		`<data type="modules"><checksum type="sha256">%x</checksum><location href="repodata/modules.yaml"/></data></repomd>`, sha256.Sum256([]byte(yaml))), 1))
	for _, c := range []struct{ modules, err string }{
		{"", "it belongs to module tools:1, which is not active"},
		{"tools:1", ""},
		{"tool:1", "rpmlock: error: modules for x86_64: no repository has a module \"tool\"\nrpmlock: hint: did you mean tools?"},
		{"tools:2", "rpmlock: error: modules for x86_64: module \"tools\" has no stream \"2\"\nrpmlock: hint: did you mean 1?"},
	} {
		w.mirrored("baseurl: repo")
		w.write("rpms.yaml", w.read("rpms.yaml")+"modules: ["+c.modules+"]\n")
		w.check(t, "tool-2.0", c.err)
	}
}
