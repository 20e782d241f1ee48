package importer

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// TestKubeVirt imports the WORKSPACE of KubeVirt 1.5.0, as the module cache of Go has it after
// `go mod download kubevirt.io/kubevirt@v1.5.0`; SLIMRPM_KUBEVIRT names another folder.
func TestKubeVirt(t *testing.T) {
	dir := os.Getenv("SLIMRPM_KUBEVIRT")
	if dir == "" {
		cache := os.Getenv("GOMODCACHE")
		if home, err := os.UserHomeDir(); cache == "" && err == nil {
			cache = filepath.Join(home, "go", "pkg", "mod")
		}
		dir = filepath.Join(cache, "kubevirt.io", "kubevirt@v1.5.0")
	}
	data, err := os.ReadFile(filepath.Join(dir, "WORKSPACE"))
	if err != nil {
		t.Skipf("not imported: KubeVirt's WORKSPACE is not here (%v); go mod download kubevirt.io/kubevirt@v1.5.0 brings it", err)
	}
	list, err := Workspace(string(data))
	if err != nil {
		t.Fatal(err)
	}
	result, err := Convert(list, "kubevirt")
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Lock.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := lockfile.ParseManifest(result.Manifest, "rpms.yaml"); err != nil {
		t.Error(err)
	}
	if len(list.Packages) != 753 || len(result.Lost) != 0 {
		t.Errorf("%d packages, lost %q; want 753 and none lost", len(list.Packages), result.Lost)
	}
	total := 0
	for arch, want := range map[string]int{"x86_64": 279, "aarch64": 241, "s390x": 233} {
		got := len(result.Lock.Architectures[arch].Packages)
		total += got
		if got != want {
			t.Errorf("%s: %d packages, want %d", arch, got, want)
		}
	}
	t.Logf("%d packages", total)
	// each digest and each URL of the rules is in the lock
	var lock bytes.Buffer
	if err := lockfile.Write(&lock, result.Lock); err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Packages {
		if !strings.Contains(lock.String(), `"sha256": "`+p.SHA256+`"`) {
			t.Errorf("%s: the digest is lost", p.Name)
		}
		for _, url := range p.URLs[1:] {
			if !strings.Contains(lock.String(), url) {
				t.Errorf("%s: %s is lost", p.Name, url)
			}
		}
		at := split(p.URLs[0], p.Section)
		if back := strings.ReplaceAll(at.base, "$basearch", p.Section) + at.path; back != p.URLs[0] {
			t.Errorf("%s became %s", p.URLs[0], back)
		}
	}
	for _, nevra := range []string{"qemu-img-17:9.1.0-12.el9.s390x", "passt-0^20250121.g4f2c8e7-3.el9.aarch64", "libstdc++-11.5.0-4.el9.x86_64"} {
		if !strings.Contains(lock.String(), `"`+nevra+`"`) {
			t.Errorf("%s is not in the lock", nevra)
		}
	}
}

func TestSplit(t *testing.T) {
	for url, want := range map[string]place{
		"https://e.com/9-stream/BaseOS/x86_64/os/Packages/a-1-1.x86_64.rpm":  {"https://e.com/9-stream/BaseOS/$basearch/os/", "Packages/a-1-1.x86_64.rpm"},
		"https://e.com/os/x86_64/a-1-1.x86_64.rpm":                           {"https://e.com/os/$basearch/", "a-1-1.x86_64.rpm"},
		"https://e.com/pub/fedora/x86_64/Packages/a/a-1-1.noarch.rpm":        {"https://e.com/pub/fedora/$basearch/", "Packages/a/a-1-1.noarch.rpm"},
		"https://cdn.amazonlinux.com/al2023/blobstore/ab12/a-1-1.x86_64.rpm": {"https://cdn.amazonlinux.com/al2023/", "blobstore/ab12/a-1-1.x86_64.rpm"},
		"https://e.com/a-1-1.x86_64.rpm":                                     {"https://e.com/", "a-1-1.x86_64.rpm"},
	} {
		if got := split(url, "x86_64"); got != want {
			t.Errorf("%s: %+v, want %+v", url, got, want)
		}
	}
}

func FuzzWorkspace(f *testing.F) {
	f.Add("rpm(name = \"a-0__1-1.x86_64\", sha256 = \"156e073308cb28a5a699d6ffafc71cbd28487628fd05471e1978e4b9a5c7a802\", urls = [\"https://e.com/a-1-1.x86_64.rpm\"])")
	f.Add("rpm(name = '''x''' + y, urls = [r\"\\n\", f(\"a\")], **k) # x\n\\\nrpm")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Workspace(text)
		if err != nil {
			return
		}
		result, err := Convert(list, "x")
		if err != nil {
			return
		}
		if err := result.Lock.Validate(); err != nil {
			t.Error(err)
		}
		if _, err := lockfile.ParseManifest(result.Manifest, "x"); err != nil {
			t.Errorf("%v\n%s", err, result.Manifest)
		}
	})
}
