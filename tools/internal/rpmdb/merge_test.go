package rpmdb

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func merge(t testing.TB, p rpmtest.Package, in installation) ([]byte, *rpm.Package, error) {
	t.Helper()
	pkg, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(p)))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := appendBlob(nil, pkg, in)
	return blob, pkg, err
}

// TestBlob lists what stands behind the region, for packages of several builders.
func TestBlob(t *testing.T) {
	file := []rpmtest.File{{Path: "/a", Data: "x"}}
	for _, c := range []struct {
		summary string
		p       rpmtest.Package
		in      installation
		want    string
	}{
		{"a package of today", rpmtest.Package{Files: file}, installation{[]byte{0}, 5, 7, 3},
			"257:int32:1 261:bin:16 269:string:1 273:string:1 1008:int32:1=5 1029:char:1 1046:int32:1 1127:int32:1=3 1128:int32:1=7"},
		{"a package without files has no states", rpmtest.Package{}, installation{nil, 5, 7, 3},
			"257:int32:1 261:bin:16 269:string:1 273:string:1 1008:int32:1=5 1046:int32:1 1127:int32:1=3 1128:int32:1=7"},
		{"without a source package it gets one", rpmtest.Package{SourceRPM: "-", Legacy: true}, installation{nil, 5, 7, 0},
			"257:int32:1 261:bin:16 269:string:1 1008:int32:1=5 1044:string:1 1046:int32:1 1127:int32:1=0 1128:int32:1=7"},
		{"prefixes are copied", rpmtest.Package{Tags: []rpmtest.Value{{Tag: rpm.TagPrefixes, V: []string{"/a", "/b"}}}}, installation{nil, 5, 7, 3},
			"257:int32:1 261:bin:16 269:string:1 273:string:1 1008:int32:1=5 1046:int32:1 1099:string array:2 1127:int32:1=3 1128:int32:1=7"},
		{"format 6 has no legacy tags, and what it has of them is ignored",
			rpmtest.Package{Format: 6, SigTags: []rpmtest.Value{{Tag: rpm.SigMD5, V: make([]byte, 16)}}}, installation{nil, 5, 7, 3},
			"273:string:1 1008:int32:1=5 1127:int32:1=3 1128:int32:1=7"},
		{"signatures", rpmtest.Package{SigTags: []rpmtest.Value{
			{Tag: rpm.SigRSA, V: []byte("r")}, {Tag: rpm.SigDSA, V: []byte("d")}, {Tag: rpm.SigPGP, V: []byte("p")}, {Tag: rpm.SigGPG, V: []byte("g")},
			{Tag: rpm.SigOpenPGP, V: []string{"o"}}, {Tag: rpm.SigSHA3Header, V: "3"}, {Tag: rpm.SigFileSigs, V: []string{"f"}},
			{Tag: rpm.SigFileSigLength, V: uint32(1)}, {Tag: rpm.SigVerity, V: []string{"v"}}, {Tag: rpm.SigVerityAlgo, V: uint32(8)},
			{Tag: rpm.SigLongSize, V: uint64(1)}, {Tag: rpm.SigLongArchive, V: uint64(2)}, {Tag: rpm.SigReservedSpace, V: []byte("xxx")},
			{Tag: 300, V: "unknown"}}}, installation{nil, 5, 7, 3},
			"257:int32:1 259:bin:1 261:bin:16 262:bin:1 267:bin:1 268:bin:1 269:string:1 270:int64:1 271:int64:1 273:string:1 276:string array:1 " +
				"277:int32:1=8 278:string array:1 279:string:1 1008:int32:1=5 1046:int32:1 1127:int32:1=3 1128:int32:1=7 5090:string array:1 5091:int32:1=1"},
		{"file signatures of the main header stay there", rpmtest.Package{Files: file,
			Tags: []rpmtest.Value{{Tag: rpm.TagFileSignatures, V: []string{"f"}}}}, installation{[]byte{4}, 5, 7, 3},
			"257:int32:1 261:bin:16 269:string:1 273:string:1 1008:int32:1=5 1029:char:1 1046:int32:1 1127:int32:1=3 1128:int32:1=7"},
	} {
		c.p.Name = "p"
		blob, pkg, err := merge(t, c.p, c.in)
		if err != nil {
			t.Errorf("%s: %v", c.summary, err)
			continue
		}
		checkBlob(t, c.summary, blob, pkg)
		h, err := ParseHeader(blob)
		if err != nil {
			t.Errorf("%s: %v", c.summary, err)
			continue
		}
		var got []string
		for _, e := range h.Entries()[pkg.Main.IndexCount():] {
			text := fmt.Sprintf("%d:%s:%d", uint32(e.Tag), e.Type, e.Count)
			switch e.Tag {
			case rpm.TagInstallTime, rpm.TagInstallTID, rpm.TagInstallColor, rpm.SigVerityAlgo, rpm.TagFileSignatureLength:
				v, _ := h.Uint32s(e.Tag)
				text += fmt.Sprintf("=%d", v[0])
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.summary, text, c.want)
		}
	}
}

// checkBlob checks what holds for every stored header: the region untouched, the additions in order and aligned.
func checkBlob(t testing.TB, summary string, blob []byte, pkg *rpm.Package) {
	t.Helper()
	il, dl := pkg.Main.IndexCount(), pkg.Main.DataLen()
	h, err := ParseHeader(blob)
	if err != nil {
		t.Fatalf("%s: %v", summary, err)
	}
	if !bytes.Equal(blob[blobIntro:blobIntro+il*entrySize], pkg.Main.Index()) || !bytes.Equal(h.data[:dl], pkg.Main.Data()) {
		t.Errorf("%s: the region has changed", summary)
	}
	end := uint32(dl)
	for i := il; i < len(h.entries); i++ {
		e := h.entries[i]
		if i > il && e.Tag <= h.entries[i-1].Tag {
			t.Errorf("%s: %s does not come after %s", summary, e.Tag, h.entries[i-1].Tag)
		}
		if want := uint32(alignUp(uint64(end), e.Type)); e.Offset != want {
			t.Errorf("%s: %s lies at %d, want %d", summary, e.Tag, e.Offset, want)
		}
		end = h.ends[i]
	}
	if int(end) != len(h.data) {
		t.Errorf("%s: %d bytes of data, values end at %d", summary, len(h.data), end)
	}
	digest, _ := h.String(rpm.SigSHA256Header)
	sum := sha256.Sum256(pkg.Main.Raw())
	if digest != "" && digest != hex.EncodeToString(sum[:]) {
		t.Errorf("%s: SHA256HEADER no longer is that of the region", summary)
	}
}

func TestBlobRefuses(t *testing.T) {
	tag := func(tag rpm.Tag, v any) rpmtest.Package {
		return rpmtest.Package{Tags: []rpmtest.Value{{Tag: tag, V: v}}}
	}
	sig := func(tag rpm.Tag, v any) rpmtest.Package {
		return rpmtest.Package{SigTags: []rpmtest.Value{{Tag: tag, V: v}}}
	}
	for _, c := range []struct {
		summary, want string
		p             rpmtest.Package
	}{
		{"format 3", "package format 3", rpmtest.Package{Format: 3}},
		{"whole file names", "package format 3", tag(rpm.TagOldFilenames, []string{"/x"})},
		{"a source package", "is a source package", tag(rpm.TagSourcePackage, uint32(1))},
		{"an install time in the package", "its main header holds tag 1008", tag(rpm.TagInstallTime, uint32(1))},
		{"a signature in the main header", "its main header holds tag 259", tag(tagSigPGP, []byte("x"))},
		{"a header digest in both headers", "its main header holds tag 269", tag(rpm.SigSHA1Header, "x")},
		{"an archive size in both headers", "its main header holds tag 1046", tag(rpm.TagArchiveSize, uint32(1))},
		{"prefixes of the wrong type", "prefixes have type string", tag(rpm.TagPrefixes, "/usr")},
		{"a size of the wrong type", "tag 1000 of the signature header has type string and count 1", sig(rpm.SigSize, "1")},
		{"two sizes", "tag 1000 of the signature header has type int32 and count 2", sig(rpm.SigSize, []uint32{1, 2})},
		{"a short MD5", "tag 1004 of the signature header has type bin and count 15", sig(rpm.SigMD5, make([]byte, 15))},
		{"an unknown format", "package format 7 is unknown", tag(rpm.TagRPMFormat, uint32(7))},
	} {
		c.p.Name = "p"
		_, _, err := merge(t, c.p, installation{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	good, _, err := merge(t, rpmtest.Package{Name: "p"}, installation{})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(i int) int { return blobIntro + i*entrySize }
	for _, c := range []struct {
		summary, want string
		change        func([]byte) []byte
	}{
		{"nothing", "0 bytes are too few", func(b []byte) []byte { return nil }},
		{"no entries", "0 entries and", func(b []byte) []byte { return make([]byte, 8) }},
		{"too many entries", "65536 entries", func(b []byte) []byte { b[1] = 1; b[2], b[3] = 0, 0; return b }},
		{"a byte too many", "bytes of data make", func(b []byte) []byte { return append(b, 0) }},
		{"an unknown type", "unknown type", func(b []byte) []byte { b[entry(2)+7] = 10; return b }},
		{"a value outside", "the values lie outside the data", func(b []byte) []byte { b[entry(2)+8] = 0x7f; return b }},
		{"an array outside", "the values lie outside the data", func(b []byte) []byte { b[entry(2)+12] = 0x7f; return b }},
		{"a string without end", "the strings have no end", func(b []byte) []byte {
			i := bytes.Index(b, []byte("\x00\x00\x03\xe8\x00\x00\x00\x06")) // NAME
			copy(b[i+8:], []byte{0, 0, byte((len(b) - entry(int(b[3])) - 1) >> 8), byte(len(b) - entry(int(b[3])) - 1)})
			b[len(b)-1] = 'x'
			return b
		}},
	} {
		if _, err := ParseHeader(c.change(bytes.Clone(good))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
}

// FuzzBlob merges whatever parses as a package.
func FuzzBlob(f *testing.F) {
	for _, p := range append(oddPackages()[:6], everyTable()) {
		in := newInput(f, rpmtest.Build(p))
		f.Add(in.headers)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pkg, err := rpm.ReadPackage(bytes.NewReader(data))
		if err != nil {
			return
		}
		in := installation{time: 1, tid: 2, colour: 3}
		if e, ok := pkg.Main.Lookup(rpm.TagBasenames); ok {
			in.states = make([]byte, min(e.Count, 1<<16))
		}
		blob, err := appendBlob(nil, pkg, in)
		if err != nil {
			return
		}
		h, err := ParseHeader(blob)
		if err != nil {
			t.Fatalf("our own header: %v", err)
		}
		if !bytes.Equal(h.data[:pkg.Main.DataLen()], pkg.Main.Data()) {
			t.Fatal("the region has changed")
		}
		exercise(t, h)
	})
}

// FuzzStoredHeader reads headers as a foreign database may hold them.
func FuzzStoredHeader(f *testing.F) {
	for _, p := range append(oddPackages()[:6], everyTable()) {
		in := newInput(f, rpmtest.Build(p))
		pkg, err := rpm.ReadHeaders(bytes.NewReader(in.headers))
		if err != nil {
			f.Fatal(err)
		}
		blob, err := appendBlob(nil, pkg, installation{states: make([]byte, in.files)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(blob)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := ParseHeader(data); err == nil {
			exercise(t, h)
		}
	})
}

// exercise calls what reads a stored header; none of it may panic, whatever the header holds.
func exercise(t *testing.T, h *Header) {
	x := &index{order: machines[0].order}
	if x.add(h, 1) == nil {
		for i := range x.tables {
			order := sortedByKey(&x.tables[i])
			for j := 1; j < len(order); j++ {
				if bytes.Compare(x.tables[i].key(int(order[j-1])), x.tables[i].key(int(order[j]))) > 0 {
					t.Fatal("the keys are not in order")
				}
			}
		}
	}
	h.NEVRA()
	h.Paths()
}

func FuzzRichNames(f *testing.F) {
	for _, c := range richCases {
		f.Add([]byte(c.dependency))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range richNames(data) {
			if len(name) == 0 || len(name) > len(data)+1 {
				t.Fatalf("%q gave the name %q", data, name)
			}
		}
	})
}
