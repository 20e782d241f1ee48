// Package smoke is what the smoke tests of variants are written with: it runs the image that Bazel names, and every helper fails
// when it sees nothing.
//
// Bazel's image_smoke_test says what to run by environment variables; with them set by hand, `go test` does the same:
//
//	SMOKE_IMAGE           OCI layout
//	SMOKE_ARCH            OCI architecture: amd64, arm64
//	SMOKE_RELEASE         release that the image is made of
//	SMOKE_IMAGE_<NAME>    OCI layout of a further image
//	SMOKE_PROGRAM_<NAME>  static program for SMOKE_ARCH; without it the go command compiles the folder of that name
//	SMOKE_CGO_PROGRAM_<NAME>  the same with cgo, for the machine
//
// Paths are relative to Bazel's runfiles, or absolute.
package smoke

import (
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
)

// Image is an unpacked image that a test runs. Its processes end with the test.
type Image struct {
	*imagerun.Image
	Release string
}

// Open unpacks the image under test, for this test alone; its subtests share what processes write. Without an image, or where none can be
// run, it skips the test and says why.
func Open(t testing.TB) *Image {
	t.Helper()
	return open(t, "SMOKE_IMAGE")
}

// OpenNamed unpacks a further image, which the variant's smoke test names.
func OpenNamed(t testing.TB, name string) *Image {
	t.Helper()
	return open(t, variable("SMOKE_IMAGE_", name))
}

func variable(prefix, name string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func open(t testing.TB, name string) *Image {
	t.Helper()
	layout, arch := os.Getenv(name), os.Getenv("SMOKE_ARCH")
	if layout == "" && os.Getenv("SMOKE_IMAGE") == "" {
		t.Skip("no image: Bazel names it ($SMOKE_IMAGE, $SMOKE_ARCH); run ./bazelw test //variants/<name>:<release>_<arch>_smoke_test")
	}
	if layout == "" {
		t.Fatalf("$%s is not set", name)
	}
	if reason := imagerun.Unusable(); reason != "" {
		t.Skipf("%s; not run: %s (%s)", reason, layout, arch)
	}
	image := OpenLayout(t, runfile(layout), arch)
	if name == "SMOKE_IMAGE" {
		passes.watch(t, runfile(layout), arch)
	}
	return image
}

// OpenLayout unpacks an image of a layout.
func OpenLayout(t testing.TB, layout, arch string) *Image {
	t.Helper()
	dir, err := os.MkdirTemp(os.Getenv("TEST_TMPDIR"), "smoke-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	image, err := imagerun.Open(layout, arch, dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Image{image, os.Getenv("SMOKE_RELEASE")}
}

// runfile finds what Bazel names relative to the runfiles of the test, in whose subfolder the test runs.
func runfile(path string) string {
	if root := os.Getenv("TEST_SRCDIR"); root != "" && !filepath.IsAbs(path) {
		return filepath.Join(root, os.Getenv("TEST_WORKSPACE"), path)
	}
	return path
}

// Program is a static program of the test for the architecture of the image: the folder of this name beside the test, compiled.
func Program(t testing.TB, name string) string {
	t.Helper()
	return program(t, "SMOKE_PROGRAM_", name, "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+os.Getenv("SMOKE_ARCH"))
}

// CgoProgram is a program that uses cgo, and by it the C library of the image. It is for the architecture of the machine.
func CgoProgram(t testing.TB, name string) string {
	t.Helper()
	return program(t, "SMOKE_CGO_PROGRAM_", name, "CGO_ENABLED=1")
}

func program(t testing.TB, prefix, name string, environment ...string) string {
	t.Helper()
	if path := os.Getenv(variable(prefix, filepath.Base(name))); path != "" {
		path, err := filepath.Abs(runfile(path))
		if err != nil {
			t.Fatal(err)
		}
		// runc mounts what a link leads to, but Bazel's may lead through links that it refuses to follow.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			t.Fatal(err)
		}
		return forAll(t, path)
	}
	path := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", path, "./"+name)
	build.Env = append(os.Environ(), environment...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compiling %s: %v\n%s", name, err, out)
	}
	return path
}

// forAll is a program that every user may run: what Bazel takes from a cache is for its owner alone.
func forAll(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o001 != 0 {
		return path
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := errors.Join(os.WriteFile(own, data, 0o755), os.Chmod(own, 0o755)); err != nil {
		t.Fatal(err)
	}
	return own
}

// NativeOnly skips a test under emulation and prints why. It comes before Open, which need not unpack the image then.
func NativeOnly(t testing.TB, reason string) {
	t.Helper()
	if arch := os.Getenv("SMOKE_ARCH"); arch != "" && arch != runtime.GOARCH {
		t.Skipf("not run under emulation (%s): %s", arch, reason)
	}
}

// StartsPrograms lets processes of the rest of a test start other programs of the image under emulation too; where the machine cannot, it
// skips the rest and prints why.
func (i *Image) StartsPrograms(t testing.TB) {
	t.Helper()
	if err := i.EmulateAll(); err != nil {
		t.Skipf("not run under emulation (%s): qemu-user cannot start other programs of the image, and %v", i.Arch, err)
	}
	t.Cleanup(i.Close)
}

// Run runs a process to its end, whatever its exit status is.
func (i *Image) Run(t testing.TB, p imagerun.Process) imagerun.Result {
	t.Helper()
	r, err := i.Image.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Output runs a process that must exit with 0 and say something, and returns its stdout and stderr.
func (i *Image) Output(t testing.TB, p imagerun.Process) string {
	t.Helper()
	r := i.Run(t, p)
	if r.Exit != 0 {
		t.Fatalf("%s: exit status %d\n%s", strings.Join(p.Args, " "), r.Exit, r.Output())
	}
	if strings.TrimSpace(r.Output()) == "" {
		t.Fatalf("%s: no output, which proves nothing", strings.Join(p.Args, " "))
	}
	return r.Output()
}

// Succeed runs a process that must exit with 0, and may be silent.
func (i *Image) Succeed(t testing.TB, p imagerun.Process) {
	t.Helper()
	if r := i.Run(t, p); r.Exit != 0 {
		t.Fatalf("%s: exit status %d\n%s", strings.Join(p.Args, " "), r.Exit, r.Output())
	}
}

// Match runs a process that must exit with 0, and whose stdout and stderr must match a regular expression. It returns both.
func (i *Image) Match(t testing.TB, p imagerun.Process, pattern string) string {
	t.Helper()
	out := i.Output(t, p)
	if !regexp.MustCompile(pattern).MatchString(out) {
		t.Fatalf("%s: output does not match %q:\n%s", strings.Join(p.Args, " "), pattern, out)
	}
	return out
}

// Fail runs a process that must exit with another status than 0, and for the reason that a regular expression of stdout and stderr tells.
func (i *Image) Fail(t testing.TB, p imagerun.Process, pattern string) {
	t.Helper()
	r := i.Run(t, p)
	if r.Exit == 0 {
		t.Fatalf("%s: exit status 0, want a failure\n%s", strings.Join(p.Args, " "), r.Output())
	}
	if strings.TrimSpace(r.Output()) == "" || !regexp.MustCompile(pattern).MatchString(r.Output()) {
		t.Fatalf("%s: exit status %d, but output does not match %q:\n%s", strings.Join(p.Args, " "), r.Exit, pattern, r.Output())
	}
}

// Start starts a process that must be ready (probe without an error) within a time, a minute when none is given. What still runs when the
// test ends is killed.
func (i *Image) Start(t testing.TB, p imagerun.Process, timeout time.Duration, probe func() error) *imagerun.Running {
	t.Helper()
	r, err := i.Image.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kill)
	if timeout == 0 {
		timeout = time.Minute
	}
	if err := r.Ready(timeout, probe); err != nil {
		t.Fatal(err)
	}
	return r
}

// NotRoot demands that a process neither is root nor has a capability.
func NotRoot(t testing.TB, r *imagerun.Running) {
	t.Helper()
	status, err := r.Status()
	if err != nil {
		t.Fatal(err)
	}
	if len(status["Uid"]) != 4 || slices.Contains(status["Uid"], "0") || slices.Contains(status["Gid"], "0") {
		t.Fatalf("the server runs as root: Uid %q, Gid %q", status["Uid"], status["Gid"])
	}
	if effective := strings.Join(status["CapEff"], ""); strings.Trim(effective, "0") != "" || effective == "" {
		t.Fatalf("the server has capabilities: %q", effective)
	}
}

// NoShell demands that the image has no shell: none is there by name, and starting /bin/sh fails because it is not there.
func (i *Image) NoShell(t testing.TB) {
	t.Helper()
	if err := i.CheckNoShell(); err != nil {
		t.Fatal(err)
	}
}

// NewNetwork makes a network namespace for processes and servers of a test.
func NewNetwork(t testing.TB) *imagerun.Network {
	t.Helper()
	n, err := imagerun.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// Serve answers HTTP requests in a network namespace until the test ends. With a configuration it speaks TLS.
func Serve(t testing.TB, n *imagerun.Network, address string, config *tls.Config, handler http.Handler) {
	t.Helper()
	listener, err := n.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}

// File is where a file beside the test lies, which Bazel has among its data, for a mount.
func File(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteFile writes a file for a mount, readable for every user.
func WriteFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
