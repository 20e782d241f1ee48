// Package haproxy_test runs haproxy before two backends, under load.
package haproxy_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

const configuration = `
global
    maxconn 256
    log stderr format raw local0 warning
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:8080
    bind 127.0.0.1:8443 ssl crt /etc/server.pem
    use_backend one if { path_beg /one }
    use_backend two if { path_reg ^/t[wW]o$ }
    default_backend both
backend one
    server one 127.0.0.1:9001 check inter 200ms
backend two
    server two 127.0.0.1:9002 check inter 200ms
backend both
    balance roundrobin
    server one 127.0.0.1:9001
    server two 127.0.0.1:9002
`

// process is haproxy as one runs it: the user of the image, a root filesystem that cannot be written, everything else mounted.
func process(t *testing.T, network *imagerun.Network, configuration string, args ...string) imagerun.Process {
	certificate, key := smoke.WriteCertificate(t)
	var pair strings.Builder
	for _, name := range []string{certificate, key} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pair.Write(data)
	}
	return imagerun.Process{
		Args: append([]string{"/usr/sbin/haproxy", "-f", "/etc/smoke.cfg"}, args...), Network: network, ReadOnly: true, Timeout: 90 * time.Second,
		Mounts: []imagerun.Mount{
			imagerun.Bind(smoke.WriteFile(t, "smoke.cfg", configuration), "/etc/smoke.cfg"),
			imagerun.Bind(smoke.WriteFile(t, "pair.pem", pair.String()), "/etc/server.pem"),
		},
	}
}

func backend(t *testing.T, network *imagerun.Network, name, address string) {
	smoke.Serve(t, network, address, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }))
}

func TestProxy(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	backend(t, network, "one", "127.0.0.1:9001")
	backend(t, network, "two", "127.0.0.1:9002")
	running := image.Start(t, process(t, network, configuration, "-db"), 0, func() error {
		_, err := smoke.Get(t.Context(), network, "http://127.0.0.1:8080/one")
		return err
	})
	smoke.NotRoot(t, running)
	for url, want := range map[string]string{
		"http://127.0.0.1:8080/one": "one", "http://127.0.0.1:8080/two": "two", "https://127.0.0.1:8443/tWo": "two",
	} {
		if got, err := smoke.Get(t.Context(), network, url); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", url, got, err, want)
		}
	}
	seen := map[string]int{}
	for range 10 {
		got, err := smoke.Get(t.Context(), network, "http://127.0.0.1:8080/")
		if err != nil {
			t.Fatal(err)
		}
		seen[got]++
	}
	if seen["one"] != 5 || seen["two"] != 5 {
		t.Errorf("ten requests went to %v", seen)
	}
	smoke.Load{URL: "http://127.0.0.1:8080/two", Connections: 8, Duration: 10 * time.Second, Body: "two"}.Run(t, network)
	if err := running.Signal("USR1"); err != nil {
		t.Fatal(err)
	}
	if result, err := running.Wait(); err != nil || result.Exit != 0 {
		t.Errorf("haproxy ended with %d, %v\n%s", result.Exit, err, result.Output())
	}
}

// TestBackendLost: a backend that goes away is noticed, and the client told.
func TestBackendLost(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	running := image.Start(t, process(t, network, configuration, "-db"), 0, func() error {
		_, err := smoke.Get(t.Context(), network, "http://127.0.0.1:8080/one")
		if err == nil || !strings.Contains(err.Error(), "503") {
			return fmt.Errorf("answer without a backend: %v", err)
		}
		return nil
	})
	down := func() error {
		if out := running.Output(); !strings.Contains(out, "one/one is DOWN") {
			return fmt.Errorf("no message about the backend")
		}
		return nil
	}
	if err := running.Ready(20*time.Second, down); err != nil {
		t.Fatal(err)
	}
}

// TestConfiguration: a mistake in the configuration is told, and the right one is not called a mistake.
func TestConfiguration(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	image.Succeed(t, process(t, network, configuration, "-c"))
	// Servers are trusted by the authorities of the image, where a configuration says so.
	trusted := process(t, network, configuration+"\nbackend trusted\n    server one 127.0.0.1:443 ssl verify required ca-file @system-ca\n", "-c")
	image.Succeed(t, trusted)
	trusted.Mounts = append(trusted.Mounts, imagerun.Tmpfs("/usr/lib/ssl"))
	image.Fail(t, trusted, "unable to load @system-ca")
	image.Fail(t, process(t, network, strings.Replace(configuration, "mode http", "mode carrier-pigeon", 1), "-c"), "unknown proxy mode 'carrier-pigeon'|unknown 'mode' argument|carrier-pigeon")
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
