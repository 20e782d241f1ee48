package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{false, "rpmlock: fetching primary.xml.gz from a.example, 2.0 MB of 144.0 MB\n" +
			"rpmlock: fetching other.xml.gz from b.example, 3.0 MB\n" +
			"rpmlock: fetching primary.xml.gz from a.example, 62.0 MB of 144.0 MB\n"},
		{true, "\r\x1b[Krpmlock: fetching primary.xml.gz from a.example, 2.0 MB of 144.0 MB" +
			"\r\x1b[Krpmlock: fetching primary.xml.gz from a.example, 33.0 MB of 144.0 MB" +
			"\r\x1b[Krpmlock: fetching primary.xml.gz from a.example, 62.0 MB of 144.0 MB\r\x1b[K"},
	} {
		var out bytes.Buffer
		start := time.Unix(1700000000, 0)
		now := start
		p := &progress{out: &out, terminal: c.terminal, now: func() time.Time { return now }, start: start, lasts: map[string]time.Time{}}
		at := func(after time.Duration, url string, got, size int64) {
			now = start.Add(after)
			p.fetching(url, got, size)
		}
		at(500*time.Millisecond, "https://a.example/repodata/primary.xml.gz", 1e6, 144e6)
		at(1000*time.Millisecond, "https://a.example/repodata/primary.xml.gz", 2e6, 144e6)
		at(1050*time.Millisecond, "https://b.example:8080/other.xml.gz?x=y", 3e6, -1)
		at(3000*time.Millisecond, "https://a.example/repodata/primary.xml.gz", 33e6, 144e6)
		at(6000*time.Millisecond, "https://a.example/repodata/primary.xml.gz", 62e6, 144e6)
		p.done()
		if got := strings.ReplaceAll(out.String(), ":8080", ""); got != c.want {
			t.Errorf("terminal %t:\n%q, want\n%q", c.terminal, got, c.want)
		}
	}
}

// TestSlowRunsAreTold locks from a server that takes more than a second, with stderr in a pipe.
func TestSlowRunsAreTold(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	m := newMirror(t, w.path("repo"))
	m.fault = func(rw http.ResponseWriter, r *http.Request, data []byte) bool {
		if isPrimary(r) {
			rw.Write(data[:len(data)/2])
			rw.(http.Flusher).Flush()
			time.Sleep(1100 * time.Millisecond)
			rw.Write(data[len(data)/2:])
		}
		return isPrimary(r)
	}
	w.mirrored("baseurl: " + m.url)
	cmd, said := w.start("cache", "lock", "--lock="+w.path("rpms.lock.json"))
	finish(t, cmd, said)
	host := strings.TrimSuffix(strings.TrimPrefix(m.url, "http://"), "/")
	wantError(t, said.String(), "rpmlock: fetching primary.xml.gz from "+host+", ", " kB of ",
		"rpmlock: read the metadata of main for x86_64\n", "rpmlock: fetching filelists.xml.gz from "+host+", 0.0 kB of ",
		"rpmlock: read the headers of ", " of 8 packages for x86_64\n")
	if n := strings.Count(said.String(), "\n"); n != 4 || strings.ContainsAny(said.String(), "\r\x1b") {
		t.Errorf("the lines are\n%s", said)
	}
	cmd, said = w.start("another-cache", "lock", "--quiet", "--lock="+w.path("rpms.lock.json"))
	if finish(t, cmd, said); said.Len() != 0 {
		t.Errorf("--quiet says\n%s", said)
	}
}
