package scriptlet

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// testTime is the time of everything that scripts of tests make.
const testTime = 1_700_000_000

// world is a machine for tests; what its backends were asked for is kept.
type world struct {
	*Machine
	db    *accounts.DB
	alts  []string
	later []string
}

// newWorld returns a machine with a small tree: "dir/" is a directory, "link -> target" a link, "file: text" a file.
func newWorld(t testing.TB, lines ...string) *world {
	t.Helper()
	w := &world{db: accounts.New()}
	fs := rootfs.NewFS(nil)
	w.Machine = &Machine{FS: fs, Arch: "x86_64", Time: testTime, Chowned: map[string]bool{},
		Put: func(e *rootfs.Entry) error {
			for dir := rootfs.Dir(e.Path); dir != "/"; dir = rootfs.Dir(dir) {
				if fs.Get(dir) == nil {
					fs.Put(&rootfs.Entry{Path: dir, Type: pkgindex.TypeDir, Mode: 0o755, Owners: []string{"test"}})
				}
			}
			fs.Put(e)
			return nil
		},
		Read: func(e *rootfs.Entry) ([]byte, error) { return e.Content.Data, nil },
		Backends: Backends{
			Accounts:     func() (*accounts.DB, error) { return w.db, nil },
			Request:      func(r []accounts.Request) error { return w.db.Apply(r) },
			Change:       func(f func(*accounts.DB) error) error { return f(w.db) },
			Alternatives: func(o *alternatives.Operation) error { w.alts = append(w.alts, o.Kind+" "+o.Name); return nil },
			Layout:       func() string { return alternatives.Chkconfig },
			Later:        func(step string) { w.later = append(w.later, step) },
		}}
	for _, line := range lines {
		e := &rootfs.Entry{Mode: 0o755, Owners: []string{"test"}, ModTime: 1}
		if name, target, ok := strings.Cut(line, " -> "); ok {
			e.Path, e.Type, e.Link, e.Mode = name, pkgindex.TypeSymlink, target, 0o777
		} else if name, text, ok := strings.Cut(line, ": "); ok {
			e.Path, e.Type, e.Content.Data, e.SizeBytes = name, pkgindex.TypeFile, []byte(text), int64(len(text))
			if strings.HasSuffix(name, ".txt") {
				e.Mode = 0o644
			}
		} else {
			e.Path, e.Type = strings.TrimSuffix(line, "/"), pkgindex.TypeDir
		}
		if err := w.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// sh runs a shell script as %post.
func (w *world) sh(body string) *Outcome {
	return w.Run(&Script{Package: "test-1-1.noarch", Kind: "post", Program: []string{"/bin/sh"}, Body: body, Args: []string{"1"}})
}

// luaScript runs a Lua script.
func (w *world) luaScript(body string) *Outcome {
	return w.Run(&Script{Package: "test-1-1.noarch", Kind: "post", Program: []string{"<lua>"}, Body: body, Args: []string{"1"}})
}

// listing describes the tree, one path a line.
func (w *world) listing() string {
	var out strings.Builder
	for _, e := range w.FS.Entries() {
		fmt.Fprintf(&out, "%s %s %04o %d:%d", e.Path, e.Type, e.Mode, e.UID, e.GID)
		switch e.Type {
		case pkgindex.TypeSymlink:
			out.WriteString(" -> " + e.Link)
		case pkgindex.TypeFile:
			data := e.Content.Data
			if e.HardLink != "" {
				out.WriteString(" = " + e.HardLink)
			} else {
				fmt.Fprintf(&out, " %q", data)
			}
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func (w *world) text(t *testing.T, p string) string {
	t.Helper()
	e := w.FS.Stat(p)
	if e == nil {
		t.Fatalf("%s is not there", p)
	}
	if e.HardLink != "" {
		e = w.FS.Get(e.HardLink)
	}
	return string(e.Content.Data)
}
