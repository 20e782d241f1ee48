package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldcache"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// TestLdconfig_Debrpm lets the ldconfig of the image itself, of either architecture, make its cache: ours must have the same
// bytes, because both are of one version of glibc. ldconfig -p must print the same.
func TestLdconfig_Debrpm(t *testing.T) {
	dir := debrpmRelease(t, "ld.so.cache against ldconfig of both architectures")
	for _, arch := range []string{"x86_64", "aarch64"} {
		t.Run(arch, func(t *testing.T) {
			emulator := emulatorOf(t, arch)
			root := libraries(t, dir, arch, `"ld_so_cache":true`)
			for _, junk := range []string{"var/cache/ldconfig/aux-cache", "dev/null", "etc/.pwd.lock", "etc/passwd-"} {
				if _, err := os.Lstat(filepath.Join(root, junk)); err == nil {
					t.Errorf("the image has /%s", junk)
				}
			}
			ours, err := os.ReadFile(filepath.Join(root, "etc/ld.so.cache"))
			if err != nil {
				t.Fatal(err)
			}
			ldconfig := append(emulator, filepath.Join(root, "usr/sbin/ldconfig"))
			if out, err := exec.Command(ldconfig[0], append(ldconfig[1:], "-X", "-r", root, "-C", "/tmp/cache")...).CombinedOutput(); err != nil {
				t.Fatalf("ldconfig: %v\n%s", err, out)
			}
			theirs, err := os.ReadFile(filepath.Join(root, "tmp/cache"))
			if err != nil {
				t.Fatal(err)
			}
			printed := map[string]string{}
			for _, name := range []string{"etc/ld.so.cache", "tmp/cache"} {
				out, err := exec.Command(ldconfig[0], append(ldconfig[1:], "-p", "-C", filepath.Join(root, name))...).CombinedOutput()
				if err != nil {
					t.Fatalf("ldconfig -p: %v\n%s", err, out)
				}
				printed[name] = strings.Replace(string(out), filepath.Join(root, name), "CACHE", 1)
			}
			if printed["etc/ld.so.cache"] != printed["tmp/cache"] {
				a, b := strings.Split(printed["etc/ld.so.cache"], "\n"), strings.Split(printed["tmp/cache"], "\n")
				for i := range max(len(a), len(b)) {
					if i >= len(a) || i >= len(b) || a[i] != b[i] {
						t.Errorf("ldconfig -p, line %d: ours\n%s\ntheirs\n%s", i+1, strings.Join(a[min(i, len(a)):], "\n"), strings.Join(b[min(i, len(b)):], "\n"))
						break
					}
				}
			}
			c, err := ldcache.Parse(ours)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Entries) < 100 || !bytes.Equal(ours, theirs) {
				t.Errorf("%d entries: ours has %d bytes, ldconfig's %d", len(c.Entries), len(ours), len(theirs))
			}
			t.Logf("%d entries by %q are byte-equal", len(c.Entries), c.Generator)
		})
	}
}

// debrpmRelease returns the folder of the release, or skips the test and says what was not checked.
func debrpmRelease(t *testing.T, what string) string {
	t.Helper()
	dir := os.Getenv("SLIMRPM_DEBRPM")
	switch {
	case dir == "":
		t.Skipf("no debrpm release (SLIMRPM_DEBRPM); not checked: %s", what)
	case os.Geteuid() != 0:
		t.Skipf("not root; not checked: %s", what)
	case testing.Short():
		t.Skip("-short: it extracts many libraries; not checked: what ldconfig or curl of an image make of them")
	}
	return dir
}

// emulatorOf returns the command that runs programs of an architecture here; empty for the machine's own.
func emulatorOf(t *testing.T, arch string) []string {
	t.Helper()
	if arch == map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] {
		return nil
	}
	for _, name := range []string{"qemu-" + arch, "qemu-" + arch + "-static"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}
		}
	}
	t.Skipf("no qemu-%s on this machine; not checked: what ldconfig of %s makes", arch, arch)
	return nil
}

// libraries composes the libraries of the release and more packages by name, and unpacks the image. One library stands once more in
// directories for processors with more abilities.
func libraries(t *testing.T, dir, arch, fields string, names ...string) string {
	t.Helper()
	rpms, err := filepath.Glob(filepath.Join(dir, "repo", arch, "Packages", "lib*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Fatalf("no packages in %s: %v", dir, err)
	}
	for _, name := range append(names, "debrpm-filesystem", "base-passwd", "gcc-12-base") {
		more, err := filepath.Glob(filepath.Join(dir, "repo", arch, "Packages", name+"-[0-9]*.rpm"))
		if err != nil || len(more) != 1 {
			t.Fatalf("%s: %v %v", name, more, err)
		}
		rpms = append(rpms, more...)
	}
	rpms = onlyLibraries(rpms)
	in := &Input{Packages: unpackAll(t, rpms), Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: arch}}
	for _, p := range in.Packages {
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Index.Name, NEVRA: p.Index.NEVRA})
	}
	in.Spec = spec(t, `"accounts":{},"policies":{},`+fields)
	in.Spec.Arch = arch
	bzip2 := fileOf(t, in.Packages, "/libbz2.so.1.0.")
	for _, capability := range []string{"x86-64-v3", "x86-64-v2", "power10"} {
		in.Spec.Files = append(in.Spec.Files, File{Path: "/usr/lib/" + rootfs.Multiarch(arch) + "/glibc-hwcaps/" + capability + "/libbz2.so.1.0.4", Source: bzip2})
	}
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	if err := rootfs.WriteLayer(&layer, r.Layer); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	tar := exec.Command("tar", "-xp", "-C", root)
	tar.Stdin = &layer
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(root, "tmp"), 0o1777); err != nil {
		t.Fatal(err)
	}
	return root
}

// fileOf writes the first file of the packages whose path has part, and returns its name on the host.
func fileOf(t *testing.T, packages []Package, part string) string {
	t.Helper()
	for _, p := range packages {
		for _, f := range p.Index.Files {
			if !strings.Contains(f.Path, part) || f.Type != pkgindex.TypeFile {
				continue
			}
			payload, err := os.ReadFile(p.Payload)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(name, payload[f.Offset:f.Offset+f.SizeBytes], 0o644); err != nil {
				t.Fatal(err)
			}
			return name
		}
	}
	t.Fatalf("no file %s in the packages", part)
	return ""
}

// onlyLibraries leaves out what is large and holds no library that ldconfig looks at.
func onlyLibraries(rpms []string) []string {
	var out []string
	for _, rpm := range rpms {
		name := filepath.Base(rpm)
		if !strings.Contains(name, "-dev-") && !strings.HasPrefix(name, "libpython3") && !strings.HasPrefix(name, "libnode") && !strings.HasPrefix(name, "libicu") && !strings.HasPrefix(name, "libperl") {
			out = append(out, rpm)
		}
	}
	return out
}
