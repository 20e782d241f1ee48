package airgap

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRootIsBuiltOnce(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	stderr := m.mustRun(nil, "build", "//x")
	mustHold(t, stderr, "building a Debian root with Bazel in "+m.cache()+"/root-", "this takes minutes\n",
		"bazelw:   downloading packages with apt...\n", "bazelw: preparing third_party/airgap: modules\n",
		"bazelw: preparing third_party/airgap: downloads\n", "air-gapped mode, no module registry: Bazel of "+m.cache()+"/root-")
	mustHold(t, m.log(), "bazel-bootstrap,", "deb [signed-by=/keys/debian.gpg] http://mirror.test/debian/ sid main\n",
		`aptopt: Acquire::http::Proxy "http://proxy.test:3128";`+"\n",
		"bazel in "+m.workspace+": --output_user_root="+m.cache()+"/bazel-")
	if len(m.glob("root-*/usr")) != 1 || len(m.glob("*.partial")) != 0 || len(m.glob("*.debs")) != 0 {
		t.Errorf("got %v in the cache, want a root and nothing half done", m.glob("*"))
	}
	if second := m.mustRun(nil, "build", "//x"); strings.Count(second, "\n") != 1 {
		t.Errorf("got messages\n%s\nwant the one line with the mode", second)
	}
	if n := strings.Count(m.log(), "mmdebstrap --"); n != 1 {
		t.Errorf("built the root %d times, want once", n)
	}
	m.write("third_party/airgap/root.packages", "bazel-bootstrap\n")
	mustHold(t, m.mustRun(nil, "build", "//x"), "building a Debian root")
}

func TestRootWithRegistry(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	mustHold(t, m.mustRun(online, "build", "//x"), "registry mode: Bazel of "+m.cache()+"/root-")
	if strings.Contains(m.log(), "go run") || strings.Contains(m.log(), "--bazelrc") {
		t.Errorf("got\n%s\nwant nothing prepared and no configuration", m.log())
	}
}

func TestSubdirectoryAndStatus(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	cmd, stderr := m.command([]string{"FAKE_BAZEL_STATUS=3"}, "test", ":all")
	cmd.Dir = filepath.Join(m.workspace, "sub", "dir")
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("got %v, want the exit status of Bazel, 3\n%s", err, stderr)
	}
	mustHold(t, m.log(), "bazel in "+m.workspace+"/sub/dir: ", " test :all\n")
}

func TestLinkToBazelw(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("go", fakeGo)
	link := filepath.Join(m.home, "bw")
	if err := os.Symlink(filepath.Join(m.workspace, "bazelw"), link); err != nil {
		t.Fatal(err)
	}
	cmd, stderr := m.command(nil, "build")
	cmd.Path = link
	if err := cmd.Run(); err != nil {
		t.Errorf("running bazelw by a link: %v\n%s", err, stderr)
	}
}

func TestTwiceAtOnce(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	env := []string{"FAKE_MMDEBSTRAP_SLEEP=1"}
	first, firstErr := m.command(env, "build", "//first")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	m.waitFor("mmdebstrap --")
	mustHold(t, m.mustRun(env, "build", "//second"), "waiting for another bazelw that is preparing "+m.cache())
	if err := first.Wait(); err != nil {
		t.Errorf("the first run: %v\n%s", err, firstErr)
	}
	mustHold(t, m.log(), " build //first\n", " build //second\n")
	for _, program := range []string{"mmdebstrap --", " modules ", " downloads "} {
		if n := strings.Count(m.log(), program); n != 1 {
			t.Errorf("ran%s%d times, want once", program, n)
		}
	}
}

func TestKilled(t *testing.T) {
	needsDebian(t)
	for _, row := range []struct{ summary, env, at string }{
		{"while the root is built", "FAKE_MMDEBSTRAP_SLEEP=0.5", "mmdebstrap --"},
		{"while modules are prepared", "FAKE_GO_SLEEP=0.5", " modules "},
		{"while Go modules are downloaded", "FAKE_GO_SLEEP=0.5", " downloads "},
	} {
		t.Run(row.summary, func(t *testing.T) {
			m := newMachine(t)
			cmd, _ := m.command([]string{row.env}, "build")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			m.waitFor(row.at)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			// What it had started may still run: the next run waits for that, then does everything that is missing.
			m.mustRun(nil, "build", "//after")
			mustHold(t, m.log(), " build //after\n")
			if half := m.glob("*.partial"); len(half) != 0 {
				t.Errorf("got %v, want nothing half done", half)
			}
		})
	}
}

func TestSignals(t *testing.T) {
	needsDebian(t)
	for _, row := range []struct {
		signal syscall.Signal
		want   string
		status int
	}{
		{syscall.SIGINT, "bazel got INT\n", 8},
		{syscall.SIGTERM, "bazel got TERM\n", 9},
	} {
		t.Run(row.signal.String(), func(t *testing.T) {
			m := newMachine(t)
			m.mustRun(nil, "build")
			cmd, stderr := m.command([]string{"FAKE_BAZEL_SLEEP=1"}, "build", "//slow")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			m.waitFor("build //slow\n")
			if err := cmd.Process.Signal(row.signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != row.status {
				t.Errorf("got %v, want exit status %d\n%s", err, row.status, stderr)
			}
			mustHold(t, m.log(), row.want)
		})
	}
}

func TestWhatCanGoWrong(t *testing.T) {
	needsDebian(t)
	for _, row := range []struct {
		summary string
		env     []string
		want    []string
	}{
		{"not root", []string{"FAKE_UID=1000"}, []string{"only root can make a Debian root", "run bazelw as root, or install Bazelisk"}},
		{
			"a disk with too little room",
			[]string{"FAKE_FREE_KB=1048576"},
			[]string{"building the Debian root: disk full: ", "/home/.cache/rules_slimrpm has 1024 MB free, 6144 MB are needed", "hint: free some space, or set XDG_CACHE_HOME"},
		},
		{
			"a disk that fills up on the way",
			[]string{"FAKE_MMDEBSTRAP_ERROR=tar: write: No space left on device"},
			[]string{"building the Debian root: disk full: ", "needs 6144 MB", "hint: free some space, or set XDG_CACHE_HOME"},
		},
		{
			"a package that the mirror lacks",
			[]string{"FAKE_MMDEBSTRAP_ERROR=E: Failed to fetch http://mirror.test/debian/pool/main/u/umoci.deb  404  Not Found"},
			[]string{"pool/main/u/umoci.deb  404", "building the Debian root from \"deb ", "hint: a package that the mirror lacks"},
		},
		{"no Debian archive in apt's configuration", []string{"FAKE_NO_MIRROR=1"}, []string{"names no Debian archive", "set RULES_SLIMRPM_MIRROR"}},
		{"a cache directory with a space", []string{"XDG_CACHE_HOME=/tmp/a b"}, []string{"/tmp/a b/rules_slimrpm has a space", "set XDG_CACHE_HOME"}},
		{"a cache directory that cannot be made", []string{"XDG_CACHE_HOME=/proc/none"}, []string{"making the cache directory /proc/none", "set XDG_CACHE_HOME"}},
		{"a preparation that fails", []string{"FAKE_GO_FAILS=1"}, []string{"preparing third_party/airgap failed"}},
	} {
		t.Run(row.summary, func(t *testing.T) {
			m := newMachine(t)
			m.mustFail(row.env, row.want...)
			if strings.Contains(m.log(), "bazel in ") {
				t.Error("Bazel ran all the same")
			}
			if row.summary != "a preparation that fails" && len(m.glob("root-*/usr")) != 0 {
				t.Errorf("got a root: %v", m.glob("root-*"))
			}
		})
	}
}

func TestMirrorOfTheUser(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	m.mustRun([]string{"RULES_SLIMRPM_MIRROR=http://other.test/debian", "FAKE_NO_MIRROR=1"}, "build")
	mustHold(t, m.log(), "deb http://other.test/debian sid main\n")
}

func TestMissingProgramsAreInstalled(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	if err := os.Rename(filepath.Join(m.bin, "mmdebstrap"), filepath.Join(m.bin, "mmdebstrap.later")); err != nil {
		t.Fatal(err)
	}
	m.mustFail([]string{"FAKE_INSTALL_FAILS=1"}, "E: Unable to locate package mmdebstrap", "hint: apt-get install mmdebstrap")
	mustHold(t, m.mustRun(nil, "build"), "installing mmdebstrap on this machine")
	mustHold(t, m.log(), "apt-get install -y --no-install-recommends", " mmdebstrap\n", "mmdebstrap --mode=root")
}

func TestWithoutHome(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	home := filepath.Join(filepath.Dir(m.home), "home of passwd")
	home = strings.ReplaceAll(home, " ", "_")
	m.program("getent", "#!/bin/sh\necho root:x:0:0:root:"+home+":/bin/sh\n")
	m.mustRun([]string{"HOME="}, "build")
	mustHold(t, m.log(), "--output_user_root="+home+"/.cache/rules_slimrpm/bazel-")
}

func TestCleanRoot(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	m.mustRun(nil, "--clean-root")
	m.mustRun(nil, "build")
	mustHold(t, m.mustRun(nil, "--clean-root"), "removed everything in "+m.cache())
	if left := m.glob("*"); len(left) != 1 || filepath.Base(left[0]) != "lock" {
		t.Errorf("got %v, want nothing but the lock", left)
	}
	mustHold(t, m.mustRun(nil, "build"), "building a Debian root")
}
