package smoke

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocitest"
)

// TestMain is also the program of the image that the tests run.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "do-") {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "do-say":
		fmt.Println(strings.Join(os.Args[2:], " "))
	case "do-fail":
		fmt.Fprintln(os.Stderr, "complaint")
		os.Exit(3)
	case "do-cat":
		io.Copy(os.Stdout, os.Stdin)
	case "do-state":
		cwd, _ := os.Getwd()
		file, err := os.ReadFile("/mounted/file")
		fmt.Println(os.Getuid(), os.Getgid(), os.Getenv("HOME"), os.Getenv("WORD"), cwd, string(file), err)
		fmt.Println("root:", os.WriteFile("/written", nil, 0o600), "tmpfs:", os.WriteFile("/scratch/written", nil, 0o600))
	case "do-sleep":
		time.Sleep(time.Minute)
	case "do-serve":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		l, err := net.Listen("tcp", "127.0.0.1:80")
		if err != nil {
			panic(err)
		}
		go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				fmt.Fprint(w, "served")
			} else {
				http.NotFound(w, r)
			}
		}))
		<-stop
		fmt.Println("stopped")
	case "do-get":
		answer, err := http.Get(os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		io.Copy(os.Stdout, answer.Body)
	}
	os.Exit(0)
}

// static is this test as a static program.
func static(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) == 0 {
		return self
	}
	path := filepath.Join(t.TempDir(), "static")
	build := exec.Command("go", "test", "-c", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func openSelf(t *testing.T) *Image {
	t.Helper()
	if reason := imagerun.Unusable(); reason != "" {
		t.Skip(reason)
	}
	program, err := os.ReadFile(static(t))
	if err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, f := range []struct {
		header  tar.Header
		content []byte
	}{
		{tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}, nil},
		{tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}, nil},
		{tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0::/root:/x\nuser:x:7:8::/home/user:/x\n")},
		{tar.Header{Name: "self", Mode: 0o755}, program},
	} {
		f.header.Size = int64(len(f.content))
		if err := w.WriteHeader(&f.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layout := ocitest.Layout(t, true, ocitest.Image{Arch: runtime.GOARCH, Layers: [][]byte{layer.Bytes()}, Compression: []string{"gzip"}})
	return OpenLayout(t, layout, runtime.GOARCH)
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.message = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// failure is the message that f fails a test with, or empty.
func failure(t *testing.T, f func(t testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

func self(args ...string) imagerun.Process {
	return imagerun.Process{Args: append([]string{"/self"}, args...)}
}

// TestFailures: a container that fails, says nothing, or is not there at all, fails the test.
func TestFailures(t *testing.T) {
	image := openSelf(t)
	for _, test := range []struct {
		summary string
		do      func(t testing.TB)
		want    string
	}{
		{"success", func(t testing.TB) { image.Match(t, self("do-say", "hello"), "^hello\n$") }, ""},
		{"wrong output", func(t testing.TB) { image.Match(t, self("do-say", "hello"), "^bye") }, `output does not match "^bye"`},
		{"empty output", func(t testing.TB) { image.Output(t, self("do-say")) }, "no output, which proves nothing"},
		{"empty output and a pattern that matches it", func(t testing.TB) { image.Match(t, self("do-say"), "") }, "no output, which proves nothing"},
		{"exit status", func(t testing.TB) { image.Output(t, self("do-fail")) }, "exit status 3\ncomplaint"},
		{"a program that is not there", func(t testing.TB) { image.Succeed(t, imagerun.Process{Args: []string{"/none"}}) }, "no such file"},
		{"a wanted failure", func(t testing.TB) { image.Fail(t, self("do-fail"), "complaint") }, ""},
		{"a wanted failure that is none", func(t testing.TB) { image.Fail(t, self("do-say", "x"), "") }, "want a failure"},
		{"a wanted failure for another reason", func(t testing.TB) { image.Fail(t, self("do-fail"), "reason") }, `does not match "reason"`},
		{"a timeout", func(t testing.TB) {
			image.Output(t, imagerun.Process{Args: []string{"/self", "do-sleep"}, Timeout: time.Second})
		}, "did not end within 1s"},
		{"a server that ends", func(t testing.TB) {
			image.Start(t, self("do-fail"), 0, func() error { return fmt.Errorf("not yet") })
		}, "ended with status 3 before it was ready"},
		{"a server that is never ready", func(t testing.TB) {
			image.Start(t, self("do-sleep"), time.Second, func() error { return fmt.Errorf("not yet") })
		}, "was not ready after 1s: not yet"},
		{"no shell", func(t testing.TB) { image.NoShell(t) }, ""},
		{"no container at all", func(t testing.TB) {
			image.Match(t, imagerun.Process{Args: []string{"/self", "do-say", "x"}, Edit: func(c map[string]any) { c["root"] = map[string]any{"path": "/none"} }}, ".")
		}, "exit status 1"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			got := failure(t, test.do)
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("failed with %q, want %q", got, test.want)
			}
		})
	}
	t.Run("no shell because nothing can be run", func(t *testing.T) {
		hidden := image.Rootfs() + ".hidden"
		if err := os.Rename(image.Rootfs(), hidden); err != nil {
			t.Fatal(err)
		}
		defer os.Rename(hidden, image.Rootfs())
		if got := failure(t, func(t testing.TB) { image.NoShell(t) }); !strings.Contains(got, "for another reason") {
			t.Errorf("failed with %q", got)
		}
	})
	t.Run("a shell", func(t *testing.T) {
		if err := os.Mkdir(filepath.Join(image.Rootfs(), "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/self", filepath.Join(image.Rootfs(), "bin/sh")); err != nil {
			t.Fatal(err)
		}
		if got := failure(t, func(t testing.TB) { image.NoShell(t) }); !strings.Contains(got, "/bin/sh is a shell") {
			t.Errorf("failed with %q", got)
		}
	})
}

func TestProcess(t *testing.T) {
	image := openSelf(t)
	p := self("do-state")
	p.User, p.Env, p.Cwd, p.ReadOnly = "7", []string{"WORD=a", "WORD=b"}, "/etc", true
	p.Mounts = []imagerun.Mount{imagerun.Bind(filepath.Dir(WriteFile(t, "file", "content")), "/mounted"), imagerun.Tmpfs("/scratch", "mode=1777")}
	image.Match(t, p, "^7 8 /home/user b /etc content <nil>\nroot: open /written: read-only file system tmpfs: <nil>\n$")
	p = self("do-cat")
	p.Stdin = strings.NewReader("input")
	image.Match(t, p, "^input$")
	p.Devices = []string{"/etc/passwd"}
	if got := failure(t, func(t testing.TB) { image.Output(t, p) }); !strings.Contains(got, "/etc/passwd is no device") {
		t.Errorf("failed with %q", got)
	}
	p.Devices, p.User = nil, "user"
	if got := failure(t, func(t testing.TB) { image.Output(t, p) }); !strings.Contains(got, `user "user" is not a number`) {
		t.Errorf("failed with %q", got)
	}
}

func TestNetwork(t *testing.T) {
	image, network := openSelf(t), NewNetwork(t)
	server := self("do-serve")
	server.Network = network
	running := image.Start(t, server, 0, func() error {
		_, err := Get(t.Context(), network, "http://127.0.0.1/")
		return err
	})
	if status, err := running.Status(); err != nil || len(status["Uid"]) != 4 || status["Uid"][0] != "0" {
		t.Errorf("status is %v, %v", status, err)
	}
	if got := failure(t, func(t testing.TB) { NotRoot(t, running) }); !strings.Contains(got, "runs as root") {
		t.Errorf("failed with %q", got)
	}
	client := self("do-get", "http://127.0.0.1/")
	client.Network = network
	image.Match(t, client, "^served$")
	client.Network = NewNetwork(t)
	image.Fail(t, client, "connection refused")
	load := Load{URL: "http://127.0.0.1/", Connections: 2, Duration: 200 * time.Millisecond, Body: "served"}
	if rate := load.Run(t, network); rate <= 0 {
		t.Errorf("%g requests per second", rate)
	}
	load.URL = "http://127.0.0.1/none"
	if got := failure(t, func(t testing.TB) { load.Run(t, network) }); !strings.Contains(got, "404") {
		t.Errorf("failed with %q", got)
	}
	result, err := running.Stop()
	if err != nil || result.Exit != 0 || result.Stdout != "stopped\n" {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := running.Stop(); err == nil {
		t.Error("stopping twice is no error")
	}
	load.URL = "http://127.0.0.1/"
	if got := failure(t, func(t testing.TB) { load.Run(t, network) }); !strings.Contains(got, "refused") {
		t.Errorf("failed with %q", got)
	}

	listener, err := network.Listen("tcp", "127.0.0.1:81")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "of the test") }))
	client = self("do-get", "http://127.0.0.1:81/")
	client.Network = network
	image.Match(t, client, "^of the test$")
}
