// Package releases tests what the images of a release ship, as rpm_inventory tells it.
package releases

import (
	"os"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// TestImagesShipWhatIsLocked holds the inventory of debrpm against its lock: each image on both architectures, each package in the locked
// version, and in an image at least what its base has.
func TestImagesShipWhatIsLocked(t *testing.T) {
	path := os.Getenv("IMAGES")
	if path == "" {
		t.Skip("the images are not built; not checked: their inventory (bazel test //variants/releases:releases_test does)")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, err := inventory.Read(f, path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := os.Open(os.Getenv("LOCK"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lock, err := lockfile.Read(l, "lock")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range x.Names() {
		for arch, section := range lock.Architectures {
			im, base := x.Image(name, arch), x.Image("base", arch)
			if im == nil || base == nil {
				t.Errorf("%s (%s) or its base is not there", name, arch)
				continue
			}
			if im.SizeBytes < base.SizeBytes || len(im.Packages) < len(base.Packages) {
				t.Errorf("%s (%s) has %d bytes in %d packages, base %d in %d", name, arch, im.SizeBytes, len(im.Packages), base.SizeBytes, len(base.Packages))
			}
			for _, p := range im.Packages {
				if locked := section.Package(p.Name); locked == nil || locked.EVR() != p.Version {
					t.Errorf("%s (%s) ships %s %s, locked is %+v", name, arch, p.Name, p.Version, locked)
				}
			}
			for _, p := range base.Packages {
				if im.Package(p.Name) == nil {
					t.Errorf("%s (%s) lacks %s of its base", name, arch, p.Name)
				}
			}
		}
	}
	if names := strings.Join(x.Names(), " "); !strings.Contains(names, "base") || len(x.Names()) < 10 {
		t.Errorf("images are %s", names)
	}
}
