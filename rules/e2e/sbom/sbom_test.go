// Package sbom tests the bills of materials and the package lists of an image with packages of every origin.
package sbom

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

// locked is the lock: NEVRA and checksum of every package, by architecture.
type locked struct {
	Architectures map[string]struct {
		Packages []struct {
			Name, NEVRA, SHA256 string
		}
	}
}

func outputs(t *testing.T) []string {
	t.Helper()
	files := strings.Fields(os.Getenv("SBOM"))
	if len(files) == 0 {
		t.Skip("not run by Bazel; not checked: bills of materials of an image (bazel test //rules/e2e/sbom:sbom_test does)")
	}
	if len(files) != 4 {
		t.Fatalf("%d files, want two for each of two platforms: %q", len(files), files)
	}
	return files
}

func readLock(t *testing.T) *locked {
	t.Helper()
	var lock locked
	data, err := os.ReadFile(os.Getenv("LOCK"))
	if err == nil {
		err = json.Unmarshal(data, &lock)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &lock
}

// origins are those of packages that tell them apart, by name.
var origins = map[string]string{"jq": "provided", "libc6": "foreign", "mount": "partial", "nftables": "whole", "notes": "content", "tzdata": "foreign"}

func TestList(t *testing.T) {
	for _, file := range outputs(t) {
		if filepath.Ext(file) != ".tsv" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		if want := "package\tsource_rpm\tlicense\torigin\tlayer\tfiles\tsize_bytes\tdigest\tpurl"; lines[0] != want {
			t.Errorf("%s starts with %q", file, lines[0])
		}
		got := map[string]string{}
		for _, line := range lines[1:] {
			fields := strings.Split(line, "\t")
			if len(fields) != 9 {
				t.Fatalf("%s: %q", file, line)
			}
			name, _, _ := strings.Cut(fields[8][strings.LastIndex(fields[8], "/")+1:], "@")
			got[name] = fields[3]
		}
		for name, want := range origins {
			if got[name] != want {
				t.Errorf("%s: origin of %s is %q, want %q", file, name, got[name], want)
			}
		}
	}
}

// TestBillOfMaterials lets the library of the CycloneDX project read it, and compares packages with the lock.
func TestBillOfMaterials(t *testing.T) {
	files := outputs(t)
	lock := readLock(t)
	for _, file := range files {
		arch, ok := strings.CutSuffix(filepath.Base(file), ".cdx.json")
		if !ok {
			continue
		}
		arch = arch[strings.LastIndex(arch, ".")+1:]
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var bom cyclonedx.BOM
		if err := cyclonedx.NewBOMDecoder(f, cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		seen := map[string]string{}
		for _, c := range *bom.Components {
			if c.Type == cyclonedx.ComponentTypeOS {
				continue
			}
			origin, nevra, paths := "", "", []string{}
			for _, p := range *c.Properties {
				switch p.Name {
				case "rules_slimrpm:origin":
					origin = p.Value
				case "rules_slimrpm:nevra":
					nevra = p.Value
				case "rules_slimrpm:path":
					paths = append(paths, p.Value)
				}
			}
			seen[c.Name] = origin
			if origin == "content" {
				continue
			}
			i := slices.IndexFunc(lock.Architectures[arch].Packages, func(p struct{ Name, NEVRA, SHA256 string }) bool { return p.NEVRA == nevra })
			if i < 0 {
				t.Errorf("%s: %s is not locked", file, nevra)
				continue
			}
			// Of an image of others only headers are known.
			if origin != "foreign" && (c.Hashes == nil || (*c.Hashes)[0].Value != lock.Architectures[arch].Packages[i].SHA256) {
				t.Errorf("%s: %s has hashes %v, its checksum is %s", file, nevra, c.Hashes, lock.Architectures[arch].Packages[i].SHA256)
			}
			if (origin == "partial") != (len(paths) > 0) || origin == "partial" && !slices.Contains(paths, "/usr/bin/umount") && !slices.Contains(paths, "/bin/umount") {
				t.Errorf("%s: %s is %s and has the paths %q", file, nevra, origin, paths)
			}
		}
		for name, want := range origins {
			if seen[name] != want {
				t.Errorf("%s: origin of %s is %q, want %q", file, name, seen[name], want)
			}
		}
	}
}
