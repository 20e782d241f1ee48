package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// repository is one repository of a registry.
type repository struct {
	name.Repository
	options []remote.Option
}

func (c *command) repository() (*repository, error) {
	var options []name.Option
	if c.insecure {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(strings.TrimSuffix(c.registry, "/")+"/"+c.Name, options...)
	if err != nil {
		return nil, fmt.Errorf("--registry=%s: %w", c.registry, err)
	}
	return &repository{repo, []remote.Option{remote.WithAuthFromKeychain(authn.DefaultKeychain)}}, nil
}

// digestOf asks what a tag or digest names; "" when it does not exist.
func (r *repository) digestOf(reference name.Reference) (string, error) {
	d, err := remote.Head(reference, r.options...)
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == 404 {
		return "", nil
	}
	if err != nil {
		return "", r.explain(fmt.Errorf("asking for %s: %w", reference, err))
	}
	return d.Digest.String(), nil
}

// explain adds what a user can do.
func (r *repository) explain(err error) error {
	var refused *transport.Error
	var unreachable *url.Error
	switch {
	case errors.As(err, &refused) && (refused.StatusCode == 401 || refused.StatusCode == 403):
		return cli.Hint(err, "log in: docker login %s, or podman login --authfile ~/.docker/config.json %[1]s", r.RegistryStr())
	case errors.As(err, &unreachable):
		return cli.Hint(err, "is %s the registry? A registry that speaks plain HTTP and is not on loopback needs --insecure", r.RegistryStr())
	}
	return err
}

// holds makes sure that the registry has the index and all its images.
func (r *repository) holds(im *image) error {
	for _, digest := range append([]string{im.digest}, slices.Sorted(maps.Values(im.platforms))...) {
		got, err := r.digestOf(r.Digest(digest))
		if err != nil {
			return err
		}
		if got != digest {
			return fmt.Errorf("%s does not have %s", r, digest)
		}
	}
	return nil
}

// setTag lets a tag name the digest, and asks whether it does.
func (r *repository) setTag(tag, digest string) error {
	content, err := remote.Get(r.Digest(digest), r.options...)
	if err == nil {
		err = remote.Tag(r.Tag(tag), content, r.options...)
	}
	if err != nil {
		return r.explain(fmt.Errorf("setting tag %s: %w", r.Tag(tag), err))
	}
	got, err := r.digestOf(r.Tag(tag))
	if err == nil && got != digest {
		err = fmt.Errorf("setting tag %s: it names %s, want %s", r.Tag(tag), got, digest)
	}
	return err
}

// image is what an OCI layout holds: an index, and an image for each architecture.
type image struct {
	digest    string
	platforms map[string]string // OCI architecture -> digest of its manifest
}

func readLayout(dir string) (*image, error) {
	im, err := readIndex(dir)
	if err != nil {
		return nil, fmt.Errorf("reading image layout %s: %w", dir, err)
	}
	return im, nil
}

func readIndex(dir string) (*image, error) {
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	outer, err := top.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(outer.Manifests) != 1 || !outer.Manifests[0].MediaType.IsIndex() {
		return nil, fmt.Errorf("it names %d manifests, want one index", len(outer.Manifests))
	}
	root := outer.Manifests[0].Digest
	inner, err := top.ImageIndex(root)
	if err != nil {
		return nil, err
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		return nil, err
	}
	im := &image{digest: root.String(), platforms: map[string]string{}}
	for _, d := range manifest.Manifests {
		if err := im.add(d); err != nil {
			return nil, err
		}
	}
	return im, nil
}

func (im *image) add(d v1.Descriptor) error {
	if d.Platform == nil || d.Platform.OS != "linux" || im.platforms[d.Platform.Architecture] != "" {
		return fmt.Errorf("manifest %s is for %v, want one for each architecture of linux", d.Digest, d.Platform)
	}
	im.platforms[d.Platform.Architecture] = d.Digest.String()
	return nil
}
