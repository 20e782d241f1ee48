package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const indexMediaType = "application/vnd.oci.image.index.v1+json"

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

// selectManifest makes a layout of the manifest of the wanted architecture, because umoci and skopeo address images by tag.
func (t *tester) selectManifest() error {
	found, err := findManifest(t.spec.Image, filepath.Join(t.spec.Image, "index.json"), t.spec.Arch)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("%s has no linux/%s image", t.spec.Image, t.spec.Arch)
	}
	found.Annotations = map[string]string{"org.opencontainers.image.ref.name": "test"}
	t.layout = filepath.Join(t.dir, "layout")
	if err := os.Mkdir(t.layout, 0o755); err != nil {
		return err
	}
	blobs, err := filepath.Abs(filepath.Join(t.spec.Image, "blobs"))
	if err != nil {
		return err
	}
	if err := os.Symlink(blobs, filepath.Join(t.layout, "blobs")); err != nil {
		return err
	}
	data, err := json.Marshal(index{SchemaVersion: 2, Manifests: []descriptor{*found}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.layout, "index.json"), data, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.layout, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644)
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

func (t *tester) unpack() error {
	t.bundle = filepath.Join(t.dir, "bundle")
	if _, err := output("umoci", "unpack", "--image", t.layout+":test", t.bundle); err != nil {
		t.bundle = ""
		return err
	}
	return nil
}

func (t *tester) skopeo() error {
	out, err := output("skopeo", "inspect", "--config", "oci:"+t.layout+":test")
	if err != nil {
		return err
	}
	var config struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       struct {
			User string
			Env  []string
		} `json:"config"`
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal([]byte(out), &config); err != nil {
		return err
	}
	if config.Architecture != t.spec.Arch || config.OS != "linux" {
		return fmt.Errorf("platform is %s/%s, want linux/%s", config.OS, config.Architecture, t.spec.Arch)
	}
	if config.Config.User != t.spec.User {
		return fmt.Errorf("user is %q, want %q", config.Config.User, t.spec.User)
	}
	if !slices.ContainsFunc(config.Config.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		return fmt.Errorf("environment %q has no PATH", config.Config.Env)
	}
	if len(config.RootFS.DiffIDs) == 0 {
		return fmt.Errorf("image has no layer")
	}
	return nil
}
