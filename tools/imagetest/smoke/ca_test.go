package smoke

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write ca.pem")

// TestCA: `go test ./tools/imagetest/smoke -run TestCA -update` makes the certificate again.
func TestCA(t *testing.T) {
	key, err := caKey()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		der, err := x509.CreateCertificate(rand.Reader, caTemplate(), caTemplate(), &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	block, rest := pem.Decode(CA)
	if block == nil || len(rest) > 0 {
		t.Fatal("ca.pem is not one certificate")
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(authority.PublicKey) || authority.CheckSignature(authority.SignatureAlgorithm, authority.RawTBSCertificate, authority.Signature) != nil {
		t.Error("ca.pem is not of our key; make it again with -update")
	}
	leaf, err := x509.ParseCertificate(ServerCertificate(t).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: pool}); err == nil {
		t.Error("a server's certificate is valid without the authority")
	}
	pool.AddCert(authority)
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: pool}); err != nil {
		t.Error(err)
	}
}
