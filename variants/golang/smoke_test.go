// Package golang_test compiles with the Go SDK of an image, without a network.
package golang_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// users are root and somebody whom no file of the image knows.
var users = []string{"0", "12345:12345"}

// module has a package of its own, an embedded file, a mistake in one package and bad form in one file.
var module = map[string]string{
	"go.mod":                "module example.test/m\n\ngo 1.25\n",
	"main.go":               "package main\n\nimport (\n\t\"crypto/sha256\"\n\t_ \"embed\"\n\t\"fmt\"\n\n\t\"example.test/m/double\"\n)\n\n//go:embed data.txt\nvar data string\n\nfunc main() { fmt.Printf(\"%s %d %x\\n\", data, double.Of(21), sha256.Sum256(nil)) }\n",
	"data.txt":              "embedded",
	"double/double.go":      "// Package double doubles.\npackage double\n\n// Of doubles n.\nfunc Of(n int) int { return 2 * n }\n",
	"double/double_test.go": "package double\n\nimport \"testing\"\n\nfunc TestOf(t *testing.T) {\n\tif Of(2) != 4 {\n\t\tt.Fatal(\"no\")\n\t}\n}\n",
	"broken/broken.go":      "package broken\n\nfunc f() int { return \"text\" }\n",
	"broken/ugly.go":        "package broken\nfunc  g( ){}\n",
}

const cgo = "package main\n\n/*\n#include <stdio.h>\nstatic void hello(int n) { printf(\"hello from C %d\\n\", n); fflush(stdout); }\n*/\nimport \"C\"\n\nfunc main() { C.hello(C.int(7)) }\n"

// sources writes a module where every user may read it.
func sources(t *testing.T, files map[string]string) imagerun.Mount {
	t.Helper()
	dir, err := os.MkdirTemp("", "golang-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return imagerun.Bind(dir, "/src")
}

// cache is a folder for /go that any user may write to, so that the standard library is compiled once.
func cache(t *testing.T) imagerun.Mount {
	t.Helper()
	dir, err := os.MkdirTemp("", "golang-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return imagerun.BindWritable(dir, "/go")
}

// process is the go command on /src, as a user, on a root filesystem that can be written below /go and /tmp only.
func process(user string, source, cache imagerun.Mount, args ...string) imagerun.Process {
	return imagerun.Process{
		Args: args, User: user, Cwd: "/src", ReadOnly: true, Timeout: 5 * time.Minute,
		Env:    []string{"GOPROXY=off", "GOFLAGS=-mod=readonly", "HOME=/nonexistent"},
		Mounts: []imagerun.Mount{source, cache, imagerun.Tmpfs("/tmp", "mode=1777", "exec")},
	}
}

// TestSDK: the version is the one that the SDK's own file says, and the environment is the documented one, for any user.
func TestSDK(t *testing.T) {
	image := smoke.Open(t)
	data, err := os.ReadFile(filepath.Join(image.Rootfs(), "usr/local/go/VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(data), "\n")
	if !regexp.MustCompile(`^go1\.[0-9]+\.[0-9]+$`).MatchString(version) {
		t.Fatalf("VERSION says %q", version)
	}
	source, work := sources(t, module), imagerun.Tmpfs("/go", "mode=1777", "exec")
	for _, user := range users {
		image.Match(t, process(user, source, work, "/usr/bin/go", "version"), "^go version "+regexp.QuoteMeta(version)+" linux/"+image.Arch+"\n$")
		for name, want := range map[string]string{"GOROOT": "/usr/local/go", "GOPATH": "/go", "GOCACHE": "/go/cache", "GOMODCACHE": "/go/pkg/mod", "GOTOOLCHAIN": "local", "GOARCH": image.Arch} {
			image.Match(t, process(user, source, work, "/usr/bin/go", "env", name), "^"+regexp.QuoteMeta(want)+"\n$")
		}
		image.Match(t, process(user, source, work, "/usr/bin/go", "list", "-f", "{{.Standard}}", "net/http"), "^true\n$")
	}
	image.Match(t, process("0", source, work, "/usr/bin/gofmt", "-l", "."), "^broken/ugly.go\n$")
}

// TestModule: a module is built, run, tested and vetted without a network, by somebody who is not root; a mistake is told. (Root compiles in
// TestCgo; to compile the standard library takes most of the time here.)
func TestModule(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user takes minutes to compile the standard library")
	image := smoke.Open(t)
	source, work := sources(t, module), cache(t)
	do := func(args ...string) imagerun.Process { return process(users[1], source, work, args...) }
	image.Match(t, do("/usr/bin/go", "run", "."), "^embedded 42 e3b0c44298fc1c14[0-9a-f]+\n$")
	image.Match(t, do("/usr/bin/go", "test", "./double"), `^ok\s+example.test/m/double`)
	image.Fail(t, do("/usr/bin/go", "vet", "./broken"), `broken.go:3:[0-9]+: cannot use "text"`)
	image.Fail(t, do("/usr/bin/go", "get", "example.test/none@v1.0.0"), "module lookup disabled by GOPROXY=off")
}

// TestWritable: without mounts, too, any user may compile: everything goes below /go.
func TestWritable(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user takes minutes to compile the standard library")
	image := smoke.Open(t)
	p := process(users[1], sources(t, map[string]string{"go.mod": "module m\n\ngo 1.25\n", "m.go": "package main\n\nfunc main() { println(\"hello\") }\n"}), cache(t), "/usr/bin/go", "install", ".")
	p.ReadOnly, p.Mounts = false, p.Mounts[:1]
	image.Succeed(t, p)
	image.Match(t, imagerun.Process{Args: []string{"m"}, User: users[1]}, "^hello\n$")
}

// TestCgo: an image with gcc compiles C, one without says that there is none.
func TestCgo(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user takes minutes to compile the standard library")
	image := smoke.Open(t)
	p := process(users[0], sources(t, map[string]string{"go.mod": "module m\n\ngo 1.25\n", "m.go": cgo}), cache(t), "/usr/bin/go", "run", ".")
	if _, err := os.Stat(filepath.Join(image.Rootfs(), "usr/bin/gcc")); err == nil {
		image.Match(t, p, "^hello from C 7\n$")
		return
	}
	image.Fail(t, p, `build constraints exclude all Go files|undefined: C`)
	p.Env = append(p.Env, "CGO_ENABLED=1")
	image.Fail(t, p, `C compiler "gcc" not found`)
}
