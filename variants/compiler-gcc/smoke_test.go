// Package compiler_gcc_test compiles with the image and runs what comes out of it.
package compiler_gcc_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// project is a library with a thread and a function of libm, and a program; what it prints and is linked with comes from pkg-config.
var project = map[string]string{
	"square.h": "double square_root(double);\n",
	"square.c": `#include "square.h"
#include <math.h>
#include <pthread.h>
static void *work(void *p) { *(double *)p = sqrt(*(double *)p); return p; }
double square_root(double x) {
    pthread_t thread;
    if (pthread_create(&thread, 0, work, &x) || pthread_join(thread, 0)) return -1;
    return x;
}
`,
	"main.c": `#include "square.h"
#include <features.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    char text[16] = {0};
    strncpy(text, argc > 1 ? argv[1] : NAME, sizeof text - 1);
    printf("%s %.0f\n", text, square_root(1764));
    return 0;
}
`,
	"square.pc": "prefix=/work\nName: square\nDescription: roots\nVersion: 1\nCflags: -DNAME=\\\"of-pkg-config\\\"\nLibs: -L${prefix} -lsquare -lm\n",
	"Makefile": `CFLAGS = -O2 -g -Wall -Werror -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS := $(shell pkg-config --cflags square)
all: shared static archive
libsquare.so: square.c square.h
	$(CC) $(CFLAGS) -fPIC -shared -Wl,-soname,libsquare.so -o $@ $< -lm
libsquare.a: square.o
	$(AR) rcs $@ $^
shared: main.c libsquare.so
	$(CC) $(CFLAGS) $(FLAGS) -Wl,-rpath,'$$ORIGIN' -o $@ $< $(shell pkg-config --libs square)
archive: main.c libsquare.a
	$(CC) $(CFLAGS) $(FLAGS) -o $@ $< -L. -l:libsquare.a -lm
static: main.c libsquare.a
	$(CC) $(CFLAGS) $(FLAGS) -static -o $@ $< -L. -l:libsquare.a -lm
`,
}

func folder(t *testing.T) (string, func(string) imagerun.Process) {
	dir := t.TempDir()
	for name, content := range project {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(text string) imagerun.Process {
		return imagerun.Process{
			Args: []string{"/bin/sh", "-euc", text}, Cwd: "/work", Env: []string{"PKG_CONFIG_PATH=/work"}, Timeout: 3 * time.Minute, Mounts: []imagerun.Mount{imagerun.BindWritable(dir, "/work")},
		}
	}
}

// TestProject builds with make a shared library and programs that are linked with it, with an archive, and statically.
func TestProject(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	dir, script := folder(t)
	image.Match(t, script("make 2>&1"), "(?m)^(cc|gcc) .*-shared")
	image.Match(t, script("./shared; ./archive by-hand; ./static; pkg-config --modversion ./square.pc"), "^of-pkg-config 42\nby-hand 42\nof-pkg-config 42\n1\n$")
	for name, want := range map[string][]string{"shared": {"libsquare.so", "libc.so.6"}, "static": nil} {
		file, err := elf.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		got, err := file.ImportedLibraries()
		got = slices.DeleteFunc(got, func(name string) bool { return strings.HasPrefix(name, "ld-linux") }) // where the compiler looks for a guard of the stack
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s needs %v (%v), want %v", name, got, err, want)
		}
		if machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[image.Arch]; file.Machine != machine {
			t.Errorf("%s is for %v, want %v", name, file.Machine, machine)
		}
	}
	// Without the library beside it the program does not start, so it was really linked with it.
	image.Fail(t, script("rm libsquare.so; ./shared"), "libsquare.so: cannot open shared object file")
}

// TestErrors: a mistake is told with its place, by the compiler and by the linker.
func TestErrors(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	_, script := folder(t)
	image.Fail(t, script("sed -i 's/return 0;/return none;/' main.c; gcc -DNAME='\"x\"' -c main.c"), "main.c:9:[0-9]+: error: .none. undeclared")
	image.Fail(t, script("echo 'int f(void); int main(void) { return f(); }' > f.c; gcc f.c"), "undefined reference to .f.")
	image.Match(t, script("echo '__STDC_VERSION__ __GNUC__' | cpp -P; echo 'int main(void){return 0;}' > m.c; gcc -fsanitize=undefined -S -o - m.c | grep -c main:"), "^(?s).*L [0-9]+\n1\n$")
}

// TestLibraries: threads of OpenMP, and a sanitizer that finds a mistake when the program runs.
func TestLibraries(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	dir, script := folder(t)
	const sum = `#include <stdio.h>
int main(int argc, char **argv) {
    int n = 0, a[4] = {0};
#pragma omp parallel for reduction(+:n)
    for (int i = 0; i < 10; i++) n += i;
    printf("%d\n", n + a[argc + 2]);
    return 0;
}
`
	if err := os.WriteFile(filepath.Join(dir, "sum.c"), []byte(sum), 0o644); err != nil {
		t.Fatal(err)
	}
	image.Match(t, script("gcc -fopenmp -o sum sum.c; ./sum"), "^45\n$")
	image.Match(t, script("gcc -fsanitize=undefined -fno-sanitize-recover -o sum sum.c; ./sum"), "^45\n$")
	image.Fail(t, script("./sum x"), "sum.c:6:.* runtime error: index 4 out of bounds")
}

// TestCPlusPlus: the image is for C; g++ is not there, which the driver says.
func TestCPlusPlus(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	_, script := folder(t)
	image.Fail(t, script("echo 'int main() {}' > m.cc; gcc -c m.cc"), "cannot execute .cc1plus.")
}
