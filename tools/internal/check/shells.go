package check

import (
	"regexp"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// shellName matches the programs that make an image one with a shell, with a version or "static" behind the name:
// bash, ksh93, zsh-5.8, busybox.static.
var shellName = regexp.MustCompile(`^(ash|bash|busybox|csh|dash|elvish|fish|hush|ksh|lksh|loksh|mksh|oksh|pdksh|posh|pwsh|rbash|rksh|rzsh|sash|sh|tcsh|toybox|xonsh|yash|zsh)` +
	`([-.]?(static|[0-9][0-9.]*))*$`)

// shell reports name, which is file or a link to it, if it is a shell: by name, because that is how programs call one. Outside
// of directories of programs, where completions and configuration have such names too, only programs count.
func (c *checker) shell(name string, file *rootfs.Entry) {
	if file.Mode&0o111 == 0 || !shellName.MatchString(rootfs.Base(name)) {
		return
	}
	if c.spec.Shell || (c.spec.BaseShell && c.ofBase(name)) {
		return
	}
	if !isProgramDir(rootfs.Dir(name)) && (file.ELF == nil || file.ELF.Soname != "") {
		return
	}
	if name == file.Path {
		c.add(Shell, name, "is a shell")
	} else {
		c.add(Shell, name, "is a shell: a link to %s", file.Path)
	}
}

// isProgramDir reports whether programs are what a directory is for.
func isProgramDir(dir string) bool {
	base := rootfs.Base(dir)
	return base == "bin" || base == "sbin" || base == "libexec"
}
