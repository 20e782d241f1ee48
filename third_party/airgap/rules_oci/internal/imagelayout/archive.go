package imagelayout

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// refNameAnnotation is the tag of a manifest inside an image layout (image-spec annotations.md).
const refNameAnnotation = "org.opencontainers.image.ref.name"

// WriteArchive writes the layout in dir as a tar that container engines load. Format "docker" is for a single image,
// "oci" for an index.
func WriteArchive(w io.Writer, dir, format string, repoTags []string) (err error) {
	root, err := Root(dir)
	if err != nil {
		return err
	}
	a := &archive{tar: tar.NewWriter(w), dir: dir, written: map[v1.Hash]bool{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("archiving %s: %w", dir, err)
		}
	}()
	switch {
	case format == "docker" && root.MediaType.IsImage():
		err = a.docker(root, repoTags)
	case format == "oci" && root.MediaType.IsIndex():
		err = a.oci(root, repoTags)
	case format == "docker":
		err = fmt.Errorf("format docker is for an oci_image, this is %s; use format = \"oci\"", root.MediaType)
	case format == "oci":
		err = fmt.Errorf("format oci is for an oci_image_index, this is %s; use format = \"docker\"", root.MediaType)
	default:
		err = fmt.Errorf("unknown format %q, want docker or oci", format)
	}
	return errors.Join(err, a.tar.Close())
}

type archive struct {
	tar     *tar.Writer
	dir     string
	written map[v1.Hash]bool
}

// docker writes what `docker load` reads: blobs, and manifest.json, which names them.
func (a *archive) docker(root v1.Descriptor, repoTags []string) error {
	image, err := ReadImage(a.dir, root)
	if err != nil {
		return err
	}
	manifest := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{RepoTags: append([]string{}, repoTags...), Layers: []string{}}
	if manifest.Config, err = a.blob(image.Manifest.Config.Digest, ""); err != nil {
		return err
	}
	for _, l := range image.Manifest.Layers {
		// Docker looks at the content, and some readers of the format at this ending.
		name, err := a.blob(l.Digest, ".tar.gz")
		if err != nil {
			return err
		}
		manifest.Layers = append(manifest.Layers, name)
	}
	return a.json("manifest.json", []any{manifest})
}

// oci writes the layout with one entry in index.json per tag.
func (a *archive) oci(root v1.Descriptor, repoTags []string) error {
	if err := a.file("oci-layout", []byte(layoutFile)); err != nil {
		return err
	}
	var index v1.IndexManifest
	if err := readJSON(blobPath(a.dir, root.Digest), &index); err != nil {
		return err
	}
	if _, err := a.blob(root.Digest, ""); err != nil {
		return err
	}
	for _, desc := range index.Manifests {
		image, err := ReadImage(a.dir, desc)
		if err != nil {
			return err
		}
		for _, digest := range append([]v1.Hash{desc.Digest}, image.blobs()...) {
			if _, err := a.blob(digest, ""); err != nil {
				return err
			}
		}
	}
	top := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, tag := range repoTags {
		tagged := root
		tagged.Annotations = map[string]string{refNameAnnotation: tag}
		top.Manifests = append(top.Manifests, tagged)
	}
	return a.json("index.json", top)
}

// blob writes a blob once and gives its name in the archive.
func (a *archive) blob(digest v1.Hash, ending string) (string, error) {
	name := "blobs/" + digest.Algorithm + "/" + digest.Hex + ending
	if a.written[digest] {
		return name, nil
	}
	a.written[digest] = true
	f, err := os.Open(blobPath(a.dir, digest))
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if err := a.header(name, info.Size()); err != nil {
		return "", err
	}
	_, err = io.Copy(a.tar, f)
	return name, err
}

func (a *archive) json(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return a.file(name, data)
}

func (a *archive) file(name string, data []byte) error {
	if err := a.header(name, int64(len(data))); err != nil {
		return err
	}
	_, err := a.tar.Write(data)
	return err
}

// header is the same on every machine and at any time.
func (a *archive) header(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
}
