package smoke

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// CA is the certificate of the test authority, //tools/imagetest/smoke:ca.pem. Images that name it in ca_anchors trust ServerCertificate.
//
//go:embed ca.pem
var CA []byte

// caKey is the private key of CA. It is no secret: only images of tests trust it.
func caKey() (*ecdsa.PrivateKey, error) {
	seed := sha256.Sum256([]byte("rules_slimrpm smoke test authority"))
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
}

// caTemplate is what CA says.
func caTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"rules_slimrpm"}, CommonName: "Smoke test CA"},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// ServerCertificate is a new certificate for 127.0.0.1 and localhost, signed by CA.
func ServerCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	signer, err := caKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(CA)
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, authority, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// WriteCertificate writes a ServerCertificate and its key, which every user may read, as files in PEM.
func WriteCertificate(t testing.TB) (certificate, key string) {
	t.Helper()
	pair := ServerCertificate(t)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return WriteFile(t, "server.pem", encode("CERTIFICATE", pair.Certificate[0])), WriteFile(t, "server.key", encode("PRIVATE KEY", der))
}

// ClientConfig trusts CA alone.
func ClientConfig() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(CA)
	return &tls.Config{RootCAs: pool}
}
