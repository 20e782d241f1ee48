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
)

const indexMediaType = "application/vnd.oci.image.index.v1+json"

// tag is that of the one manifest of a layout of ours.
const tag = "test"

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType,omitempty"`
	Manifests     []descriptor `json:"manifests"`
}

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
	found, err := findManifest(layout, filepath.Join(layout, "index.json"), arch)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no linux/%s image", layout, arch)
	}
	found.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}
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
	data, err := json.Marshal(index{SchemaVersion: 2, Manifests: []descriptor{*found}})
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

func findManifest(layout, path, arch string) (*descriptor, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading image index: %w", err)
	}
	var x index
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, fmt.Errorf("reading image index %s: %w", path, err)
	}
	for _, d := range x.Manifests {
		switch {
		case d.MediaType == indexMediaType:
			found, err := findManifest(layout, blobPath(layout, d.Digest), arch)
			if found != nil || err != nil {
				return found, err
			}
		case d.Platform != nil && d.Platform.Architecture == arch && d.Platform.OS == "linux":
			return &d, nil
		}
	}
	return nil, nil
}

func blobPath(layout, digest string) string {
	return filepath.Join(layout, "blobs", strings.ReplaceAll(digest, ":", "/"))
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
