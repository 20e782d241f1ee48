// Package base_test runs static programs in the image.
package base_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

const programPath = "/probe"

func probe(program string, args ...string) imagerun.Process {
	return imagerun.Process{
		Args: append([]string{programPath}, args...), Env: []string{"TZ=Europe/Berlin"}, Mounts: []imagerun.Mount{imagerun.Bind(program, programPath)},
	}
}

// TestLook: everything a static program expects is there for each of the accounts. 1785801600 is 2026-08-04, midnight UTC: summer time.
func TestLook(t *testing.T) {
	image := smoke.Open(t)
	program := smoke.Program(t, "probe")
	for _, test := range []struct{ user, want string }{
		{"", "root 0:0 root /root"},
		{"65532", "nonroot 65532:65532 nonroot /home/nonroot"},
		{"65534", "nobody 65534:65534 nobody /nonexistent"},
	} {
		t.Run("user "+test.user, func(t *testing.T) {
			p := probe(program, "look")
			p.User = test.user
			want := "^certificates: loaded\ntime: 2026-08-04 02:00 CEST\nelsewhere: 20:00 EDT\nuser: " + test.want + "\nfile: temporary\n$"
			image.Match(t, p, want)
		})
	}
	t.Run("without certificates, time zones, accounts", func(t *testing.T) {
		for _, path := range []string{"/etc/ssl", "/usr/share/zoneinfo", "/etc/passwd"} {
			p := probe(program, "look")
			p.User = "65534"
			hidden := imagerun.Tmpfs(path)
			if path == "/etc/passwd" {
				hidden = imagerun.Bind("/dev/null", path)
			}
			p.Mounts = append(p.Mounts, hidden)
			r := image.Run(t, p)
			if r.Exit == 0 && r.Stdout == image.Output(t, probe(program, "look")) {
				t.Errorf("hiding %s makes no difference:\n%s", path, r.Output())
			}
		}
	})
}

// TestTLS: a server of a company's authority is trusted by an image that names it in ca_anchors, and by no other.
func TestTLS(t *testing.T) {
	with, without := smoke.OpenNamed(t, "with_ca"), smoke.Open(t)
	program := smoke.Program(t, "probe")
	network := smoke.NewNetwork(t)
	smoke.Serve(t, network, "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{smoke.ServerCertificate(t)}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "secret of ", r.URL.Path) }))
	for _, user := range []string{"0", "65534"} {
		p := probe(program, "get", "https://127.0.0.1/page")
		p.User, p.Network = user, network
		with.Match(t, p, "^secret of /page$")
		without.Fail(t, p, "x509: certificate signed by unknown authority")
	}
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
