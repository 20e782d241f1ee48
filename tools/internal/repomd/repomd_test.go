package repomd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

const sum = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// one is a package with everything in it.
const one = `<package type="rpm">
  <name>tool&amp;co</name><arch>x86_64</arch><version epoch="1" ver="2.0" rel="3.el9"/>
  <checksum type="sha256" pkgid="YES">` + sum + `</checksum>
  <summary>a &lt;tool&gt;</summary><description>with a "quote" and an &#x20AC;</description>
  <packager/><url>http://example.org/?a=1&amp;b=2</url>
  <time file="1644263915" build="1600000000"/><size package="1000" installed="2000" archive="3000"/>
<location href="Packages/t/tool-2.0-3.el9.x86_64.rpm"/>
  <format>
    <rpm:license>MIT and (GPL or BSD)</rpm:license><rpm:vendor>V</rpm:vendor><rpm:sourcerpm>tool-2.0-3.el9.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="6333"/>
    <rpm:provides>
      <rpm:entry name="tool" flags="EQ" epoch="1" ver="2.0" rel="3.el9"/>
      <rpm:entry name='virtual'/>
    </rpm:provides>
    <rpm:requires>
      <rpm:entry name="libc.so.6(GLIBC_2.34)(64bit)"/>
      <rpm:entry name="other" flags="GE" epoch="0" ver="1.5" pre="1"/>
      <rpm:entry name="(a if (b &gt;= 2 or c))"/>
    </rpm:requires>
    <rpm:obsoletes><rpm:entry name="old" flags="LT" epoch="0" ver="2"/></rpm:obsoletes>
    <file>/usr/bin/tool</file><file type="dir">/etc/tool.d</file><file type="ghost">/etc/tool.conf</file>
  </format>
</package>
`

func document(packages ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
` + strings.Join(packages, "") + "</metadata>\n"
}

// dump writes a Primary as text.
func dump(p *Primary) string {
	var b strings.Builder
	for i := range p.Packages {
		pkg := &p.Packages[i]
		fmt.Fprintf(&b, "%s sum=%x at=%s license=%q source=%q size=%d installed=%d build=%d header=%d-%d\n", p.NEVRA(pkg), pkg.Checksum[:4],
			pkg.Location, p.Text(pkg.License), p.Text(pkg.SourceRPM), pkg.SizeBytes, pkg.InstalledBytes, pkg.BuildTime, pkg.HeaderStart, pkg.HeaderEnd)
		for kind := range numKinds {
			for _, d := range p.Deps(pkg, kind) {
				fmt.Fprintf(&b, " %d %s %s %s pre=%v\n", kind, p.Text(d.Name), d.Op, p.EVRs[d.EVR], d.Pre)
			}
		}
		for _, f := range p.Files(pkg) {
			fmt.Fprintf(&b, " file %s %d\n", p.Text(f.Path), f.Type)
		}
	}
	return b.String()
}

func TestParsePrimary(t *testing.T) {
	p, err := ParsePrimary(strings.NewReader(document(one)))
	if err != nil {
		t.Fatal(err)
	}
	want := `tool&co-1:2.0-3.el9.x86_64 sum=00112233 at=Packages/t/tool-2.0-3.el9.x86_64.rpm license="MIT and (GPL or BSD)" source="tool-2.0-3.el9.src.rpm" size=1000 installed=2000 build=1600000000 header=4504-6333
 0 tool = 1:2.0-3.el9 pre=false
 0 virtual   pre=false
 1 libc.so.6(GLIBC_2.34)(64bit)   pre=false
 1 other >= 1.5 pre=true
 1 (a if (b >= 2 or c))   pre=false
 3 old < 2 pre=false
 file /usr/bin/tool 0
 file /etc/tool.d 1
 file /etc/tool.conf 2
`
	if got := dump(p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestParsePrimaryInPieces reads through every size of window: what is found must not depend on how the input arrives.
func TestParsePrimaryInPieces(t *testing.T) {
	text := document(one, one, one)
	whole, err := ParsePrimary(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size < 70; size++ {
		p, err := ParsePrimary(&slow{strings.NewReader(text), size})
		if err != nil {
			t.Fatalf("%d bytes at a time: %v", size, err)
		}
		if dump(p) != dump(whole) {
			t.Fatalf("%d bytes at a time give another result", size)
		}
	}
}

type slow struct {
	r io.Reader
	n int
}

func (s *slow) Read(b []byte) (int, error) { return s.r.Read(b[:min(len(b), s.n)]) }

func TestParsePrimaryErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(one, old) {
			t.Fatalf("the package has no %q", old)
		}
		return document(strings.Replace(one, old, new, 1))
	}
	tests := []struct{ summary, text, err string }{
		{"nothing", "", "no <metadata> element"},
		{"no XML", "hello", "no <metadata> element"},
		{"another document", "<filelists></filelists>", "the root element is <filelists>, not <metadata>"},
		{"an end that is missing", strings.TrimSuffix(document(one), "</metadata>\n"), "the end tag </metadata> is missing"},
		{"a package that is cut off", document(one)[:600], "a <package> element is cut off"},
		{"no checksum", edit(`<checksum type="sha256" pkgid="YES">`+sum+`</checksum>`, ""), "(tool&co): name, arch, version, checksum or location is missing"},
		{"a weak checksum", edit(`type="sha256"`, `type="sha"`), `the package checksum is of type "sha"; only sha256 is trusted`},
		{"a short checksum", edit(sum, "0011"), `the checksum "0011" is not SHA-256`},
		{"a checksum that is no number", edit(sum, strings.Repeat("z", 64)), "is not hexadecimal"},
		{"a location outside", edit("Packages/t/", "/etc/"), `the location "/etc/tool-2.0-3.el9.x86_64.rpm" is not a path in the repository`},
		{"a location that climbs", edit("Packages/t/", "a/../../"), "is not a path in the repository"},
		{"a location with a scheme", edit("Packages/t/", "http://evil.example/"), "is not a path in the repository"},
		{"a name with a slash", edit("tool&amp;co", "a/b"), `"a/b" is not a package name or architecture`},
		{"two names", edit("<arch>", "<name>x</name><arch>"), "name or arch is given twice"},
		{"an unknown entity", edit("tool&amp;co", "tool&nbsp;co"), "unknown entity reference &nbsp;"},
		{"an unfinished entity", edit("tool&amp;co", "tool&ampco"), "unfinished entity reference"},
		{"an unknown comparison", edit(`flags="GE"`, `flags="NE"`), `unknown flags "NE" of a dependency`},
		{"an epoch of letters", edit(`epoch="1" ver="2.0" rel="3.el9"/>`, `epoch="x" ver="2.0" rel="3.el9"/>`), `epoch "x" is not a number`},
		{"an empty version", edit(`ver="2.0" rel="3.el9"/>`, `ver="" rel="3.el9"/>`), "the version is empty"},
		{"a size of letters", edit(`package="1000"`, `package="1k"`), `package="1k" is not a number`},
		{"a negative size", edit(`package="1000"`, `package="-1"`), `package="-1" is not a number`},
		{"an attribute without quotes", edit(`start="4504"`, `start=4504`), "the attribute start is not quoted"},
		{"CDATA", edit("<summary>", "<summary><![CDATA[x]]>"), "comments, CDATA and processing instructions are not expected"},
		{"tags that do not match", edit("<format>", "</format>"), "unbalanced tags"},
		{"a dependency without a name", edit(`name="other"`, `nom="other"`), "a dependency has no name"},
		{"a version without end", edit(`ver="2.0"`, `ver="`+strings.Repeat("1", 600)+`"`), "is longer than 512 bytes"},
	}
	for _, test := range tests {
		_, err := ParsePrimary(strings.NewReader(test.text))
		if err == nil || !strings.HasPrefix(err.Error(), "reading primary.xml: package ") || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
		}
	}
}

func TestSourcePackagesAreLeftOut(t *testing.T) {
	p, err := ParsePrimary(strings.NewReader(document(strings.Replace(one, "<arch>x86_64", "<arch>src", 1), one)))
	if err != nil || len(p.Packages) != 1 {
		t.Errorf("%d packages, %v", len(p.Packages), err)
	}
}

func TestScanFilelists(t *testing.T) {
	text := `<?xml version="1.0"?><filelists xmlns="x" packages="2"><package pkgid="` + sum + `" name="a" arch="noarch"><version epoch="0" ver="1" rel="1"/>
<file>/usr/share/a</file><file type="dir">/usr/share/d</file><file>/usr/share/b&amp;c</file></package>
<package pkgid="` + sum + `" name="a" arch="src"><file>/usr/share/a</file></package></filelists>`
	found, err := ScanFilelists(strings.NewReader(text), map[string]bool{"/usr/share/a": true, "/usr/share/b&c": true, "/usr/share/d": true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%x %s %d", f.Package[:2], f.Path, f.Type))
	}
	if want := "[0011 /usr/share/a 0 0011 /usr/share/d 1 0011 /usr/share/b&c 0]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if _, err := ScanFilelists(strings.NewReader(text[:len(text)-20]), nil); err == nil {
		t.Error("a truncated document was read")
	}
}

func TestInPrimary(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/bin/sh": true, "/sbin/init": true, "/etc/passwd": true, "/usr/lib/sendmail": true, "/etc": false, "/usr/share/x": false,
		"/usr/lib64/libc.so.6": false, "/opt/x/bin/y": true,
	} {
		if got := InPrimary(path); got != want {
			t.Errorf("InPrimary(%s) = %v", path, got)
		}
	}
}

func index(data string) string {
	return `<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision> 17 </revision>` + data + `</repomd>`
}

const record = `<data type="primary"><checksum type="sha256">` + sum + `</checksum><location href="repodata/p.xml.gz"/>` +
	`<timestamp>12.5</timestamp><size>10</size><open-size>20</open-size></data>`

func TestParseIndex(t *testing.T) {
	x, err := ParseIndex([]byte(index(record)))
	if err != nil {
		t.Fatal(err)
	}
	want := `&{17 [{primary repodata/p.xml.gz sha256 ` + sum + ` 10 20 12}]}`
	if got := fmt.Sprint(x); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if x.Find("filelists") != nil || x.Find("primary") == nil {
		t.Error("Find does not find what is there")
	}
	tests := []struct{ summary, text, err string }{
		{"nothing", "", "reading repomd.xml: no <repomd> element"},
		{"another document", "<html></html>", "reading repomd.xml: expected element type <repomd> but have <html>"},
		{"a location that climbs", index(strings.Replace(record, "repodata/", "repodata/../../x/../", 1)), `file of type "primary": the location`},
		{"a checksum of letters", index(strings.Replace(record, sum, "xyz", 1)), `the checksum "xyz" is not hexadecimal`},
		{"a size of letters", index(strings.Replace(record, ">10<", ">ten<", 1)), `"ten" is not a size`},
		{"too many files", index(strings.Repeat(record, 1001)), "more than 1000 files"},
		{"cut off", index(record)[:100], "reading repomd.xml: "},
	}
	for _, test := range tests {
		if _, err := ParseIndex([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
		}
	}
}

func pack(t testing.TB, kind, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecompress(t *testing.T) {
	const text = "<metadata>hello</metadata>"
	bz2 := []byte("BZh91AY&SY\xb5\x0b\x8f\xe1")
	tests := []struct {
		summary string
		data    []byte
		open    int64
		err     string
	}{
		{"gzip", pack(t, "gzip", text), int64(len(text)), ""},
		{"xz", pack(t, "xz", text), int64(len(text)), ""},
		{"zstd", pack(t, "zstd", text), int64(len(text)), ""},
		{"plain", []byte(text), int64(len(text)), ""},
		{"an unknown size", pack(t, "zstd", text), -1, ""},
		{"more than the index says", pack(t, "gzip", text), 5, "the uncompressed content is larger than the index says"},
		{"less than the index says", pack(t, "gzip", text), 50, "the uncompressed content is 24 bytes shorter than the index says"},
		{"a bomb", pack(t, "zstd", strings.Repeat("\x00", 50<<20)), 1000, "the uncompressed content is larger than the index says"},
		{"a bomb of which the index says nothing", pack(t, "gzip", strings.Repeat(" ", 70<<20)), -1, "the content unpacks to more than 200 times its size"},
		{"a bomb that the index announces", pack(t, "zstd", strings.Repeat(" ", 70<<20)), 70 << 20, "the content unpacks to more than 200 times its size"},
		{"truncated gzip", pack(t, "gzip", text)[:20], -1, "unexpected EOF"},
		{"truncated bzip2", bz2, -1, "unexpected EOF"},
		{"zchunk", []byte("\x00ZCK1 and so on"), -1, "zchunk metadata is not supported"},
		{"sqlite", []byte("SQLite format 3\x00 and so on"), -1, "sqlite metadata is not supported"},
		{"something else", []byte("%PDF-1.7"), -1, "unknown compression, first bytes 255044462d31"},
		{"nothing", nil, -1, "the file is empty"},
	}
	for _, test := range tests {
		r, err := Decompress(bytes.NewReader(test.data), test.open)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
			r.Close()
		}
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
			}
		} else if err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v", test.summary, got, err)
		}
	}
}

func TestStrings(t *testing.T) {
	s := NewStrings()
	ids := map[ID]string{}
	for i := range 20000 {
		text := strings.Repeat(fmt.Sprint(i), 1+i%7)
		id := s.InternString(text)
		if old, ok := ids[id]; ok && old != text {
			t.Fatalf("%q and %q have the number %d", old, text, id)
		}
		ids[id] = text
	}
	big := strings.Repeat("x", chunkSize)
	ids[s.InternString(big)] = big
	for id, text := range ids {
		if s.Text(id) != text {
			t.Fatalf("%d is %q, want %q", id, s.Text(id), text)
		}
		if found, ok := s.Lookup(text); !ok || found != id {
			t.Fatalf("%q is not found", text)
		}
	}
	if _, ok := s.Lookup("absent"); ok {
		t.Error("a string that was never added is found")
	}
	if id, ok := s.Lookup(""); id != 0 || !ok {
		t.Error("the empty string is not 0")
	}
}

func FuzzParsePrimary(f *testing.F) {
	f.Add([]byte(document(one)))
	f.Add([]byte(document(one, strings.Replace(one, "x86_64", "src", 1))))
	f.Add([]byte("<metadata><package></package></metadata>"))
	f.Add([]byte("<metadata><package a='>'/></package></metadata>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePrimary(bytes.NewReader(data))
		if err != nil {
			return
		}
		for i := range p.Packages {
			pkg := &p.Packages[i]
			if err := CheckLocation(pkg.Location); err != nil {
				t.Error(err)
			}
			for kind := range numKinds {
				for _, d := range p.Deps(pkg, kind) {
					if d.Name == 0 || d.Op != 0 && p.EVRs[d.EVR] == (evr.EVR{}) {
						t.Errorf("dependency %+v", d)
					}
				}
			}
		}
		again, err := ParsePrimary(&slow{bytes.NewReader(data), 7})
		if err != nil || dump(again) != dump(p) {
			t.Errorf("read in pieces, it gives something else: %v", err)
		}
	})
}

func FuzzScanFilelists(f *testing.F) {
	f.Add([]byte(`<filelists><package pkgid="` + sum + `"><file type="dir">/a</file></package></filelists>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := ScanFilelists(bytes.NewReader(data), map[string]bool{"/a": true})
		for _, x := range found {
			if err == nil && x.Path != "/a" {
				t.Errorf("found %q", x.Path)
			}
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(index(record)))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ParseIndex(data)
		if err != nil {
			return
		}
		for _, r := range x.Records {
			if CheckLocation(r.Location) != nil || r.Checksum == "" || r.Type == "" {
				t.Errorf("record %+v", r)
			}
		}
	})
}
