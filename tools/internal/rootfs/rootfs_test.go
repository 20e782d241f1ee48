package rootfs

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

func dir(path string) *Entry {
	return &Entry{Path: path, Type: pkgindex.TypeDir, Mode: 0o755, Owners: []string{"p"}}
}

func link(path, target string) *Entry {
	return &Entry{Path: path, Type: pkgindex.TypeSymlink, Mode: 0o777, Link: target, Owners: []string{"p"}}
}

func file(path, data string) *Entry {
	sum := sha256.Sum256([]byte(data))
	return &Entry{Path: path, Type: pkgindex.TypeFile, Mode: 0o644, SizeBytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		Owners: []string{"p"}, Content: Content{Data: []byte(data)}}
}

func tree(entries ...*Entry) *Tree {
	SortEntries(entries)
	return &Tree{Schema: Schema, Label: "//a", Release: "r", Arch: "x86_64", Layers: 1, Entries: entries}
}

func TestWriteRead(t *testing.T) {
	want := tree(dir("/a"), file("/a/f", "x"), link("/l", "a/f"), &Entry{Path: "/a/g", Type: pkgindex.TypeFile, HardLink: "/a/f", Owners: []string{"<&>"}})
	want.Packages = []Package{{Name: "p", NEVRA: "p-1-1.x86_64", Arch: "x86_64", FileStates: "02"}}
	want.Glibc = "(GNU libc) 2.34"
	var buf bytes.Buffer
	if err := Write(&buf, want); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(buf.String(), "\n"); n != 10 {
		t.Errorf("%d lines: one for each package and entry was wanted\n%s", n, buf.String())
	}
	got, err := Read(&buf, "tree.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range want.Entries {
		e.Content = Content{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestReadErrors(t *testing.T) {
	entry := func(s string) string { return `{"schema":1,"layers":1,"entries":[` + s + `]}` }
	for _, c := range []struct{ why, text, want string }{
		{"another schema", `{"schema":9,"layers":1}`, "schema 9, this tool reads 1"},
		{"no layers", `{"schema":1}`, "0 layers"},
		{"a path that climbs", entry(`{"path":"/a/../b","type":"dir"}`), "not clean"},
		{"a relative path", entry(`{"path":"a","type":"dir"}`), "not absolute"},
		{"an unknown type", entry(`{"path":"/a","type":"door"}`), `type "door"`},
		{"not sorted", entry(`{"path":"/b","type":"dir"},{"path":"/a","type":"dir"}`), "entry /a: not sorted"},
		{"twice", entry(`{"path":"/a","type":"dir"},{"path":"/a","type":"dir"}`), "not sorted"},
		{"without a parent", entry(`{"path":"/a/b","type":"dir"}`), "parent is not a directory"},
		{"below a link", entry(`{"path":"/a","type":"symlink","link":"/"},{"path":"/a/b","type":"dir"}`), "parent is not a directory"},
		{"a layer that does not exist", entry(`{"path":"/a","type":"dir","layer":1}`), "out of range"},
		{"a mode with type bits", entry(`{"path":"/a","type":"dir","mode":16877}`), "out of range"},
		{"a hard link to nothing", entry(`{"path":"/a","type":"file","hard_link":"/0"}`), "hard link to /0"},
		{"a null entry", entry(`null`), "null entry"},
		{"packages not sorted", `{"schema":1,"layers":1,"packages":[{"nevra":"b"},{"nevra":"a"}]}`, "package a: not sorted"},
		{"more than one value", `{"schema":1,"layers":1}{}`, "more than one value"},
	} {
		if _, err := Read(strings.NewReader(c.text), "t"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
	var b strings.Builder
	if err := Write(&b, tree(dir("/\xff\n"))); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(strings.NewReader(b.String()), "t"); err != nil || got.Entries[0].Path != "/\xff\n" {
		t.Errorf("a path that is no text: %s, %v", b.String(), err)
	}
}

func TestResolve(t *testing.T) {
	fs := NewFS([]*Entry{link("/bin", "usr/bin"), dir("/usr"), dir("/usr/bin"), file("/usr/bin/sh", ""), link("/etc", "/conf/../conf"),
		link("/up", "../../../usr"), link("/loop", "loop2"), link("/loop2", "loop"), link("/usr/bin/ash", "sh")})
	for _, c := range []struct{ path, canonical, followed string }{
		{"/bin/ash", "/usr/bin/ash", "/usr/bin/sh"},
		{"/bin", "/bin", "/usr/bin"},
		{"/etc/x/y", "/conf/x/y", "/conf/x/y"},
		{"/up/bin/ash", "/usr/bin/ash", "/usr/bin/sh"},
		{"/", "/", "/"},
		{"/../../x", "/x", "/x"},
	} {
		if got, err := fs.Canonical(c.path); err != nil || got != c.canonical {
			t.Errorf("Canonical(%s) = %s, %v; want %s", c.path, got, err, c.canonical)
		}
		if got, err := fs.Follow(c.path); err != nil || got != c.followed {
			t.Errorf("Follow(%s) = %s, %v; want %s", c.path, got, err, c.followed)
		}
	}
	if _, err := fs.Follow("/loop/x"); err == nil || !strings.Contains(err.Error(), "more than 40 symbolic links") {
		t.Errorf("got %v", err)
	}
	if got := fs.Stat("/bin/ash"); got == nil || got.Path != "/usr/bin/sh" {
		t.Errorf("Stat: %+v", got)
	}
}

func paths(entries []*Entry) string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Path)
	}
	return strings.Join(out, " ")
}

func TestFS(t *testing.T) {
	fs := NewFS([]*Entry{dir("/a"), dir("/a-b"), dir("/a/b"), file("/a/b/c", "x"), file("/a0", "")})
	if got := paths(fs.Under("/a")); got != "/a/b /a/b/c" {
		t.Errorf("Under: %s", got)
	}
	if got := paths(fs.List("/a")); got != "/a/b" {
		t.Errorf("List: %s", got)
	}
	if got := paths(fs.List("/")); got != "/a /a-b /a0" {
		t.Errorf("List of the root: %s", got)
	}
	fs.Remove("/a")
	if got := paths(fs.Entries()); got != "/a-b /a0" {
		t.Errorf("after Remove: %s", got)
	}
}

// TestHardLinks takes members of a set away one by one, in every order: the rest must always lead to the content.
func TestHardLinks(t *testing.T) {
	names := []string{"/a", "/b", "/c"}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		first := file("/a", "x")
		second, third := file("/b", "x"), file("/c", "x")
		second.HardLink, third.HardLink = "/a", "/a"
		fs := NewFS([]*Entry{first, second, third})
		for n, i := range order {
			if n%2 == 0 {
				fs.Remove(names[i])
			} else {
				fs.Put(file(names[i], "other"))
			}
			holders := 0
			for _, e := range fs.Entries() {
				if e.HardLink == "" {
					holders++
				} else if h := fs.Get(e.HardLink); h == nil || h.HardLink != "" || h.Path > e.Path {
					t.Fatalf("order %v: %s leads to %s", order, e.Path, e.HardLink)
				}
			}
			if fs.Len() > 0 && holders == 0 {
				t.Fatalf("order %v: nobody holds the content", order)
			}
		}
	}
}

// list prints a tar, one line an entry.
func list(t *testing.T, data []byte) (out []string) {
	t.Helper()
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		line := string(h.Typeflag) + " " + h.Name
		if h.Linkname != "" {
			line += " > " + h.Linkname
		}
		if h.Uname+h.Gname != "" {
			t.Errorf("%s: owner names %s %s", h.Name, h.Uname, h.Gname)
		}
		if v, ok := h.PAXRecords["SCHILY.xattr.security.capability"]; ok {
			line += " caps " + hex.EncodeToString([]byte(v))
		}
		if v, ok := h.PAXRecords["SCHILY.xattr.user.x"]; ok {
			line += " user.x " + v
		}
		out = append(out, line)
	}
}

func TestWriteLayer(t *testing.T) {
	source := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(source, []byte("....data...."), 0o644); err != nil {
		t.Fatal(err)
	}
	long := "/" + strings.Repeat("n", 120)
	ping := file("/new/ping", "p")
	ping.Caps, ping.Xattrs = "cap_net_raw=ep", map[string][]byte{"user.x": []byte("y")}
	sourced := file("/new/sourced", "data")
	sourced.Content = Content{Source: source, Offset: 4}
	written := file("/new/written", "data")
	written.Content = Content{Write: func(w io.Writer) (int64, error) { n, err := io.WriteString(w, "data"); return int64(n), err }}
	second := file("/new/zz", "p")
	second.HardLink = "/new/ping"
	entries := []*Entry{dir("/"), dir("/new"), ping, sourced, written, second, link("/new/l", "/x"), dir("/old"), dir("/old/in"), file("/old/in/f", "f"),
		file("/old/stays", "s"), file(long, "l"), {Path: "/dev", Type: pkgindex.TypeChar, RdevMajor: 1, RdevMinor: 3, Owners: []string{"p"}},
		{Path: "/fifo", Type: pkgindex.TypeFIFO, Owners: []string{"p"}}}
	for _, e := range entries {
		if e.Path != "/" && (!strings.HasPrefix(e.Path, "/old") || e.Path == "/old/in/f") {
			e.Layer = 1
		}
	}
	SortEntries(entries)
	var buf bytes.Buffer
	l := &Layer{Entries: entries, Number: 1, Removed: []string{"/gone", "/old/in/gone"}, Time: 5}
	if err := WriteLayer(&buf, l); err != nil {
		t.Fatal(err)
	}
	want := []string{"0 .wh.gone", "3 dev", "6 fifo", "5 new/", "2 new/l > /x", "0 new/ping caps 0100000200200000000000000000000000000000 user.x y",
		"0 new/sourced", "0 new/written", "1 new/zz > new/ping", "0 " + long[1:], "5 old/", "5 old/in/", "0 old/in/.wh.gone", "0 old/in/f"}
	if got := list(t, buf.Bytes()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWriteLayerErrors(t *testing.T) {
	source := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(source, []byte("short"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why    string
		change func(e *Entry)
		want   string
	}{
		{"a short source", func(e *Entry) { e.Content = Content{Source: source, Offset: 3} }, "writing layer: /f: copying its contents: 2 bytes of 4"},
		{"other bytes", func(e *Entry) { e.Content = Content{Source: source} }, "sha256 "},
		{"a writer of too little", func(e *Entry) {
			e.Content = Content{Write: func(w io.Writer) (int64, error) { n, err := io.WriteString(w, "dat"); return int64(n), err }}
		}, "writing layer: /f: copying its contents: 3 bytes of 4"},
		{"a writer of other bytes", func(e *Entry) {
			e.Content = Content{Write: func(w io.Writer) (int64, error) { n, err := io.WriteString(w, "DATA"); return int64(n), err }}
		}, "sha256 "},
		{"no source", func(e *Entry) { e.Content = Content{Source: source + "x"} }, "no such file"},
		{"a socket", func(e *Entry) { e.Type = pkgindex.TypeSocket }, "a tar cannot hold a socket"},
		{"bad capabilities", func(e *Entry) { e.Caps = "cap_fly=ep" }, "cap_fly"},
	} {
		e := file("/f", "data")
		c.change(e)
		err := WriteLayer(io.Discard, &Layer{Entries: []*Entry{e}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func TestRemoved(t *testing.T) {
	base := []*Entry{dir("/a"), file("/a/f", ""), dir("/a/sub"), file("/a/sub/x", ""), dir("/b"), file("/b/y", "")}
	fs := NewFS([]*Entry{dir("/a"), file("/b", "now a file")})
	if got := Removed(base, fs); !slices.Equal(got, []string{"/a/f", "/a/sub"}) {
		t.Errorf("got %v", got)
	}
}

func TestKeepsText(t *testing.T) {
	for path, want := range map[string]bool{"/etc/passwd": true, "/etc/ld.so.conf": true, "/etc/ld.so.conf.d/a.conf": true, "/etc/hosts": false,
		"/var/lib/alternatives/x": true, "/var/lib/dpkg/alternatives/x": true, "/var/lib/dpkg/alternatives/x/y": false} {
		if got := KeepsText(path, 10); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if KeepsText("/etc/passwd", MaxText+1) {
		t.Error("a huge file was kept")
	}
}

func FuzzRead(f *testing.F) {
	var buf bytes.Buffer
	if err := Write(&buf, tree(dir("/a"), file("/a/f", "x"), link("/l", "a/f"))); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := Read(bytes.NewReader(data), "t")
		if err != nil {
			return
		}
		fs := NewFS(tr.Entries)
		for _, e := range tr.Entries {
			if _, err := fs.Follow(e.Path); err != nil && !strings.Contains(err.Error(), "symbolic links") {
				t.Fatal(err)
			}
		}
		var once, twice bytes.Buffer
		if err := Write(&once, tr); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := Read(bytes.NewReader(once.Bytes()), "t")
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if err := Write(&twice, back); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("read back as %q (%v), want %q", twice.Bytes(), err, once.Bytes())
		}
	})
}

func FuzzResolveLinks(f *testing.F) {
	f.Add("/a/b/../c", "../x", "/y/./")
	f.Fuzz(func(t *testing.T, path, one, two string) {
		links := map[string]string{"/a": one, "/a/b": two, "/x": one}
		got, err := ResolveLinks(path, true, func(p string) (string, bool) { l, ok := links[p]; return l, ok })
		if err != nil {
			return
		}
		if err := CheckPath(got); err != nil && !strings.Contains(path+one+two, "\x00") {
			t.Fatalf("resolved to %q: %v", got, err)
		}
	})
}
