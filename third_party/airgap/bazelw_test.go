// Package airgap tests ./bazelw from outside: each test runs it in a workspace and a cache directory of its own, with
// a PATH that holds the tools it may use and programs that stand in for apt, mmdebstrap, bwrap, Go and Bazel and write
// down how they were called.
package airgap

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools are what bazelw may take from the machine.
var tools = []string{
	"awk", "cat", "chmod", "cp", "cut", "date", "dirname", "env", "find", "flock", "getent", "grep", "head", "id", "mkdir", "mv",
	"paste", "readlink", "rm", "sed", "sh", "sha256sum", "sleep", "sort", "tail", "timeout", "touch", "tr", "xargs",
}

// Programs that stand in for real ones. $LOG is a file that they append their calls to.
const (
	recordBazel = `#!/bin/sh
[ "$1" != --version ] || { echo "bazel ${FAKE_BAZEL_VERSION:-7.7.1}"; exit 0; }
echo "bazel in $PWD:" "$@" >>"$LOG"
[ -z "${SLIMRPM_SCANNERS-}" ] || echo "scanners: $SLIMRPM_SCANNERS" >>"$LOG"
[ -z "${FAKE_BAZEL_SLEEP-}" ] || { trap 'echo "bazel got INT" >>"$LOG"; exit 8' INT; trap 'echo "bazel got TERM" >>"$LOG"; exit 9' TERM
i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done; }
exit "${FAKE_BAZEL_STATUS:-0}"
`
	// Answers like the registry, or not.
	fakeCurl = `#!/bin/sh
echo "curl" "$@" >>"$LOG"
exit "${FAKE_CURL_STATUS:-7}"
`
	fakeDf = `#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "fake 1 1 ${FAKE_FREE_KB:-99999999} 1% /"
`
	fakeID  = "#!/bin/sh\necho ${FAKE_UID:-0}\n"
	fakeApt = `#!/bin/sh
echo "apt-get" "$@" >>"$LOG"
case $1 in
indextargets) [ -n "${FAKE_NO_MIRROR-}" ] || printf 'Repo-URI: http://mirror.test/debian/\nSourcesentry: %s:1\n' "$FAKE_SOURCES" ;;
install) [ -z "${FAKE_INSTALL_FAILS-}" ] || { echo "E: Unable to locate package mmdebstrap" >&2; exit 100; }
	mv "$FAKE_BIN/mmdebstrap.later" "$FAKE_BIN/mmdebstrap" ;;
esac
`
	fakeAptConfig = "#!/bin/sh\necho 'Acquire::http::Proxy \"http://proxy.test:3128\";'\necho 'APT::Architecture \"amd64\";'\n"
	// setpriv and unshare need rights that a test does not have.
	execAfterDashes = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n"
	fakeMmdebstrap  = `#!/bin/sh
echo "mmdebstrap" "$@" >>"$LOG"
for arg; do case $arg in --aptopt=/*) echo "aptopt: $(cat "${arg#--aptopt=}")" >>"$LOG" ;; esac; done
while [ $# -gt 2 ]; do shift; done
partial=$1
mkdir -p "$partial"
echo "I: downloading packages with apt..." >&2
[ -z "${FAKE_MMDEBSTRAP_SLEEP-}" ] || sleep "$FAKE_MMDEBSTRAP_SLEEP"
[ -z "${FAKE_MMDEBSTRAP_ERROR-}" ] || { echo "$FAKE_MMDEBSTRAP_ERROR" >&2; exit 25; }
mkdir "$partial/usr"
echo "I: success" >&2
`
	// Runs the command as if in the root, where bazel and go are: as a child, like bwrap.
	fakeBwrap = `#!/bin/sh
while [ "$1" != -- ]; do [ "$1" != --chdir ] || cd "$2"; shift; done
shift
PATH=$FAKE_ROOT_BIN:$PATH
"$@" &
wait $!
`
	fakeGo = `#!/bin/sh
if [ "$1" = build ]; then
	echo "go in ${PWD##*/}:" "$@" >>"$LOG"
	[ -z "${FAKE_BUILD_FAILS-}" ] || exit 1
	while [ "$1" != -o ]; do shift; done
	mkdir -p "$2" && : >"$2/${PWD##*/}"
	exit
fi
[ "$1" = run ] || exit 0
echo "go" "$@" >>"$LOG"
[ -z "${FAKE_GO_SLEEP-}" ] || sleep "$FAKE_GO_SLEEP"
[ -z "${FAKE_GO_FAILS-}" ] || exit 1
for arg; do
	case $arg in --out=*) mkdir "${arg#--out=}" && echo "common --noop" >"${arg#--out=}/bazelrc" ;; esac
done
`
)

// machine is a workspace, a cache directory and a PATH.
type machine struct {
	t                    *testing.T
	workspace, home, bin string
	env                  []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, workspace: filepath.Join(dir, "work space"), home: filepath.Join(dir, "home"), bin: filepath.Join(dir, "bin")}
	rootBin := filepath.Join(dir, "rootbin")
	for _, d := range []string{m.workspace + "/sub/dir", m.home, m.bin, rootBin, m.workspace + "/third_party"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range tools {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skipf("bazelw needs %s, which this machine lacks: %v", tool, err)
		}
		if err := os.Symlink(path, filepath.Join(m.bin, tool)); err != nil {
			t.Fatal(err)
		}
	}
	m.copyIn("../../bazelw", "bazelw")
	for _, f := range []string{"root.packages", "root.bazelrc", "prepare/main.go"} {
		m.copyIn(f, "third_party/airgap/"+f)
	}
	m.write("third_party/airgap/modules/zlib/MODULE.bazel", "module()\n")
	m.write("third_party/airgap/rules_oci/go.mod", "module r\n")
	m.write("third_party/airgap/rules_oci/go.sum", "")
	m.write("go.mod", "module m\n")
	m.write("go.sum", "")
	m.program("curl", fakeCurl)
	m.program("df", fakeDf)
	m.program("id", fakeID)
	m.program("apt-get", fakeApt)
	m.program("apt-config", fakeAptConfig)
	m.program("setpriv", execAfterDashes)
	m.program("unshare", execAfterDashes)
	m.program("mmdebstrap", fakeMmdebstrap)
	m.program("bwrap", fakeBwrap)
	m.program("mount", "#!/bin/sh\n")
	writeProgram(t, filepath.Join(rootBin, "bazel"), recordBazel)
	writeProgram(t, filepath.Join(rootBin, "go"), fakeGo)
	sources := filepath.Join(dir, "debian.sources")
	if err := os.WriteFile(sources, []byte("Types: deb\nSigned-By: /keys/debian.gpg\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.env = []string{
		"PATH=" + m.bin, "HOME=" + m.home, "LOG=" + filepath.Join(dir, "log"), "FAKE_BIN=" + m.bin, "FAKE_ROOT_BIN=" + rootBin,
		"FAKE_SOURCES=" + sources,
	}
	return m
}

func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	// A link to a real tool may be in the place.
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) program(name, text string) { writeProgram(m.t, filepath.Join(m.bin, name), text) }

func (m *machine) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.workspace, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) copyIn(source, name string) {
	m.t.Helper()
	data, err := os.ReadFile(source)
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(name, string(data))
	if err := os.Chmod(filepath.Join(m.workspace, name), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) cache() string { return filepath.Join(m.home, ".cache", "rules_slimrpm") }

// log gives the calls so far.
func (m *machine) log() string {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(m.home), "log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.t.Fatal(err)
	}
	return string(data)
}

// glob gives what is in the cache directory.
func (m *machine) glob(pattern string) []string {
	m.t.Helper()
	paths, err := filepath.Glob(filepath.Join(m.cache(), pattern))
	if err != nil {
		m.t.Fatal(err)
	}
	return paths
}

// command is bazelw with the arguments; env adds to the machine's environment.
func (m *machine) command(env []string, args ...string) (*exec.Cmd, *strings.Builder) {
	cmd := exec.Command(filepath.Join(m.workspace, "bazelw"), args...)
	cmd.Dir = m.workspace
	cmd.Env = append(append([]string{}, m.env...), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	// Programs that outlive a killed bazelw keep its error output open.
	cmd.WaitDelay = 200 * time.Millisecond
	return cmd, &stderr
}

// run runs bazelw and gives what it says and its exit status.
func (m *machine) run(env []string, args ...string) (stderr string, status int) {
	m.t.Helper()
	cmd, out := m.command(env, args...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		m.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// mustRun runs bazelw, which has to succeed.
func (m *machine) mustRun(env []string, args ...string) string {
	m.t.Helper()
	stderr, status := m.run(env, args...)
	if status != 0 {
		m.t.Fatalf("bazelw %q: exit status %d\n%s%s", args, status, stderr, m.log())
	}
	return stderr
}

// mustFail runs bazelw, which has to fail with all the texts.
func (m *machine) mustFail(env []string, want ...string) {
	m.t.Helper()
	stderr, status := m.run(env, "build", "//x")
	if status == 0 {
		m.t.Errorf("bazelw succeeded, want an error with %q\n%s", want, stderr)
	}
	mustHold(m.t, stderr, want...)
}

func mustHold(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("got\n%s\nwant it to hold %q", text, w)
		}
	}
}

func needsDebian(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile("/etc/os-release")
	if err != nil || !strings.Contains(string(data), "debian") {
		t.Skip("bazelw makes its root on Debian and Ubuntu only; this machine is neither")
	}
}

// waitFor waits until the log holds the text.
func (m *machine) waitFor(text string) {
	m.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(m.log(), text) {
			return
		}
	}
	m.t.Fatalf("waited for %q; the log is\n%s", text, m.log())
}

var online = []string{"FAKE_CURL_STATUS=0"}

func TestBazelOfTheUser(t *testing.T) {
	for _, row := range []struct {
		summary  string
		programs []string // beside the tools
		env      []string
		want     string // program that runs, or part of the message
	}{
		{"$BAZEL comes first", []string{"mine", "bazelisk", "bazel"}, []string{"BAZEL=mine"}, "mine"},
		{"bazelisk is preferred to bazel", []string{"bazelisk", "bazel"}, nil, "bazelisk"},
		{"bazel of PATH is taken", []string{"bazel"}, nil, "bazel"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			m := newMachine(t)
			for _, name := range row.programs {
				m.program(name, strings.ReplaceAll(recordBazel, "bazel in", name+" in"))
			}
			stderr := m.mustRun(append(row.env, online...), "build", "//a b", "--x=*")
			mustHold(t, m.log(), row.want+" in "+m.workspace+": build //a b --x=*\n")
			if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "bazelw: registry mode: ") {
				t.Errorf("got messages\n%s\nwant the one line with the mode", stderr)
			}
		})
	}
}

func TestBazelOfTheUserIsNone(t *testing.T) {
	m := newMachine(t)
	m.mustFail([]string{"BAZEL=/no/such/bazel"}, `BAZEL is "/no/such/bazel"`, "hint: unset BAZEL")
}

func TestOldBazelIsIgnored(t *testing.T) {
	needsDebian(t)
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("bwrap", strings.Replace(fakeBwrap, "PATH=", "FAKE_BAZEL_VERSION=;PATH=", 1))
	stderr := m.mustRun([]string{"FAKE_BAZEL_VERSION=4.2.3"}, "build")
	mustHold(t, stderr, "bazel, which is older than Bazel 7", "air-gapped mode, no module registry: Bazel of "+m.cache())
}

func TestBazelOfTheUserWithoutRegistry(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.mustFail(nil, "there is no go in PATH")
	m.program("go", fakeGo)
	mustHold(t, m.mustRun(nil, "build", "//x"), "bazelw: air-gapped mode, no module registry: ")
	mustHold(t, m.log(), "bazel in "+m.workspace+": --bazelrc="+m.cache()+"/airgap-", ".bazelrc build //x\n")
	rc := m.glob("airgap-*/workspace-*.bazelrc")
	if len(rc) != 1 {
		t.Fatalf("got configurations %v, want one", rc)
	}
	data, err := os.ReadFile(rc[0])
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, string(data), "common --noop\n", `common "--override_module=rules_oci=`+m.workspace+`/third_party/airgap/rules_oci"`)
}

func TestUpdateOfDebrpm(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("go", fakeGo)
	m.write("variants/releases/debrpm/rpms.yaml", "release: debrpm\n")
	m.write("tools/rpmlock/main.go", "package main\n")
	m.write("tools/internal/cli/cli.go", "package cli\n")
	m.write("third_party/debrpm/mapping.yaml", "")
	writeProgram(t, filepath.Join(m.workspace, "third_party/debrpm/prepare"), `#!/bin/sh
echo "prepare" "$@" >>"$LOG"
for arg; do
	case $arg in --out=*) mkdir -p "${arg#--out=}" && echo "made by $*" >"${arg#--out=}/rpms.lock.json" ;; esac
done
`)
	m.mustRun(nil, "build", "//x")
	m.mustRun(nil, "build", "//x")
	if n := strings.Count(m.log(), "prepare --out="); n != 1 || strings.Contains(m.log(), "--update") {
		t.Errorf("prepare ran %d times, want once and without --update:\n%s", n, m.log())
	}
	update := []string{"RULES_SLIMRPM_UPDATE_DEBRPM=1"}
	said := m.mustRun(update, "build", "//x")
	before := m.glob("debrpm-*.before.json")
	if len(before) != 1 {
		t.Fatalf("got %v, want the lock as it was", before)
	}
	mustHold(t, said, "bazelw: its lock as it was: "+before[0])
	mustHold(t, m.log(), " --update\n")
	data, err := os.ReadFile(before[0])
	if err != nil || strings.Contains(string(data), "--update") {
		t.Errorf("the lock as it was is %q (%v)", data, err)
	}
}

func TestModes(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("go", fakeGo)
	mustHold(t, m.mustRun(nil, "build"), "air-gapped mode")
	mustHold(t, m.mustRun(online, "build"), "air-gapped mode")
	if n := strings.Count(m.log(), "curl "); n != 1 {
		t.Errorf("asked the registry %d times, want once: the answer is kept", n)
	}
	mustHold(t, m.mustRun([]string{"RULES_SLIMRPM_MODE=registry"}, "build"), "registry mode")
	mustHold(t, m.mustRun(nil, "build"), "air-gapped mode")
	m.mustFail([]string{"RULES_SLIMRPM_MODE=offline"}, `RULES_SLIMRPM_MODE is "offline", want registry or airgap`)

	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(filepath.Join(m.cache(), "registry"), old, old); err != nil {
		t.Fatal(err)
	}
	mustHold(t, m.mustRun(online, "build"), "registry mode")
	if err := os.Chtimes(filepath.Join(m.cache(), "registry"), old, old); err != nil {
		t.Fatal(err)
	}
	mustHold(t, m.mustRun(nil, "build"), "registry mode")
	if n := strings.Count(m.log(), "curl "); n != 2 {
		t.Errorf("asked the registry %d times, want twice: after a day a missing one is asked again, a present one is not", n)
	}
}

func TestRegistryOfTheWorkspaceIsAsked(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.write(".bazelrc", "common --registry=https://registry.test/modules/\n")
	m.mustRun(online, "build")
	mustHold(t, m.log(), "https://registry.test/modules/bazel_registry.json\n")
}

func TestScannersAreBuiltOnceForTestsOfAllImages(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("go", fakeGo)
	for _, module := range []string{"anchore", "scalibr"} {
		m.write("tools/scanners/"+module+"/go.mod", "module "+module+"\n")
	}
	for _, args := range [][]string{{"build", "//..."}, {"test", "//variants/nginx:all"}, {"test", "//tools/..."}} {
		m.mustRun(nil, args...)
	}
	if strings.Contains(m.log(), "go in") || strings.Contains(m.log(), "scanners:") {
		t.Errorf("got\n%s\nwant no scanners for builds and tests of something else", m.log())
	}
	mustHold(t, m.mustRun([]string{"FAKE_BUILD_FAILS=1"}, "test", "//..."), "warning: scanners could not be built")
	if len(m.glob("scanners-*")) != 0 {
		t.Errorf("got %v, want nothing half built", m.glob("scanners-*"))
	}
	mustHold(t, m.mustRun(nil, "test", "--config=ci", "//..."), "building syft, grype, go-rpmdb and osv-scalibr")
	built := m.glob("scanners-*/*")
	if len(built) != 2 || len(m.glob("*.partial")) != 0 {
		t.Fatalf("got %v, want anchore and scalibr", m.glob("*"))
	}
	mustHold(t, m.log(), "go in anchore: build ", "go in scalibr: build ", "scanners: "+filepath.Dir(built[0])+"\n")
	if again := m.mustRun(nil, "test", "//variants/..."); strings.Contains(again, "building") {
		t.Errorf("built again:\n%s", again)
	}
	m.mustRun([]string{"SLIMRPM_SCANNERS=/mine"}, "test", "//variants/...")
	mustHold(t, m.log(), "scanners: /mine\n")
}

func TestScannersByThemselves(t *testing.T) {
	m := newMachine(t)
	m.program("bazel", recordBazel)
	m.program("go", fakeGo)
	m.write("tools/scanners/anchore/go.mod", "module a\n")
	if _, status := m.run([]string{"FAKE_BUILD_FAILS=1"}, "--scanners"); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	m.mustRun(nil, "--scanners")
	m.write("tools/scanners/anchore/go.sum", "a sum\n")
	m.mustRun(nil, "--scanners")
	if got := m.glob("scanners-*/anchore"); len(got) != 2 {
		t.Errorf("got %v, want one for each state of the modules", got)
	}
	if strings.Contains(m.log(), "bazel in") {
		t.Errorf("Bazel ran:\n%s", m.log())
	}
}

func TestShellcheck(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("this machine has no shellcheck")
	}
	if out, err := exec.Command(shellcheck, "../../bazelw").CombinedOutput(); err != nil {
		t.Errorf("shellcheck bazelw: %v\n%s", err, out)
	}
}
