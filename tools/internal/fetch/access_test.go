package fetch

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// onHosts returns a client that reaches a server of this machine under any name of host.
func onHosts(t *testing.T, a Access) *Client {
	t.Helper()
	c := client(t)
	c.HTTP = httpClient(t, a)
	transport := c.HTTP.Transport.(*authorizing).next.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return c
}

// TestCredentialsStayOnTheirHost has a server that redirects from host to host and notes who brings which password.
func TestCredentialsStayOnTheirHost(t *testing.T) {
	seen := map[string]string{}
	var port string
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		user, password, _ := r.BasicAuth()
		seen[host+r.URL.Path] = user + ":" + password
		switch r.URL.Path {
		case "/to-other":
			http.Redirect(w, r, "http://other.example:"+port+"/to-sub", http.StatusFound)
		case "/to-sub":
			http.Redirect(w, r, "http://sub.named.example:"+port+"/to-second", http.StatusFound)
		case "/to-second":
			http.Redirect(w, r, "http://second.example:"+port+"/end", http.StatusFound)
		default:
			w.Write([]byte("the end"))
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	port = u.Port()
	n, err := ParseNetrc([]byte("machine named.example login me password secret\nmachine Second.Example login you password two\ndefault login any password body"))
	if err != nil {
		t.Fatal(err)
	}
	c := onHosts(t, Access{Credentials: []Credentials{n.Credentials}})
	data, _, err := c.Get(context.Background(), []string{"http://named.example:" + port + "/"}, "to-other", 100)
	if err != nil || string(data) != "the end" {
		t.Fatalf("got %q, %v", data, err)
	}
	want := map[string]string{
		"named.example/to-other": "me:secret", "other.example/to-sub": ":", "sub.named.example/to-second": ":", "second.example/end": "you:two",
	}
	for place, credentials := range want {
		if seen[place] != credentials {
			t.Errorf("%s got %q, want %q", place, seen[place], credentials)
		}
	}
}

func TestCredentialsThatCannotBeFound(t *testing.T) {
	tries := 0
	ask := func(context.Context, *url.URL) (http.Header, error) {
		tries++
		return nil, cli.Hint(errors.New("the vault is closed"), "open it")
	}
	base := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked without credentials") })
	c := client(t)
	c.HTTP = httpClient(t, Access{Credentials: []Credentials{ask}})
	_, _, err := c.Get(context.Background(), []string{base}, "file", 100)
	if err == nil || !strings.Contains(err.Error(), "finding credentials for "+strings.Trim(base, "htp:/")) || !strings.Contains(err.Error(), "the vault is closed") {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(err); len(hints) != 1 || hints[0] != "open it" || tries != 1 {
		t.Errorf("hints %q after %d tries", hints, tries)
	}
}

func TestPasswordsOfURLsAreNotShown(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	base = strings.Replace(base, "http://", "http://me:secret@", 1)
	_, _, err := client(t).Get(context.Background(), []string{base}, "file", 100)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "http://me:xxxxx@") {
		t.Errorf("error %v", err)
	}
	if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "netrc") {
		t.Errorf("hints %q", hints)
	}
}

// writeCertificate makes a key and a certificate that signs itself, in one file.
func writeCertificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	pem.Encode(&out, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	known := writeCertificate(t, in("known.pem"))
	writeCertificate(t, in("unknown.pem"))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(content) }))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	server.TLS.ClientCAs.AddCert(known)
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, data := range map[string][]byte{"ca.pem": ca, "empty.pem": []byte("nothing\n")} {
		if err := os.WriteFile(in(name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		summary       string
		access        Access
		making, using string // errors
	}{
		{"a certificate that the server knows", Access{ClientCert: in("known.pem"), CA: in("ca.pem")}, "", ""},
		{"the key in a file of its own", Access{ClientCert: in("known.pem"), ClientKey: in("known.pem"), CA: in("ca.pem")}, "", ""},
		{"no certificate", Access{CA: in("ca.pem")}, "", "tls: certificate required"},
		{"a certificate that the server does not know", Access{ClientCert: in("unknown.pem"), CA: in("ca.pem")}, "", "remote error: tls: "},
		{"an authority that the system does not know", Access{ClientCert: in("known.pem")}, "", "certificate signed by unknown authority"},
		{"a file without certificates", Access{CA: in("empty.pem")}, "empty.pem has no certificate in PEM", ""},
		{"a missing file", Access{ClientCert: in("none.pem")}, "reading client certificate " + in("none.pem"), ""},
		{"the key of another certificate", Access{ClientCert: in("known.pem"), ClientKey: in("unknown.pem")}, "private key does not match public key", ""},
		{"a key without certificate", Access{ClientKey: in("known.pem")}, "--client-key needs --client-cert", ""},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			h, err := NewHTTPClient(test.access)
			if test.making != "" {
				if err == nil || !strings.Contains(err.Error(), test.making) {
					t.Errorf("error %v, want %s", err, test.making)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c := client(t)
			c.HTTP = h
			err = c.Save(context.Background(), []string{server.URL + "/file"}, digestOf(content), filepath.Join(t.TempDir(), "file"), nil)
			if test.using == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.using) {
				t.Fatalf("error %v, want %s", err, test.using)
			}
			if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "--client-cert") {
				t.Errorf("hints %q", hints)
			}
		})
	}
}

func TestProxy(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("by proxy: " + r.URL.String())) })
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t)
	c.HTTP = httpClient(t, Access{Proxy: http.ProxyURL(u)})
	data, _, err := c.Get(context.Background(), []string{"http://nowhere.example/"}, "file", 100)
	if err != nil || string(data) != "by proxy: http://nowhere.example/file" {
		t.Errorf("got %q, %v", data, err)
	}
}
