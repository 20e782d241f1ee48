// Package debrpm_test checks a prepared release with the real programs: rpm, gpg and dnf. SLIMRPM_DEBRPM names its directory, as
// it does for Bazel; without it, or without the programs, the tests that need them say so and skip.
package debrpm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
)

const manifest = "../../variants/releases/debrpm/rpms.yaml"

// release returns the prepared directory and the absolute path of the public key.
func release(t *testing.T, programs ...string) (dir, key string) {
	t.Helper()
	dir = os.Getenv("SLIMRPM_DEBRPM")
	if dir == "" {
		t.Skip("SLIMRPM_DEBRPM is not set: there is no prepared release to check (third_party/debrpm/prepare makes one)")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no program %s here", program)
		}
	}
	key, err := filepath.Abs("keys/RPM-GPG-KEY-debrpm")
	if err != nil {
		t.Fatal(err)
	}
	return dir, key
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out)
}

func packages(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "repo/*/Packages/*.rpm"))
	if err != nil || len(files) < 100 {
		t.Fatalf("%s holds %d packages, %v", dir, len(files), err)
	}
	return files
}

// roots are the packages of the manifest.
func roots(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Install []string `yaml:"install"`
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m.Install
}

// TestManifestNamesThePackages compares the two hand-written lists.
func TestManifestNamesThePackages(t *testing.T) {
	sections, err := mapping.ReadList("packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, err := mapping.Roots(sections, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Read("mapping.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"debrpm-filesystem"}
	for _, name := range names {
		if to := m.Packages[name].Rename; to != "" {
			name = to
		}
		want = append(want, name)
	}
	got := roots(t)
	sort.Strings(want)
	sort.Strings(got)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s installs\n%v\nbut packages.txt has\n%v", manifest, got, want)
	}
}

// TestSignatures verifies every package and both indexes with the committed key.
func TestSignatures(t *testing.T) {
	dir, key := release(t, "rpmkeys", "gpg")
	db := t.TempDir()
	run(t, "rpmkeys", "--dbpath", db, "--import", key)
	files := packages(t, dir)
	out := run(t, "rpmkeys", append([]string{"--dbpath", db, "-K"}, files...)...)
	if good := strings.Count(out, ": digests signatures OK\n"); good != len(files) {
		t.Errorf("%d of %d packages verify:\n%s", good, len(files), out)
	}
	signature := run(t, "rpm", append([]string{"-qp", "--nosignature", "--qf", "%{RSAHEADER:pgpsig} %{RPMFORMAT}%{NAME}\n"}, files...)...)
	line := regexp.MustCompile(`(?m)^RSA/SHA256, .*, Key ID e3ed5bf408dd7002 `)
	if n := len(line.FindAllString(signature, -1)); n != len(files) {
		t.Errorf("%d of %d packages have an RSA/SHA256 header signature", n, len(files))
	}
	home, err := os.MkdirTemp("/tmp", "debrpm-test-") // gpg's sockets have a path limit
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	run(t, "gpg", "--homedir", home, "--batch", "--quiet", "--import", key)
	for _, arch := range []string{"x86_64", "aarch64"} {
		repomd := filepath.Join(dir, "repo", arch, "repodata/repomd.xml")
		run(t, "gpg", "--homedir", home, "--batch", "--quiet", "--verify", repomd+".asc", repomd)
	}
}

// TestAttributes looks for what is easily lost on the way from .deb to RPM.
func TestAttributes(t *testing.T) {
	dir, _ := release(t, "rpm")
	for _, test := range []struct{ sentence, arch, pkg, format, want string }{
		{"setuid bits", "x86_64", "passwd", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]", "-rwsr-xr-x root root /usr/bin/passwd"},
		{"setgid bits and groups", "aarch64", "passwd", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]", "-rwxr-sr-x root shadow /usr/bin/chage"},
		{"capabilities", "aarch64", "iputils-ping", "[%{FILENAMES} %{FILECAPS}\n]", "/bin/ping cap_net_raw=ep"},
		{"symbolic links", "x86_64", "dash", "[%{FILENAMES} %{FILELINKTOS}\n]", "/bin/sh dash"},
		{"configuration files", "x86_64", "openssl", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", "/etc/ssl/openssl.cnf cn"},
		{"licences", "x86_64", "openssl", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", "/usr/share/doc/openssl/copyright dl"},
		{"links of alternatives", "x86_64", "iptables", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", "/usr/sbin/iptables g"},
		{"symbol versions of another architecture", "aarch64", "libmnl0", "[%{REQUIRES}\n]", "libc.so.6(GLIBC_2.17)(64bit)"},
		{"sonames", "aarch64", "libmnl0", "[%{PROVIDES}\n]", "libmnl.so.0()(64bit)"},
		{"bounds", "x86_64", "iptables", "[%{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION}\n]", "libxtables12 = 1.8.9-2"},
		{"the source package", "x86_64", "libxtables12", "%{SOURCERPM}\n", "iptables-1.8.9-2.src.rpm"},
		{"the operating system for scanners", "x86_64", "debrpm-release", "[%{FILENAMES} %{FILELINKTOS}\n]", "/etc/os-release ../usr/lib/os-release"},
	} {
		files, err := filepath.Glob(filepath.Join(dir, "repo", test.arch, "Packages", test.pkg+"-[0-9]*.rpm"))
		if err != nil || len(files) != 1 {
			t.Errorf("%s: %d packages %s", test.sentence, len(files), test.pkg)
			continue
		}
		out := run(t, "rpm", "-qp", "--nosignature", "--qf", test.format, files[0])
		found := false
		for _, line := range strings.Split(out, "\n") {
			found = found || strings.TrimSpace(line) == test.want
		}
		if !found {
			t.Errorf("%s: %s has no line %q in\n%s", test.sentence, test.pkg, test.want, out)
		}
	}
}

// dnf runs dnf on the repository of one architecture and nothing else of the machine.
func dnf(t *testing.T, arch, root string, args ...string) (string, error) {
	t.Helper()
	dir, key := release(t, "dnf", "rpm")
	all := append([]string{"-y", "--installroot=" + root, "--forcearch=" + arch, "--releasever=12", "--disablerepo=*",
		"--repofrompath=debrpm,file://" + filepath.Join(dir, "repo", arch), "--setopt=debrpm.gpgcheck=1", "--setopt=debrpm.repo_gpgcheck=1",
		"--setopt=debrpm.gpgkey=file://" + key, "--setopt=install_weak_deps=False", "--setopt=cachedir=" + t.TempDir(),
		"--setopt=logdir=" + t.TempDir(), "--setopt=reposdir=/nonexistent", "--setopt=pluginpath=/nonexistent"}, args...)
	c := exec.Command("dnf", all...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestDNFInstalls installs with scriptlets and runs what was installed.
func TestDNFInstalls(t *testing.T) {
	release(t, "dnf", "rpm", "chroot")
	if os.Getuid() != 0 {
		t.Skip("not root: rpm cannot enter an install root")
	}
	root := t.TempDir()
	out, err := dnf(t, "x86_64", root, "install", "iptables", "nginx", "git", "ca-certificates")
	if err != nil || !strings.Contains(out, "Complete!") {
		t.Fatalf("dnf: %v\n%s", err, out)
	}
	if strings.Contains(out, "scriptlet failed") || strings.Contains(out, "Error in ") || strings.Contains(out, "does not exist - using root") {
		t.Errorf("scriptlets or owners failed:\n%s", out)
	}
	// Programs that open /dev/null get a file; a device is not always allowed here.
	if err := os.WriteFile(filepath.Join(root, "dev/null"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want    string
		command []string
	}{
		{"(nf_tables)", []string{"iptables", "--version"}}, {"(legacy)", []string{"iptables-legacy", "--version"}},
		{"nginx version: ", []string{"nginx", "-v"}}, {"git version 2.", []string{"git", "--version"}},
		{"/usr/sbin/iptables-nft", []string{"readlink", "/etc/alternatives/iptables"}},
	} {
		if got := run(t, "chroot", append([]string{root}, test.command...)...); !strings.Contains(got, test.want) {
			t.Errorf("%v says %q, not %q", test.command, got, test.want)
		}
	}
	if pem, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil || bytes.Count(pem, []byte("BEGIN CERTIFICATE")) < 100 {
		t.Errorf("the certificate bundle holds %d certificates, %v", bytes.Count(pem, []byte("BEGIN CERTIFICATE")), err)
	}
	c := exec.Command("rpm", "--root", root, "-Va")
	if out, _ := c.CombinedOutput(); len(out) > 0 { // rpm -V fails when it prints
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			if !strings.Contains(line, " c /etc/") && !strings.HasSuffix(line, " /dev/null") {
				t.Errorf("rpm -V: %s", line)
			}
		}
	}
}

// TestDNFResolves lets dnf resolve everything that the manifest installs, for both architectures.
func TestDNFResolves(t *testing.T) {
	release(t, "dnf")
	for _, arch := range []string{"x86_64", "aarch64"} {
		out, _ := dnf(t, arch, t.TempDir(), append([]string{"install", "--assumeno"}, roots(t)...)...) // --assumeno always fails
		if !strings.Contains(out, "Transaction Summary") || !strings.Contains(out, "Operation aborted") {
			t.Errorf("%s does not resolve:\n%s", arch, out)
		}
	}
}
