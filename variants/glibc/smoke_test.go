// Package glibc_test runs a dynamically linked program in the image.
package glibc_test

import (
	"debug/elf"
	"slices"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// TestCgo: what a program asks of the C library, of its name services and of its threads is answered by the image's.
func TestCgo(t *testing.T) {
	smoke.NativeOnly(t, "there is no C compiler for another architecture; TestDynamic calls the same libraries")
	image := smoke.Open(t)
	program := smoke.CgoProgram(t, "cgo")
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || !slices.Contains(libraries, "libc.so.6") {
		t.Fatalf("the program needs %q, %v, so it would say nothing about the image", libraries, err)
	}
	p := imagerun.Process{Args: []string{"/program"}, User: "65534", ReadOnly: true, Mounts: []imagerun.Mount{imagerun.Bind(program, "/program")}}
	image.Match(t, p, "^account: nonroot /home/nonroot\nservice: 443\nthread: 3.000000\n$")
}

// TestDynamic: programs of either architecture start and call C and C++ libraries, which call back.
func TestDynamic(t *testing.T) {
	image := smoke.Open(t)
	p := imagerun.Process{
		Args: []string{"/program"}, User: "65534", ReadOnly: true, Env: []string{"SMOKE_WORD=word"},
		Mounts: []imagerun.Mount{imagerun.Bind(smoke.Program(t, "dynamic"), "/program")},
	}
	image.Match(t, p, `^glibc 2\.[0-9]+\nenvironment word\nsorted \[1 2 3\]\nroot 3\.000000\ndemangled std::vector<int, std::allocator<int> >::push_back\(int const&\)\nselinux [01]\n$`)
}

// TestNames: the C library finds accounts and services, and the loader has its cache.
func TestNames(t *testing.T) {
	image := smoke.Open(t)
	image.Match(t, imagerun.Process{Args: []string{"/usr/bin/getent", "passwd", "65532"}, User: "65534"}, "^nonroot:x:65532:65532:")
	image.Match(t, imagerun.Process{Args: []string{"/usr/bin/getent", "group", "nonroot"}, User: "65534"}, "^nonroot:x:65532:")
	image.Match(t, imagerun.Process{Args: []string{"/usr/bin/getent", "services", "https"}, User: "65534"}, `^https +443/tcp`)
	image.Match(t, imagerun.Process{Args: []string{"/sbin/ldconfig", "-p"}, User: "65534"}, `libstdc\+\+\.so\.6 `)
	if r := image.Run(t, imagerun.Process{Args: []string{"/usr/bin/getent", "passwd", "nobody-has-this-name"}}); r.Exit != 2 {
		t.Errorf("a name that is not there: exit status %d, want 2\n%s", r.Exit, r.Output())
	}
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
