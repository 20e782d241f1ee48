package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

func TestInstalled(t *testing.T) {
	file := func(path, text string) *Entry {
		return &Entry{Path: path, Type: pkgindex.TypeFile, Mode: 0o4755, UID: 7, SizeBytes: int64(len(text)), SHA256: "sum of " + path,
			Content: Content{Data: []byte(text)}, Caps: "cap_net_raw=ep"}
	}
	hard := file("/usr/hard", "")
	hard.HardLink = "/usr/file"
	entries := []*Entry{{Path: "/etc", Type: pkgindex.TypeDir, Mode: 0o755}, file("/etc/passwd", "root:x:0:0::/:/\nalice:x:7:7::/:/\n"),
		{Path: "/lib", Type: pkgindex.TypeSymlink, Mode: 0o777, Link: "usr"}, {Path: "/usr", Type: pkgindex.TypeDir, Mode: 0o755},
		{Path: "/usr/dev", Type: pkgindex.TypeChar, Mode: 0o600, RdevMajor: 1, RdevMinor: 3}, file("/usr/file", "text"), hard}
	tree, err := NewFS(entries).View(func(e *Entry) ([]byte, error) { return e.Content.Data, nil }).Installed()
	if err != nil {
		t.Fatal(err)
	}
	caps, err := rpm.Capability("cap_net_raw=ep")
	if err != nil {
		t.Fatal(err)
	}
	regular := rpmdb.Attributes{Mode: 0o104755, UID: 7, Size: 4, Digest: "sum of /usr/file", Caps: string(caps)}
	for path, want := range map[string]rpmdb.Attributes{
		"/usr/file": regular,
		"/lib/file": regular,
		"/usr/hard": regular,
		"/usr/dev":  {Mode: 0o020600, Device: 1<<8 | 3},
		"/lib":      {Mode: 0o120777, Link: "usr"},
		"/usr":      {Mode: 0o040755},
		"/":         {Mode: 0o040755},
	} {
		if got, err := tree.Stat(path); err != nil || *got != want {
			t.Errorf("%s: %+v (%v), want %+v", path, got, err, want)
		}
	}
	if got, err := tree.Follow("/lib"); err != nil || got.Mode != 0o040755 {
		t.Errorf("/lib leads to %+v (%v)", got, err)
	}
	if _, err := tree.Stat("/usr/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	r, err := tree.Open("/lib/file")
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "text" {
		t.Errorf("read %q (%v)", data, err)
	}
	for name, want := range map[string]int{"root": 0, "alice": 7, "bob": -1} {
		if uid, ok := tree.User(name); ok != (want >= 0) || ok && uid != want {
			t.Errorf("user %s: %d %v", name, uid, ok)
		}
	}
	if gid, ok := tree.Group("root"); gid != 0 || !ok { // there is no /etc/group
		t.Errorf("group root: %d %v", gid, ok)
	}
}
