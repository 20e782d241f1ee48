// Package updates tests rpm_inventory and rpm_update on images of debrpm.
package updates

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

type image struct {
	Name      string `json:"name"`
	Arch      string `json:"arch"`
	SizeBytes int64  `json:"size_bytes"`
	Packages  []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Arch    string `json:"arch"`
	} `json:"packages"`
}

func read(t *testing.T, variable string, into any) {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		t.Skip("not run by Bazel; not checked: inventories of images (bazel test //rules/e2e/updates:updates_test does)")
	}
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestInventory(t *testing.T) {
	var inventory struct{ Images []image }
	var lock struct {
		Architectures map[string]struct{ Packages []struct{ NEVRA string } }
	}
	read(t, "IMAGES", &inventory)
	read(t, "LOCK", &lock)
	var names []string
	for _, im := range inventory.Images {
		names = append(names, im.Name+"/"+im.Arch)
		locked := map[string]bool{}
		for _, p := range lock.Architectures[im.Arch].Packages {
			locked[p.NEVRA] = true
		}
		has := map[string]bool{}
		for _, p := range im.Packages {
			has[p.Name] = true
			if nevra := p.Name + "-" + p.Version + "." + p.Arch; !locked[nevra] {
				t.Errorf("%s (%s) ships %s, which is not locked", im.Name, im.Arch, nevra)
			}
		}
		if !has["tzdata"] || has["libc6"] != (im.Name == "glibc") || im.SizeBytes < 1<<20 {
			t.Errorf("%s (%s) has %d bytes in %v", im.Name, im.Arch, im.SizeBytes, im.Packages)
		}
	}
	if got := strings.Join(names, " "); got != "base/aarch64 base/x86_64 glibc/aarch64 glibc/x86_64 nonroot/aarch64 nonroot/x86_64" {
		t.Errorf("images are %s", got)
	}
}

func TestOutdated(t *testing.T) {
	program := os.Getenv("OUTDATED")
	if program == "" {
		t.Skip("not run by Bazel; not checked: a target of rpm_update (bazel test //rules/e2e/updates:updates_test does)")
	}
	cmd := exec.Command(program, "--cache="+t.TempDir())
	// `bazel run` sets the variable by itself.
	cmd.Env = append(os.Environ(), "RPMLOCK_TARGET="+program+".target.json")
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "nothing is outdated\n" {
		t.Errorf("%v: %s", err, out)
	}
}
