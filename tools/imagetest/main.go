// Imagetest runs an image and asks real programs about it: umoci unpacks it, runc executes commands in it (under
// qemu-user when the image is of another architecture), skopeo reads its configuration, rpm reads and verifies its
// package database, scanners find packages, and every path on disk is compared with tree.json.
//
// It is a Bazel test driver, never part of a build. It needs root, and the programs named above on PATH; where they are
// missing it prints what was not checked and why, and passes.
//
// Usage:
//
//	imagetest --spec=spec.json
//
// Under Bazel the spec is named by the environment variable IMAGETEST_SPEC, because a rule can set no arguments of its test.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/verdict"
)

const maxSpecBytes = 1 << 20

// Spec says what an image must be and do. Paths are relative to the working directory (runfiles under Bazel).
type Spec struct {
	Image    string    `json:"image"` // OCI layout
	Arch     string    `json:"arch"`  // OCI architecture: amd64, arm64
	Tree     string    `json:"tree"`  // tree.json of the image
	Lock     string    `json:"lock"`  // rpms.lock.json of the release
	User     string    `json:"user"`  // expected config user, as written in the image
	NoShell  bool      `json:"no_shell"`
	Commands []Command `json:"commands"`
	// Modes are permission bits that files of the image must have, in octal: {"/bin/mount": "4755"}. Links are followed.
	Modes map[string]string `json:"modes"`
	// Scanners says that syft, grype, go-rpmdb and osv-scalibr must find exactly the packages of the tree.
	Scanners bool   `json:"scanners"`
	Golden   string `json:"golden"` // committed list of what is in the image, or ""
}

// Command is one process to run in the image.
type Command struct {
	Args   []string `json:"args"`
	Output string   `json:"output"` // regular expression that stdout+stderr must match
	Exit   int      `json:"exit"`
	// Capabilities are those that the process has beyond what the image's runtime configuration gives, such as CAP_NET_ADMIN.
	Capabilities []string `json:"capabilities"`
	// Emulated, when set, is what the command must say and exit with under emulation instead: where qemu-user lacks a system
	// call, the right complaint still proves that the program and its libraries load and run.
	Emulated *Outcome `json:"emulated"`
	// StartsPrograms tells that the command starts other programs of the image, which needs more than qemu-user under emulation.
	StartsPrograms bool `json:"starts_programs"`
	// NativeOnly, when not empty, is the reason why the command is not run under emulation.
	NativeOnly string `json:"native_only"`
}

// Outcome is what a command says, as a regular expression, and exits with.
type Outcome struct {
	Output string `json:"output"`
	Exit   int    `json:"exit"`
}

func main() { cli.Main("imagetest", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("imagetest")
	specPath := fs.String("spec", os.Getenv("IMAGETEST_SPEC"), "what to test")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	file, err := os.Open(*specPath)
	if err != nil {
		return fmt.Errorf("reading spec: %w", err)
	}
	defer file.Close()
	var spec Spec
	if err := strictjson.Decode(file, maxSpecBytes, &spec); err != nil {
		return fmt.Errorf("reading spec %s: %w", *specPath, err)
	}
	if reason := unusable(); reason != "" {
		fmt.Printf("SKIP: %s; not checked: unpacking, running, rpm -qa, rpm -V, skopeo inspect of %s (%s)\n", reason, spec.Image, spec.Arch)
		return nil
	}
	dir, err := os.MkdirTemp(os.Getenv("TEST_TMPDIR"), "imagetest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &tester{spec: spec, dir: dir}
	return t.all()
}

// unusable says why nothing can be tested on this machine, or nothing.
func unusable() string {
	for _, program := range []string{"skopeo", "rpm"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not on PATH"
		}
	}
	return imagerun.Unusable()
}

type tester struct {
	spec   Spec
	dir    string
	image  *imagerun.Image
	root   string // where it is unpacked
	failed []error
	passed int
}

func (t *tester) all() error {
	type step struct {
		name string
		run  func() error
	}
	steps := []step{
		{"select manifest", t.selectManifest},
		{"umoci unpack", t.unpack},
		{"tree.json equals the unpacked tree", t.compareTree},
		{"modes are as demanded", func() error { return checkModes(t.rootfs(), t.spec.Modes) }},
		{"skopeo inspect", t.skopeo},
		{"rpm reads a read-only mount", t.rpmReadOnly}, // first, before an rpm that may write had the database
		{"rpm -qa equals the lock", t.rpmList},
		{"rpm -V is silent", t.rpmVerify},
		{"ld.so.cache equals that of ldconfig", t.ldconfig},
		{"no shell", t.noShell},
	}
	if t.spec.Scanners {
		steps = append(steps, step{"scanners find the packages", t.scanners})
	}
	for i, step := range steps {
		err := step.run()
		t.record(step.name, err)
		if err != nil && i < 2 {
			break
		}
	}
	if t.root != "" {
		for _, c := range t.spec.Commands {
			t.runCommand(c)
		}
		t.record("rpm and dnf query and rebuild the database", t.rpmQueries())
	}
	if len(t.failed) > 0 {
		return fmt.Errorf("%s (%s): %w", t.spec.Image, t.spec.Arch, errors.Join(t.failed...))
	}
	return t.leaveVerdict()
}

// leaveVerdict writes the proof that this image has passed to where Bazel keeps the outputs of tests.
func (t *tester) leaveVerdict() error {
	dir := os.Getenv("TEST_UNDECLARED_OUTPUTS_DIR")
	if dir == "" {
		return nil
	}
	digest, err := verdict.LayoutDigest(t.spec.Image)
	if err != nil {
		return err
	}
	return verdict.Write(dir, verdict.Verdict{Test: os.Getenv("TEST_TARGET"), Digest: digest, Arch: t.spec.Arch, Checks: t.passed})
}

func (t *tester) record(name string, err error) {
	if err != nil {
		fmt.Printf("FAIL %s\n%s\n", name, err)
		t.failed = append(t.failed, fmt.Errorf("%s: %w", name, err))
		return
	}
	t.passed++
	fmt.Printf("ok   %s\n", name)
}

func (t *tester) selectManifest() (err error) {
	t.image, err = imagerun.Select(t.spec.Image, t.spec.Arch, t.dir)
	return err
}

// output runs a host program and returns its stdout; stderr goes into the error.
func output(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("running %s %s: %w\n%s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

func (t *tester) unpack() error {
	err := t.image.Unpack()
	t.root = t.image.Rootfs()
	return err
}

func (t *tester) rootfs() string { return t.root }
