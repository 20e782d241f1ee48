// Package python_test lets Python say what works in the images python and python-3.11.
package python_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// probe is the program that looks at everything; python-3.11 is tested with this file too, from its own folder.
const probe = "../python/probe.py"

// machines is what the kernel calls an architecture.
var machines = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

func TestLibrary(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	certificate, key := smoke.WriteCertificate(t)
	for _, user := range []string{"0", "65532"} {
		out := image.Output(t, imagerun.Process{
			Args: []string{"/usr/bin/python3", "-I", "/probe.py"}, User: user, ReadOnly: true, Timeout: 3 * time.Minute,
			Mounts: []imagerun.Mount{
				imagerun.Bind(smoke.File(t, probe), "/probe.py"),
				imagerun.Bind(certificate, "/etc/server/server.pem"),
				imagerun.Bind(key, "/etc/server/server.key"),
				imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/etc/server/ca.pem"),
				imagerun.Tmpfs("/tmp", "mode=1777"),
				imagerun.Tmpfs("/dev/shm", "mode=1777"),
			},
		})
		for _, want := range []string{
			"\ntls: TLSv1.3, OpenSSL, authorities\n", "\nshell: got 42\n", "\nprocesses: 6\n", "\nforeign: [1, 2, 3]\n", "\ndatabase: X2\n", "\nfiles: Größe\n",
			"\ncompression: bz2 lzma zlib\n", "\ntimes: 2026-08-04T02:00:00+02:00\n", "\naccounts: /root /home/nonroot\n", "\nno_pip: absent\n",
			" on " + machines[image.Arch] + "\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("as %s: no %q in\n%s", user, want, out)
			}
		}
		t.Logf("as %s: %s", user, strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "))
	}
}

// TestBroken: the probe sees what is missing.
func TestBroken(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	for hidden, want := range map[string]string{
		"/usr/lib/python3.11/xml":         "importing _elementtree",
		"/usr/lib/python3.11/lib-dynload": "No module named",
	} {
		image.Fail(t, imagerun.Process{
			Args: []string{"/usr/bin/python3", "-I", "/probe.py"}, Timeout: 3 * time.Minute,
			Mounts: []imagerun.Mount{imagerun.Bind(smoke.File(t, probe), "/probe.py"), imagerun.Tmpfs(hidden)},
		}, want)
	}
}

// TestNoPip: pip and its like are told apart from a program that is there.
func TestNoPip(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	image.Match(t, imagerun.Process{Args: []string{"python3", "--version"}}, `^Python 3\.`)
	for _, name := range []string{"pip", "pip3"} {
		image.Fail(t, imagerun.Process{Args: []string{name, "--version"}}, "(?i)executable file not found")
	}
}
