// Package compiler_base_test builds with the image what needs no compiler.
package compiler_base_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

func script(text string) imagerun.Process {
	return imagerun.Process{Args: []string{"/bin/sh", "-euc", text}, Cwd: "/tmp"}
}

// TestPrograms: each of the programs that the image is for does a piece of its work.
func TestPrograms(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	for name, test := range map[string]struct{ text, want string }{
		"bash":      {`bash -c 'a=(x y z); echo ${#a[@]} ${a[-1]^^}'`, "3 Z"},
		"coreutils": {`seq 3 | tac | paste -sd, ; printf abc | sha256sum | cut -c1-8; mktemp -d | xargs stat -c %a`, "3,2,1\nba7816bf\n700"},
		"findutils": {`mkdir -p find/a; touch find/a/b; find find -type f -print0 | xargs -0 -n1 basename`, "b"},
		"sed":       {`echo a1b22 | sed -E 's/[0-9]+/<&>/g'`, "a<1>b<22>"},
		"gawk":      {`printf '1 2\n3 4\n' | awk '{ s += $1 * $2 } END { print s, PROCINFO["version"] ~ /^[0-9.]+$/ }'`, "14 1"},
		"grep":      {`printf 'one\ntwo\n' | grep -nP '^t(?=w)'`, "2:two"},
		"tar, gzip": {`mkdir -p tar/in; echo text > tar/in/file; ln -s file tar/in/link; tar -C tar -czf tar.gz in; mkdir -p out; tar -C out -xzf tar.gz; cat out/in/link; gzip -l tar.gz | grep -c tar`, "text\n1"},
		"make":      {`mkdir -p make; cd make; printf 'all: a b\n\t@echo $^\na b: ; @touch $@\n' > Makefile; make -s -j2; make -s -q a && echo made`, "a b\nmade"},
		"binutils":  {`cp /usr/bin/sed program; strip program; readelf -h program | grep -c 'ELF64'; printf x > object; ar rc archive.a object; ar t archive.a; nm --version | head -1 | grep -c GNU`, "1\nobject\n1"},
		"which":     {`which sed make`, "/usr/bin/sed\n/usr/bin/make"},
	} {
		t.Run(name, func(t *testing.T) {
			if out := image.Output(t, script(test.text)); strings.TrimSpace(out) != test.want {
				t.Errorf("%s says\n%s\nwant\n%s", test.text, out, test.want)
			}
		})
	}
}

// TestCurl: it downloads from a server whose authority it is given, and not from one that it does not trust.
func TestCurl(t *testing.T) {
	image, network := smoke.Open(t), smoke.NewNetwork(t)
	smoke.Serve(t, network, "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{smoke.ServerCertificate(t)}, NextProtos: []string{"h2"}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "source of ", r.URL.Path, " by ", r.Proto) }))
	authority := imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/ca.pem")
	curl := func(args ...string) imagerun.Process {
		return imagerun.Process{Args: append([]string{"/usr/bin/curl", "-sS", "--fail"}, args...), Network: network, Mounts: []imagerun.Mount{authority}}
	}
	image.Match(t, curl("--http1.1", "--cacert", "/ca.pem", "https://127.0.0.1/file"), "^source of /file by HTTP/1.1$")
	image.Fail(t, curl("https://127.0.0.1/file"), "(?i)SSL certificate problem|unable to get local issuer")
	trusted := curl("--http1.1", "https://127.0.0.1/file")
	trusted.Mounts = append(trusted.Mounts, imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/etc/ssl/certs/ca-certificates.crt"))
	image.Match(t, trusted, "^source of /file by HTTP/1.1$")
	image.Match(t, imagerun.Process{Args: []string{"/usr/bin/curl", "--version"}}, `(?m)^Features: .*HTTP2.*SSL`)
}

// TestNoCompiler: that is for the images that build on this one.
func TestNoCompiler(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	image.Match(t, script("command -v make"), "^/usr/bin/make\n$")
	for _, name := range []string{"gcc", "cc", "rpm", "dnf", "yum"} {
		image.Match(t, script("command -v "+name+" || echo none"), "^none\n$")
	}
}
