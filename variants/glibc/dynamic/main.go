// Dynamic is a program that the image's loader starts and that calls the C and C++ libraries of the image, for either architecture:
// unlike cgo, purego needs no C compiler.
package main

import (
	"fmt"
	"os"

	"github.com/ebitengine/purego"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "dynamic:", err)
		os.Exit(1)
	}
}

func run() error {
	open := func(name string) (library uintptr) {
		library, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			panic(err)
		}
		return library
	}
	libc := open("libc.so.6")
	var (
		version func() string
		getenv  func(string) string
		puts    func(string) int32
		flush   func(uintptr) int32
		qsort   func(*int32, uint64, uint64, uintptr)
		cbrt    func(float64) float64
		what    func(name string, buffer, size uintptr, status *int32) string
		enabled func() int32
	)
	purego.RegisterLibFunc(&version, libc, "gnu_get_libc_version")
	purego.RegisterLibFunc(&getenv, libc, "getenv")
	purego.RegisterLibFunc(&puts, libc, "puts")
	purego.RegisterLibFunc(&flush, libc, "fflush")
	purego.RegisterLibFunc(&qsort, libc, "qsort")
	purego.RegisterLibFunc(&cbrt, open("libm.so.6"), "cbrt")
	purego.RegisterLibFunc(&what, open("libstdc++.so.6"), "__cxa_demangle")
	purego.RegisterLibFunc(&enabled, open("libselinux.so.1"), "is_selinux_enabled")
	open("libgcc_s.so.1")

	// Lines go through C stdio, in a buffer of its own, until it is flushed.
	puts("glibc " + version())
	puts("environment " + getenv("SMOKE_WORD"))
	numbers := []int32{3, 1, 2}
	compare := purego.NewCallback(func(a, b *int32) uintptr { return uintptr(int(*a) - int(*b)) })
	qsort(&numbers[0], uint64(len(numbers)), 4, compare)
	puts(fmt.Sprint("sorted ", numbers))
	puts(fmt.Sprintf("root %.6f", cbrt(27)))
	var status int32
	puts("demangled " + what("_ZNSt6vectorIiSaIiEE9push_backERKi", 0, 0, &status))
	puts(fmt.Sprint("selinux ", enabled()))
	if flush(0) != 0 {
		return fmt.Errorf("fflush failed")
	}
	return nil
}
