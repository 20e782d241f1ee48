package extract_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// run extracts a package into a new folder and returns it.
func run(t testing.TB, content []byte, o extract.Options) (dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	o.RPM = filepath.Join(dir, "in.rpm")
	o.Payload, o.Index, o.Header = filepath.Join(dir, "payload.tar"), filepath.Join(dir, "index.json"), filepath.Join(dir, "header.bin")
	if err := os.WriteFile(o.RPM, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir, extract.Run(o)
}

func readIndex(t testing.TB, dir string) *pkgindex.Index {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := pkgindex.Read(f, "index.json")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// dump lists the tar, one entry a line.
func dump(t testing.TB, dir string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "payload.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%c %04o %s:%s %d %s", h.Typeflag, h.Mode, h.Uname, h.Gname, h.ModTime.Unix(), h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&b, " -> %s", h.Linkname)
		}
		if h.Devmajor|h.Devminor != 0 {
			fmt.Fprintf(&b, " %d,%d", h.Devmajor, h.Devminor)
		}
		if len(content) > 0 {
			fmt.Fprintf(&b, " %q", content)
		}
		if caps := h.PAXRecords["SCHILY.xattr.security.capability"]; caps != "" {
			fmt.Fprintf(&b, " caps %x", caps)
		}
		b.WriteByte('\n')
	}
}

func everything() rpmtest.Package {
	return rpmtest.Package{
		Name: "every", Epoch: 1, Version: "2", Release: "3",
		Files: []rpmtest.File{
			{Path: "/"},
			{Path: "/dev/null", Mode: 0o020666, Rdev: 1<<8 | 3},
			{Path: "/dev/sda", Mode: 0o060660, Rdev: 8 << 8, Group: "disk"},
			{Path: "/etc/every.conf", Data: "a=1\n", Flags: pkgindex.FlagConfig | pkgindex.FlagNoReplace, MTime: 1},
			{Path: "/etc/ld.so.conf.d/every.conf", Data: "/opt/every\n"},
			{Path: "/run/every.fifo", Mode: 0o010600},
			{Path: "/usr/bin/every", Mode: 0o106755, Data: "#! /usr/bin/env  -S sh -e\nexit 0\n", User: "daemon"},
			{Path: "/usr/bin/ping", Mode: 0o100755, Data: "ping", Caps: "cap_net_raw=ep"},
			{Path: "/usr/lib/libe.so.1", Link: "../lib64/libe.so.1"},
			{Path: "/usr/lib64/a", Data: "linked\n", Inode: 7},
			{Path: "/usr/lib64/b", Inode: 7},
			{Path: "/usr/lib64/c", Inode: 8},
			{Path: "/usr/lib64/d", Inode: 8},
			{Path: "/usr/share/de.mo", Data: "mo", Langs: "de|fr"},
			{Path: "/usr/share/new\nline", Data: "n"},
			{Path: "/usr/share/\xff", Link: "\xfe"},
			{Path: "/var/log/every", Flags: pkgindex.FlagGhost},
			{Path: "/var/tmp/", Mode: 0o041777},
		},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: "echo hi\n"}},
		Requires:   rpmtest.Require("rpmlib(FileCaps) <= 4.6.1-1"),
		Provides:   []string{"every = 1:2-3"},
	}
}

const everythingTar = `5 0755 root:root 1700000000 ./
3 0666 root:root 1700000000 dev/null 1,3
4 0660 root:disk 1700000000 dev/sda 8,0
0 0644 root:root 1 etc/every.conf "a=1\n"
0 0644 root:root 1700000000 etc/ld.so.conf.d/every.conf "/opt/every\n"
6 0600 root:root 1700000000 run/every.fifo
0 6755 daemon:root 1700000000 usr/bin/every "#! /usr/bin/env  -S sh -e\nexit 0\n"
0 0755 root:root 1700000000 usr/bin/ping "ping" caps 0100000200200000000000000000000000000000
2 0777 root:root 1700000000 usr/lib/libe.so.1 -> ../lib64/libe.so.1
0 0644 root:root 1700000000 usr/lib64/a "linked\n"
0 0644 root:root 1700000000 usr/lib64/c
0 0644 root:root 1700000000 usr/share/de.mo "mo"
0 0644 root:root 1700000000 usr/share/new
line "n"
2 0777 root:root 1700000000 usr/share/` + "\xff -> \xfe" + `
5 1777 root:root 1700000000 var/tmp/
1 0644 root:root 1700000000 usr/lib64/b -> usr/lib64/a
1 0644 root:root 1700000000 usr/lib64/d -> usr/lib64/c
`

// TestEveryKindOfPayload: the tar and the index are the same whatever the compressor and the archive format are.
func TestEveryKindOfPayload(t *testing.T) {
	for _, compressor := range []string{"none", "gzip", "bzip2", "xz", "lzma", "zstd"} {
		for _, format := range []string{"newc", "crc", "stripped"} {
			for _, legacy := range []bool{false, true} {
				p := everything()
				p.Compressor, p.CPIO, p.Legacy, p.MD5Files = compressor, format, legacy, legacy
				name := fmt.Sprintf("%s %s legacy=%v", compressor, format, legacy)
				content := rpmtest.Build(p)
				sum := sha256.Sum256(content)
				dir, err := run(t, content, extract.Options{SHA256: hex.EncodeToString(sum[:]), NEVRA: "every-1:2-3.x86_64"})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if got := dump(t, dir); got != everythingTar {
					t.Errorf("%s: tar\n%swant\n%s", name, got, everythingTar)
				}
				x := readIndex(t, dir)
				if x.SHA256 != hex.EncodeToString(sum[:]) || x.SizeBytes != int64(len(content)) || len(x.Files) != 18 {
					t.Errorf("%s: index %+v", name, x)
				}
				if legacy != (len(x.Notes) == 2) {
					t.Errorf("%s: notes %q", name, x.Notes)
				}
			}
		}
	}
}

func TestIndex(t *testing.T) {
	dir, err := run(t, rpmtest.Build(everything()), extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := os.ReadFile(filepath.Join(dir, "payload.tar"))
	if err != nil {
		t.Fatal(err)
	}
	x := readIndex(t, dir)
	byPath := map[string]pkgindex.File{}
	for _, f := range x.Files {
		byPath[f.Path] = f
		if f.Type != pkgindex.TypeFile || f.Ghost() {
			continue
		}
		content := payload[f.Offset : f.Offset+f.SizeBytes]
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%q: the tar holds %q at %d", f.Path, content, f.Offset)
		}
	}
	if f := byPath["/usr/bin/every"]; f.Interp != "/usr/bin/env" || f.InterpArg != "-S sh -e" || f.Mode != 0o6755 || f.User != "daemon" {
		t.Errorf("script: %+v", f)
	}
	if f := byPath["/etc/ld.so.conf.d/every.conf"]; f.Text != "/opt/every\n" {
		t.Errorf("loader configuration: %+v", f)
	}
	a, b, c, d := byPath["/usr/lib64/a"], byPath["/usr/lib64/b"], byPath["/usr/lib64/c"], byPath["/usr/lib64/d"]
	if a.HardLinks == 0 || a.HardLinks != b.HardLinks || c.HardLinks != d.HardLinks || a.HardLinks == c.HardLinks || a.SHA256 != b.SHA256 || a.Offset != b.Offset {
		t.Errorf("hard links: %+v %+v %+v %+v", a, b, c, d)
	}
	if f := byPath["/var/log/every"]; !f.Ghost() || f.SHA256 != "" {
		t.Errorf("ghost: %+v", f)
	}
	header, err := os.Open(filepath.Join(dir, "header.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer header.Close()
	p, err := rpm.ReadHeaders(header)
	if err != nil || p.NEVRA() != x.NEVRA {
		t.Errorf("header.bin: %v", err)
	}
	if len(x.Scriptlets) != 1 || x.Scriptlets[0].Body != "echo hi\n" || x.Scriptlets[0].Program[0] != "/bin/sh" {
		t.Errorf("scriptlets: %+v", x.Scriptlets)
	}
}

func size(n uint64) *uint64 { return &n }

// TestRefused: every error names package and path, and nothing is left behind.
func TestRefused(t *testing.T) {
	one := func(f rpmtest.File) rpmtest.Package {
		return rpmtest.Package{Name: "bad", Files: []rpmtest.File{{Path: "/ok", Data: "ok"}, f}, Compressor: "gzip"}
	}
	good := one(rpmtest.File{Path: "/a", Data: "data"})
	edit := func(f func(*rpmtest.Package)) rpmtest.Package {
		p := good
		f(&p)
		return p
	}
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 0x55
			return b
		}
	}
	tests := []struct {
		summary string
		pkg     rpmtest.Package
		edit    func([]byte) []byte
		options extract.Options
		err     string
	}{
		{summary: "a truncated payload", pkg: good, edit: func(b []byte) []byte { return b[:len(b)-10] }, err: "bad-1-1.x86_64: "},
		{summary: "a truncated package whose hash is known", pkg: good, edit: func(b []byte) []byte { return b[:len(b)-10] }, options: extract.Options{SHA256: strings.Repeat("0", 64)}, err: "wanted 0000"},
		{summary: "a truncated header", pkg: good, edit: func(b []byte) []byte { return b[:1200] }, err: "truncated"},
		{summary: "a truncated lead", pkg: good, edit: func(b []byte) []byte { return b[:50] }, err: "reading lead: truncated in the lead, after 50 bytes"},
		{summary: "an HTML page", pkg: good, edit: func([]byte) []byte { return []byte("<html>" + strings.Repeat(" ", 100)) }, err: "not an RPM package: magic 3c68746d"},
		{summary: "another hash than the lock's", pkg: good, options: extract.Options{SHA256: strings.Repeat("1", 64)}, err: "bad-1-1.x86_64: sha256 of the package is "},
		{summary: "another identity than the lock's", pkg: good, options: extract.Options{NEVRA: "good-1-1.x86_64"}, err: "the package is bad-1-1.x86_64, wanted good-1-1.x86_64"},
		{summary: "a changed header", pkg: good, edit: func(b []byte) []byte { return bytes.Replace(b, []byte("Test package"), []byte("Fest package"), 1) }, err: "bad-1-1.x86_64: header digest mismatch: SHA1 is"},
		{summary: "a changed payload", pkg: edit(func(p *rpmtest.Package) { p.Compressor = "none" }), edit: flip(-130), err: "bad-1-1.x86_64: "},
		{summary: "a payload digest that is wrong", pkg: edit(func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagPayloadDigest, V: []string{strings.Repeat("ab", 32)}}}
			p.Omit = []rpm.Tag{rpm.TagPayloadDigestAlt}
		}), err: "payload digest mismatch: SHA256 is"},
		{summary: "an MD5 of header and payload that is wrong", pkg: edit(func(p *rpmtest.Package) {
			p.Legacy = true
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigMD5, V: make([]byte, 16)}}
		}), err: "payload digest mismatch: MD5 of header and payload is"},
		{summary: "a size in the signature that is wrong", pkg: edit(func(p *rpmtest.Package) {
			p.Legacy = true
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigSize, V: uint32(5)}}
		}), err: "the package says 5"},
		{summary: "no digest of the payload", pkg: edit(func(p *rpmtest.Package) { p.Legacy = true; p.OmitSig = []rpm.Tag{rpm.SigMD5} }), err: "the package has no digest of its payload"},
		{summary: "no digest of the header", pkg: edit(func(p *rpmtest.Package) { p.OmitSig = []rpm.Tag{rpm.SigSHA1Header, rpm.SigSHA256Header, rpm.SigMD5} }), err: "the package has no digest of its header"},
		{summary: "a file with another digest", pkg: one(rpmtest.File{Path: "/a", Data: "data", Digest: strings.Repeat("cd", 32)}), err: "bad-1-1.x86_64: /a: file digest mismatch: content has"},
		{summary: "a file without digest", pkg: one(rpmtest.File{Path: "/a", Data: "data", Digest: "x"}), err: `/a: the header's digest "x" is not one of 32 bytes`},
		{summary: "a file with another size", pkg: one(rpmtest.File{Path: "/a", Data: "data", Size: size(5)}), err: `bad-1-1.x86_64: "/a": 4 bytes in the payload, the header says 5`},
		{summary: "a file that is not in the payload", pkg: one(rpmtest.File{Path: "/a", Data: "data", Omit: true}), err: `"/a" is in the header but not in the payload`},
		{summary: "a payload with more than the header", pkg: edit(func(p *rpmtest.Package) {
			p.EditCPIO = func(b []byte) []byte {
				return append(rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: "./evil", Mode: 0o100644}, nil), b...)
			}
		}), err: `payload entry "./evil" is not in the header`},
		{summary: "a payload that climbs", pkg: edit(func(p *rpmtest.Package) {
			p.EditCPIO = func(b []byte) []byte {
				return append(rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: "./../evil", Mode: 0o100644}, nil), b...)
			}
		}), err: `payload entry "./../evil": path "/../evil" has the component ".."`},
		{summary: "a file twice in the payload", pkg: edit(func(p *rpmtest.Package) {
			p.EditCPIO = func(b []byte) []byte {
				return append(rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: "./ok", Mode: 0o100644}, []byte("ok")), b...)
			}
		}), err: `"/ok" is twice in the payload`},
		{summary: "an archive without trailer", pkg: edit(func(p *rpmtest.Package) { p.EditCPIO = func(b []byte) []byte { return b[:len(b)-124] } }), err: "unexpected EOF"},
		{summary: "a payload that is no archive", pkg: edit(func(p *rpmtest.Package) { p.EditCPIO = func([]byte) []byte { return []byte("hello world") } }), err: `bad magic "hello "`},
		{summary: "a payload that is not compressed as told", pkg: edit(func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagPayloadCompressor, V: "xz"}}
		}), err: "decompressing xz payload"},
		{summary: "an unknown compressor", pkg: edit(func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagPayloadCompressor, V: "rar"}}
		}), err: `compressor "rar" is unknown`},
		{summary: "an unknown payload format", pkg: edit(func(p *rpmtest.Package) {
			p.Tags = []rpmtest.Value{{Tag: rpm.TagPayloadFormat, V: "drpm"}}
		}), err: `payload format "drpm" is not supported`},
		{summary: "a feature of a future rpm", pkg: edit(func(p *rpmtest.Package) { p.Requires = rpmtest.Require("rpmlib(PayloadAlignment) <= 6.2.0-1") }), err: "requires rpmlib(PayloadAlignment) <= 6.2.0-1, which is not supported"},
		{summary: "a path that climbs", pkg: one(rpmtest.File{Path: "/usr/../../etc/passwd", Data: "x"}), err: `has the component ".."`},
		{summary: "a relative path", pkg: one(rpmtest.File{Path: "etc/passwd", Data: "x"}), err: `path "etc/passwd" is not absolute`},
		{summary: "a path with an empty component", pkg: one(rpmtest.File{Path: "/a//b", Data: "x"}), err: `path "/a//b" has the component ""`},
		{summary: "a path listed twice", pkg: one(rpmtest.File{Path: "/ok", Data: "ok"}), err: `"/ok" is listed twice`},
		{summary: "unknown capabilities", pkg: one(rpmtest.File{Path: "/a", Data: "x", Caps: "cap_fly=ep"}), err: `capability "cap_fly" is unknown`},
		{summary: "a file of no type", pkg: one(rpmtest.File{Path: "/a", Mode: 0o644}), err: `"/a": mode 644 has no file type`},
		{summary: "a symbolic link to nothing", pkg: one(rpmtest.File{Path: "/a", Mode: 0o120777}), err: `"/a": symbolic link with a target of 0 bytes`},
		{summary: "a symbolic link that differs from the header", pkg: edit(func(p *rpmtest.Package) {
			p.Files = []rpmtest.File{{Path: "/l", Link: "here"}}
			p.EditCPIO = func(b []byte) []byte { return bytes.Replace(b, []byte("here"), []byte("evil"), 1) }
		}), err: `"/l": link target is "evil" in the payload and "here" in the header`},
		{summary: "hard links whose content is missing", pkg: edit(func(p *rpmtest.Package) {
			p.Files = []rpmtest.File{{Path: "/a", Inode: 5, Data: "x", Size: size(1)}, {Path: "/b", Inode: 5, Size: size(1)}}
			p.EditCPIO = func([]byte) []byte {
				out := rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: "./a", Mode: 0o100644}, nil)
				return rpmtest.AppendTrailer(rpmtest.AppendCPIO(out, rpmtest.CPIOHeader{Name: "./b", Mode: 0o100644}, nil))
			}
		}), err: `"/b": the payload lacks the content of this hard link of "/a"`},
		{summary: "a source package", pkg: edit(func(p *rpmtest.Package) { p.Tags = []rpmtest.Value{{Tag: rpm.TagSourcePackage, V: uint32(1)}} }), err: "bad-1-1.src: is a source package"},
		{summary: "a name that is a path", pkg: edit(func(p *rpmtest.Package) { p.Name = "../bad" }), err: `reading the name: "../bad" holds characters that are not allowed`},
	}
	for _, test := range tests {
		content := rpmtest.Build(test.pkg)
		if test.edit != nil {
			content = test.edit(content)
		}
		dir, err := run(t, content, test.options)
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		}
		left, _ := os.ReadDir(dir)
		if len(left) != 1 {
			t.Errorf("%s: left behind: %v", test.summary, left)
		}
	}
}

func TestKnownHashReplacesMissingDigests(t *testing.T) {
	p := rpmtest.Package{Name: "old", Files: []rpmtest.File{{Path: "/a", Data: "x"}}, Legacy: true, OmitSig: []rpm.Tag{rpm.SigMD5, rpm.SigSHA1Header}}
	content := rpmtest.Build(p)
	sum := sha256.Sum256(content)
	dir, err := run(t, content, extract.Options{SHA256: hex.EncodeToString(sum[:])})
	if err != nil {
		t.Fatal(err)
	}
	if notes := readIndex(t, dir).Notes; strings.Join(notes, "; ") != "no header digest; no payload digest" {
		t.Errorf("notes %q", notes)
	}
}

func TestWrongHashHasAHint(t *testing.T) {
	_, err := run(t, rpmtest.Build(rpmtest.Package{Name: "a"}), extract.Options{SHA256: strings.Repeat("1", 64)})
	if len(cli.Hints(errors.Unwrap(err))) == 0 && len(cli.Hints(err)) == 0 {
		t.Errorf("%v has no hint", err)
	}
}

func TestPackageWithoutFiles(t *testing.T) {
	dir, err := run(t, rpmtest.Build(rpmtest.Package{Name: "empty"}), extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, dir); got != "" {
		t.Errorf("tar %q", got)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "index.json")); !bytes.Contains(text, []byte(`"files":[]`)) {
		t.Errorf("index %s", text)
	}
}
