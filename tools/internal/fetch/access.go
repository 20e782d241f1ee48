package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Credentials returns the header fields that authorize a request, none for hosts it does not know.
type Credentials func(ctx context.Context, u *url.URL) (http.Header, error)

// Access is how servers are reached and persuaded.
type Access struct {
	// ClientCert, ClientKey and CA are PEM files. A key in the same file as its certificate needs no name of its own; CA
	// stands for the certificate authorities of the system.
	ClientCert, ClientKey, CA string
	// Proxy is http.ProxyFromEnvironment in programs; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// Credentials are asked in turn for every request, redirected ones included, until one knows the host.
	Credentials []Credentials
}

// Flags adds the flags for certificates.
func (a *Access) Flags(fs *flag.FlagSet) {
	fs.StringVar(&a.ClientCert, "client-cert", "", "PEM file of the certificate that servers may ask for")
	fs.StringVar(&a.ClientKey, "client-key", "", "PEM file of its key; default: the file of the certificate")
	fs.StringVar(&a.CA, "ca", "", "PEM file of the certificate authorities to trust, instead of those of the system")
}

const (
	maxRedirects    = 10
	answerWithin    = 30 * time.Second
	idleConnections = 16
)

// errAccess marks missing credentials, errLocal a problem of this machine: neither a second try nor, for the latter, another
// mirror can help.
var (
	errAccess = errors.New("no access")
	errLocal  = errors.New("local problem")
)

// marked is an error with one of the marks, which its text does not show.
type marked struct {
	error
	mark error
}

func (m marked) Is(target error) bool { return target == m.mark }
func (m marked) Unwrap() error        { return m.error }

// NewHTTPClient returns a client with bounded waiting times. Credentials of a host never follow a redirect to another one.
func NewHTTPClient(a Access) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = answerWithin
	transport.MaxIdleConnsPerHost = idleConnections
	transport.DisableCompression = true // a .gz must arrive as it was checksummed
	transport.Proxy = a.Proxy
	var err error
	if transport.TLSClientConfig, err = a.tls(); err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &authorizing{next: transport, credentials: a.Credentials},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return marked{fmt.Errorf("more than %d redirects", maxRedirects), errTooManyRedirects}
			}
			if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errors.New("redirect from https to http")
			}
			return nil
		},
	}, nil
}

func (a Access) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ClientCert != "" {
		key := a.ClientKey
		if key == "" {
			key = a.ClientCert
		}
		pair, err := tls.LoadX509KeyPair(a.ClientCert, key)
		if err != nil {
			return nil, fmt.Errorf("reading client certificate %s: %w", a.ClientCert, err)
		}
		config.Certificates = []tls.Certificate{pair}
	} else if a.ClientKey != "" {
		return nil, errors.New("--client-key needs --client-cert")
	}
	if a.CA != "" {
		data, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("reading certificate authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("reading certificate authorities: %s has no certificate in PEM", a.CA)
		}
	}
	return config, nil
}

// authorizing adds credentials below the level where redirects are followed, so that each hop gets those of its own host.
type authorizing struct {
	next        http.RoundTripper
	credentials []Credentials
}

func (a *authorizing) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, ask := range a.credentials {
		fields, err := ask(req.Context(), req.URL)
		if err != nil {
			return nil, marked{fmt.Errorf("finding credentials for %s: %w", req.URL.Host, err), errAccess}
		}
		if len(fields) == 0 {
			continue
		}
		req = req.Clone(req.Context())
		for name, values := range fields {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
		break
	}
	return a.next.RoundTrip(req)
}
