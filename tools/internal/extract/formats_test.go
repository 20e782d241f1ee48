package extract_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestSocket: rpm makes sockets, archives cannot. The package stays usable, and says so.
func TestSocket(t *testing.T) {
	dir, err := run(t, rpmtest.Build(rpmtest.Package{Name: "s", Files: []rpmtest.File{{Path: "/run/s", Mode: 0o140755}, {Path: "/a", Data: "x"}}}), extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := readIndex(t, dir)
	if x.Files[0].Type != pkgindex.TypeSocket || len(x.Notes) != 1 || x.Notes[0] != `"/run/s": is a socket, which no archive can hold: not installed` {
		t.Errorf("%+v, notes %q", x.Files, x.Notes)
	}
	if got := dump(t, dir); strings.Count(got, "\n") != 1 || !strings.Contains(got, " a \"x\"") {
		t.Errorf("tar\n%s", got)
	}
}

// old is a package as rpm 3 wrote it: no region, whole file names, one MD5 over header and payload.
func old() rpmtest.Package {
	return rpmtest.Package{
		Name: "old", Format: 3, Legacy: true, MD5Files: true, Compressor: "gzip",
		Files: []rpmtest.File{{Path: "/usr/bin/"}, {Path: "/usr/bin/old", Data: "old", Mode: 0o100755}},
		Tags:  []rpmtest.Value{{Tag: rpm.TagOldFilenames, V: []string{"/usr/bin", "/usr/bin/old"}}},
		Omit: []rpm.Tag{rpm.TagBasenames, rpm.TagDirNames, rpm.TagDirIndexes, rpm.TagPayloadCompressor, rpm.TagFileColors,
			rpm.TagFileClass, rpm.TagClassDict, rpm.TagFileDependsN, rpm.TagFileDependsX, rpm.TagEncoding},
		OmitSig: []rpm.Tag{rpm.SigSHA1Header},
	}
}

func TestFormat3(t *testing.T) {
	content := rpmtest.Build(old())
	dir, err := run(t, content, extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, dir); got != "5 0755 root:root 1700000000 usr/bin/\n0 0755 root:root 1700000000 usr/bin/old \"old\"\n" {
		t.Errorf("tar\n%s", got)
	}
	if notes := strings.Join(readIndex(t, dir).Notes, "; "); notes != "header protected by MD5 only; payload protected by MD5 only" {
		t.Errorf("notes %q", notes)
	}
	header, err := os.ReadFile(filepath.Join(dir, "header.bin"))
	if err != nil || !bytes.HasPrefix(content, header) {
		t.Errorf("header.bin is not the start of the package: %v", err)
	}
	p, err := rpm.ReadHeaders(bytes.NewReader(header))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckInstallable(); err == nil || !strings.Contains(err.Error(), "old-1-1.x86_64: package format 3") || !strings.Contains(err.Error(), "cannot be registered in a package database") {
		t.Errorf("error %v", err)
	}
	for _, at := range []int{len(content) - 30, len(content) - len("old") - 200, int(p.HeaderStart) + 400} {
		mutant := bytes.Clone(content)
		mutant[at] ^= 1
		if _, err := run(t, mutant, extract.Options{}); err == nil {
			t.Errorf("byte %d of %d changed: accepted", at, len(content))
		}
	}
}

// TestIMASignatures: they come from the signature header, and rpm does not set them on what is meant to change.
func TestIMASignatures(t *testing.T) {
	p := rpmtest.Package{Name: "ima", Files: []rpmtest.File{
		{Path: "/a"}, {Path: "/b", Flags: pkgindex.FlagConfig}, {Path: "/c", Flags: pkgindex.FlagConfig, Mode: 0o100755},
		{Path: "/d/"}, {Path: "/e", Flags: pkgindex.FlagGhost}, {Path: "/f"},
	}, SigTags: []rpmtest.Value{
		{Tag: rpm.SigFileSigs, V: []string{"0302AB", "0302", "03", "0304", "0305", ""}}, {Tag: rpm.SigFileSigLength, V: uint32(3)},
	}}
	dir, err := run(t, rpmtest.Build(p), extract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range readIndex(t, dir).Files {
		got = append(got, f.IMA)
	}
	if s := strings.Join(got, ","); s != "0302ab,,03,,," {
		t.Errorf("signatures %s", s)
	}
	for _, test := range []struct {
		summary string
		v       []string
		err     string
	}{
		{"too few", []string{"03"}, "1 signatures for 6 files"},
		{"no hex", []string{"03", "xx", "", "", "", ""}, "that of file 1 is not hex"},
		{"too long", []string{strings.Repeat("00", 20<<10), "", "", "", "", ""}, "that of file 0 is not hex of at most 16384 bytes"},
	} {
		p.SigTags = []rpmtest.Value{{Tag: rpm.SigFileSigs, V: test.v}}
		if _, err := run(t, rpmtest.Build(p), extract.Options{}); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v", test.summary, err)
		}
	}
}

// TestFormat6Digests: every digest of format 6 is checked, each alone.
func TestFormat6Digests(t *testing.T) {
	var archive, payload, main []byte
	p := rpmtest.Package{Name: "six", Format: 6, Compressor: "none", Files: []rpmtest.File{{Path: "/a", Data: "x"}}}
	p.EditCPIO = func(b []byte) []byte { archive = b; return b }
	p.EditPayload = func(b []byte) []byte { payload = b; return b }
	p.EditMain = func(b []byte) []byte { main = b; return b }
	rpmtest.Build(p)
	sum := func(f func([]byte) []byte, b []byte) string { return hex.EncodeToString(f(b)) }
	sha512Sum := func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
	sha3Sum := func(b []byte) []byte { s := sha3.Sum256(b); return s[:] }
	sha256Sum := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	all := []rpm.Tag{rpm.TagPayloadDigest, rpm.TagPayloadDigestAlt}
	for _, d := range []struct {
		tag  rpm.Tag
		want string
	}{
		{rpm.TagPayloadDigest, sum(sha256Sum, payload)}, {rpm.TagPayloadDigestAlt, sum(sha256Sum, archive)},
		{rpm.TagPayloadSHA512, sum(sha512Sum, payload)}, {rpm.TagPayloadSHA512Alt, sum(sha512Sum, archive)},
		{rpm.TagPayloadSHA3, sum(sha3Sum, payload)}, {rpm.TagPayloadSHA3Alt, sum(sha3Sum, archive)},
	} {
		q := p
		q.Omit = all
		q.Tags = []rpmtest.Value{{Tag: d.tag, V: []string{d.want}}}
		rpmtest.Build(q)
		q.SigTags = []rpmtest.Value{{Tag: rpm.SigSHA3Header, V: sum(sha3Sum, main)}}
		q.OmitSig = []rpm.Tag{rpm.SigSHA256Header}
		if _, err := run(t, rpmtest.Build(q), extract.Options{}); err != nil {
			t.Errorf("%s: %v", d.tag, err)
		}
		q.Tags = []rpmtest.Value{{Tag: d.tag, V: []string{strings.Repeat("0", len(d.want))}}}
		if _, err := run(t, rpmtest.Build(q), extract.Options{}); err == nil || !strings.Contains(err.Error(), "header digest mismatch: SHA3-256") {
			t.Errorf("%s: header of another digest: %v", d.tag, err)
		}
		q.SigTags, q.OmitSig = nil, nil
		if _, err := run(t, rpmtest.Build(q), extract.Options{}); err == nil || !strings.Contains(err.Error(), "payload digest mismatch") {
			t.Errorf("%s: wrong digest: %v", d.tag, err)
		}
	}
}
