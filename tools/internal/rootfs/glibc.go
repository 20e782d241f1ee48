package rootfs

import (
	"bytes"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// multiarch are the library directories of Debian, by RPM architecture.
var multiarch = map[string]string{"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}

// Multiarch returns the name of Debian's library directories for an RPM architecture, "" if it has none.
func Multiarch(arch string) string { return multiarch[arch] }

// FindGlibc returns the C library of a tree, nil if it has none.
func FindGlibc(fs *FS, arch string) *Entry {
	for _, name := range []string{"/usr/lib/" + multiarch[arch] + "/libc.so.6", "/lib64/libc.so.6", "/lib/libc.so.6"} {
		if e := fs.Stat(name); e != nil && e.Type == pkgindex.TypeFile {
			return e
		}
	}
	return nil
}

// GlibcBanner returns how the C library with these contents calls itself, such as "(GNU libc) stable release version 2.34".
func GlibcBanner(data []byte) string {
	const banner = "GNU C Library "
	at := bytes.Index(data, []byte(banner+"("))
	if at < 0 {
		return ""
	}
	line, _, _ := bytes.Cut(data[at+len(banner):min(len(data), at+256)], []byte("\n"))
	return strings.TrimSuffix(string(line), ".")
}
