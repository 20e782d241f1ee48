// Package nginx_test runs nginx as a web server and as a proxy, under load.
package nginx_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

const configuration = `
daemon off;
worker_processes 2;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 128; }
http {
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    gzip on;
    gzip_types application/json;
    server {
        listen 127.0.0.1:8080;
        listen [::1]:8080;
        listen 127.0.0.1:8443 ssl;
        ssl_certificate /etc/server/server.pem;
        ssl_certificate_key /etc/server/server.key;
        root /srv;
        location /api/ {
            proxy_pass http://127.0.0.1:9000/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
        location ~ ^/user/(?<name>[a-z]+)$ { return 200 "regular expressions: $name\n"; }
    }
}
`

const (
	page   = "<!doctype html><title>smoke</title>\n"
	answer = "from the backend: / for 127.0.0.1"
)

// process is nginx as one runs it: the user of the image, a root filesystem that cannot be written, everything else mounted.
func process(t *testing.T, network *imagerun.Network, configuration string) imagerun.Process {
	certificate, key := smoke.WriteCertificate(t)
	return imagerun.Process{
		Args: []string{"/usr/sbin/nginx"}, Network: network, ReadOnly: true, Timeout: 90 * time.Second,
		Mounts: []imagerun.Mount{
			imagerun.Bind(smoke.WriteFile(t, "nginx.conf", configuration), "/etc/nginx/nginx.conf"),
			imagerun.Bind(certificate, "/etc/server/server.pem"),
			imagerun.Bind(key, "/etc/server/server.key"),
			imagerun.Bind(smoke.WriteFile(t, "index.html", page), "/srv/index.html"),
			imagerun.Tmpfs("/tmp", "mode=1777"),
		},
	}
}

func TestServe(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	smoke.Serve(t, network, "127.0.0.1:9000", nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "from the backend: %s for %s", r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}))
	running := image.Start(t, process(t, network, configuration), 0, func() error {
		_, err := smoke.Get(t.Context(), network, "http://127.0.0.1:8080/")
		return err
	})
	smoke.NotRoot(t, running)
	for url, want := range map[string]string{
		"http://127.0.0.1:8080/":          page,
		"http://[::1]:8080/":              page,
		"https://127.0.0.1:8443/":         page,
		"http://127.0.0.1:8080/api/":      answer,
		"https://127.0.0.1:8443/api/":     answer,
		"http://127.0.0.1:8080/user/name": "regular expressions: name\n",
	} {
		if got, err := smoke.Get(t.Context(), network, url); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", url, got, err, want)
		}
	}
	if _, err := smoke.Get(t.Context(), network, "http://127.0.0.1:8080/none"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a page that is not there: %v", err)
	}
	contentType(t, network)
	if !t.Failed() {
		smoke.Load{URL: "http://127.0.0.1:8080/", Connections: 8, Duration: 5 * time.Second, Body: page}.Run(t, network)
		smoke.Load{URL: "http://127.0.0.1:8080/api/", Connections: 8, Duration: 5 * time.Second, Body: answer}.Run(t, network)
	}
	if result, err := running.Stop(); err != nil || result.Exit != 0 || strings.Contains(result.Output(), "[error]") == t.Failed() {
		t.Errorf("nginx ended with %d, %v\n%s", result.Exit, err, result.Output())
	}
}

// contentType shows that the types of the package are there.
func contentType(t *testing.T, network *imagerun.Network) {
	t.Helper()
	transport := network.Transport()
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Head("http://127.0.0.1:8080/index.html")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Type"); got != "text/html" {
		t.Errorf("index.html is of type %q", got)
	}
}

// TestConfiguration: a mistake in the configuration is told, and the right one is not called a mistake.
func TestConfiguration(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	p := process(t, network, configuration)
	p.Args = append(p.Args, "-t")
	image.Match(t, p, "test is successful")
	p = process(t, network, strings.Replace(configuration, "gzip on", "gzip maybe", 1))
	p.Args = append(p.Args, "-t")
	image.Fail(t, p, `invalid value "maybe" in "gzip" directive`)
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
