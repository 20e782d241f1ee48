// Package imagelayout makes OCI image layouts (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) of
// single images and of multi-architecture indexes, with the content that rules_oci 2.3.0 gives them: the layers as they
// come, and the same fields in configuration, manifest and index. The JSON is written without white space, so the digests
// of configuration, manifest and index differ from those of rules_oci; those of layers do not.
//
// Limits: one manifest per image layout; sha256 only.
package imagelayout

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const layoutFile = `{"imageLayoutVersion":"1.0.0"}` + "\n"

// maxJSON bounds the manifests, configurations and indexes that are read: registries refuse manifests over 4 MiB.
const maxJSON = 8 << 20

// store is an image layout that is being written.
type store struct {
	dir string
}

// newStore makes dir, which may exist (Bazel makes it), an empty layout.
func newStore(dir string) (*store, error) {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("making the image layout: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(layoutFile), 0o644); err != nil {
		return nil, fmt.Errorf("making the image layout: %w", err)
	}
	return &store{dir: dir}, nil
}

// putJSON stores value as a blob and describes it.
func (s *store) putJSON(value any, mediaType types.MediaType) (v1.Descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("encoding %s: %w", mediaType, err)
	}
	d := &digester{hash: sha256.New()}
	if _, err := d.Write(data); err != nil {
		return v1.Descriptor{}, fmt.Errorf("hashing %s: %w", mediaType, err)
	}
	desc := v1.Descriptor{MediaType: mediaType, Size: d.size, Digest: d.sum()}
	if err := os.WriteFile(blobPath(s.dir, desc.Digest), data, 0o644); err != nil {
		return v1.Descriptor{}, fmt.Errorf("storing %s: %w", mediaType, err)
	}
	return desc, nil
}

// putFile stores the file at path as the blob with the digest, unless it is there already.
func (s *store) putFile(path string, digest v1.Hash) (err error) {
	target := blobPath(s.dir, digest)
	if _, err := os.Stat(target); err == nil {
		return nil
	}
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", digest, err)
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("storing blob %s: %w", digest, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("storing blob %s: %w", digest, err)
	}
	return nil
}

// close writes index.json, which names the one manifest or index of the layout.
func (s *store) close(desc v1.Descriptor) error {
	data, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{desc},
	})
	if err != nil {
		return fmt.Errorf("encoding index.json: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "index.json"), data, 0o644); err != nil {
		return fmt.Errorf("writing index.json: %w", err)
	}
	return nil
}

// blobPath gives the path of a blob. The hash has been parsed by v1.Hash, so it holds no path separators.
func blobPath(dir string, h v1.Hash) string {
	return filepath.Join(dir, "blobs", h.Algorithm, h.Hex)
}

// readJSON decodes a file of bounded size.
func readJSON(path string, value any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading image layout: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > maxJSON {
		return fmt.Errorf("reading %s: it is larger than %d bytes", path, maxJSON)
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(value); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// Root gives the descriptor of the one manifest or index that the layout in dir is about.
func Root(dir string) (v1.Descriptor, error) {
	var index v1.IndexManifest
	path := filepath.Join(dir, "index.json")
	if err := readJSON(path, &index); err != nil {
		return v1.Descriptor{}, err
	}
	if len(index.Manifests) != 1 {
		return v1.Descriptor{}, fmt.Errorf("reading %s: it has %d manifests, want one", path, len(index.Manifests))
	}
	return index.Manifests[0], nil
}

// Image is a single image that was read from a layout.
type Image struct {
	// Descriptor is that of the manifest.
	Descriptor v1.Descriptor
	Manifest   v1.Manifest
	Config     v1.ConfigFile
}

// ReadImage reads the manifest and the configuration that desc leads to.
func ReadImage(dir string, desc v1.Descriptor) (Image, error) {
	if !desc.MediaType.IsImage() {
		return Image{}, fmt.Errorf("reading image layout %s: %s is not an image but %s", dir, desc.Digest, desc.MediaType)
	}
	image := Image{Descriptor: desc}
	if err := readJSON(blobPath(dir, desc.Digest), &image.Manifest); err != nil {
		return Image{}, err
	}
	if err := readJSON(blobPath(dir, image.Manifest.Config.Digest), &image.Config); err != nil {
		return Image{}, err
	}
	return image, nil
}

// blobs lists the configuration and the layers of an image.
func (i Image) blobs() []v1.Hash {
	hashes := []v1.Hash{i.Manifest.Config.Digest}
	for _, l := range i.Manifest.Layers {
		hashes = append(hashes, l.Digest)
	}
	return hashes
}
