package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// Attributes are those of the entry that packages can be compared with. Caps are the text of the entry.
func (e *Entry) Attributes() rpmdb.Attributes {
	return rpmdb.Attributes{Mode: rpmdb.ModeOfType(e.Type) | e.Mode, Size: e.SizeBytes, ModTime: e.ModTime, Digest: e.SHA256, Link: e.Link,
		UID: e.UID, GID: e.GID, Device: e.RdevMajor<<8 | e.RdevMinor, Caps: e.Caps}
}

// Installed is a tree that rpmdb.Verify compares packages with.
type Installed struct {
	view     View
	accounts *accounts.DB
}

var _ rpmdb.Tree = (*Installed)(nil)

// Installed returns the tree with its accounts. Files are read, if the tree does not know their SHA-256 or a package has digests of
// another kind.
func (v View) Installed() (*Installed, error) {
	var files accounts.Files
	for name, to := range map[string]*[]byte{"etc/passwd": &files.Passwd, "etc/group": &files.Group} {
		data, err := v.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading accounts: %w", err)
		}
		*to = data
	}
	db, err := accounts.Load(files)
	if err != nil {
		return nil, fmt.Errorf("reading accounts: %w", err)
	}
	return &Installed{v, db}, nil
}

// Stat is rpmdb.Tree.
func (t *Installed) Stat(path string) (*rpmdb.Attributes, error) { return t.attributes(path, false) }

// Follow is rpmdb.Tree.
func (t *Installed) Follow(path string) (*rpmdb.Attributes, error) { return t.attributes(path, true) }

func (t *Installed) attributes(path string, follow bool) (*rpmdb.Attributes, error) {
	e, err := t.view.find("stat", nameOf(path), follow)
	if err != nil {
		return nil, err
	}
	out := e.Attributes()
	if first := t.view.fs.Get(e.HardLink); e.HardLink != "" && first != nil {
		out.Size, out.Digest = first.SizeBytes, first.SHA256
	}
	caps, err := rpm.Capability(e.Caps)
	out.Caps = string(caps)
	return &out, err
}

// Open is rpmdb.Tree.
func (t *Installed) Open(path string) (io.ReadCloser, error) { return t.view.Open(nameOf(path)) }

// User is rpmdb.Tree.
func (t *Installed) User(name string) (int, bool) {
	if u := t.accounts.User(name); u != nil {
		return u.UID, true
	}
	return 0, name == "root"
}

// Group is rpmdb.Tree.
func (t *Installed) Group(name string) (int, bool) {
	if g := t.accounts.Group(name); g != nil {
		return g.GID, true
	}
	return 0, name == "root"
}

// nameOf is a path as io/fs has it.
func nameOf(path string) string {
	if path == "/" {
		return "."
	}
	return strings.TrimPrefix(path, "/")
}
