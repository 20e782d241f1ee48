package compose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// authority is a certificate authority with one server certificate.
type authority struct {
	root, server string // PEM
	tls          tls.Certificate
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	from, until := time.Unix(0, 0), time.Unix(1<<32, 0)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server of " + name}, NotBefore: from, NotAfter: until,
		DNSNames: []string{"server.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, root, key.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	text := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return authority{text(rootDER), text(serverDER), tls.Certificate{Certificate: [][]byte{serverDER}, PrivateKey: key}}
}

// TestCurl_Debrpm lets curl of an image, which uses OpenSSL's and Debian's defaults, talk to servers on this machine.
func TestCurl_Debrpm(t *testing.T) {
	dir := debrpmRelease(t, "TLS servers against curl of an image")
	bad, company, stranger := newAuthority(t, "Bad"), newAuthority(t, "Company"), newAuthority(t, "Stranger")
	quote := func(s string) string { data, _ := json.Marshal(s); return string(data) }
	root := libraries(t, dir, "x86_64", `"ca_trust":{"anchors":[{"name":"company","text":`+quote(company.root)+`}],"distrust":[{"name":"bad","text":`+quote(bad.root)+`}]}`,
		"curl", "ca-certificates", "openssl", "zlib1g")
	if runtime.GOARCH != "amd64" {
		t.Skip("not an x86_64 machine; not checked: curl of an image")
	}
	for _, x := range []struct {
		who  string
		of   authority
		exit int // of curl: 60 is a certificate that it cannot verify
	}{{"company", company, 0}, {"distrusted", bad, 60}, {"stranger", stranger, 60}} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{x.of.tls}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
		cmd := inRoot(root, "/usr/bin/curl", "--silent", "--show-error", "--noproxy", "*", "--resolve", "server.example:"+port+":127.0.0.1", "https://server.example:"+port)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != x.exit || x.exit == 0 && string(out) != "hello" {
			t.Errorf("%s: curl: %v\n%s", x.who, err, out)
		}
		server.Close()
	}
}

// inRoot is a command in another root. It needs no program chroot, which is not on the PATH of every test.
func inRoot(root, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	return cmd
}

// TestCATrustOfChild adds a company's authority to an image and distrusts one of the base's, whose files only the layer of the
// base has; then OpenSSL and Go verify servers with what the image holds.
func TestCATrustOfChild(t *testing.T) {
	good, bad, company, stranger := newAuthority(t, "Good"), newAuthority(t, "Bad"), newAuthority(t, "Company"), newAuthority(t, "Stranger")
	for _, c := range []struct {
		layout, bundle, dir string
		pkg                 rpmtest.Package
	}{
		{"debian", "etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs", rpmtest.Package{Name: "ca-certificates", Arch: "noarch", Files: []rpmtest.File{
			{Path: "/usr/share/ca-certificates/mozilla/Good.crt", Data: good.root}, {Path: "/usr/share/ca-certificates/mozilla/Bad.crt", Data: bad.root}}}},
		{"p11-kit", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "etc/pki/ca-trust/extracted/pem/directory-hash", rpmtest.Package{Name: "ca-certificates", Arch: "noarch", Files: []rpmtest.File{
			{Path: "/usr/share/pki/ca-trust-source/ca.p11-kit", Data: "[p11-kit-object-v1]\nlabel: \"Good\"\ntrusted: true\n" + good.root + "\n[p11-kit-object-v1]\nlabel: \"Bad\"\ntrusted: true\n" + bad.root},
			{Path: "/etc/pki/ca-trust/extracted/pem/directory-hash/"}}}},
	} {
		t.Run(c.layout, func(t *testing.T) {
			base := image{spec: `"accounts":{},"policies":{},"ca_trust":{}`, pkgs: []rpmtest.Package{c.pkg}}.build(t)
			quote := func(s string) string { data, _ := json.Marshal(s); return string(data) }
			child := image{spec: `"accounts":{},"policies":{},"ca_trust":{"anchors":[{"name":"company","text":` + quote(company.root) +
				`}],"distrust":[{"name":"bad","text":` + quote(bad.root) + `}]}`, base: base}.build(t)
			root := t.TempDir()
			for _, layer := range child.layers {
				tar := exec.Command("tar", "-xp", "-C", root)
				tar.Stdin = strings.NewReader(string(layer))
				if out, err := tar.CombinedOutput(); err != nil {
					t.Fatalf("tar: %v\n%s", err, out)
				}
			}
			whiteouts, err := filepath.Glob(filepath.Join(root, c.dir, ".wh.*"))
			if err != nil || len(whiteouts) == 0 {
				t.Errorf("nothing of the distrusted authority is taken from the base: %v", err)
			}
			for _, name := range whiteouts {
				for _, gone := range []string{name, strings.Replace(name, ".wh.", "", 1)} {
					if err := os.Remove(gone); err != nil {
						t.Error(err)
					}
				}
			}
			for _, x := range []struct {
				who  string
				of   authority
				want bool
			}{{"listed", good, true}, {"company", company, true}, {"distrusted", bad, false}, {"stranger", stranger, false}} {
				if got := goTrusts(t, filepath.Join(root, c.bundle), x.of); got != x.want {
					t.Errorf("%s: Go says %v", x.who, got)
				}
				opensslTrusts(t, x.who, x.of, x.want, "-no-CApath", "-CAfile", filepath.Join(root, c.bundle))
				if c.layout == "p11-kit" { // links of Debian's layout are absolute
					opensslTrusts(t, x.who, x.of, x.want, "-no-CAfile", "-CApath", filepath.Join(root, c.dir))
				}
			}
		})
	}
}

func goTrusts(t *testing.T, bundle string, a authority) bool {
	t.Helper()
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	block, _ := pem.Decode([]byte(a.server))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: "server.example"})
	return err == nil
}

func opensslTrusts(t *testing.T, who string, a authority, want bool, store ...string) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("no openssl on this machine; not checked: that it trusts the same")
		return
	}
	name := filepath.Join(t.TempDir(), "server.pem")
	if err := os.WriteFile(name, []byte(a.server), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, append(append([]string{"verify"}, store...), name)...).CombinedOutput()
	if (err == nil) != want {
		t.Errorf("%s: openssl verify %v: %v\n%s", who, store, err, out)
	}
}
