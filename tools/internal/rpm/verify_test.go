package rpm_test

import (
	"bytes"
	"crypto"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func signed(key *pgptest.Key, o pgptest.SignOptions, tags ...rpm.Tag) rpmtest.Package {
	p := rpmtest.Package{Name: "signed", Files: []rpmtest.File{{Path: "/a", Data: "x"}}, Compressor: "gzip"}
	for _, tag := range tags {
		p.Signatures = append(p.Signatures, rpmtest.Signature{Tag: tag, Sign: func(data []byte) []byte { return key.Sign(data, o) }})
	}
	return p
}

func TestVerify(t *testing.T) {
	ours, other := pgptest.New(pgptest.Options{}), pgptest.New(pgptest.Options{Seed: 5})
	ring, err := pgp.ReadKeyring(ours.Armored())
	if err != nil {
		t.Fatal(err)
	}
	with := func(p rpmtest.Package, edit func(*rpmtest.Package)) rpmtest.Package { edit(&p); return p }
	legacy := func(p *rpmtest.Package) { p.Legacy = true }
	badHeader := func(p *rpmtest.Package) {
		sign := p.Signatures[0].Sign
		p.Signatures[0].Sign = func(data []byte) []byte { return sign(append(data, 'x')) }
	}
	tests := []struct {
		summary string
		pkg     rpmtest.Package
		policy  rpm.Policy
		whole   bool // read the payload too
		edit    func([]byte) []byte
		want    string // verdict
		covers  bool
		err     string
	}{
		{summary: "a header signature, version 4", pkg: signed(ours, pgptest.SignOptions{}, rpm.SigRSA), want: "Ed25519/SHA256 ", covers: true},
		{summary: "a header signature, version 3", pkg: signed(ours, pgptest.SignOptions{Version: 3}, rpm.SigDSA), want: "Ed25519/SHA256 ", covers: true},
		{summary: "a signature of the new kind", pkg: signed(ours, pgptest.SignOptions{Hash: crypto.SHA512}, rpm.SigOpenPGP), want: "Ed25519/SHA512 ", covers: true},
		{summary: "a header without payload digest", pkg: with(signed(ours, pgptest.SignOptions{}, rpm.SigRSA), legacy), want: "Ed25519/SHA256 "},
		{summary: "header and payload signed together, header alone", pkg: signed(ours, pgptest.SignOptions{}, rpm.SigPGP), err: "the package is not signed over its header; its signature covers header and payload"},
		{summary: "header and payload signed together", pkg: signed(ours, pgptest.SignOptions{}, rpm.SigGPG), whole: true, want: "Ed25519/SHA256 ", covers: true},
		{summary: "both, without payload digest", pkg: with(signed(ours, pgptest.SignOptions{}, rpm.SigRSA, rpm.SigPGP), legacy), whole: true, want: "Ed25519/SHA256 ", covers: true},
		{summary: "a changed payload under a header signature", pkg: signed(ours, pgptest.SignOptions{}, rpm.SigRSA), whole: true,
			edit: func(b []byte) []byte { b[len(b)-20] ^= 1; return b }, err: "payload digest mismatch"},
		{summary: "a changed payload under a whole signature", pkg: with(signed(ours, pgptest.SignOptions{}, rpm.SigPGP), legacy), whole: true,
			edit: func(b []byte) []byte { b[len(b)-20] ^= 1; return b }, err: "bad signature"},
		{summary: "an unsigned package", pkg: signed(ours, pgptest.SignOptions{}), err: "verifying signed-1-1.x86_64: the package is not signed"},
		{summary: "an unsigned package, allowed", pkg: signed(ours, pgptest.SignOptions{}), policy: rpm.Policy{AllowUnsigned: true}, want: "none"},
		{summary: "an unsigned package with a wrong digest, allowed", pkg: with(signed(ours, pgptest.SignOptions{}), func(p *rpmtest.Package) {
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigSHA256Header, V: strings.Repeat("0", 64)}}
		}), policy: rpm.Policy{AllowUnsigned: true}, err: "header digest mismatch: SHA256"},
		{summary: "an unsigned package without digest, allowed", pkg: with(signed(ours, pgptest.SignOptions{}), func(p *rpmtest.Package) {
			p.OmitSig = []rpm.Tag{rpm.SigSHA256Header, rpm.SigSHA1Header}
		}), policy: rpm.Policy{AllowUnsigned: true}, err: "the package has no digest of its header"},
		{summary: "a signature by somebody else", pkg: signed(other, pgptest.SignOptions{}, rpm.SigRSA), err: "no key " + other.KeyID()},
		{summary: "a signature over another header", pkg: with(signed(ours, pgptest.SignOptions{}, rpm.SigRSA), badHeader), err: "tag 268: verifying signature: bad signature " + ours.KeyID()},
		{summary: "a good old and a bad new signature", pkg: with(signed(ours, pgptest.SignOptions{}, rpm.SigOpenPGP, rpm.SigRSA), badHeader), err: "tag 278: verifying signature: bad signature"},
		{summary: "SHA1", pkg: signed(ours, pgptest.SignOptions{Hash: crypto.SHA1}, rpm.SigRSA), err: "is over SHA1, which the policy does not accept"},
		{summary: "SHA1, allowed", pkg: signed(ours, pgptest.SignOptions{Hash: crypto.SHA1}, rpm.SigRSA), policy: rpm.Policy{AllowSHA1: true}, want: "Ed25519/SHA1 ", covers: true},
		{summary: "a signature that ends, without clock", pkg: signed(ours, pgptest.SignOptions{Expires: time.Hour}, rpm.SigRSA), err: "ended on 2020-01-01"},
		{summary: "a signature that ends, before", pkg: signed(ours, pgptest.SignOptions{Expires: time.Hour}, rpm.SigRSA), policy: rpm.Policy{Now: pgptest.Epoch}, want: "Ed25519/SHA256 ", covers: true},
		{summary: "a signature of the wrong type", pkg: with(signed(ours, pgptest.SignOptions{}), func(p *rpmtest.Package) {
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigRSA, V: "text"}}
		}), err: "tag 268 has type string, wanted bin"},
		{summary: "a signature that is none", pkg: with(signed(ours, pgptest.SignOptions{}), func(p *rpmtest.Package) {
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigRSA, V: []byte("garbage")}}
		}), err: "malformed"},
		{summary: "a new signature that is not base64", pkg: with(signed(ours, pgptest.SignOptions{}), func(p *rpmtest.Package) {
			p.SigTags = []rpmtest.Value{{Tag: rpm.SigOpenPGP, V: []string{"!"}}}
		}), err: "is not base64"},
	}
	for _, test := range tests {
		raw := rpmtest.Build(test.pkg)
		if test.edit != nil {
			raw = test.edit(raw)
		}
		r := bytes.NewReader(raw)
		p, err := rpm.ReadPackage(r)
		if err != nil {
			t.Errorf("%s: %v", test.summary, err)
			continue
		}
		var v rpm.Verdict
		if test.whole {
			v, err = rpm.VerifyPackage(p, r, ring, test.policy)
		} else {
			v, err = rpm.VerifyHeader(p, ring, test.policy)
		}
		want := test.want
		if strings.HasSuffix(want, " ") {
			want += ours.Fingerprint()
		}
		switch {
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || !strings.Contains(err.Error(), "signed-1-1.x86_64")):
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		case test.err != "" && v.Signature != nil:
			t.Errorf("%s: a verdict beside an error: %v", test.summary, v)
		case test.err == "" && (err != nil || v.String() != want || v.PayloadSigned != test.covers):
			t.Errorf("%s: %v, covers payload: %v, error %v; want %s", test.summary, v, v.PayloadSigned, err, want)
		}
	}
}

func TestVerifyNeedsKeys(t *testing.T) {
	p, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(rpmtest.Package{Name: "a"})))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpm.VerifyHeader(p, nil, rpm.Policy{}); err == nil || !strings.Contains(err.Error(), "no keys to verify with") {
		t.Errorf("error %v", err)
	}
}

// TestRpmkeysAgrees lets rpmkeys judge packages signed by us: the verdicts must be the same.
func TestRpmkeysAgrees(t *testing.T) {
	if _, err := exec.LookPath("rpmkeys"); err != nil {
		t.Skip("no rpmkeys on this machine: verdicts not compared")
	}
	dir := t.TempDir()
	for _, algorithm := range []string{"rsa", "ed25519"} { // rpm 4.18 built with its own parser knows no ECDSA
		key := pgptest.New(pgptest.Options{Algorithm: algorithm})
		other := pgptest.New(pgptest.Options{Algorithm: algorithm, Seed: 7})
		ring, err := pgp.ReadKeyring(key.Armored())
		if err != nil {
			t.Fatal(err)
		}
		db := filepath.Join(dir, algorithm)
		keyFile := filepath.Join(dir, algorithm+".asc")
		if err := os.WriteFile(keyFile, key.Armored(), 0o666); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("rpmkeys", "--dbpath", db, "--import", keyFile).CombinedOutput(); err != nil {
			t.Fatalf("%s: rpmkeys --import: %v\n%s", algorithm, err, out)
		}
		for _, c := range []struct {
			summary string
			pkg     rpmtest.Package
			flip    bool
		}{
			{"good", signed(key, pgptest.SignOptions{}, rpm.SigRSA), false},
			{"good, version 3", signed(key, pgptest.SignOptions{Version: 3}, rpm.SigRSA), false},
			{"good, over header and payload", signed(key, pgptest.SignOptions{}, rpm.SigPGP), false},
			{"corrupt", signed(key, pgptest.SignOptions{}, rpm.SigRSA), true},
			{"wrong key", signed(other, pgptest.SignOptions{}, rpm.SigRSA), false},
			{"unsigned", signed(key, pgptest.SignOptions{}), false},
		} {
			raw := rpmtest.Build(c.pkg)
			if c.flip {
				raw[len(raw)-20] ^= 1
			}
			name := filepath.Join(dir, "p.rpm")
			if err := os.WriteFile(name, raw, 0o666); err != nil {
				t.Fatal(err)
			}
			out, rpmErr := exec.Command("rpmkeys", "--dbpath", db, "--define", "_pkgverify_level all", "-Kv", name).CombinedOutput()
			r := bytes.NewReader(raw)
			p, err := rpm.ReadPackage(r)
			if err == nil {
				_, err = rpm.VerifyPackage(p, r, ring, rpm.Policy{})
			}
			if (rpmErr == nil) != (err == nil) {
				t.Errorf("%s, %s: rpmkeys says %v, we say %v\n%s", algorithm, c.summary, rpmErr, err, out)
			}
		}
	}
}

func TestOpenPayload(t *testing.T) {
	content := bytes.Repeat([]byte("payload "), 5000)
	for _, name := range []string{"none", "gzip", "bzip2", "xz", "lzma", "zstd"} {
		packed := rpmtest.Compress(name, content)
		for _, as := range []string{name, ""} {
			r, err := rpm.OpenPayload(as, bytes.NewReader(packed))
			if err != nil {
				t.Errorf("%s as %q: %v", name, as, err)
				continue
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s as %q: %d bytes, error %v", name, as, len(got), err)
			}
			r.Close()
		}
		if name == "none" {
			continue
		}
		r, err := rpm.OpenPayload(name, bytes.NewReader(packed[:len(packed)-6]))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil || !strings.Contains(err.Error(), "decompressing "+name+" payload: ") {
			t.Errorf("%s, truncated: error %v", name, err)
		}
		if name == "gzip" || name == "xz" || name == "bzip2" || name == "zstd" { // lzma streams do not concatenate
			r, err := rpm.OpenPayload(name, io.MultiReader(bytes.NewReader(packed), bytes.NewReader(packed)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || len(got) != 2*len(content) {
				t.Errorf("%s, two streams: %d bytes, error %v", name, len(got), err)
			}
		}
	}
}

func TestLZMADictionaryIsBounded(t *testing.T) {
	packed := rpmtest.Compress("lzma", []byte("x"))
	copy(packed[1:5], "\xff\xff\xff\xff")
	if _, err := rpm.OpenPayload("lzma", bytes.NewReader(packed)); err == nil || !strings.Contains(err.Error(), "dictionary of 4294967295 bytes, allowed are 134217728") {
		t.Errorf("error %v", err)
	}
}
