package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

// wantError compares what a user sees with lines that must be in it, in order.
func wantError(t *testing.T, got string, lines ...string) {
	t.Helper()
	rest := got
	for _, line := range lines {
		i := strings.Index(rest, line)
		if i < 0 {
			t.Errorf("the error is\n%s\nwithout (or not in this place)\n%s", got, line)
			return
		}
		rest = rest[i+len(line):]
	}
}

func TestManifestErrors(t *testing.T) {
	const good = `schema: 1
release: test
architectures: [x86_64, aarch64]
rpmdb: {backend: sqlite, path: /var/lib/rpm}
repositories:
  - {id: main, baseurl: repo/$basearch, gpgcheck: false}
install: [tool]
`
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	tests := []struct {
		summary, old, new string
		lines             []string
	}{
		{"a package name with a typing error", "[tool]", "[tolo]", []string{
			`rpmlock: error: unknown package "tolo" for x86_64: no package of that name, and nothing provides it`,
			`unknown package "tolo" for aarch64`, `rpmlock: hint: for "tolo", did you mean tool?`}},
		{"two unknown packages are both reported", "[tool]", "[tool, plugni, nonsense-name]", []string{
			`unknown package "nonsense-name" for x86_64`, `unknown package "plugni" for x86_64`, `for "plugni", did you mean plugin?`}},
		{"the name of a family of packages", "[tool]", "[iptables]", []string{
			`unknown package "iptables" for x86_64`, `hint: for "iptables", did you mean iptables-nft?`}},
		{"a version that is not there", "[tool]", `["tool >= 3"]`, []string{
			`package "tool >= 3" for x86_64: the repositories have tool-2.0-1.x86_64`}},
		{"an excluded root", "install:", "exclude: [to*]\ninstall:", []string{
			`package "tool" for x86_64: tool-2.0-1.x86_64 is out: the manifest excludes "to*"`}},
		{"an excluded requirement", "install:", "exclude: [libc-data]\ninstall:", []string{
			"the packages for x86_64 cannot be installed together:",
			"- the manifest asks for tool: that is tool-2.0-1.x86_64",
			"- tool-2.0-1.x86_64 requires libc.so.6()(64bit): that is libc-1-1.x86_64",
			`- libc-1-1.x86_64 requires libc-data, but all that provide it are left out: libc-data-1-1.noarch (the manifest excludes "libc-data")`}},
		{"an architecture by its OCI name", "aarch64]", "arm64]", []string{
			`rpmlock: error: reading manifest DIR/rpms.yaml: unknown architecture "arm64" (did you mean "aarch64"?)`}},
		{"an unknown architecture in a root", "[tool]", "[{name: tool, only: [amd64]}]", []string{
			`line 7: install: "tool": only: unknown architecture "amd64" (did you mean "x86_64"?)`}},
		{"an unknown key", "install:", "instal:", []string{
			`reading manifest DIR/rpms.yaml: line 7: unknown key "instal" (did you mean "install"?)`}},
		{"an unknown key of a repository", "gpgcheck", "gpg_check", []string{`line 6: unknown key "gpg_check" (did you mean "gpgcheck"?)`}},
		{"an unknown key of a root", "[tool]", "[{nmae: tool}]", []string{`line 7: unknown key "nmae" (did you mean "name"?)`}},
		{"a missing folder", "repo/$basearch", "nowhere/$basearch", []string{
			"repository main for x86_64: fetching nowhere/x86_64/repodata/repomd.xml: open DIR/nowhere/x86_64/repodata/repomd.xml: no such file",
			"hint: check baseurl of the repository in the manifest; without a scheme it is relative to the folder of the lock"}},
		{"an unknown variable", "$basearch", "$baserach", []string{
			`repository main for x86_64: expanding "repo/$baserach": unknown variable $baserach (known: $arch, $basearch)`}},
		{"signatures without keys", ", gpgcheck: false", "", []string{
			`repository "main": signatures are to be checked but keys or fingerprints are missing`}},
		{"another schema", "schema: 1", "schema: 2", []string{"reading manifest DIR/rpms.yaml: schema 2, this tool reads 1"}},
		{"broken YAML", "install: [", "install: [[", []string{"reading manifest DIR/rpms.yaml: line "}},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			if !strings.Contains(good, test.old) {
				t.Fatalf("the manifest has no %q", test.old)
			}
			w.write("rpms.yaml", strings.Replace(good, test.old, test.new, 1))
			wantError(t, w.run("lock"), test.lines...)
			if _, err := os.Stat(w.path("rpms.lock.json")); err == nil {
				t.Error("a lock was written")
			}
		})
	}
}

func TestPackageOfOneArchitecture(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	repotest.Write(t, w.path("repo/x86_64"), repotest.Options{}, append(distribution("x86_64"), rpmtest.Package{Name: "microcode"})...)
	w.manifest("repo/$basearch", "tool, microcode")
	wantError(t, w.run("lock"), `rpmlock: error: package "microcode" exists for x86_64 only, not for aarch64`,
		"rpmlock: hint: in DIR/rpms.yaml, write {name: microcode, only: [x86_64]} in place of microcode")
	w.manifest("repo/$basearch", "tool, {name: microcode, only: [x86_64]}")
	l := w.lock()
	if l.Architectures["x86_64"].Package("microcode") == nil || l.Architectures["aarch64"].Package("microcode") != nil {
		t.Error("only: [x86_64] is not followed")
	}
}

func TestStaleLock(t *testing.T) {
	w := newWorkspace(t)
	w.repositories(repotest.Options{})
	w.manifest("repo/$basearch", "tool")
	wantError(t, w.run("lock", "--check"), "checking the lock: open DIR/rpms.lock.json: no such file",
		"hint: rpmlock lock --manifest=DIR/rpms.yaml --lock=DIR/rpms.lock.json")
	w.lock()
	before := w.read("rpms.lock.json")
	w.manifest("repo/$basearch", "tool, extras")
	wantError(t, w.run("lock", "--check"), "rpmlock: error: DIR/rpms.lock.json is out of date: DIR/rpms.yaml has changed since it was made",
		"rpmlock: hint: rpmlock lock --manifest=DIR/rpms.yaml --lock=DIR/rpms.lock.json")
	wantError(t, w.run("verify"), "DIR/rpms.lock.json is out of date: DIR/rpms.yaml has changed since it was made", "hint: rpmlock lock ")
	w.manifest("repo/$basearch", "tool")
	newer := distribution("x86_64")
	newer[0].Version = "2.1"
	repotest.Write(t, w.path("repo/x86_64"), repotest.Options{}, newer...)
	if text := w.run("lock", "--check"); text != "" {
		t.Errorf("a repository that has moved on makes no lock stale: %s", text)
	}
	w.write("rpms.lock.json", strings.Replace(before, `"license": "MIT"`, `"license": "BSD"`, 1))
	wantError(t, w.run("lock", "--check"), "DIR/rpms.lock.json is out of date: it would change")
	w.write("rpms.lock.json", before)
	w.run("update", "--dry-run")
	if w.read("rpms.lock.json") != before {
		t.Error("--check wrote the lock")
	}
}

// edit changes the only file that matches a pattern.
func (w *workspace) edit(pattern string, change func([]byte) []byte) {
	w.t.Helper()
	names, err := filepath.Glob(w.path(pattern))
	if err != nil || len(names) != 1 {
		w.t.Fatalf("%s matches %v", pattern, names)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(names[0], change(data), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func flipLast(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)-1] ^= 1
	return data
}

func flipMiddle(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)/2] ^= 1
	return data
}

func cutHalf(data []byte) []byte { return data[:len(data)/2] }

// TestDamagedRepository damages one file of a repository at a time, local and over HTTP.
func TestDamagedRepository(t *testing.T) {
	const libc = "repo/x86_64/Packages/libc-1-1.x86_64.rpm"
	tests := []struct {
		summary, pattern string
		edit             func([]byte) []byte
		local, remote    []string
	}{
		{"a changed primary.xml", "repo/x86_64/repodata/*-primary.xml.gz", flipLast,
			[]string{"repository main for x86_64: fetching BASE/repo/x86_64/repodata/", "-primary.xml.gz: sha256 mismatch: wanted ", ", got ",
				"hint: the mirror is damaged or was being updated; try again"}, nil},
		{"a truncated primary.xml", "repo/x86_64/repodata/*-primary.xml.gz", cutHalf,
			[]string{"-primary.xml.gz: size mismatch: wanted ", " bytes, got "}, nil},
		{"a changed filelists.xml", "repo/x86_64/repodata/*-filelists.xml.gz", flipLast,
			[]string{"repository main for x86_64: looking up /usr/share/hidden: fetching ", "-filelists.xml.gz: sha256 mismatch"}, nil},
		{"repomd.xml that is no XML", "repo/x86_64/repodata/repomd.xml", func([]byte) []byte { return []byte("<html><body>login") },
			[]string{"repository main for x86_64: reading repomd.xml: expected element type <repomd> but have <html>"}, nil},
		{"an empty repomd.xml", "repo/x86_64/repodata/repomd.xml", func([]byte) []byte { return nil },
			[]string{"repository main for x86_64: reading repomd.xml: no <repomd> element"}, nil},
		{"a truncated package", libc, func(d []byte) []byte { return d[:len(d)-10] },
			[]string{"package libc-1-1.x86_64: fetching BASE/repo/x86_64/Packages/libc-1-1.x86_64.rpm: size mismatch: wanted ",
				"hint: the package is not the one that the metadata names: it is truncated, was replaced, or the metadata is old"},
			[]string{""}}, // the header is whole: the build finds it, by the checksum in the lock
		{"a package cut inside its header", libc, func(d []byte) []byte { return d[:500] },
			[]string{"package libc-1-1.x86_64: fetching ", "size mismatch"},
			[]string{"package libc-1-1.x86_64: fetching BASE/repo/x86_64/Packages/libc-1-1.x86_64.rpm: the file is truncated: it ends after 500 of the "}},
		{"a package whose header was changed", libc, flipMiddle,
			[]string{"package libc-1-1.x86_64: fetching ", "sha256 mismatch"},
			[]string{"repository main for x86_64: package libc-1-1.x86_64: "}},
		{"another package in the place of one", libc, func([]byte) []byte {
			return rpmtest.Build(rpmtest.Package{Name: "evil", Files: []rpmtest.File{{Path: "/usr/bin/" + strings.Repeat("x", 4000), Data: "x"}}})
		}, []string{"package libc-1-1.x86_64: fetching ", "size mismatch"}, []string{"package libc-1-1.x86_64: "}},
		{"a missing package", libc, nil, []string{"package libc-1-1.x86_64: fetching BASE/" + libc, "no such file"},
			[]string{"package libc-1-1.x86_64: fetching BASE/" + libc + ": the server answers 404 Not Found",
				"hint: check baseurl, releasever and vars of the repository in the manifest"}},
	}
	for _, test := range tests {
		for _, remote := range []bool{false, true} {
			name, lines, base := test.summary, test.local, "BASE/"
			if remote {
				name += " over HTTP"
				if test.remote != nil {
					lines = test.remote
				}
			}
			t.Run(name, func(t *testing.T) {
				w := newWorkspace(t)
				w.repositories(repotest.Options{})
				if test.edit == nil {
					if err := os.Remove(w.path(test.pattern)); err != nil {
						t.Fatal(err)
					}
				} else {
					w.edit(test.pattern, test.edit)
				}
				prefix := ""
				if remote {
					server := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
					defer server.Close()
					prefix = server.URL + "/"
				}
				w.manifest(prefix+"repo/$basearch", "tool")
				got := w.run("lock")
				if remote {
					got = strings.ReplaceAll(got, prefix, base)
				} else {
					got = strings.ReplaceAll(got, "fetching repo/", "fetching "+base+"repo/")
				}
				if len(lines) == 1 && lines[0] == "" {
					if got != "" {
						t.Errorf("error %s", got)
					}
					return
				}
				wantError(t, got, lines...)
			})
		}
	}
}

// signed writes a signed repository and its manifest; the edits spoil something.
func (w *workspace) signed(repoKey, packageKey, trusted *pgptest.Key, repoCheck bool, spoil func([]rpmtest.Package)) {
	w.t.Helper()
	packages := distribution("x86_64")
	for i := range packages {
		packages[i].Signatures = []rpmtest.Signature{{Tag: rpm.SigRSA, Sign: func(data []byte) []byte {
			return packageKey.Sign(data, pgptest.SignOptions{})
		}}}
	}
	if spoil != nil {
		spoil(packages)
	}
	options := repotest.Options{}
	if repoKey != nil {
		options.Sign = func(data []byte) []byte { return repoKey.SignArmored(data, pgptest.SignOptions{}) }
	}
	repotest.Write(w.t, w.path("repo"), options, packages...)
	w.write("KEY", string(trusted.Armored()))
	check := "false"
	if repoCheck {
		check = "true"
	}
	w.write("rpms.yaml", `schema: 1
release: test
architectures: [x86_64]
rpmdb: {backend: sqlite, path: /var/lib/rpm}
repositories:
  - {id: main, baseurl: repo, keys: [KEY], fingerprints: [`+trusted.Fingerprint()+`], repo_gpgcheck: `+check+`}
install: [tool]
`)
}

func TestSignatures(t *testing.T) {
	good := pgptest.New(pgptest.Options{Algorithm: "rsa"})
	other := pgptest.New(pgptest.Options{Algorithm: "rsa", UserID: "Somebody else"})
	tests := []struct {
		summary string
		make    func(w *workspace)
		lines   []string // none: success
	}{
		{"everything signed by the pinned key", func(w *workspace) { w.signed(good, good, good, true, nil) }, nil},
		{"packages signed, metadata not asked", func(w *workspace) { w.signed(nil, good, good, false, nil) }, nil},
		{"metadata signed by another key", func(w *workspace) { w.signed(other, good, good, true, nil) }, []string{
			"repository main for x86_64: repo/repodata/repomd.xml: verifying signature: no key " + other.KeyID(),
			"hint: if the vendor changed its key, review the new one and pin its fingerprint"}},
		{"metadata changed after signing", func(w *workspace) {
			w.signed(good, good, good, true, nil)
			w.edit("repo/repodata/repomd.xml", func(d []byte) []byte { return append(d, '\n') })
		}, []string{"repo/repodata/repomd.xml: verifying signature: bad signature " + good.KeyID()}},
		{"no signature of the metadata", func(w *workspace) { w.signed(nil, good, good, true, nil) }, []string{
			"fetching repo/repodata/repomd.xml.asc: ", "hint: repo_gpgcheck is on, so repomd.xml.asc must exist"}},
		{"a package signed by another key", func(w *workspace) { w.signed(good, other, good, true, nil) }, []string{
			"repository main for x86_64: package config-files-1.1-1.noarch: verifying signature: no key " + other.KeyID(),
			"hint: the repository trusts the keys " + good.Fingerprint() + " only"}},
		{"an unsigned package", func(w *workspace) {
			w.signed(good, good, good, true, func(p []rpmtest.Package) { p[1].Signatures = nil })
		}, []string{"package libc-1-1.x86_64: the package is not signed",
			"hint: if the repository's packages are not signed, say gpgcheck: false and trust its metadata instead"}},
		{"a package with a spoiled signature", func(w *workspace) {
			w.signed(good, good, good, true, func(p []rpmtest.Package) {
				p[1].Signatures = []rpmtest.Signature{{Tag: rpm.SigRSA, Sign: func(data []byte) []byte {
					return good.Sign(append(bytes.Clone(data), 'x'), pgptest.SignOptions{})
				}}}
			})
		}, []string{"package libc-1-1.x86_64: verifying signature: bad signature " + good.KeyID()}},
		{"a pinned fingerprint that is not in the key file", func(w *workspace) {
			w.signed(good, good, good, true, nil)
			w.write("KEY", string(other.Armored()))
		}, []string{"no key has the fingerprint " + good.Fingerprint() + "; there are " + other.Fingerprint(),
			"hint: fingerprints pins the keys to trust; compare them with what the vendor publishes"}},
		{"a missing key file", func(w *workspace) {
			w.signed(good, good, good, true, nil)
			os.Remove(w.path("KEY"))
		}, []string{"repository main for x86_64: reading key: open DIR/KEY: no such file", "hint: paths of keys are relative to the manifest"}},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			w := newWorkspace(t)
			test.make(w)
			got := w.run("lock")
			if test.lines == nil {
				if got != "" {
					t.Fatal(got)
				}
				if !strings.Contains(w.read("rpms.lock.json"), `"signature": "RSA/SHA256 `+good.Fingerprint()+`"`) {
					t.Error("the lock does not name the signature")
				}
				return
			}
			wantError(t, got, test.lines...)
		})
	}
}
