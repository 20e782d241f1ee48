package rootfs

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// TestView lets the standard library judge the file system, and looks at what it does not know: links that stay inside.
func TestView(t *testing.T) {
	file := func(path, text string, mode uint32) *Entry {
		return &Entry{Path: path, Type: pkgindex.TypeFile, Mode: mode, SizeBytes: int64(len(text)), Content: Content{Data: []byte(text)}}
	}
	dir := func(path string) *Entry { return &Entry{Path: path, Type: pkgindex.TypeDir, Mode: 0o755} }
	v := NewFS([]*Entry{dir("/etc"), file("/etc/hosts", "text", 0o644), dir("/usr"), dir("/usr/bin"), file("/usr/bin/su", "", 0o4755),
		{Path: "/bin", Type: pkgindex.TypeSymlink, Mode: 0o777, Link: "/usr/bin"}, {Path: "/etc/up", Type: pkgindex.TypeSymlink, Mode: 0o777, Link: "../../../etc/hosts"},
		{Path: "/usr/null", Type: pkgindex.TypeChar, Mode: 0o666}}).View(func(e *Entry) ([]byte, error) { return e.Content.Data, nil })
	plain := NewFS([]*Entry{dir("/etc"), file("/etc/hosts", "text", 0o644), dir("/usr")}).View(v.read)
	if err := fstest.TestFS(plain, "etc/hosts", "usr"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"etc/hosts", "etc/up"} {
		if data, err := fs.ReadFile(v, name); err != nil || string(data) != "text" {
			t.Errorf("%s: %q %v", name, data, err)
		}
	}
	if info, err := fs.Stat(v, "bin/su"); err != nil || info.Mode() != 0o755|fs.ModeSetuid {
		t.Errorf("bin/su: %v %v", info, err)
	}
	if info, err := fs.Lstat(v, "bin"); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("bin: %v %v", info, err)
	}
	if target, err := fs.ReadLink(v, "bin"); err != nil || target != "/usr/bin" {
		t.Errorf("bin: %q %v", target, err)
	}
	if entries, err := fs.ReadDir(v, "bin"); err != nil || len(entries) != 1 || entries[0].Name() != "su" {
		t.Errorf("bin: %v %v", entries, err)
	}
	if info, err := fs.Stat(v, "usr/null"); err != nil || info.Mode().Type() != fs.ModeDevice|fs.ModeCharDevice {
		t.Errorf("usr/null: %v %v", info, err)
	}
	for name, want := range map[string]string{"none": "not exist", "/etc": "invalid", "../etc": "invalid", "usr": "invalid", "usr/null": "invalid"} {
		if _, err := fs.ReadFile(v, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	if _, err := fs.Stat(v, "etc/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
