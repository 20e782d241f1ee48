package pgp_test

import (
	"bytes"
	"crypto"
	_ "crypto/md5"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

var data = []byte("what is signed\n")

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

func reason(code byte) *byte { return &code }

// TestAlgorithms signs and verifies with every algorithm, hash and version, and refuses the signature for other data.
func TestAlgorithms(t *testing.T) {
	for _, algorithm := range []string{"rsa", "p256", "p384", "p521", "ed25519", "ed25519v6"} {
		key := pgptest.New(pgptest.Options{Algorithm: algorithm})
		ring, err := pgp.ReadKeyring(key.Armored())
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		for _, version := range []int{3, 4} {
			for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
				sig := key.Sign(data, pgptest.SignOptions{Version: version, Hash: h})
				r, err := ring.Verify(sig, bytes.NewReader(data))
				if err != nil {
					t.Errorf("%s v%d %s: %v", algorithm, version, h, err)
					continue
				}
				if r.Fingerprint != key.Fingerprint() || r.Hash != strings.ReplaceAll(h.String(), "-", "") || !r.Created.Equal(pgptest.Epoch) {
					t.Errorf("%s v%d %s: result %+v", algorithm, version, h, r)
				}
				_, err = ring.Verify(sig, strings.NewReader("something else"))
				if err == nil || !strings.Contains(err.Error(), "bad signature "+key.KeyID()) {
					t.Errorf("%s v%d %s: other data gave %v", algorithm, version, h, err)
				}
			}
		}
	}
}

func TestVerify(t *testing.T) {
	good := pgptest.Options{}
	sub := &pgptest.Options{Flags: 0x02}
	ecc := pgptest.New(pgptest.Options{Seed: 9})
	tests := []struct {
		summary string
		key     pgptest.Options
		sign    pgptest.SignOptions
		edit    func(sig []byte) []byte
		err     string // "" expects success
	}{
		{summary: "a plain signature", key: good},
		{summary: "an armored signature", key: good, edit: func(s []byte) []byte { return pgptest.Armor("PGP SIGNATURE", s) }},
		{summary: "armor with text around it", key: good, edit: func(s []byte) []byte {
			return append([]byte("hello\n\n"), pgptest.Armor("PGP SIGNATURE", s)...)
		}},
		{summary: "a signing subkey", key: pgptest.Options{Flags: 0x01, Subkey: sub}},
		{summary: "a primary key that may only certify", key: pgptest.Options{Flags: 0x01}, err: "not for signing"},
		{summary: "a subkey without cross-signature", key: pgptest.Options{Subkey: sub, NoCrossSignature: true}, err: "it has no valid cross-signature"},
		{summary: "a subkey that may only encrypt", key: pgptest.Options{Subkey: &pgptest.Options{Flags: 0x0c}}, err: "its flags do not allow signing data"},
		{summary: "a signature made before its key expired", key: pgptest.Options{Lifetime: 24 * time.Hour}},
		{summary: "a signature made after its key expired", key: pgptest.Options{Lifetime: 24 * time.Hour}, sign: pgptest.SignOptions{Created: year(2022)}, err: "key expired"},
		{summary: "a signature older than its key", key: pgptest.Options{Created: year(2022)}, err: "created on 2022-01-01, after the signature made on 2020-01-01"},
		{summary: "a subkey of an expired primary key", key: pgptest.Options{Lifetime: 24 * time.Hour, Subkey: sub}, sign: pgptest.SignOptions{Created: year(2022)}, err: "expired on 2020-01-02"},
		{summary: "an expired subkey", key: pgptest.Options{Subkey: &pgptest.Options{Lifetime: time.Hour}}, sign: pgptest.SignOptions{Created: year(2022)}, err: "expired on 2020-01-01"},
		{summary: "a compromised key", key: pgptest.Options{Revoked: reason(2), RevokedAt: year(2023)}, err: "key revoked"},
		{summary: "a key revoked without reason", key: pgptest.Options{Revoked: reason(0), RevokedAt: year(2023)}, err: "revoked on 2023-01-01"},
		{summary: "a retired key, before it was", key: pgptest.Options{Revoked: reason(3), RevokedAt: year(2023)}},
		{summary: "a retired key, afterwards", key: pgptest.Options{Revoked: reason(3), RevokedAt: year(2023)}, sign: pgptest.SignOptions{Created: year(2024)}, err: "revoked on 2023-01-01, signature made on 2024-01-01"},
		{summary: "a revoked subkey", key: pgptest.Options{Subkey: &pgptest.Options{Revoked: reason(2), RevokedAt: year(2021)}}, err: "key revoked"},
		{summary: "a subkey of a revoked key", key: pgptest.Options{Revoked: reason(2), RevokedAt: year(2021), Subkey: sub}, err: "key revoked"},
		{summary: "MD5", key: good, sign: pgptest.SignOptions{Hash: crypto.MD5}, err: "hash MD5 is broken and not accepted"},
		{summary: "a text signature", key: good, sign: pgptest.SignOptions{Kind: 1}, err: "not one over binary data"},
		{summary: "an unknown critical subpacket", key: good, sign: pgptest.SignOptions{Extra: pgptest.Subpacket(0x80|60, nil)}, err: "it is critical and not understood"},
		{summary: "a critical notation", key: good, sign: pgptest.SignOptions{Extra: pgptest.Subpacket(0x80|20, make([]byte, 8))}, err: "it is critical and not understood"},
		{summary: "an unknown subpacket", key: good, sign: pgptest.SignOptions{Extra: pgptest.Subpacket(60, nil)}},
		{summary: "one flipped bit", key: good, edit: func(s []byte) []byte { s[len(s)-1] ^= 1; return s }, err: "bad signature"},
		{summary: "an empty signature", key: good, edit: func([]byte) []byte { return nil }, err: "malformed: neither OpenPGP packets nor"},
		{summary: "a cut signature", key: good, edit: func(s []byte) []byte { return s[:len(s)-3] }, err: "malformed: packet at offset 0: ends too early"},
		{summary: "a public key in place of a signature", key: good, edit: func([]byte) []byte { return ecc.Public() }, err: "packet of type 6, not a signature"},
		{summary: "an armored key in place of a signature", key: good, edit: func([]byte) []byte { return ecc.Armored() }, err: `armor "-----BEGIN PGP PUBLIC KEY BLOCK-----", wanted`},
		{summary: "a wrong armor checksum", key: good, edit: func(s []byte) []byte {
			armor := pgptest.Armor("PGP SIGNATURE", s)
			return append(append(bytes.Clone(armor[:bytes.LastIndex(armor, []byte("\n="))]), "\n=AAAA"...), armor[bytes.LastIndex(armor, []byte("\n-----END")):]...)
		}, err: "armor checksum mismatch"},
		{summary: "a signature by somebody else", key: good, edit: func([]byte) []byte { return ecc.Sign(data, pgptest.SignOptions{}) }, err: "no key " + ecc.KeyID()},
		{summary: "a good signature beside one by somebody else", key: good, edit: func(s []byte) []byte { return append(ecc.Sign(data, pgptest.SignOptions{}), s...) }},
		{summary: "a good signature beside one with a hash of the future", key: good, edit: func(s []byte) []byte {
			future := bytes.Clone(s)
			future[9] = 99 // the hash, after 6 bytes of packet header and version, type, key algorithm
			return append(future, s...)
		}},
		{summary: "a signature of a version of the future", key: good, edit: func(s []byte) []byte { s[6] = 9; return s }, err: "not supported: signature version 9"},
		{summary: "a good signature beside a bad one by the same key", key: good, edit: func(s []byte) []byte {
			bad := bytes.Clone(s)
			bad[len(bad)-1] ^= 1
			return append(bytes.Clone(s), bad...)
		}, err: "bad signature"},
	}
	for _, test := range tests {
		key := pgptest.New(test.key)
		ring, err := pgp.ReadKeyring(key.Public())
		if err != nil {
			t.Errorf("%s: %v", test.summary, err)
			continue
		}
		sig := key.Sign(data, test.sign)
		if test.edit != nil {
			sig = test.edit(sig)
		}
		r, err := ring.Verify(sig, bytes.NewReader(data))
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%s: %v", test.summary, err)
		case test.err == "" && r.Fingerprint != key.Fingerprint():
			t.Errorf("%s: by %s, want %s", test.summary, r.Fingerprint, key.Fingerprint())
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
		}
	}
}

func TestMissingKeyHasAHint(t *testing.T) {
	ring, err := pgp.ReadKeyring(pgptest.New(pgptest.Options{}).Public())
	if err != nil {
		t.Fatal(err)
	}
	other := pgptest.New(pgptest.Options{Seed: 3})
	_, err = ring.Verify(other.Sign(data, pgptest.SignOptions{}), bytes.NewReader(data))
	var e *pgp.Error
	if !errors.As(err, &e) || e.Reason != pgp.NoKey || e.KeyID != other.KeyID() {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(errors.Unwrap(err)); len(hints) == 0 && len(cli.Hints(err)) == 0 {
		t.Errorf("%v has no hint", err)
	}
}

func TestSignatureExpiryIsReported(t *testing.T) {
	key := pgptest.New(pgptest.Options{})
	ring, err := pgp.ReadKeyring(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	r, err := ring.Verify(key.Sign(data, pgptest.SignOptions{Expires: time.Hour}), bytes.NewReader(data))
	if err != nil || !r.Expires.Equal(pgptest.Epoch.Add(time.Hour)) {
		t.Errorf("result %+v, error %v", r, err)
	}
}

func TestReadKeyring(t *testing.T) {
	a, b := pgptest.New(pgptest.Options{Seed: 1}), pgptest.New(pgptest.Options{Seed: 2, Subkey: &pgptest.Options{}})
	tests := []struct {
		summary string
		input   []byte
		want    string // fingerprints
		err     string
	}{
		{"two keys in one block", append(a.Public(), b.Public()...), a.Fingerprint() + " " + b.Fingerprint(), ""},
		{"two armored blocks", append(a.Armored(), b.Armored()...), a.Fingerprint() + " " + b.Fingerprint(), ""},
		{"a broken key beside a good one", append(pgptest.New(pgptest.Options{Seed: 3, NoSelfSignature: true}).Public(), a.Public()...), a.Fingerprint(), ""},
		{"a key without self-signature", pgptest.New(pgptest.Options{NoSelfSignature: true}).Public(), "", "it has no valid self-signature"},
		{"a key with a forged self-signature", pgptest.New(pgptest.Options{BadSelfSignature: true}).Public(), "", "it has no valid self-signature"},
		{"nothing", nil, "", "neither OpenPGP packets nor"},
		{"text", []byte("<html>404</html>"), "", "neither OpenPGP packets nor"},
		{"a cut key", a.Public()[:40], "", "ends too early"},
		{"armor without end", a.Armored()[:80], "", "armor does not end"},
		{"armor that is not base64", bytes.Replace(a.Armored(), []byte("\n\n"), []byte("\n\n!!"), 1), "", "armor is not base64"},
		{"a signature", a.Sign(data, pgptest.SignOptions{}), "", "packet of type 2 where a public key was expected"},
	}
	for _, test := range tests {
		ring, err := pgp.ReadKeyring(test.input)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.summary, err)
			continue
		}
		var got []string
		for _, k := range ring.Keys() {
			got = append(got, k.Fingerprint)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: keys %v, want %s", test.summary, got, test.want)
		}
	}
}

func TestOnly(t *testing.T) {
	a, b := pgptest.New(pgptest.Options{Seed: 1}), pgptest.New(pgptest.Options{Seed: 2})
	ring, err := pgp.ReadKeyring(append(a.Public(), b.Public()...))
	if err != nil {
		t.Fatal(err)
	}
	only, err := ring.Only(strings.ToLower(b.Fingerprint()))
	if err != nil || len(only.Keys()) != 1 {
		t.Fatalf("%v %v", only, err)
	}
	if _, err := only.Verify(a.Sign(data, pgptest.SignOptions{}), bytes.NewReader(data)); err == nil {
		t.Error("a key that is not pinned was accepted")
	}
	if _, err := ring.Only("00"); err == nil || !strings.Contains(err.Error(), "no key has the fingerprint 00; there are "+a.Fingerprint()) {
		t.Errorf("unknown fingerprint: %v", err)
	}
}

// TestGnuPG checks keys and signatures of the real program, DSA among them, and lets it read ours.
func TestGnuPG(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("no gpg on this machine: not checked against GnuPG")
	}
	home := t.TempDir()
	file := filepath.Join(home, "data")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) []byte {
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v\n%s", args, err, stderr.Bytes())
		}
		return out
	}
	defer exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
	for _, algorithm := range []string{"rsa2048", "dsa2048", "nistp256", "nistp384", "nistp521", "ed25519"} {
		user := algorithm + "@example.org"
		gpg("--quick-generate-key", user, algorithm, "sign", "never")
		public := gpg("--armor", "--export", user)
		ring, err := pgp.ReadKeyring(public)
		if err != nil {
			t.Errorf("%s: %v", algorithm, err)
			continue
		}
		for _, digest := range []string{"SHA256", "SHA384", "SHA512"} {
			if strings.HasPrefix(algorithm, "nistp") && digest != "SHA512" {
				continue // gpg signs with no hash shorter than the curve
			}
			for _, form := range []string{"--armor", "--no-armor"} {
				sig := gpg(form, "--local-user", user, "--digest-algo", digest, "--output", "-", "--detach-sign", file)
				r, err := ring.Verify(sig, bytes.NewReader(data))
				if err != nil || r.Hash != digest || r.UserID != user {
					t.Errorf("%s %s %s: %+v %v", algorithm, digest, form, r, err)
				}
			}
		}
	}
	ours := pgptest.New(pgptest.Options{Subkey: &pgptest.Options{}})
	keyFile, sigFile := filepath.Join(home, "key"), filepath.Join(home, "sig")
	for name, content := range map[string][]byte{keyFile: ours.Armored(), sigFile: ours.Sign(data, pgptest.SignOptions{})} {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	gpg("--import", keyFile)
	gpg("--verify", sigFile, file)
}

// TestVendorKeys reads the keys of distributions.
func TestVendorKeys(t *testing.T) {
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	names, _ := filepath.Glob(filepath.Join(shared, "keys", "gpgkey-*.asc"))
	if len(names) == 0 {
		t.Skip("no shared data: real vendor keys not checked")
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := pgp.ReadKeyring(content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "gpgkey-"), ".asc")
		if keys := ring.Keys(); len(keys) != 1 || keys[0].Fingerprint != want {
			t.Errorf("%s: keys %+v", name, keys)
		}
	}
}

func FuzzReadKeyring(f *testing.F) {
	key := pgptest.New(pgptest.Options{Subkey: &pgptest.Options{}, Lifetime: time.Hour, Revoked: reason(3), RevokedAt: year(2023)})
	f.Add(key.Public())
	f.Add(key.Armored())
	f.Add(pgptest.New(pgptest.Options{Algorithm: "rsa"}).Public())
	f.Add(pgptest.New(pgptest.Options{Algorithm: "p256"}).Public())
	f.Add(pgptest.New(pgptest.Options{Algorithm: "ed25519v6"}).Public())
	f.Fuzz(func(t *testing.T, input []byte) {
		var ring *pgp.Keyring
		var err error
		rpmtest.BoundAllocs(t, rpmtest.MaxFuzzAlloc, func() { ring, err = pgp.ReadKeyring(input) })
		if (ring == nil) == (err == nil) {
			t.Errorf("keyring %v with error %v", ring, err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	key := pgptest.New(pgptest.Options{})
	ring, err := pgp.ReadKeyring(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key.Sign(data, pgptest.SignOptions{}), data)
	f.Add(key.Sign(data, pgptest.SignOptions{Version: 3}), data)
	f.Add(key.SignArmored(data, pgptest.SignOptions{}), data)
	f.Fuzz(func(t *testing.T, sig, signed []byte) {
		var err error
		rpmtest.BoundAllocs(t, rpmtest.MaxFuzzAlloc, func() { _, err = ring.Verify(sig, bytes.NewReader(signed)) })
		if err == nil && !bytes.Equal(signed, data) {
			t.Errorf("a signature over other data was accepted: %x over %q", sig, signed)
		}
	})
}
