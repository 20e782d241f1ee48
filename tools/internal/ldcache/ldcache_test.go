package ldcache

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		why, a, b string
		want      int
	}{
		{"equal names", "libc.so.6", "libc.so.6", 0},
		{"numbers compare by value", "libfoo.so.9", "libfoo.so.10", -1},
		{"leading zeros do not count", "libfoo.so.010", "libfoo.so.10", 0},
		{"a number is greater than a letter", "lib1", "liba", 1},
		{"a letter is less than a number", "liba", "lib1", -1},
		{"a longer name is greater", "libfoo.so", "libfoo.so.1", -1},
		{"a shorter name is less", "libfoo.so.1", "libfoo.so", 1},
		{"bytes otherwise", "liba.so", "libb.so", -1},
		{"numbers beyond 64 bits", "lib99999999999999999999", "lib100000000000000000000", -1},
	} {
		if got := Compare(c.a, c.b); sign(got) != c.want {
			t.Errorf("%s: Compare(%q, %q) = %d, want sign %d", c.why, c.a, c.b, got, c.want)
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func dyn(soname string) *pkgindex.ELF {
	return &pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Soname: soname}
}

func TestScan(t *testing.T) {
	for _, c := range []struct {
		why     string
		hwcap   string
		files   []File
		entries string
		links   string
	}{
		{"a library and its links", "", []File{
			{"libfoo.so", true, dyn("libfoo.so.1")}, {"libfoo.so.1", true, dyn("libfoo.so.1")}, {"libfoo.so.1.2", false, dyn("libfoo.so.1")},
		}, "libfoo.so=/d/libfoo.so libfoo.so.1=/d/libfoo.so.1", "libfoo.so.1>libfoo.so.1.2"},
		{"below glibc-hwcaps the file itself", "x86-64-v3", []File{
			{"libfoo.so.1", true, dyn("libfoo.so.1")}, {"libfoo.so.1.2", false, dyn("libfoo.so.1")},
		}, "libfoo.so.1=/d/libfoo.so.1.2", "libfoo.so.1>libfoo.so.1.2"},
		{"the newer of two files", "", []File{
			{"libfoo.so.1.10", false, dyn("libfoo.so.1")}, {"libfoo.so.1.9", false, dyn("libfoo.so.1")},
		}, "libfoo.so.1=/d/libfoo.so.1", "libfoo.so.1>libfoo.so.1.10"},
		{"no soname: the file name", "", []File{{"libp.so", false, dyn("")}}, "libp.so=/d/libp.so", ""},
		{"a link into another directory makes no link", "", []File{{"libblas.so.3", true, dyn("libblas.so.3")}}, "libblas.so.3=/d/libblas.so.3", ""},
		{"a file that is named like its soname makes no link", "", []File{{"libz.so.1", false, dyn("libz.so.1")}}, "libz.so.1=/d/libz.so.1", ""},
		{"names that are no libraries", "", []File{
			{"notlib.so", false, dyn("notlib.so")}, {"libx.so-gdb.py", false, dyn("libx.so")}, {"libtext.so", false, nil},
			{"libobj.so", false, &pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "rel"}},
			{"libmips.so", false, &pkgindex.ELF{Class: 64, Machine: "em-8", Type: "dyn"}},
		}, "", ""},
		{"a development link whose library has another soname is one more file", "", []File{
			{"libodd.so", true, dyn("libreal.so.5")}, {"libodd.so.1", false, dyn("libreal.so.5")},
		}, "libreal.so.5=/d/libreal.so.5", "libreal.so.5>libodd.so.1"},
		{"32 bits beside 64", "", []File{
			{"libfoo.so.1", false, dyn("libfoo.so.1")}, {"libfoo32.so.1", false, &pkgindex.ELF{Class: 32, Machine: "i386", Type: "dyn", Soname: "libfoo.so.1"}},
		}, "libfoo.so.1=/d/libfoo.so.1 libfoo.so.1=/d/libfoo.so.1", "libfoo.so.1>libfoo32.so.1"},
	} {
		entries, links := Scan("/d", c.hwcap, c.files)
		var e, l []string
		for _, x := range entries {
			e = append(e, x.Name+"="+x.Path)
		}
		for _, x := range links {
			l = append(l, x.Name+">"+x.Target)
		}
		if got := strings.Join(e, " "); got != c.entries {
			t.Errorf("%s: entries %q, want %q", c.why, got, c.entries)
		}
		if got := strings.Join(l, " "); got != c.links {
			t.Errorf("%s: links %q, want %q", c.why, got, c.links)
		}
	}
}

func TestParseConf(t *testing.T) {
	got := ParseConf("# comment\ninclude /etc/ld.so.conf.d/*.conf\n/usr/local/lib/ # here\nrelative\nhwcap 1 x\n/a:/b\n\n")
	want := []Directive{{Include: "/etc/ld.so.conf.d/*.conf"}, {Dir: "/usr/local/lib"}, {Dir: "/a"}, {Dir: "/b"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func sample() *Cache {
	c := &Cache{Generator: "ldconfig (test) stable release version 2.36"}
	for _, name := range []string{"libfoo.so.1", "libfoo.so.10", "libfoo.so", "ld-linux-x86-64.so.2", "libstdc++.so.6"} {
		c.Entries = append(c.Entries, Entry{Name: name, Path: "/lib64/" + name, Flags: FlagX8664})
	}
	return append2(c, Entry{"libfoo.so.1", "/lib64/glibc-hwcaps/x86-64-v3/libfoo.so.1.2", FlagX8664, "x86-64-v3"},
		Entry{"libfoo.so.1", "/lib64/glibc-hwcaps/x86-64-v2/libfoo.so.1.2", FlagX8664, "x86-64-v2"},
		Entry{"libfoo.so.1", "/usr/local/lib/libfoo.so.1", FlagX8664, ""})
}

func append2(c *Cache, e ...Entry) *Cache { c.Entries = append(c.Entries, e...); return c }

func TestEncodeParse(t *testing.T) {
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range c.Entries {
		got = append(got, fmt.Sprintf("%s %s %#x %s", e.Name, e.Path, e.Flags, e.Hwcap))
	}
	want := []string{
		"libstdc++.so.6 /lib64/libstdc++.so.6 0x303 ",
		"libfoo.so.10 /lib64/libfoo.so.10 0x303 ",
		"libfoo.so.1 /lib64/glibc-hwcaps/x86-64-v2/libfoo.so.1.2 0x303 x86-64-v2",
		"libfoo.so.1 /lib64/glibc-hwcaps/x86-64-v3/libfoo.so.1.2 0x303 x86-64-v3",
		"libfoo.so.1 /lib64/libfoo.so.1 0x303 ",
		"libfoo.so.1 /usr/local/lib/libfoo.so.1 0x303 ",
		"libfoo.so /lib64/libfoo.so 0x303 ",
		"ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2 0x303 ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c.Generator != sample().Generator {
		t.Errorf("generator %q", c.Generator)
	}
}

// TestLdconfigReads lets the real ldconfig print our cache.
func TestLdconfigReads(t *testing.T) {
	ldconfig := findLdconfig(t)
	data, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ld.so.cache")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ldconfig, "-p", "-C", name).CombinedOutput()
	if err != nil {
		t.Fatalf("ldconfig: %v\n%s", err, out)
	}
	for _, line := range []string{
		"8 libs found in cache", "\tlibfoo.so.1 (libc6,x86-64, hwcap: \"x86-64-v2\") => /lib64/glibc-hwcaps/x86-64-v2/libfoo.so.1.2\n",
		"\tlibfoo.so.1 (libc6,x86-64) => /usr/local/lib/libfoo.so.1\n", "Cache generated by: ldconfig (test) stable release version 2.36\n",
	} {
		if !strings.Contains(string(out), line) {
			t.Errorf("ldconfig -p lacks %q:\n%s", line, out)
		}
	}
}

// TestRealCache parses the cache of this machine and writes it again: the bytes must be the same where its glibc has the
// format without legacy parts.
func TestRealCache(t *testing.T) {
	data, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skipf("no cache on this machine: %v", err)
	}
	c, err := Parse(data)
	if err != nil {
		t.Skipf("this machine has another format: %v", err)
	}
	again, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Errorf("%d entries: %d bytes, %d after writing them again, and they differ", len(c.Entries), len(data), len(again))
	}
	t.Logf("%d entries of %s are byte-equal", len(c.Entries), c.Generator)
}

func findLdconfig(t *testing.T) string {
	for _, name := range []string{"ldconfig", "/usr/sbin/ldconfig", "/sbin/ldconfig"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skip("no ldconfig on this machine")
	return ""
}

func TestParseErrors(t *testing.T) {
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	change := func(offset int, b byte) []byte {
		out := bytes.Clone(good)
		out[offset] = b
		return out
	}
	for _, c := range []struct {
		why  string
		data []byte
		want string
	}{
		{"empty", nil, "not in format"},
		{"the format of libc5", append([]byte("ld.so-1.7.0"), make([]byte, 64)...), "not in format"},
		{"big endian", change(28, 3), "byte order 3"},
		{"more entries than bytes", change(22, 1), "entries in"},
		{"a string out of range", change(headerSize+7, 0x7f), "out of range"},
		{"an extension out of range", change(35, 0x7f), "extension at"},
		{"a truncated extension", good[:len(good)-1], "out of range"},
	} {
		if _, err := Parse(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	good, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:60])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatalf("parsed but cannot be written: %v", err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("written but cannot be parsed: %v", err)
		}
	})
}
