package build

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
)

// writeDeb makes a small package with one of everything.
func writeDeb(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for name, content := range map[string]string{
		"DEBIAN/control": "Package: demo\nSource: demo-src (1.0-1)\nVersion: 1:1.0-1+b1\nArchitecture: arm64\nMaintainer: a <a@b.invalid>\n" +
			"Depends: libc6 (>= 2.34), debconf\nSection: misc\nDescription: 100% demo\n A text.\n",
		"DEBIAN/conffiles":               "/etc/demo.conf\n",
		"DEBIAN/postinst":                "#!/bin/sh\nupdate-alternatives --install /usr/bin/d d /usr/bin/demo 5\n",
		"etc/demo.conf":                  "x\n",
		"usr/bin/demo":                   "#!/bin/sh\n",
		"usr/bin/[":                      "#!/bin/sh\n",
		"usr/share/doc/demo/copyright":   "Format: x\n\nFiles: *\nLicense: Expat\n",
		"usr/share/a file with %macro{}": "y",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Chmod(filepath.Join(root, "usr/bin/demo"), 0o755|os.ModeSetuid), os.Chmod(filepath.Join(root, "etc/demo.conf"), 0o644),
		os.Link(filepath.Join(root, "usr/bin/demo"), filepath.Join(root, "usr/bin/twin")), os.Symlink("demo", filepath.Join(root, "usr/bin/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(dir, "demo.deb")
	c := exec.Command("dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, deb)
	c.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if _, err := run(c); err != nil {
		t.Fatal(err)
	}
	return deb
}

func TestRepack(t *testing.T) {
	for _, program := range []string{"dpkg-deb", "rpmbuild", "gpg", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no program %s here", program)
		}
	}
	m, err := mapping.Parse([]byte("drop_depends: {debconf: nothing asks}\n"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := NewSigner("../../keys/PRIVATE-TEST-KEY-debrpm.asc")
	if err != nil {
		t.Fatal(err)
	}
	defer signer.Close()
	deb := writeDeb(t)
	var first []byte
	for range 2 {
		b := &Builder{Mapping: m, Work: t.TempDir(), Signer: signer, Shared: map[string]bool{"/etc": true, "/usr": true, "/usr/bin": true}}
		if err := b.Prepare(); err != nil {
			t.Skipf("this rpm is too old: %v", err)
		}
		res, err := b.Repack(deb, "aarch64")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(res.Dropped, "|"); got != "Depends debconf: nothing asks" {
			t.Errorf("the report says %q", got)
		}
		data, err := os.ReadFile(res.RPM)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
			checkRepacked(t, res.RPM)
		} else if !bytes.Equal(first, data) {
			t.Error("the same .deb gives other bytes")
		}
	}
}

func checkRepacked(t *testing.T, rpm string) {
	t.Helper()
	format := "%{NAME} %{EPOCH} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM} %{BUILDTIME} %{BUILDHOST} %{LICENSE} %{SUMMARY}\n" +
		"[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME} %{FILEFLAGS:fflags} %{FILENLINKS} %{FILELINKTOS}\n]" +
		"[%{REQUIRENAME} %{REQUIREFLAGS:depflags} %{REQUIREVERSION}\n]%{POSTIN}\n"
	out, err := run(exec.Command("rpm", "-qp", "--nosignature", "--qf", format, rpm))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"demo 1 1.0 1+b1 aarch64 demo-src-1.0-1.src.rpm ", " debrpm MIT 100% demo\n", "/etc/demo.conf -rw-r--r-- root cn 1 \n",
		"/usr/bin/d lrwxrwxrwx root g 1 /etc/alternatives/d\n", "/usr/bin/demo -rwsr-xr-x root  2 \n", "/usr/bin/twin -rwsr-xr-x root  2 \n",
		"/usr/bin/[ ", "/usr/bin/link lrwxrwxrwx root  1 demo\n", "/usr/share/a file with %macro{} ", "/usr/share/doc/demo/copyright -rwxr-xr-x root dl",
		"libc6 >= 2.34-0\n", "/bin/sh  \n", "update-alternatives --install /usr/bin/d d /usr/bin/demo 5\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the RPM lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "\n/usr/bin -") || strings.Contains(string(out), "debconf") {
		t.Errorf("the RPM has what it must not have:\n%s", out)
	}
}
