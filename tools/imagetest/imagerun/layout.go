// Package imagerun unpacks one image of an OCI layout with umoci and runs programs in it with runc, under qemu-user when the
// image is of another architecture than the machine.
//
// It needs root, and umoci and runc on PATH. Package smoke puts it into the hands of tests.
package imagerun

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocilayout"
)

// tag is that of the one manifest of a layout of ours.
const tag = "test"

// Image is the image of one architecture of a layout.
type Image struct {
	Arch     string // OCI architecture: amd64, arm64
	dir      string
	layout   string // of this image alone
	bundle   string // empty until it is unpacked
	last     atomic.Int64
	handlers *handlers // nil: none
}

// Unusable says why no image can be run on this machine, or nothing.
func Unusable() string {
	for _, program := range []string{"umoci", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not on PATH"
		}
	}
	if os.Getuid() != 0 {
		return "unpacking with owners needs root"
	}
	return ""
}

// Select finds the image of an OCI architecture in a layout, and makes a layout of it alone in dir, because umoci and skopeo
// address images by tag.
func Select(layout, arch, dir string) (*Image, error) {
	found, err := ocilayout.Open(layout, arch)
	if err != nil {
		return nil, err
	}
	manifest, err := os.Stat(filepath.Join(layout, "blobs", strings.ReplaceAll(found.Digest, ":", "/")))
	if err != nil {
		return nil, err
	}
	own := filepath.Join(dir, "layout")
	if err := os.Mkdir(own, 0o755); err != nil {
		return nil, err
	}
	blobs, err := filepath.Abs(filepath.Join(layout, "blobs"))
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(blobs, filepath.Join(own, "blobs")); err != nil {
		return nil, err
	}
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{map[string]any{
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": found.Digest, "size": manifest.Size(),
		"annotations": map[string]string{"org.opencontainers.image.ref.name": tag},
	}}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(own, "index.json"), data, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(own, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return nil, err
	}
	return &Image{Arch: arch, dir: dir, layout: own}, nil
}

// Reference names the image for umoci and, with a transport before it, for skopeo.
func (i *Image) Reference() string { return i.layout + ":" + tag }

// Rootfs is the folder of the unpacked image, or empty.
func (i *Image) Rootfs() string {
	if i.bundle == "" {
		return ""
	}
	return filepath.Join(i.bundle, "rootfs")
}

// Emulated tells whether programs of the image run under qemu-user.
func (i *Image) Emulated() bool { return i.Arch != runtime.GOARCH }

// Unpack unpacks the layers, with owners and modes.
func (i *Image) Unpack() error {
	bundle := filepath.Join(i.dir, "bundle")
	if out, err := exec.Command("umoci", "unpack", "--image", i.Reference(), bundle).CombinedOutput(); err != nil {
		return fmt.Errorf("running umoci unpack --image %s: %w\n%s", i.Reference(), err, out)
	}
	i.bundle = bundle
	return nil
}

// Open selects and unpacks.
func Open(layout, arch, dir string) (*Image, error) {
	i, err := Select(layout, arch, dir)
	if err != nil {
		return nil, err
	}
	return i, i.Unpack()
}
