package ldso

import (
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// multiarch maps RPM architecture families to Debian's names of library directories.
var multiarch = map[string]string{
	"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu", "i386": "i386-linux-gnu", "arm": "arm-linux-gnueabihf",
	"ppc64le": "powerpc64le-linux-gnu", "s390x": "s390x-linux-gnu", "riscv64": "riscv64-linux-gnu",
}

// interpreters are the paths of glibc's loader, by architecture family (glibc: sysdeps, ldd-rewrite and the ABI lists).
var interpreters = map[string]string{
	"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1", "i386": "/lib/ld-linux.so.2",
	"arm": "/lib/ld-linux-armhf.so.3", "ppc64le": "/lib64/ld64.so.2", "ppc64": "/lib64/ld64.so.1", "s390x": "/lib/ld64.so.1",
	"riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
}

// Interpreter returns the path of the loader that programs of the machine use with glibc, or "" if unknown.
func Interpreter(e *pkgindex.ELF) string { return interpreters[e.Machine] }

// IsMusl reports whether the interpreter is musl's.
func IsMusl(interp string) bool { return strings.HasPrefix(path.Base(interp), "ld-musl-") }

// MuslPath is the file that names the directories of musl's loader of the machine, in place of its built-in ones.
func MuslPath(interp string) string {
	name := strings.TrimSuffix(path.Base(interp), path.Ext(interp)) // ld-musl-x86_64.so.1
	return "/etc/" + strings.TrimSuffix(name, ".so") + ".path"
}

// MuslDirs reads such a file: directories separated by colons and newlines.
func MuslDirs(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '\n' })
}

// Layout returns the default directories and $LIB of a C library for class and machine. libcDir is the canonical directory
// of the C library of that architecture, "" if there is none: distributions build the directory they chose into it.
func Layout(class int, machine, libcDir string, musl bool) (dirs []string, lib string) {
	if musl {
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}, "lib"
	}
	triplet := multiarch[machine]
	if triplet != "" && path.Base(libcDir) == triplet {
		lib = "lib/" + triplet
		return []string{"/" + lib, "/usr/" + lib, "/lib", "/usr/lib"}, lib
	}
	lib = "lib"
	if class == 64 && (path.Base(libcDir) == "lib64" || libcDir == "") {
		lib = "lib64"
	}
	return []string{"/" + lib, "/usr/" + lib}, lib
}
