package main

import (
	"bytes"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

// impatient is run for a client that waits for silent servers only so long.
func (w *workspace) impatient(stall time.Duration, name string, more ...string) string {
	w.t.Helper()
	args := append([]string{"--manifest=" + w.path("rpms.yaml"), "--lock=" + w.path("rpms.lock.json"), "--cache=" + w.path("cache")}, more...)
	c, err := parse(findVerb(name), args)
	if err == nil {
		c.client.Stall = stall
		err = c.do()
	}
	var out strings.Builder
	if err != nil {
		cli.Report(&out, "rpmlock", err)
	}
	return strings.ReplaceAll(out.String(), w.dir, "DIR")
}

func TestServerThatStalls(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	bad, good := newMirror(t, w.path("repo")), newMirror(t, w.path("repo"))
	bad.fault = func(rw http.ResponseWriter, r *http.Request, data []byte) bool {
		if isPrimary(r) {
			rw.Write(data[:len(data)/2])
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		return isPrimary(r)
	}
	w.mirrored("baseurl: " + bad.url)
	wantError(t, w.impatient(100*time.Millisecond, "lock", "--retries=0"),
		"repository main for x86_64: fetching "+bad.url+"repodata/", "primary.xml.gz: no data for 100ms")
	w.checkDigests()
	w.mirrored("baseurl: [" + bad.url + ", " + good.url + "]")
	if text := w.impatient(100*time.Millisecond, "lock", "--retries=0"); text != "" || !strings.Contains(w.read("rpms.lock.json"), "tool-2.0") {
		t.Errorf("with a mirror that answers:\n%s", text)
	}
	w.checkDigests()
}

// TestDecompressionBomb has a primary.xml that is small on the wire.
func TestDecompressionBomb(t *testing.T) {
	w := newWorkspace(t)
	repotest.Write(t, w.path("repo"), repotest.Options{EditPrimary: func(xml []byte) []byte {
		return bytes.Replace(xml, []byte("</metadata>"), append(bytes.Repeat([]byte(" "), 80<<20), "</metadata>"...), 1)
	}}, distribution("x86_64")...)
	w.mirrored("baseurl: repo")
	honest := w.read("repo/repodata/repomd.xml")
	for _, c := range []struct{ openSize, want string }{
		{"$0", "the content unpacks to more than 200 times its size: "},
		{"", "the content unpacks to more than 200 times its size: "},
		{"<open-size>5000</open-size>", "the uncompressed content is larger than the index says"},
	} {
		w.write("repo/repodata/repomd.xml", regexp.MustCompile("<open-size>[0-9]+</open-size>").ReplaceAllString(honest, c.openSize))
		wantError(t, w.run("lock"), "rpmlock: error: repository main for x86_64: unpacking repodata/", "primary.xml.gz: ", c.want,
			"hint: the repository is damaged or hostile")
	}
}

func TestRetryAfter(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	m := newMirror(t, w.path("repo"))
	refuse, after := 1, "1"
	m.fault = func(rw http.ResponseWriter, r *http.Request, _ []byte) bool {
		if !isPrimary(r) || refuse == 0 {
			return false
		}
		refuse--
		rw.Header().Set("Retry-After", after)
		rw.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	w.mirrored("baseurl: " + m.url)
	begin := time.Now()
	if text := w.run("lock", "--retries=1"); text != "" {
		t.Fatal(text)
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("the second try came after %s", took)
	}
	os.RemoveAll(w.path("cache"))
	refuse, after, begin = 1, "3600", time.Now()
	wantError(t, w.run("lock"), "the server answers 429 Too Many Requests, and asks to wait for 1h0m0s")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the refusal took %s", took)
	}
}

// TestOlderThanSeen has no lock that could tell which release is newer, but a cache of an earlier run.
func TestOlderThanSeen(t *testing.T) {
	w := newWorkspace(t)
	for dir, seconds := range map[string]string{"old": "1600000000", "new": "1700000000"} {
		release(t, w.path(dir), map[string]string{"old": "1.0", "new": "2.0"}[dir], "same")
		index := w.read(dir + "/repodata/repomd.xml")
		w.write(dir+"/repodata/repomd.xml", strings.ReplaceAll(index, "<timestamp>1700000000", "<timestamp>"+seconds))
	}
	m := newMirror(t, w.path("new"))
	m.fault = func(rw http.ResponseWriter, _ *http.Request, data []byte) bool { // without dates
		rw.Write(data)
		return true
	}
	w.mirrored("baseurl: " + m.url)
	w.check(t, "tool-2.0", "")
	m.turn(w.path("old"))
	w.check(t, "", m.url+"repodata/repomd.xml is out of date: it is of 2020-09-13 12:26:40 UTC, and an earlier run has seen the one of 2023-11-14 22:13:20 UTC")
	if text := w.run("lock", "--allow-older"); text != "" {
		t.Fatal(text)
	}
	w.check(t, "tool-1.0", "") // from now on the older one is what was seen
	m.turn(w.path("new"))
	w.check(t, "tool-2.0", "")
	os.RemoveAll(w.path("cache/seen"))
	m.turn(w.path("old"))
	w.check(t, "tool-1.0", "")
}

func TestCacheIsSwept(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	m := newMirror(t, w.path("repo"))
	w.mirrored("baseurl: " + m.url)
	day := 24 * time.Hour
	ages := []struct {
		name string
		age  time.Duration
		kept bool
	}{
		{"cache/sha256/ab/.part-1", 2 * day, false},
		{"cache/sha256/ab/.part-2", time.Hour, true}, // of a run that goes on
		{"cache/headers/ab/.part-3", 2 * day, false},
		{storedKind + "/sha256-old", 31 * day, false},
		{storedKind + "/sha256-new", 29 * day, true},
		{"parsed-0/sha256-old", 31 * day, false}, // of an earlier version
		{"cache/headers/ab/abc", 400 * day, true},
		{"cache/urls/abc", 400 * day, true},
	}
	for i := range ages {
		if !strings.HasPrefix(ages[i].name, "cache/") {
			ages[i].name = "cache/" + ages[i].name
		}
		w.write(ages[i].name, "x")
		then := time.Now().Add(-ages[i].age)
		if err := os.Chtimes(w.path(ages[i].name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	w.check(t, "tool-2.0", "")
	for _, a := range ages {
		if _, err := os.Stat(w.path(a.name)); (err == nil) != a.kept {
			t.Errorf("%s, %s old: %v", a.name, a.age, err)
		}
	}
}

// TestVariablesInMirrorLists has a list such as Amazon's, whose URLs hold variables.
func TestVariablesInMirrorLists(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("top/9/x86_64"), "2.0", "1700000000")
	m := newMirror(t, w.path("top"))
	w.mirrored("mirrorlist: " + m.url + "$basearch.list")
	w.write("rpms.yaml", w.read("rpms.yaml")+"releasever: \"9\"\nvars: {place: top}\n")
	w.write("top/x86_64.list", "# mirrors\n\n"+m.url+"$unknown/\n"+m.url+"$releasever/${basearch}\n")
	w.check(t, "", "unknown variable $unknown")
	w.write("top/x86_64.list", "# mirrors\n\nrsync://nowhere.example/\n"+m.url+"gone/$place\n"+m.url+"$releasever/${basearch}\n")
	w.check(t, "tool-2.0", "")
	for _, url := range []string{m.url + "gone/top/", m.url + "9/x86_64/"} {
		if !strings.Contains(w.read("rpms.lock.json"), `"`+url+`"`) {
			t.Errorf("the lock does not name %s", url)
		}
	}
}

// TestSwappedSignedRepository publishes a new repository between the requests for repomd.xml and its signature.
func TestSwappedSignedRepository(t *testing.T) {
	key := pgptest.New(pgptest.Options{Algorithm: "rsa"})
	for _, swap := range [][2]string{{"old", "new"}, {"new", "old"}} {
		for _, settles := range []bool{true, false} {
			w := newWorkspace(t)
			for dir, version := range map[string]string{"old": "1.0", "new": "2.0"} {
				packages := distribution("x86_64")
				packages[0].Version = version
				repotest.Write(t, w.path(dir), repotest.Options{
					Sign: func(data []byte) []byte { return key.SignArmored(data, pgptest.SignOptions{}) },
				}, packages...)
			}
			m := newMirror(t, w.path(swap[0]))
			m.fault = func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
				switch {
				case strings.HasSuffix(r.URL.Path, "repomd.xml"):
					m.dir = w.path(swap[1])
				case !settles:
					m.dir = w.path(swap[0]) // repomd.xml stays the other one
				}
				return false
			}
			w.write("KEY", string(key.Armored()))
			w.mirrored("baseurl: " + m.url + "\n    repo_gpgcheck: true\n    keys: [KEY]\n    fingerprints: [" + key.Fingerprint() + "]")
			if settles {
				w.check(t, map[string]string{"old": "tool-1.0", "new": "tool-2.0"}[swap[1]], "")
				continue
			}
			w.check(t, "", m.url+"repodata/repomd.xml: verifying signature: bad signature "+key.KeyID())
			if _, err := os.Stat(w.path("rpms.lock.json")); err == nil {
				t.Error("a lock was written")
			}
		}
	}
}
