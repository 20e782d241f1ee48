// Package java_test lets Java say what works in the image.
package java_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// TestProgram runs a program from its source, which the runtime itself compiles.
func TestProgram(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	certificate, key := smoke.WriteCertificate(t)
	for _, user := range []string{"0", "65532"} {
		out := image.Output(t, imagerun.Process{
			Args: []string{"/usr/bin/java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "/Probe.java"}, User: user, ReadOnly: true,
			Timeout: 4 * time.Minute,
			Mounts: []imagerun.Mount{
				imagerun.Bind(smoke.File(t, "Probe.java"), "/Probe.java"),
				imagerun.Bind(certificate, "/etc/server/server.pem"),
				imagerun.Bind(key, "/etc/server/server.key"),
				imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/etc/server/ca.pem"),
				imagerun.Tmpfs("/tmp", "mode=1777"),
			},
		})
		for _, want := range []string{
			"authorities: those of the image\n", "\ntls: secret of /page by TLSv1.3\n", "\nzones: 2026-08-04T02:00+02:00[Europe/Berlin]\n", "\nzones of old: true\n",
			"\ntext: Größe\n", "\ncompression: gzip\n", "\npictures: 20x10\n", "\nprograms: openjdk\n", "\nthreads: 6\n",
			"\njava 17 on " + map[string]string{"amd64": "amd64", "arm64": "aarch64"}[image.Arch] + "\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("as %s: no %q in\n%s", user, want, out)
			}
		}
		t.Logf("as %s: %s", user, strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "))
		if image.Emulated() {
			break // once is slow enough
		}
	}
}

// TestBroken: without its key store Java trusts nobody, which the program sees.
func TestBroken(t *testing.T) {
	smoke.NativeOnly(t, "it shows what the program sees, whatever the architecture, and compiling takes a minute")
	image := smoke.Open(t)
	image.Fail(t, imagerun.Process{
		Args: []string{"/usr/bin/java", "/Probe.java"}, Timeout: 2 * time.Minute,
		Mounts: []imagerun.Mount{imagerun.Bind(smoke.File(t, "Probe.java"), "/Probe.java"), imagerun.Tmpfs("/etc/ssl/certs/java")},
	}, "AssertionError: 0 authorities")
}

func TestNoCompiler(t *testing.T) {
	image := smoke.Open(t)
	image.Match(t, imagerun.Process{Args: []string{"/usr/bin/java", "--version"}}, `^openjdk 17\.`)
	image.Fail(t, imagerun.Process{Args: []string{"/usr/bin/javac", "--version"}}, "(?i)no such file or directory")
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
