package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start starts another process, for which TestMain runs rpmlock in place of the tests. A hung one ends with the test.
func (w *workspace) start(cache string, verb string, more ...string) (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	args := append([]string{verb, "--manifest=" + w.path("rpms.yaml"), "--cache=" + w.path(cache)}, more...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	w.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "rpmlock"
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd, &said
}

// finish waits for a process that must succeed.
func finish(t *testing.T, cmd *exec.Cmd, said *bytes.Buffer) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("rpmlock: %v\n%s", err, said)
	}
}

// checkDigests compares every file of the cache that is named by a checksum. It returns how many there are.
func (w *workspace) checkDigests() int {
	w.t.Helper()
	names, err := filepath.Glob(w.path("cache/sha256/*/*"))
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), ".part-") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			w.t.Fatal(err)
		}
		if n++; fmt.Sprintf("%x", sha256.Sum256(data)) != filepath.Base(name) {
			w.t.Errorf("the cache holds a wrong file %s", name)
		}
	}
	return n
}

// slowly sends each answer in small pieces.
func slowly(w http.ResponseWriter, r *http.Request, data []byte) bool {
	if r.Header.Get("Range") != "" || strings.HasSuffix(r.URL.Path, ".rpm") {
		time.Sleep(3 * time.Millisecond)
		return false
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Header().Set("Last-Modified", time.Unix(1700000000, 0).UTC().Format(http.TimeFormat))
	for len(data) > 0 {
		n := min(len(data), 200)
		w.Write(data[:n])
		w.(http.Flusher).Flush()
		data = data[n:]
		time.Sleep(3 * time.Millisecond)
	}
	return true
}

// TestKilledRuns kills rpmlock at 50 moments of a run, while the repository moves on from release to release, and expects
// after each that the cache holds no wrong file and that the lock is the old or the new one.
func TestKilledRuns(t *testing.T) {
	const releases, kills = 10, 5
	w := newWorkspace(t)
	m := newMirror(t, w.path("repo-0"))
	m.fault = slowly
	w.mirrored("baseurl: " + m.url)
	undisturbed := make([]string, releases)
	var took time.Duration
	for i := range releases {
		dir := fmt.Sprintf("repo-%d", i)
		release(t, w.path(dir), fmt.Sprintf("2.%d", i), fmt.Sprint(1700000000+i))
		m.turn(w.path(dir))
		begin := time.Now()
		cmd, said := w.start("undisturbed", "update", "--lock="+w.path("undisturbed.json"))
		finish(t, cmd, said)
		took = max(took, time.Since(begin))
		undisturbed[i] = w.read("undisturbed.json")
	}
	earliest, latest, before := took, time.Duration(0), ""
	for i := range releases {
		m.turn(w.path(fmt.Sprintf("repo-%d", i)))
		for k := range kills {
			// 7 has no factor in common with 50: every moment comes once, and those of a release are spread over a run.
			moment := took * time.Duration((i*kills+k)*7%(releases*kills)+1) / (releases * kills)
			for !w.killAfter(moment) {
				moment = moment * 2 / 3 // with what is in the cache already it was quicker
			}
			earliest, latest = min(earliest, moment), max(latest, moment)
			w.checkDigests()
			text, err := os.ReadFile(w.path("rpms.lock.json"))
			if now := string(text); err == nil && now != before && now != undisturbed[i] {
				t.Fatalf("release %d, killed after %s: the lock is neither the old nor the new one:\n%s", i, moment, now)
			} else if err != nil && (before != "" || !os.IsNotExist(err)) {
				t.Fatal(err)
			}
		}
		cmd, said := w.start("cache", "update", "--lock="+w.path("rpms.lock.json"))
		finish(t, cmd, said)
		if before = w.read("rpms.lock.json"); before != undisturbed[i] {
			t.Fatalf("release %d: after %d kills the lock is another one:\n%s", i, kills, before)
		}
	}
	if n := w.checkDigests(); n < releases {
		t.Errorf("only %d files of the cache were compared", n)
	}
	t.Logf("killed after %s to %s; an undisturbed run takes up to %s", earliest, latest, took)
}

// killAfter runs rpmlock and kills it, if it has not succeeded before.
func (w *workspace) killAfter(moment time.Duration) bool {
	w.t.Helper()
	cmd, said := w.start("cache", "update", "--lock="+w.path("rpms.lock.json"))
	kill := time.AfterFunc(moment, func() { cmd.Process.Kill() })
	defer kill.Stop()
	err := cmd.Wait()
	if err != nil && cmd.ProcessState.ExitCode() != -1 { // -1: ended by a signal
		w.t.Fatalf("rpmlock failed by itself: %v\n%s", err, said)
	}
	return err != nil
}

// TestTwoRunsShareACache has processes lock the same repository into the same cache at the same time: each file is fetched
// once, and when the quicker one is killed the other one goes on.
func TestTwoRunsShareACache(t *testing.T) {
	w := newWorkspace(t)
	release(t, w.path("repo"), "2.0", "1700000000")
	alone := newMirror(t, w.path("repo"))
	w.mirrored("baseurl: " + alone.url)
	w.check(t, "tool-2.0", "")
	want := strings.ReplaceAll(w.read("rpms.lock.json"), alone.url, "")
	for _, kill := range []bool{false, true} {
		os.RemoveAll(w.path("cache"))
		m := newMirror(t, w.path("repo"))
		reached := make(chan bool, 10)
		m.fault = func(rw http.ResponseWriter, r *http.Request, data []byte) bool {
			if isPrimary(r) {
				reached <- true
				if kill && m.asked[filepath.Base(r.URL.Path)] == 1 { // until the process is killed
					m.mu.Unlock()
					<-r.Context().Done()
					m.mu.Lock()
				}
			}
			return slowly(rw, r, data)
		}
		w.mirrored("baseurl: " + m.url)
		var locks []string
		var cmds []*exec.Cmd
		var said []*bytes.Buffer
		for i := range 3 {
			locks = append(locks, fmt.Sprintf("lock-%d.json", i))
			cmd, text := w.start("cache", "lock", "--lock="+w.path(locks[i]))
			cmds, said = append(cmds, cmd), append(said, text)
			if i == 0 {
				<-reached // the first one is about to get primary.xml
			}
		}
		fetched := 1
		if kill {
			time.Sleep(200 * time.Millisecond) // the others come to wait for it
			cmds[0].Process.Kill()
			cmds[0].Wait()
			cmds, said, locks, fetched = cmds[1:], said[1:], locks[1:], 2
		}
		for i, cmd := range cmds {
			finish(t, cmd, said[i])
			got := strings.ReplaceAll(w.read(locks[i]), m.url, "")
			if cutManifest(got) != cutManifest(want) {
				t.Errorf("%s is\n%s\nwant\n%s", locks[i], got, want)
			}
		}
		if w.checkDigests() == 0 {
			t.Error("nothing was cached")
		}
		m.mu.Lock()
		for name, n := range m.asked {
			if strings.Contains(name, "primary") && n != fetched {
				t.Errorf("%s was fetched %d times, want %d", name, n, fetched)
			}
		}
		m.mu.Unlock()
	}
}
