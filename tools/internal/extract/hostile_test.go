package extract_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// maxHostileAlloc is what any hostile package may make the extraction allocate in all, decoders included.
const maxHostileAlloc = 100 << 20

// TestHostilePackages: packages made to climb out, to fill memory or disk, or to loop. All their digests are right. Extraction
// writes a tar and follows no links, so files behind symbolic links are for compose to place; see tools/rootfs.
func TestHostilePackages(t *testing.T) {
	files := func(f ...rpmtest.File) rpmtest.Package {
		return rpmtest.Package{Name: "evil", Files: f, Compressor: "gzip"}
	}
	edit := func(p rpmtest.Package, f func(*rpmtest.Package)) rpmtest.Package { f(&p); return p }
	entry := func(name string, data string) func([]byte) []byte {
		return func([]byte) []byte {
			return rpmtest.AppendTrailer(rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: name, Mode: 0o100644}, []byte(data)))
		}
	}
	zeros := strings.Repeat("\x00", 64<<20)
	tests := []struct {
		summary string
		pkg     rpmtest.Package
		err     string // "" for packages that are odd but right
	}{
		{"a header path that climbs", files(rpmtest.File{Path: "/../etc/passwd", Data: "x"}), `has the component ".."`},
		{"a header path that climbs later", files(rpmtest.File{Path: "/usr/../../etc/passwd", Data: "x"}), `has the component ".."`},
		{"a directory name that climbs", edit(files(rpmtest.File{Path: "/a/b"}), func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagDirNames, V: []string{"/../"}}}
		}), `has the component ".."`},
		{"a base name that climbs", edit(files(rpmtest.File{Path: "/a/b"}), func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagBasenames, V: []string{".."}}}
		}), `has the component ".."`},
		{"a base name with a slash", edit(files(rpmtest.File{Path: "/a/b"}), func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagBasenames, V: []string{"../b"}}}
		}), `name "../b" must not hold one`},
		{"a payload name that climbs", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) { p.EditCPIO = entry("../../a", "x") }), `has the component ".."`},
		{"an absolute payload name of another file", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) { p.EditCPIO = entry("/etc/passwd", "x") }), `"/etc/passwd" is not in the header`},
		{"an absolute payload name of the file itself", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) { p.EditCPIO = entry("/a", "x") }), ""},
		{"a symbolic link out of the root, and a file behind it", files(rpmtest.File{Path: "/l", Link: "../../../tmp"}, rpmtest.File{Path: "/l/x", Data: "x"}), ""},
		{"an absolute symbolic link, and a file behind it", files(rpmtest.File{Path: "/l", Link: "/tmp"}, rpmtest.File{Path: "/l/x", Data: "x"}), ""},
		{"a file below a file", files(rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f/x", Data: "x"}), `"/f/x": lies below "/f", which is a file`},
		{"a file deep below a device", files(rpmtest.File{Path: "/d/e/f", Data: "x"}, rpmtest.File{Path: "/d", Mode: 0o020644}), `"/d/e/f": lies below "/d", which is a char`},
		{"links in a circle", files(rpmtest.File{Path: "/a", Link: "b"}, rpmtest.File{Path: "/b", Link: "a"}, rpmtest.File{Path: "/c", Link: "c"}), ""},
		{"a file behind links in a circle", files(rpmtest.File{Path: "/a", Link: "b"}, rpmtest.File{Path: "/b", Link: "a"}, rpmtest.File{Path: "/a/x", Data: "x"}), ""},
		{"a newline, an escape sequence and bytes that are no text", files(rpmtest.File{Path: "/a\nb", Data: "x"}, rpmtest.File{Path: "/\x1b[31m", Data: "x"}, rpmtest.File{Path: "/\xff\xfe", Data: "x"}), ""},
		{"a link to a newline", files(rpmtest.File{Path: "/a", Link: "b\nc"}), ""},
		{"padding without end", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) { p.EditCPIO = func(b []byte) []byte { return append(b, zeros...) } }), "more than"},
		{"content without end", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) { p.EditCPIO = entry("./a", zeros) }), "67108864 bytes in the payload, the header says 1"},
		{"content without end for a ghost", edit(files(rpmtest.File{Path: "/a", Data: "x", Flags: pkgindex.FlagGhost}), func(p *rpmtest.Package) { p.EditCPIO = entry("./a", zeros) }), "the payload expands to more than the"},
		{"a payload after the payload", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) {
			p.EditPayload = func(b []byte) []byte { return append(bytes.Clone(b), rpmtest.Compress("gzip", []byte(zeros))...) }
		}), "more than"},
		{"a size of exabytes", files(rpmtest.File{Path: "/a", Data: "x"}, rpmtest.File{Path: "/b", Data: "x", Size: size(1 << 62)}), ""},
		{"more names than files", edit(files(rpmtest.File{Path: "/a", Data: "x"}), func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagBasenames, V: []string{"a", "b"}}}
		}), "1 elements for 2 files"},
		{"ten million files claimed", edit(files(rpmtest.File{Path: "/a"}), func(p *rpmtest.Package) {
			p.EditMain = func(b []byte) []byte { return claim(b, rpm.TagBasenames, 10_000_000) }
		}), "count must be 1 to"},
		{"a million empty names", edit(files(rpmtest.File{Path: "/a"}), func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagBasenames, V: make([]string, 1_100_000)}}
		}), "elements for 1100000 files"},
	}
	for _, test := range tests {
		content := rpmtest.Build(test.pkg)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		dir, err := run(t, content, extract.Options{})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > maxHostileAlloc {
			t.Errorf("%s: %d bytes allocated", test.summary, n)
		}
		if test.err == "" && err != nil && test.summary != "a size of exabytes" || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		}
		if test.summary == "a size of exabytes" && err == nil {
			t.Errorf("%s: accepted", test.summary)
		}
		left, _ := os.ReadDir(dir)
		if err != nil && len(left) != 1 {
			t.Errorf("%s: left behind: %v", test.summary, left)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\r") {
			t.Errorf("%s: the message could command a terminal: %q", test.summary, err)
		}
	}
}

// claim sets the count of an index entry.
func claim(header []byte, tag rpm.Tag, count uint32) []byte {
	header = bytes.Clone(header)
	want := fmt.Sprintf("%08x", uint32(tag))
	for at := 16; at+16 <= len(header); at += 16 {
		if fmt.Sprintf("%x", header[at:at+4]) == want {
			header[at+12], header[at+13], header[at+14], header[at+15] = byte(count>>24), byte(count>>16), byte(count>>8), byte(count)
			return header
		}
	}
	panic("no such tag")
}
