// Package update tests the script daily: with the real rpmlock, repositories that createrepo_c and modifyrepo_c make, and a bare
// repository of git. Bazel is played by the test itself.
package update

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

const fake = "UPDATE_TEST_BAZEL"

func TestMain(m *testing.M) {
	if os.Getenv(fake) == "" {
		os.Exit(m.Run())
	}
	if err := playBazel(os.Args[1:]); err != nil {
		var status *exec.ExitError
		if errors.As(err, &status) {
			os.Exit(status.ExitCode())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// playBazel does what the targets of a workspace do that daily runs. Everything is relative to the workspace.
func playBazel(args []string) error {
	if err := appendFile(os.Getenv(fake), strings.Join(args[:2], " ")+"\n"); err != nil {
		return err
	}
	release := "variants/releases/test/"
	verb, isRelease := strings.CutPrefix(args[1], "//variants/releases/test:")
	switch {
	case args[0] == "test":
		_, err := os.Stat(os.Getenv(fake) + ".broken")
		if err == nil {
			return errors.New("//variants/tool:test_amd64_test FAILED")
		}
		return nil
	case args[1] == "//variants:update_goldens":
		data, err := os.ReadFile(release + "rpms.lock.json")
		if err != nil {
			return err
		}
		var nevras strings.Builder
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, `"nevra"`) {
				nevras.WriteString(line)
			}
		}
		return os.WriteFile("golden.txt", []byte(nevras.String()), 0o644)
	case args[1] == "//tools/gosdk":
		return playGosdk(args[3])
	case isRelease:
		images := os.Getenv(fake) + ".images.json"
		if err := writeInventory(release+"rpms.lock.json", images); err != nil {
			return err
		}
		cmd := exec.Command(os.Getenv("RPMLOCK"), append([]string{verb, "--manifest=" + release + "rpms.yaml", "--lock=" + release + "rpms.lock.json",
			"--images=" + images, "--cache=" + os.Getenv(fake) + ".cache"}, args[3:]...)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
	return fmt.Errorf("nobody runs %q", args)
}

// playGosdk moves the version of a file: outdated exits with 10 while it says "old".
func playGosdk(verb string) error {
	data, err := os.ReadFile("go.txt")
	if err != nil {
		return err
	}
	if verb == "update" {
		return os.WriteFile("go.txt", []byte("new\n"), 0o644)
	}
	if string(data) == "old\n" {
		fmt.Println("1.26  1.26.4  1.26.11")
		os.Exit(10)
	}
	return nil
}

// writeInventory makes an image of all locked packages, and one of system-release alone.
func writeInventory(lock, out string) error {
	f, err := os.Open(lock)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := lockfile.Read(f, lock)
	if err != nil {
		return err
	}
	x := &inventory.Inventory{Schema: inventory.Schema, Release: "test"}
	tool, base := inventory.Image{Name: "tool", Arch: "x86_64"}, inventory.Image{Name: "base", Arch: "x86_64"}
	for _, p := range l.Architectures["x86_64"].Packages {
		entry := inventory.Package{Name: p.Name, Version: p.EVR(), Arch: p.Arch, SizeBytes: p.InstalledBytes}
		tool.Packages, tool.SizeBytes = append(tool.Packages, entry), tool.SizeBytes+p.InstalledBytes
		if p.Name == "system-release" {
			base.Packages = append(base.Packages, entry)
		}
	}
	x.Images = []inventory.Image{tool, base}
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(inventory.Write(w, x), w.Close())
}

func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// workspace is a checkout with a release, its remote, and a repository of packages.
type workspace struct {
	t        *testing.T
	dir      string
	checkout string
	env      []string
}

func newWorkspace(t *testing.T) *workspace {
	for _, program := range []string{"createrepo_c", "modifyrepo_c", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v; not checked: tools/update/daily (the root of ./bazelw has it)", err)
		}
	}
	script, err := filepath.Abs("daily")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &workspace{t: t, dir: dir, checkout: filepath.Join(dir, "checkout")}
	w.env = append(os.Environ(), "HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=n@example.com", "GIT_COMMITTER_NAME=n",
		"GIT_COMMITTER_EMAIL=n@example.com", "BAZEL="+self, fake+"="+filepath.Join(dir, "bazel"), "RPMLOCK="+rpmlock(t), "SCRIPT="+script)
	w.repository("openssl-libs 1", "tzdata 2026a", "system-release 1")
	w.sh(`git init --quiet --bare remote.git && git init --quiet -b main checkout && cd checkout && git remote add origin ../remote.git &&
		mkdir -p variants/releases/test variants/golang && echo new >go.txt`)
	manifest := fmt.Sprintf("schema: 1\nrelease: test\narchitectures: [x86_64]\nrpmdb: {backend: sqlite, path: /var/lib/rpm}\n"+
		"repositories: [{id: main, baseurl: %q, gpgcheck: false}]\ninstall: [openssl-libs, tzdata, system-release]\n", "file://"+filepath.Join(dir, "repo"))
	w.write("checkout/variants/releases/test/rpms.yaml", manifest)
	w.sh(`cd checkout && "$RPMLOCK" lock --manifest=variants/releases/test/rpms.yaml --lock=variants/releases/test/rpms.lock.json --cache=../cache &&
		"$BAZEL" run //variants:update_goldens && git add . && git commit --quiet -m first && git push --quiet origin main`)
	return w
}

// rpmlock is the program: Bazel names it, go test builds it.
func rpmlock(t *testing.T) string {
	if path := os.Getenv("RPMLOCK"); path != "" {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := filepath.Join(t.TempDir(), "rpmlock")
	if out, err := exec.Command("go", "build", "-o", path, "../rpmlock").CombinedOutput(); err != nil {
		t.Fatalf("building rpmlock: %v: %s", err, out)
	}
	return path
}

func (w *workspace) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

const advisory = `<updates><update from="a" status="final" type="security" version="1"><id>TEST-2026-1</id><title>openssl</title><severity>Important</severity>
<references><reference href="x" id="CVE-2026-1" type="cve"/></references>
<pkglist><collection short="c"><package name="openssl-libs" version="2" release="1" epoch="0" arch="x86_64"><filename>x.rpm</filename></package></collection></pkglist></update></updates>
`

// repository makes the next snapshot of the distribution, with packages "name version" beside those that it had.
func (w *workspace) repository(packages ...string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.dir, "repo"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	for _, text := range packages {
		name, version, _ := strings.Cut(text, " ")
		p := rpmtest.Package{Name: name, Version: version, Release: "1", Arch: "x86_64", BuildTime: 1700000000, Provides: []string{name + " = " + version + "-1"}}
		w.write("repo/"+p.NEVRA()+".rpm", string(rpmtest.Build(p)))
	}
	w.write("updateinfo.xml", advisory)
	w.sh("rm -rf repo/repodata && createrepo_c --quiet repo && modifyrepo_c --no-compress updateinfo.xml repo/repodata >/dev/null")
}

func (w *workspace) sh(script string) string {
	w.t.Helper()
	out, err := w.try(script)
	if err != nil {
		w.t.Fatalf("%s\n%v: %s", script, err, out)
	}
	return out
}

func (w *workspace) try(script string) (string, error) {
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

const propose = ` --propose='git push --quiet --force origin "$UPDATE_BRANCH" && cp "$UPDATE_SUMMARY" ../summary.md && echo "$UPDATE_TITLE" >../title'`

// daily runs the script with its proposal, and makes sure that the checkout is as it was.
func (w *workspace) daily(flags string) (string, error) {
	w.t.Helper()
	before := w.sh("cd checkout && git rev-parse HEAD && git symbolic-ref HEAD && git status --porcelain")
	out, err := w.try(`cd checkout && "$SCRIPT" --release=test ` + flags + propose)
	if after := w.sh("cd checkout && git rev-parse HEAD && git symbolic-ref HEAD && git status --porcelain"); after != before {
		w.t.Errorf("the checkout was\n%sand is\n%s", before, after)
	}
	return strings.ReplaceAll(out, w.dir, "DIR"), err
}

func (w *workspace) demand(text string, want ...string) {
	w.t.Helper()
	for _, line := range want {
		if !strings.Contains(text, line) {
			w.t.Errorf("got\n%s\nwant\n%s", text, line)
		}
	}
}

func TestDaily(t *testing.T) {
	w := newWorkspace(t)
	if out, err := w.daily(""); err != nil || out != "" {
		t.Errorf("nothing is due, and it says (%v)\n%s", err, out)
	}
	// Release metadata alone is nothing.
	w.repository("openssl-libs 1", "tzdata 2026a", "system-release 2")
	if out, err := w.daily(""); err != nil || out != "" {
		t.Errorf("release metadata is due (%v)\n%s", err, out)
	}

	w.repository("openssl-libs 2", "tzdata 2026b", "system-release 2")
	out, err := w.daily("--security")
	if err != nil {
		t.Fatal(err, out)
	}
	w.demand(out, "important  TEST-2026-1 (important; CVE-2026-1)", "daily: branch update/test: ")
	summary := w.sh("cat summary.md title")
	w.demand(summary, "| tool | openssl-libs | important | CVE-2026-1 | ", "| openssl-libs | 1-1 | 2-1 | x86_64 | ", "Unchanged: base", "variants: update test, security only")
	if strings.Contains(summary, "tzdata") {
		t.Errorf("--security moved tzdata:\n%s", summary)
	}
	changed := w.sh("cd remote.git && git log -1 --format=%B update/test && git diff --stat main update/test")
	w.demand(changed, "variants: update test, security only\n", "### Images of test\n", "golden.txt", "variants/releases/test/rpms.lock.json", "2 files changed")

	// The same change is in the open branch already: no obstacle, and no second proposal.
	w.sh("rm summary.md")
	out, err = w.daily("--security")
	if err != nil {
		t.Fatal(err, out)
	}
	w.demand(out, "daily: branch update/test of origin has this change already")
	if _, err := os.Stat(filepath.Join(w.dir, "summary.md")); err == nil {
		t.Error("the same change was proposed twice")
	}
	// Another change takes its place.
	out, err = w.daily("")
	if err != nil {
		t.Fatal(err, out)
	}
	w.demand(out, "daily: branch update/test of origin has another change, which this one replaces")
	w.demand(w.sh("cat summary.md"), "| tzdata | 2026a-1 | 2026b-1 |", "Only release metadata differs, not due: base (system-release 1-1 → 2-1)")

	// After the merge nothing is due.
	w.sh("cd checkout && git merge --quiet update/test && git push --quiet origin main")
	if out, err := w.daily(""); err != nil || out != "" {
		t.Errorf("after the merge it says (%v)\n%s", err, out)
	}
}

func TestDailyContent(t *testing.T) {
	w := newWorkspace(t)
	w.sh("cd checkout && echo old >go.txt && git commit --quiet -am old && git push --quiet origin main")
	if out, err := w.daily("--no-content"); err != nil || out != "" {
		t.Errorf("--no-content: %v\n%s", err, out)
	}
	out, err := w.daily("")
	if err != nil {
		t.Fatal(err, out)
	}
	w.demand(out, "1.26  1.26.4  1.26.11", "daily: updating Go")
	w.demand(w.sh("cd remote.git && git diff main update/test"), "-old", "+new")
}

func TestDailyFailures(t *testing.T) {
	w := newWorkspace(t)
	w.repository("openssl-libs 2", "tzdata 2026a", "system-release 1")
	w.sh("touch bazel.broken")
	out, err := w.daily("")
	if err == nil || strings.Contains(w.sh("cd remote.git && git branch"), "update") {
		t.Errorf("an update whose tests fail was proposed: %s", out)
	}
	w.demand(out, "//variants/tool:test_amd64_test FAILED", "daily: error: the tests of the update have failed", "daily: hint: the update is ", "update.patch")
	w.sh("rm bazel.broken")

	w.sh("touch checkout/mine")
	out, err = w.daily("")
	if err == nil {
		t.Error("a checkout with changes was used")
	}
	w.demand(out, "daily: error: the checkout has changes of its own")
	w.sh("rm checkout/mine")

	w.sh("mv repo away")
	if out, err = w.daily(""); err == nil {
		t.Error("a repository that is not there is no update")
	}
	w.demand(out, "rpmlock: error: ", "has failed with status 1")
	w.sh("mv away repo")

	for flags, want := range map[string]string{"--release=absent": "there is no release absent", "--frobnicate": `unexpected argument "--frobnicate"`} {
		if out, err = w.daily(flags); err == nil {
			t.Errorf("%s is fine", flags)
		}
		w.demand(out, "daily: error: "+want)
	}
	out, err = w.try(`cd checkout && "$SCRIPT" --release=test --propose=false`)
	if err == nil {
		t.Error("a proposal that fails is fine")
	}
	w.demand(out, "daily: error: proposing update/test has failed", "daily: hint: the branch is there; run the command again: false")
}
