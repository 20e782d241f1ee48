package imagelayout

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// WriteIndex makes the layout of a multi-architecture index in dir, of the images whose layouts are given, in that order.
func WriteIndex(dir string, images []string, annotations map[string]string) error {
	out, err := newStore(dir)
	if err != nil {
		return err
	}
	index := v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{},
		Annotations:   annotations,
	}
	platforms := map[string]string{}
	for _, path := range images {
		desc, err := addImage(out, path)
		if err != nil {
			return err
		}
		if other, taken := platforms[desc.Platform.String()]; taken {
			return fmt.Errorf("adding image %s to the index: %s is also for platform %s", path, other, desc.Platform)
		}
		platforms[desc.Platform.String()] = path
		index.Manifests = append(index.Manifests, desc)
	}
	desc, err := out.putJSON(index, types.OCIImageIndex)
	if err != nil {
		return err
	}
	return out.close(desc)
}

// addImage copies an image and describes it with its platform, which is in its configuration.
func addImage(out *store, path string) (v1.Descriptor, error) {
	root, err := Root(path)
	if err != nil {
		return v1.Descriptor{}, err
	}
	image, err := ReadImage(path, root)
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, digest := range append(image.blobs(), root.Digest) {
		if err := out.putFile(blobPath(path, digest), digest); err != nil {
			return v1.Descriptor{}, err
		}
	}
	root.Platform = &v1.Platform{
		OS:           image.Config.OS,
		Architecture: image.Config.Architecture,
		Variant:      image.Config.Variant,
		OSVersion:    image.Config.OSVersion,
	}
	return root, nil
}
