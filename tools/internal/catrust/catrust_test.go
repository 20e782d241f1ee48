package catrust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// newCert makes a self-signed certificate with this subject, given as raw DER.
func newCert(t testing.TB, subject []byte) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: subject, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func name(t testing.TB, n pkix.Name) []byte {
	t.Helper()
	der, err := asn1.Marshal(n.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// rawName makes a name of one attribute (common name) with a string of any type.
func rawName(t testing.TB, tag int, value string) []byte {
	t.Helper()
	der, err := asn1.Marshal([]asn1.RawValue{{Class: 0, Tag: asn1.TagSet, IsCompound: true, Bytes: mustMarshal(t, attribute{
		Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: tag, Bytes: []byte(value)}})}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestSubjectHash compares with the real openssl.
func TestSubjectHash(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl on this machine")
	}
	for _, c := range []struct {
		why     string
		subject []byte
	}{
		{"printable strings", name(t, pkix.Name{Country: []string{"DE"}, Organization: []string{"Example  Org"}, CommonName: " Root CA "})},
		{"UTF-8, upper case beyond ASCII", name(t, pkix.Name{CommonName: "ÄÖÜ Zertifikat"})},
		{"several attributes in one set", name(t, pkix.Name{Organization: []string{"b", "a", "CC"}})},
		{"T61", rawName(t, asn1.TagT61String, "Caf\xe9 CA")},
		{"BMP", rawName(t, asn1.TagBMPString, "\x00A\x00 \x00 \x01\x00")},
		{"universal", rawName(t, 28, "\x00\x00\x00A\x00\x00\x01\x00")},
		{"IA5", rawName(t, asn1.TagIA5String, "Mail@Example.COM\t\n x")},
		{"numeric strings are not folded", rawName(t, asn1.TagNumericString, "12  3")},
		{"empty", name(t, pkix.Name{})},
		{"blanks only", rawName(t, asn1.TagUTF8String, "  ")},
	} {
		der := newCert(t, c.subject)
		file := filepath.Join(t.TempDir(), "c.pem")
		if err := os.WriteFile(file, EncodePEM(der), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "x509", "-in", file, "-noout", "-subject_hash").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.why, err, out)
		}
		got, err := SubjectHash(der)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
		} else if want := strings.TrimSpace(string(out)); fmt.Sprintf("%08x", got) != want {
			t.Errorf("%s: got %08x, openssl says %s", c.why, got, want)
		}
	}
}

// TestRehash compares the links of a directory with those of the real openssl rehash.
func TestRehash(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl on this machine")
	}
	dir := t.TempDir()
	same := name(t, pkix.Name{CommonName: "Same"})
	files := map[string][]byte{"a.pem": newCert(t, same), "b.pem": newCert(t, same), "c.pem": newCert(t, name(t, pkix.Name{CommonName: "Other"}))}
	for file, der := range files {
		if err := os.WriteFile(filepath.Join(dir, file), EncodePEM(der), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(openssl, "rehash", dir).CombinedOutput(); err != nil {
		t.Fatalf("openssl rehash: %v\n%s", err, out)
	}
	links, err := HashLinks(files)
	if err != nil || len(links) != 3 {
		t.Fatalf("links %v, %v", links, err)
	}
	targets := map[string]bool{}
	for _, l := range links {
		target, err := os.Readlink(filepath.Join(dir, l.Name))
		if err != nil {
			t.Errorf("openssl did not make %s: %v", l.Name, err)
		}
		targets[target] = true
	}
	if len(targets) != 3 {
		t.Errorf("targets %v", targets)
	}
	files["d.pem"] = files["c.pem"]
	if links, err = HashLinks(files); err != nil || len(links) != 3 {
		t.Errorf("a certificate in two files gets one link: %v %v", links, err)
	}
}

func TestParsePEMErrors(t *testing.T) {
	cert := newCert(t, name(t, pkix.Name{CommonName: "x"}))
	block := func(kind string, data []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}) }
	for _, c := range []struct {
		why  string
		data []byte
		want string
	}{
		{"nothing", []byte("hello"), "no PEM certificate"},
		{"a private key", append(block("CERTIFICATE", cert), block("EC PRIVATE KEY", []byte{1})...), `type "EC PRIVATE KEY" among certificates`},
		{"no DER", block("CERTIFICATE", []byte("x")), "certificate 1: reading certificate"},
		{"a truncated certificate", block("CERTIFICATE", cert[:len(cert)-5]), "certificate 1: reading certificate"},
		{"bytes after the certificate", block("CERTIFICATE", append(bytes.Clone(cert), 0)), "1 bytes follow it"},
		{"too large", make([]byte, maxFileBytes+1), "larger than"},
	} {
		if _, err := ParsePEM(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func p11(t testing.TB, cert []byte, attributes string) string {
	return "[p11-kit-object-v1]\n" + attributes + string(EncodePEM(cert)) + "\n"
}

// usage is the p11-kit object that limits a certificate to the purposes whose OIDs value names.
func usage(t testing.TB, cert []byte, purposes ...string) string {
	t.Helper()
	f, err := readFields(cert)
	if err != nil {
		t.Fatal(err)
	}
	list, err := encodePurposes(purposes)
	if err != nil {
		t.Fatal(err)
	}
	value := mustMarshal(t, struct {
		ID    asn1.ObjectIdentifier
		Value []byte
	}{parseOID(oidExtendedKeyUsage), mustMarshal(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: list})})
	text := ""
	for _, b := range value {
		text += fmt.Sprintf("%%%02x", b)
	}
	return magicLine + "\nclass: x-certificate-extension\nobject-id: 2.5.29.37\nvalue: \"" + text + "\"\n" +
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: f.key}))
}

// sources is a tree of p11-kit's with every kind of source.
func sources(t testing.TB) fstest.MapFS {
	cert := func(cn string) []byte { return newCert(t, name(t, pkix.Name{CommonName: cn})) }
	good, mail, bad, plain, blocked := cert("good"), cert("mail"), cert("bad"), cert("plain"), cert("blocked")
	f, err := readFields(blocked)
	if err != nil {
		t.Fatal(err)
	}
	percent := func(data []byte) (out string) {
		for _, b := range data {
			out += fmt.Sprintf("%%%02x", b)
		}
		return out
	}
	text := "# comment\n" + usage(t, good, ServerAuth, Email) + p11(t, good, "label: \"Good CA\"\ntrusted: true\n") +
		usage(t, mail, Email, CodeSigning) + p11(t, mail, "label: \"Mail CA\"\ntrusted: true\n") +
		p11(t, bad, "label: \"Bad CA\"\nx-distrusted: true\n") + p11(t, plain, "label: \"Plain F\u00f6\"\n") +
		p11(t, blocked, "label: \"Blocked by serial\"\ntrusted: true\n") +
		magicLine + "\nclass: certificate\ncertificate-type: x-509\nlabel: \"By serial\"\nx-distrusted: true\nissuer: \"" + percent(f.issuer) + "\"\nserial-number: \"" + percent(f.serial) + "\"\n\n" +
		p11(t, cert("A Label"), "label: \"Twice (a/b)\"\ntrusted: true\n") + p11(t, cert("A Label"), "label: \"Twice (a/b)\"\ntrusted: true\n")
	company := cert("Company Root")
	return fstest.MapFS{
		VendorSource[1:] + "/README":               {Data: []byte("text\n")},
		VendorSource[1:] + "/ca.trust.p11-kit":     {Data: []byte(text)},
		VendorSource[1:] + "/blocklist/x":          {Data: EncodePEM(cert("unused too"))},
		LocalSource[1:] + "/anchors/company.pem":   {Data: EncodePEM(company)},
		LocalSource[1:] + "/anchors/der.crt":       {Data: newCert(t, rawName(t, asn1.TagBMPString, "\x00D\x00E\x00R"))},
		LocalSource[1:] + "/anchors/no.pem":        {Data: EncodePEM(bad)},
		LocalSource[1:] + "/anchors/trusted.pem":   {Data: trusted(t, cert("only mail"), []string{Email}, []string{ServerAuth}, "The Mail CA")},
		LocalSource[1:] + "/anchors/rejected.pem":  {Data: trusted(t, cert("rejected"), nil, []string{Email}, "")},
		LocalSource[1:] + "/blacklist/plain.pem":   {Data: EncodePEM(plain)},
		LocalSource[1:] + "/blocklist/plain.pem":   {Data: EncodePEM(plain)},
		LocalSource[1:] + "/anchors/no-anchor.pem": {Data: EncodePEM(leaf(t))},
	}
}

func trusted(t testing.TB, cert []byte, trust, reject []string, alias string) []byte {
	t.Helper()
	var aux certAux
	for _, oid := range trust {
		aux.Trust = append(aux.Trust, parseOID(oid))
	}
	for _, oid := range reject {
		aux.Reject = append(aux.Reject, parseOID(oid))
	}
	aux.Alias = alias
	der := mustMarshal(t, aux)
	return pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(bytes.Clone(cert), der...)})
}

// leaf is a certificate that is no authority.
func leaf(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "leaf"}, NotAfter: time.Unix(1<<32, 0), BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAnchors(t *testing.T) {
	s, err := Load(sources(t), []string{LocalSource, VendorSource}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ purpose, want string }{
		{ServerAuth, "Company Root, DER, Good CA, Twice (a/b), Twice (a/b)"},
		{Email, "Company Root, DER, The Mail CA, Good CA, Mail CA, Twice (a/b), Twice (a/b)"},
		{CodeSigning, "Company Root, DER, Mail CA, Twice (a/b), Twice (a/b)"},
	} {
		anchors, err := s.Anchors(c.purpose)
		if err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, a := range anchors {
			labels = append(labels, a.Label)
		}
		if got := strings.Join(labels, ", "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.purpose, got, c.want)
		}
	}
	if !reflect.DeepEqual(s.Skipped, []string{VendorSource + "/README"}) {
		t.Errorf("skipped %v", s.Skipped)
	}
}

func TestP11KitErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"label: x\n", "line 1: before the first"}, {"[p11-kit-object-v1]\nnonsense\n", "line 2: neither attribute nor PEM"},
		{"[p11-kit-object-v1]\n-----BEGIN CERTIFICATE-----\nAAAA\n", "PEM block does not end"},
		{"[p11-kit-object-v1]\n-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "line 4: damaged PEM block"},
	} {
		if _, err := ParseP11Kit([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestDebianNames(t *testing.T) {
	for file, want := range map[string]string{
		"mozilla/ISRG_Root_X1.crt": "ISRG_Root_X1.pem", "/usr/local/share/ca-certificates/My CA (test), 1.crt": "My_CA_=test=__1.pem",
	} {
		if got := DebianName(file); got != want {
			t.Errorf("%s: got %s, want %s", file, got, want)
		}
	}
	if got := ParseDebianConf("# c\n\nmozilla/a.crt\n!mozilla/b.crt\n"); !reflect.DeepEqual(got, []string{"mozilla/a.crt"}) {
		t.Errorf("got %v", got)
	}
}

func FuzzSubjectHash(f *testing.F) {
	f.Add(newCert(f, name(f, pkix.Name{Country: []string{"DE"}, CommonName: "x"})))
	f.Add(newCert(f, rawName(f, asn1.TagBMPString, "\x00A\x00 ")))
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := SubjectHash(der)
		if err != nil {
			return
		}
		if b, err := SubjectHash(der); err != nil || a != b {
			t.Fatalf("%08x, then %08x (%v)", a, b, err)
		}
	})
}

func FuzzP11Kit(f *testing.F) {
	f.Add([]byte(p11(f, newCert(f, name(f, pkix.Name{CommonName: "x"})), "label: \"x\"\ntrusted: true\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := ParseP11Kit(data)
		if err != nil {
			return
		}
		for i := range objects {
			objects[i].Label()
		}
	})
}
