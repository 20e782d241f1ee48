package elfresolve

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

func TestAlternatives(t *testing.T) {
	vim := pack("vim", exe("/usr/bin/vim.basic"), exe("/usr/bin/vim.tiny"), flagged(pkgindex.FlagGhost, link("/usr/bin/vi", "/etc/alternatives/vi")),
		link("/usr/bin/editor", "/etc/alternatives/editor"))
	vim.Scriptlets = []pkgindex.Scriptlet{{Kind: "post", Body: `if [ "$1" = 1 ]; then
  /usr/sbin/update-alternatives --install "/usr/bin/vi" vi /usr/bin/vim.tiny 10 >/dev/null 2>&1 || :
  update-alternatives --install /usr/bin/vi vi /usr/bin/vim.basic 30 \
    --slave /usr/bin/view view /usr/bin/vim.basic
  update-alternatives --install /usr/bin/editor editor /usr/bin/vim.tiny 15; update-alternatives --install /usr/bin/$x x /usr/bin/$x 1
fi
`}}
	all := world(vim)
	fails(t, input(all, binary("//x:vi", "vim", "/bin/vi")),
		"//x:vi: binaries: vim-1-1.x86_64 does not ship /bin/vi: its scriptlet makes it a link of the alternatives group vi, which leads to /usr/bin/vim.basic",
		`binaries = ["/usr/bin/vim.basic"]; and give the root filesystem the link: symlinks = {"/bin/vi": "/usr/bin/vim.basic"}`)
	fails(t, input(all, binary("//x:view", "vim", "/usr/bin/view")),
		"//x:view: binaries: vim-1-1.x86_64 does not ship /usr/bin/view: its scriptlet makes it a link of the alternatives group view, which leads to /usr/bin/vim.basic")
	// A link that the package ships itself brings what it will lead to.
	check(t, input(all, binary("//x:editor", "vim", "/usr/bin/editor")), "glibc", "vim: /usr/bin/editor /usr/bin/vim.tiny")
	fails(t, input(all, binary("//x:x", "vim", "/usr/bin/x")), "//x:x: binaries: vim-1-1.x86_64 has no file /usr/bin/x")
}
