package rpm_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestWeakDigests: what only a broken hash protects is noted, and refused by policy unless a signature covers it.
func TestWeakDigests(t *testing.T) {
	key := pgptest.New(pgptest.Options{})
	ring, err := pgp.ReadKeyring(key.Armored())
	if err != nil {
		t.Fatal(err)
	}
	legacy := func(tags ...rpm.Tag) rpmtest.Package {
		p := signed(key, pgptest.SignOptions{}, tags...)
		p.Legacy = true
		return p
	}
	noSHA1 := legacy()
	noSHA1.OmitSig = []rpm.Tag{rpm.SigSHA1Header}
	for _, test := range []struct {
		summary string
		pkg     rpmtest.Package
		unsig   bool
		notes   string
		refused string
	}{
		{"SHA256 everywhere", signed(key, pgptest.SignOptions{}), true, "", ""},
		{"SHA1 and MD5", legacy(), true, "header protected by SHA1 only; payload protected by MD5 only", "header protected by SHA1 only"},
		{"MD5 alone", noSHA1, true, "header protected by MD5 only; payload protected by MD5 only", "header protected by MD5 only"},
		{"a signed header", legacy(rpm.SigRSA), false, "header protected by SHA1 only; payload protected by MD5 only; the signature does not cover the payload", "payload protected by MD5 only"},
		{"a signed package", legacy(rpm.SigPGP), false, "header protected by SHA1 only; payload protected by MD5 only", ""},
	} {
		raw := rpmtest.Build(test.pkg)
		for _, refuse := range []bool{false, true} {
			r := bytes.NewReader(raw)
			p, err := rpm.ReadPackage(r)
			if err != nil {
				t.Fatal(err)
			}
			v, err := rpm.VerifyPackage(p, r, ring, rpm.Policy{AllowUnsigned: test.unsig, RefuseWeakDigests: refuse})
			switch {
			case refuse && test.refused != "":
				if err == nil || !strings.Contains(err.Error(), test.refused+", which the policy does not accept") || v.Signature != nil {
					t.Errorf("%s: refused with %v", test.summary, err)
				}
			case err != nil || strings.Join(v.Notes, "; ") != test.notes:
				t.Errorf("%s: notes %q, error %v", test.summary, v.Notes, err)
			}
		}
	}
}

// TestRecompressedPayload: as in rpm, a payload may be stored decompressed, and in no other form than these two.
func TestRecompressedPayload(t *testing.T) {
	p := rpmtest.Package{Name: "a", Compressor: "gzip", Files: []rpmtest.File{{Path: "/a", Data: strings.Repeat("content ", 100)}},
		OmitSig: []rpm.Tag{rpm.SigMD5}}
	original := rpmtest.Build(p)
	r := bytes.NewReader(original)
	pkg, err := rpm.ReadPackage(r)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := rpm.OpenPayload("gzip", r)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(archive)
	if err != nil {
		t.Fatal(err)
	}
	head := original[:pkg.HeaderEnd]
	changed := bytes.Replace(plain, []byte("content"), []byte("Content"), 1)
	for _, test := range []struct {
		summary string
		payload []byte
		note    string
		err     string
	}{
		{"as built", original[pkg.HeaderEnd:], "", ""},
		{"decompressed", plain, "payload verified by the digest of its decompressed form", ""},
		{"decompressed and changed", changed, "", "payload digest mismatch"},
		{"recompressed", rpmtest.Compress("xz", plain), "", "payload digest mismatch"},
	} {
		whole := bytes.NewReader(append(bytes.Clone(head), test.payload...))
		q, err := rpm.ReadPackage(whole)
		if err != nil {
			t.Fatal(err)
		}
		v, err := rpm.VerifyPackage(q, whole, nil, rpm.Policy{AllowUnsigned: true})
		switch {
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v", test.summary, err)
		case test.err == "" && (err != nil || strings.Join(v.Notes, "; ") != test.note):
			t.Errorf("%s: %q, %v", test.summary, v.Notes, err)
		}
	}
}
