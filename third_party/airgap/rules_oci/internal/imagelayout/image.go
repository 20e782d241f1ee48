package imagelayout

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ImageOptions says what an image is made of. Zero values leave what the base has.
type ImageOptions struct {
	// Base is the layout of the image to build on; "" is an empty image of Platform.
	Base     string
	Platform v1.Platform
	// Layers go on top of those of the base, in this order.
	Layers []ImageLayer

	// Created is "" for 1970.
	Created string
	User    string
	WorkDir string
	// Entrypoint resets the command of the base, as docker build does.
	Entrypoint, Cmd []string
	// Env are NAME=value; the value may refer to $NAME or ${NAME} of the base and of earlier entries.
	Env                   []string
	ExposedPorts, Volumes []string
	Labels, Annotations   map[string]string
}

// ImageLayer is a layer file with its description.
type ImageLayer struct {
	Path string
	Layer
}

// WriteImage makes the layout of an image in dir.
func WriteImage(dir string, o ImageOptions) error {
	out, err := newStore(dir)
	if err != nil {
		return err
	}
	image, err := o.baseImage(out)
	if err != nil {
		return err
	}
	for _, layer := range o.Layers {
		if err := image.add(out, layer); err != nil {
			return err
		}
	}
	if err := o.configure(&image.Config); err != nil {
		return err
	}
	if len(o.Annotations) > 0 {
		merge(&image.Manifest.Annotations, o.Annotations)
	}
	image.Manifest.Config, err = out.putJSON(image.Config, image.Manifest.Config.MediaType)
	if err != nil {
		return err
	}
	desc, err := out.putJSON(image.Manifest, image.Manifest.MediaType)
	if err != nil {
		return err
	}
	return out.close(desc)
}

// baseImage gives the image to build on, its layers stored in out.
func (o ImageOptions) baseImage(out *store) (Image, error) {
	if o.Base == "" {
		return Image{
			Manifest: v1.Manifest{
				SchemaVersion: 2,
				MediaType:     types.OCIManifestSchema1,
				Config:        v1.Descriptor{MediaType: types.OCIConfigJSON},
				Layers:        []v1.Descriptor{},
			},
			Config: v1.ConfigFile{
				Created:      v1.Time{Time: time.Unix(0, 0).UTC()},
				Architecture: o.Platform.Architecture,
				OS:           o.Platform.OS,
				Variant:      o.Platform.Variant,
				RootFS:       v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
			},
		}, nil
	}
	root, err := Root(o.Base)
	if err != nil {
		return Image{}, err
	}
	image, err := ReadImage(o.Base, root)
	if err != nil {
		return Image{}, err
	}
	for _, l := range image.Manifest.Layers {
		if err := out.putFile(blobPath(o.Base, l.Digest), l.Digest); err != nil {
			return Image{}, err
		}
	}
	return image, nil
}

// add puts a layer on top.
func (i *Image) add(out *store, layer ImageLayer) error {
	if err := out.putFile(layer.Path, layer.Digest); err != nil {
		return err
	}
	mediaType, separator := "application/vnd.oci.image.layer.v1.tar", "+"
	if strings.HasPrefix(string(i.Manifest.MediaType), "application/vnd.docker.") {
		mediaType, separator = "application/vnd.docker.image.rootfs.diff.tar", "."
	}
	if layer.Compression != "" {
		mediaType += separator + layer.Compression
	}
	i.Manifest.Layers = append(i.Manifest.Layers, v1.Descriptor{
		MediaType: types.MediaType(mediaType),
		Size:      layer.Size,
		Digest:    layer.Digest,
	})
	i.Config.RootFS.DiffIDs = append(i.Config.RootFS.DiffIDs, layer.DiffID)
	i.Config.History = append(i.Config.History, v1.History{
		Created:   v1.Time{Time: time.Unix(0, 0).UTC()},
		CreatedBy: layer.CreatedBy,
	})
	return nil
}

// configure applies the options to the configuration of the base.
func (o ImageOptions) configure(config *v1.ConfigFile) error {
	if o.Created != "" {
		created, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(o.Created))
		if err != nil {
			return fmt.Errorf("reading the creation time: %w", err)
		}
		config.Created = v1.Time{Time: created}
	}
	c := &config.Config
	if o.User != "" {
		c.User = o.User
	}
	if o.WorkDir != "" {
		c.WorkingDir = o.WorkDir
	}
	if o.Entrypoint != nil {
		c.Entrypoint, c.Cmd = o.Entrypoint, nil
	}
	if o.Cmd != nil {
		c.Cmd = o.Cmd
	}
	for _, entry := range o.Env {
		env, err := setEnv(c.Env, entry)
		if err != nil {
			return err
		}
		c.Env = env
	}
	addSet(&c.ExposedPorts, o.ExposedPorts)
	addSet(&c.Volumes, o.Volumes)
	if len(o.Labels) > 0 {
		merge(&c.Labels, o.Labels)
	}
	return nil
}

var envReference = regexp.MustCompile(`\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))`)

// setEnv replaces or appends the variable of entry. References to unknown variables become empty.
func setEnv(env []string, entry string) ([]string, error) {
	name, value, found := strings.Cut(entry, "=")
	if !found || name == "" {
		return nil, fmt.Errorf("reading environment variable %q: want NAME=value", entry)
	}
	value = envReference.ReplaceAllStringFunc(value, func(reference string) string {
		prefix := strings.Trim(reference, "${}") + "="
		for _, e := range env {
			if strings.HasPrefix(e, prefix) {
				return e[len(prefix):]
			}
		}
		return ""
	})
	for i, e := range env {
		if strings.HasPrefix(e, name+"=") {
			env[i] = name + "=" + value
			return env, nil
		}
	}
	return append(env, name+"="+value), nil
}

func addSet(set *map[string]struct{}, names []string) {
	if len(names) > 0 && *set == nil {
		*set = map[string]struct{}{}
	}
	for _, name := range names {
		(*set)[name] = struct{}{}
	}
}

func merge(into *map[string]string, from map[string]string) {
	if *into == nil {
		*into = map[string]string{}
	}
	maps.Copy(*into, from)
}
