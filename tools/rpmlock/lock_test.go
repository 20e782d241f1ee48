package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

// workspace is a folder with a manifest, a lock and repositories.
type workspace struct {
	t   *testing.T
	dir string
}

func newWorkspace(t *testing.T) *workspace {
	t.Setenv("BUILD_WORKING_DIRECTORY", "")
	return &workspace{t, t.TempDir()}
}

func (w *workspace) path(name string) string { return filepath.Join(w.dir, name) }

func (w *workspace) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// manifest writes rpms.yaml for an unsigned repository.
func (w *workspace) manifest(baseurl, install string) {
	w.write("rpms.yaml", fmt.Sprintf(`schema: 1
release: test
architectures: [x86_64, aarch64]
rpmdb: {backend: sqlite, path: /var/lib/rpm}
repositories:
  - id: main
    baseurl: %s
    gpgcheck: false
install: [%s]
`, baseurl, install))
}

// run runs rpmlock and returns the error as a user sees it.
func (w *workspace) run(verb string, more ...string) string {
	w.t.Helper()
	args := append([]string{verb, "--manifest=" + w.path("rpms.yaml"), "--lock=" + w.path("rpms.lock.json"), "--cache=" + w.path("cache")}, more...)
	var out strings.Builder
	if err := run(args); err != nil {
		cli.Report(&out, "rpmlock", err)
	}
	return strings.ReplaceAll(out.String(), w.dir, "DIR")
}

func (w *workspace) lock() *lockfile.Lock {
	w.t.Helper()
	if text := w.run("lock"); text != "" {
		w.t.Fatalf("lock failed:\n%s", text)
	}
	l, err := lockfile.Read(strings.NewReader(w.read("rpms.lock.json")), "lock")
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// distribution is a small release: a tool with every kind of edge.
func distribution(arch string) []rpmtest.Package {
	soname := func(name string) rpmtest.Requirement {
		return rpmtest.Requirement{Text: name, Flags: rpm.SenseFindRequires}
	}
	return []rpmtest.Package{
		{Name: "tool", Version: "2.0", Arch: arch, BuildTime: 1700000500, Compressor: "gzip",
			Requires: []rpmtest.Requirement{
				soname("libc.so.6()(64bit)"),
				{Text: "config-files >= 1.0"},
				{Text: "/usr/bin/interp", Flags: rpm.SenseFindRequires},
				{Text: "/bin/sh", Flags: rpm.SensePost | rpm.SenseInterp},
				{Text: "rpmlib(CompressedFileNames) <= 3.0.4-1", Flags: rpm.SenseRPMLib},
				{Text: "(plugin if libc)"},
			},
			Recommends: []string{"extras"},
			Files: []rpmtest.File{
				{Path: "/usr/bin/tool", Mode: 0o100755, Data: "x", Color: 2, Class: "ELF 64-bit LSB executable", Requires: []int{0}},
				{Path: "/usr/bin/tool-script", Mode: 0o100755, Data: "#!/usr/bin/interp\n", Class: "a /usr/bin/interp script, ASCII text executable", Requires: []int{2}},
				{Path: "/usr/sbin/ghost", Flags: pkgindex.FlagGhost},
				{Path: "/usr/bin/", Mode: 0o040755},
			}},
		{Name: "libc", Arch: arch, Provides: []string{"libc.so.6()(64bit)"}, Requires: rpmtest.Require("libc-data")},
		{Name: "libc-data", Arch: "noarch", Requires: rpmtest.Require("libc")},
		{Name: "config-files", Version: "0.9", Arch: "noarch"},
		{Name: "config-files", Version: "1.1", Arch: "noarch", Requires: rpmtest.Require("/usr/share/hidden")},
		{Name: "interp", Arch: arch, Files: []rpmtest.File{{Path: "/usr/bin/interp", Mode: 0o100755, Data: "i"}}},
		{Name: "shell", Arch: arch, Provides: []string{"/bin/sh"}},
		{Name: "plugin", Arch: arch},
		{Name: "extras", Arch: arch},
		{Name: "hidden", Arch: arch, Files: []rpmtest.File{{Path: "/usr/share/hidden", Data: "h"}}},
		{Name: "iptables-nft", Arch: arch},
	}
}

func (w *workspace) repositories(options repotest.Options) {
	for _, arch := range []string{"x86_64", "aarch64"} {
		repotest.Write(w.t, w.path("repo/"+arch), options, distribution(arch)...)
	}
}

func TestLockHasTheEdges(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	w.manifest("repo/$basearch", "tool")
	l := w.lock()
	for _, arch := range []string{"x86_64", "aarch64"} {
		p := l.Architectures[arch].Package("tool")
		if p == nil {
			t.Fatalf("tool is not locked for %s", arch)
		}
		got := fmt.Sprintf("elf %v requires %v script %v scriptlet %v weak %v executables %v", p.ELF, p.Requires, p.Script, p.Scriptlet, p.Weak, p.Executables)
		want := "elf [libc] requires [config-files plugin] script [interp] scriptlet [shell] weak [] executables [/usr/bin/tool /usr/bin/tool-script]"
		if got != want {
			t.Errorf("%s: tool has\n%s, want\n%s", arch, got, want)
		}
		if p.NEVRA != "tool-2.0-1."+arch || p.Path != "Packages/tool-2.0-1."+arch+".rpm" || p.Signature != "none" {
			t.Errorf("%s: %+v", arch, p)
		}
		if c := l.Architectures[arch].Package("config-files"); c.NEVRA != "config-files-1.1-1.noarch" || fmt.Sprint(c.Requires) != "[hidden]" {
			t.Errorf("config-files: %+v", c)
		}
		if l.Architectures[arch].Package("extras") != nil {
			t.Error("a recommended package was locked although weak is off")
		}
	}
	if l.SourceDateEpoch != 1700000500 {
		t.Errorf("source_date_epoch is %d, want the newest build time", l.SourceDateEpoch)
	}
	if got := l.Repositories[0].URLs[0]; got != "repo/aarch64/" {
		t.Errorf("the URL of a relative repository is %q", got)
	}
}

func TestLockIsTheSameOverHTTP(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{Compressor: "zstd"})
	var partial atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			partial.Add(1)
		}
		http.FileServer(http.Dir(w.dir)).ServeHTTP(rw, r)
	}))
	defer server.Close()
	w.manifest("repo/$basearch", "tool")
	w.lock()
	local := w.read("rpms.lock.json")
	w.manifest(server.URL+"/repo/$basearch", "tool")
	w.lock()
	remote := strings.ReplaceAll(w.read("rpms.lock.json"), server.URL+"/", "")
	if cutManifest(local) != cutManifest(remote) {
		t.Errorf("the lock of the local repository differs:\n%s\n--- from that over HTTP:\n%s", local, remote)
	}
	if partial.Load() == 0 {
		t.Error("no package header was read by a range request")
	}
	before := partial.Load()
	w.lock()
	if partial.Load() != before {
		t.Error("headers were fetched again although they are cached")
	}
}

// cutManifest drops the line with the digest of the manifest.
func cutManifest(lock string) string {
	_, rest, _ := strings.Cut(lock, "\"source_date_epoch\"")
	return rest
}

func TestLockIsDeterministic(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	w.manifest("repo/$basearch", "tool, shell, extras")
	w.lock()
	first := w.read("rpms.lock.json")
	for range 5 {
		w.lock()
		if w.read("rpms.lock.json") != first {
			t.Fatal("the same inputs give another lock")
		}
	}
	if text := w.run("lock", "--check"); text != "" {
		t.Errorf("--check of a fresh lock: %s", text)
	}
}

func TestHeadersFromDamagedPlaces(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	good := http.FileServer(http.Dir(w.dir))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if bad, ok := strings.CutPrefix(r.URL.Path, "/bad"); ok {
			if r.URL.Path = bad; strings.HasSuffix(bad, ".rpm") {
				rw.Write(make([]byte, 1<<20)) // a mirror whose packages are zeros
				return
			}
		}
		good.ServeHTTP(rw, r)
	}))
	defer server.Close()
	w.manifest("["+server.URL+"/bad/repo/$basearch, "+server.URL+"/repo/$basearch]", "tool")
	w.lock()
	first := w.read("rpms.lock.json")
	heads, err := filepath.Glob(w.path("cache/headers/*/*"))
	if err != nil || len(heads) == 0 {
		t.Fatalf("no header was cached (%v)", err)
	}
	for _, name := range heads {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, flipMiddle(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.lock()
	if w.read("rpms.lock.json") != first {
		t.Error("damaged headers in the cache changed the lock")
	}
}

func TestRepositoryWithoutHeaderRanges(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{NoHeaderRange: true, Compressor: "none"})
	server := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
	defer server.Close()
	w.manifest(server.URL+"/repo/$basearch", "tool")
	if p := w.lock().Architectures["x86_64"].Package("tool"); fmt.Sprint(p.ELF) != "[libc]" {
		t.Errorf("tool is %+v", p)
	}
}
