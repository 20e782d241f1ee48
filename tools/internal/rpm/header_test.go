package rpm_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func header(values ...rpmtest.Value) []byte {
	return rpmtest.Header(rpm.TagHeaderImmutable, values)
}

var allTypes = []rpmtest.Value{
	{Tag: 1000, V: "name"}, {Tag: 1004, V: rpmtest.I18N{"hello", "hallo"}}, {Tag: 1030, V: []uint16{1, 65535}},
	{Tag: 1028, V: []uint32{7, math.MaxUint32}}, {Tag: 5008, V: []uint64{1 << 40}}, {Tag: 1117, V: []string{"a", "", "b"}},
	{Tag: 261, V: []byte{1, 2, 3}}, {Tag: 1029, V: rpmtest.Chars{0, 1}},
}

func TestGetters(t *testing.T) {
	h, err := rpm.ParseHeader(header(allTypes...))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := h.String(1000); v != "name" || !ok || err != nil {
		t.Errorf("string: %q %v %v", v, ok, err)
	}
	if v, ok, err := h.String(1004); v != "hello" || !ok || err != nil {
		t.Errorf("i18n string: %q %v %v", v, ok, err)
	}
	if v, ok, err := h.Strings(1117); strings.Join(v, "|") != "a||b" || !ok || err != nil {
		t.Errorf("string array: %q %v %v", v, ok, err)
	}
	if v, ok, err := h.Uint16s(1030); len(v) != 2 || v[1] != 65535 || !ok || err != nil {
		t.Errorf("int16: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.Uint32s(1028); len(v) != 2 || v[1] != math.MaxUint32 || !ok || err != nil {
		t.Errorf("int32: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.SizesAny(1028, 5008); len(v) != 1 || v[0] != 1<<40 || !ok || err != nil {
		t.Errorf("sizes, long: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.SizesAny(1028, 5009); len(v) != 2 || v[0] != 7 || !ok || err != nil {
		t.Errorf("sizes, short: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.Bytes(261); !bytes.Equal(v, []byte{1, 2, 3}) || !ok || err != nil {
		t.Errorf("bin: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.Chars(1029); !bytes.Equal(v, []byte{0, 1}) || !ok || err != nil {
		t.Errorf("char: %v %v %v", v, ok, err)
	}
	if v, ok, err := h.String(1001); v != "" || ok || err != nil {
		t.Errorf("absent: %q %v %v", v, ok, err)
	}
	if _, ok, err := h.String(1028); ok || err == nil || err.Error() != "tag 1028 has type int32, wanted string" {
		t.Errorf("string of int32: %v %v", ok, err)
	}
	if _, ok, err := h.Uint32(1028); ok || err == nil || err.Error() != "tag 1028 has 2 elements, wanted 1" {
		t.Errorf("one of two: %v %v", ok, err)
	}
	if _, ok, err := h.Uint64s(1028); ok || err == nil {
		t.Errorf("int64 of int32: %v %v", ok, err)
	}
	for _, e := range h.Entries() {
		if e.Tag == 1000 && string(h.RawData(e)) != "name\x00" {
			t.Errorf("raw data %q", h.RawData(e))
		}
	}
	if !bytes.Equal(h.Raw(), header(allTypes...)) || h.IndexCount() != 9 || h.DataLen() != len(h.Data()) || len(h.Index()) != 9*16 {
		t.Errorf("raw bytes were not kept")
	}
}

// put overwrites a big-endian word of a header: entry i, field 0 tag, 1 type, 2 offset, 3 count.
func put(raw []byte, entry, field int, v uint32) []byte {
	raw = bytes.Clone(raw)
	binary.BigEndian.PutUint32(raw[16+16*entry+4*field:], v)
	return raw
}

func TestHeaderRefused(t *testing.T) {
	good := header(rpmtest.Value{Tag: 1000, V: "name"}, rpmtest.Value{Tag: 1001, V: []uint32{1, 2}}, rpmtest.Value{Tag: 1002, V: []string{"a", "b"}})
	data := len(good) - 16 - 4*16 // size of the data
	trailer := len(good) - 16
	tests := []struct {
		summary string
		raw     []byte
		err     string
	}{
		{"nothing", nil, "truncated in its first 16 bytes"},
		{"another magic", append([]byte{0x8e, 0xad, 0xe8, 2}, good[4:]...), "bad magic"},
		{"reserved bytes that are not zero", append([]byte{0x8e, 0xad, 0xe8, 1, 1}, good[5:]...), "bad magic"},
		{"no entries", append(bytes.Clone(good[:8]), 0, 0, 0, 0, 0, 0, 0, 0), "0 index entries, allowed are 1 to 65535"},
		{"too many entries", append(bytes.Clone(good[:8]), 0, 1, 0, 0, 0, 0, 0, 0), "65536 index entries"},
		{"too much data", append(bytes.Clone(good[:8]), 0, 0, 0, 1, 0x7f, 0, 0, 0), "2130706432 bytes of data, allowed are 268435455"},
		{"cut in the index", good[:40], "truncated: 24 of"},
		{"cut in the data", good[:len(good)-1], "unexpected EOF"},
		{"bytes behind", append(bytes.Clone(good), 0), "1 bytes after its end"},
		{"the region of a signature header", put(good, 0, 0, 62), "region tag 62, wanted tag 63"},
		{"a region of another type", put(good, 0, 1, 6), "region tag 63 has type string and count 16"},
		{"a region outside the data", put(good, 0, 2, uint32(data)), "region trailer at"},
		{"a region offset that overflows", put(good, 0, 2, math.MaxUint32), "region trailer at"},
		{"a trailer with another tag", append(append(bytes.Clone(good[:trailer]), 0, 0, 0, 61), good[trailer+4:]...), "region trailer has tag 61"},
		{"a region smaller than the header", append(append(bytes.Clone(good[:trailer+8]), 0xff, 0xff, 0xff, 0xd0), good[trailer+12:]...), "region holds 3 of 4 entries"},
		{"a region larger than the header", append(append(bytes.Clone(good[:trailer+8]), 0xff, 0xff, 0xff, 0xb0), good[trailer+12:]...), "region trailer claims 80 bytes of index, there are 64"},
		{"a positive trailer offset", append(append(bytes.Clone(good[:trailer+8]), 0, 0, 0, 0x40), good[trailer+12:]...), "region trailer claims -64 bytes"},
		{"a reserved tag", put(good, 1, 0, 99), "tag number is reserved"},
		{"an unknown type", put(good, 1, 1, 10), "unknown type"},
		{"the null type", put(good, 1, 1, 0), "null has no value"},
		{"no elements", put(good, 2, 3, 0), "count must be 1 to"},
		{"more elements than bytes", put(good, 2, 3, 1<<31), "count must be 1 to"},
		{"elements past the end", put(good, 2, 3, 20), "values end outside the data"},
		{"an offset past the end", put(good, 3, 2, 1<<20), "offset is outside"},
		{"overlapping data", put(good, 3, 2, 8), "data overlaps the entry before"},
		{"unaligned data", put(good, 2, 2, 6), "data is not aligned"},
		{"two strings in one", put(good, 1, 3, 2), "a string must have count 1"},
		{"a string without end", put(put(good, 3, 2, uint32(data-1)), 3, 3, 1), "strings end outside the data"},
		{"a string array that runs out", put(good, 3, 3, 30), "strings end outside the data"},
		{"a tag twice", put(good, 2, 0, 1000), "tag 1000 occurs twice"},
	}
	for _, test := range tests {
		_, err := rpm.ParseHeader(test.raw)
		if err == nil || !strings.Contains(err.Error(), test.err) || !strings.HasPrefix(err.Error(), "reading main header: ") {
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		}
	}
}

// TestFalseSizesCostNoMemory: a header that claims 256 MiB and ends at once must not make the reader allocate them.
func TestFalseSizesCostNoMemory(t *testing.T) {
	raw := append(bytes.Clone(header(rpmtest.Value{Tag: 1000, V: "x"})[:8]), 0, 0, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := rpm.ParseHeader(raw); err == nil {
		t.Error("accepted")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("allocated %d bytes", n)
	}
}

func TestFilesRefused(t *testing.T) {
	file := func(edit func(p *rpmtest.Package)) []byte {
		p := rpmtest.Package{Name: "f", Files: []rpmtest.File{{Path: "/d/a", Data: "x"}, {Path: "/d/b", Data: "y"}}, Compressor: "none"}
		edit(&p)
		return rpmtest.Build(p)
	}
	tag := func(tag rpm.Tag, v any) []byte {
		return file(func(p *rpmtest.Package) { p.Tags = []rpmtest.Value{{Tag: tag, V: v}} })
	}
	omit := func(tag rpm.Tag) []byte { return file(func(p *rpmtest.Package) { p.Omit = []rpm.Tag{tag} }) }
	tests := []struct {
		summary string
		rpm     []byte
		err     string
	}{
		{"fewer modes than files", tag(rpm.TagFileModes, []uint16{0o100644}), "reading file modes: tag 1030 has 1 elements for 2 files"},
		{"modes of another type", tag(rpm.TagFileModes, []uint32{1, 2}), "reading file modes: tag 1030 has type int32, wanted int16"},
		{"no sizes", omit(rpm.TagFileSizes), "reading file sizes: tag 1028 is missing"},
		{"no owners", omit(rpm.TagFileUserName), "reading file owners: tag 1039 is missing"},
		{"no directories", omit(rpm.TagDirNames), "reading directory names: tag 1118 is missing"},
		{"a directory that is not there", tag(rpm.TagDirIndexes, []uint32{0, 1}), `file 1 ("b") is in directory 1 of 1`},
		{"a directory without slash", tag(rpm.TagDirNames, []string{"/d"}), `directory "/d" must end in "/"`},
		{"a name with a slash", tag(rpm.TagBasenames, []string{"a", "../b"}), `name "../b" must not hold one`},
		{"a name that is a directory", tag(rpm.TagBasenames, []string{"a", ".."}), `path "/d/.." has the component ".."`},
		{"an empty name", tag(rpm.TagBasenames, []string{"a", ""}), `path "/d/" has the component ""`},
		{"a long path", tag(rpm.TagDirNames, []string{"/" + strings.Repeat("d", 4100) + "/"}), "has a path of 4103 bytes"},
		{"a size that is no size", tag(rpm.TagLongFileSizes, []uint64{1, 1 << 63}), `"/d/b": size 9223372036854775808`},
	}
	for _, test := range tests {
		p, err := rpm.ReadPackage(bytes.NewReader(test.rpm))
		if err != nil {
			t.Errorf("%s: %v", test.summary, err)
			continue
		}
		if _, err := rpm.Files(p.Main); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		}
	}
}

// TestManyFilesInOneLongDirectory: the product of two harmless numbers must not fill the memory.
func TestManyFilesInOneLongDirectory(t *testing.T) {
	const n = 200_000
	bases, indexes := make([]string, n), make([]uint32, n)
	for i := range bases {
		bases[i] = "f"
	}
	raw := header(rpmtest.Value{Tag: rpm.TagBasenames, V: bases}, rpmtest.Value{Tag: rpm.TagDirIndexes, V: indexes},
		rpmtest.Value{Tag: rpm.TagDirNames, V: []string{"/" + strings.Repeat("d", 4000) + "/"}})
	h, err := rpm.ParseHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpm.Files(h); err == nil || !strings.Contains(err.Error(), "more than 67108864 bytes of paths") {
		t.Errorf("error %v", err)
	}
}

func TestDependencies(t *testing.T) {
	p, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(rpmtest.Package{
		Name: "d",
		Files: []rpmtest.File{
			{Path: "/usr/bin/tool", Mode: 0o100755, Class: "ELF 64-bit LSB pie executable", Requires: []int{0}},
			{Path: "/usr/bin/a", Mode: 0o100755, Class: "POSIX shell script, ASCII text executable", Requires: []int{1, 2}},
			{Path: "/usr/bin/b", Mode: 0o100755, Class: "Python script, ASCII text executable", Requires: []int{2}},
			{Path: "/usr/share/c", Mode: 0o100644, Class: "POSIX shell script, ASCII text executable", Requires: []int{3}},
			{Path: "/usr/bin/e", Mode: 0o100755, Class: "ELF 64-bit LSB pie executable", Requires: []int{1}},
		},
		Requires: []rpmtest.Requirement{
			{Text: "libc.so.6()(64bit)", Flags: rpm.SenseFindRequires}, {Text: "/bin/sh", Flags: rpm.SenseFindRequires},
			{Text: "python(abi) = 3.9", Flags: rpm.SenseFindRequires}, {Text: "perl"}, {Text: "/bin/sh", Flags: rpm.SenseInterp | rpm.SensePost},
			{Text: "(a if b)"}, {Text: "rpmlib(FileDigests) <= 4.6.0-1", Flags: rpm.SenseRPMLib}, {Text: "shadow-utils", Flags: rpm.SensePreUn},
		},
	})))
	if err != nil {
		t.Fatal(err)
	}
	deps, err := rpm.Dependencies(p.Main)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range deps {
		s := d.String()
		if d.ScriptsOnly {
			s += " scripts"
		}
		if d.ScriptletOnly() {
			s += " scriptlet"
		}
		if d.RPMLib() {
			s += " rpmlib"
		}
		got = append(got, s)
	}
	want := "libc.so.6()(64bit); /bin/sh; python(abi) = 3.9 scripts; perl; /bin/sh scriptlet; (a if b); rpmlib(FileDigests) <= 4.6.0-1 rpmlib; shadow-utils scriptlet"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

func TestScriptlets(t *testing.T) {
	p, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(rpmtest.Package{
		Name: "s",
		Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Program: []string{"/sbin/ldconfig"}}, {Kind: "pre", Body: "true"},
			{Kind: "pretrans", Program: []string{"<lua>"}, Body: "print(1)"}, {Kind: "postun", Program: []string{"/bin/sh", "-e"}, Body: "x"}},
		Triggers: []rpmtest.Trigger{
			{Moment: rpm.SenseTriggerIn, Conditions: []string{"bash", "zsh >= 5"}, Body: "t1"},
			{Moment: rpm.SenseTriggerPostUn, Conditions: []string{"bash < 3"}, Program: "<lua>", Body: "t2"},
			{File: true, Trans: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/usr/lib64", "/lib64"}, Body: "t3", Priority: 7},
		},
	})))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := rpm.Scriptlets(p.Main)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range scripts {
		got = append(got, strings.TrimSpace(s.Kind+" "+strings.Join(s.Program, ",")+" "+s.Body+" "+strings.Join(s.Conditions, ",")))
	}
	want := []string{"pretrans <lua> print(1)", "pre /bin/sh true", "post /sbin/ldconfig", "postun /bin/sh,-e x",
		"triggerin /bin/sh t1 bash,zsh >= 5", "triggerpostun <lua> t2 bash < 3", "transfiletriggerin /bin/sh t3 /usr/lib64,/lib64"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if scripts[6].Priority != 7 {
		t.Errorf("priority %d", scripts[6].Priority)
	}
}

func TestCapability(t *testing.T) {
	tests := []struct{ summary, text, want, err string }{
		{"effective and permitted", "cap_net_raw=ep", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		{"the older notation", "= cap_net_raw+ep", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		{"two names, permitted only, one above 31", "cap_chown,cap_bpf=p", "\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00", ""},
		{"inheritable", "cap_chown=i", "\x00\x00\x00\x02\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		{"taking away", "cap_chown,cap_kill=ep cap_kill-ep", "\x01\x00\x00\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", ""},
		{"none at all", "=", "", ""},
		{"an unknown name", "cap_x=ep", "", `capability "cap_x" is unknown`},
		{"no operator", "cap_chown", "", "has no operator"},
		{"an unknown flag", "cap_chown=x", "", `flags "x"`},
		{"only some effective", "cap_chown=ep cap_kill=p", "", "cannot make only some of them effective"},
	}
	for _, test := range tests {
		got, err := rpm.Capability(test.text)
		if string(got) != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %x %v, want %x %q", test.summary, got, err, test.want, test.err)
		}
	}
}

func TestReadPackageFromAnyReader(t *testing.T) {
	raw := rpmtest.Build(rpmtest.Package{Name: "r", Files: []rpmtest.File{{Path: "/a", Data: "x"}}})
	p, err := rpm.ReadPackage(iotest.OneByteReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var head bytes.Buffer
	if err := p.WriteHeaders(&head); err != nil || !bytes.Equal(head.Bytes(), raw[:p.HeaderEnd]) {
		t.Errorf("headers were not kept: %v", err)
	}
	if _, err := rpm.ReadHeaders(bytes.NewReader(head.Bytes())); err != nil {
		t.Error(err)
	}
	if _, err := rpm.ReadHeaders(bytes.NewReader(raw)); err == nil || !strings.Contains(err.Error(), "data after the main header") {
		t.Errorf("a whole package as headers: %v", err)
	}
}

func TestFormat3IsReadAndRefused(t *testing.T) {
	p, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(rpmtest.Package{
		Name: "old", Format: 3, Files: []rpmtest.File{{Path: "/usr/a", Data: "x"}},
		Omit: []rpm.Tag{rpm.TagBasenames, rpm.TagDirNames, rpm.TagDirIndexes},
		Tags: []rpmtest.Value{{Tag: rpm.TagOldFilenames, V: []string{"/usr/a"}}},
	})))
	if err != nil {
		t.Fatal(err)
	}
	files, err := rpm.Files(p.Main)
	if err != nil || len(files) != 1 || files[0].Path != "/usr/a" || files[0].Type != pkgindex.TypeFile {
		t.Errorf("files %+v, error %v", files, err)
	}
	if err := p.CheckInstallable(); err == nil || !strings.Contains(err.Error(), "old-1-1.x86_64: package format 3") {
		t.Errorf("refusal: %v", err)
	}
}

func FuzzPackage(f *testing.F) {
	f.Add(rpmtest.Build(rpmtest.Package{
		Name: "f", Epoch: 1, Files: []rpmtest.File{{Path: "/usr/bin/a", Mode: 0o100755, Class: "script executable", Requires: []int{0}}, {Path: "/l", Link: "x"}},
		Requires: rpmtest.Require("a >= 1"), Provides: []string{"f = 1"}, Compressor: "none",
		Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "x"}},
		Triggers:   []rpmtest.Trigger{{Moment: rpm.SenseTriggerIn, Conditions: []string{"b"}, Body: "t"}},
	}))
	f.Add(rpmtest.Build(rpmtest.Package{Name: "old", Format: 3}))
	f.Add(rpmtest.Build(rpmtest.Package{Name: "six", Format: 6, Files: []rpmtest.File{{Path: "/a", Data: "x", Caps: "cap_chown=ep"}},
		SigTags: []rpmtest.Value{{Tag: rpm.SigFileSigs, V: []string{"03"}}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		rpmtest.BoundAllocs(t, rpmtest.MaxFuzzAlloc, func() { usePackage(t, data) })
	})
}

// usePackage reads everything a package says before its payload.
func usePackage(t *testing.T, data []byte) {
	p, err := rpm.ReadPackage(bytes.NewReader(data))
	if err != nil {
		return
	}
	var head bytes.Buffer
	if err := p.WriteHeaders(&head); err != nil || !bytes.Equal(head.Bytes(), data[:p.HeaderEnd]) {
		t.Errorf("headers were not kept: %v", err)
	}
	again, err := rpm.ParseHeader(p.Main.Raw())
	if err != nil || len(again.Entries()) != p.Main.IndexCount() {
		t.Errorf("the raw header does not parse again: %v", err)
	}
	for _, e := range p.Main.Entries() {
		p.Main.RawData(e)
	}
	files, err := rpm.Files(p.Main)
	for i := range files {
		if err := rpm.CheckPath(files[i].Path); err != nil {
			t.Error(err)
		}
	}
	rpm.Dependencies(p.Main)
	rpm.Provides(p.Main)
	rpm.Scriptlets(p.Main)
	p.VerifyHeaderDigests()
	p.NEVRA()
	p.IMASignatures(len(files))
	if err == nil {
		rpm.ArchiveLimit(files)
	}
	if check, err := rpm.NewPayloadCheck(p); err == nil {
		check.Packed().Write(data[p.HeaderEnd:])
		check.Finish()
	}
}
