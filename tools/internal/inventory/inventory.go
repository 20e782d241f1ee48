// Package inventory defines inventory.json: which packages each image of a release ships, in short. It is made of the images'
// trees, and answers what an update of a package means for images without reading them again.
package inventory

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Schema is the version of the format.
const Schema = 1

// maxBytes bounds a file; an image with 300 packages takes 40 kB.
const maxBytes = 64 << 20

// Inventory is inventory.json.
type Inventory struct {
	Schema  int     `json:"schema"`
	Release string  `json:"release"`
	Images  []Image `json:"images"` // by name, then by architecture
}

// Image is one architecture of an image.
type Image struct {
	Name      string    `json:"name"`
	Arch      string    `json:"arch"`       // RPM architecture
	SizeBytes int64     `json:"size_bytes"` // of its regular files, each inode once
	Packages  []Package `json:"packages"`   // by name
	// Content is what is no RPM package, by name.
	Content []Content `json:"content,omitempty"`
}

// Package is a package of an image's database, with what the image has of it.
type Package struct {
	Name      string `json:"name"`
	Version   string `json:"version"` // [epoch:]version-release
	Arch      string `json:"arch"`
	SizeBytes int64  `json:"size_bytes"` // of its regular files in the image
	Partial   bool   `json:"partial,omitempty"`
}

// Content is something in an image that is no RPM package.
type Content struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	BuiltWith []string `json:"built_with,omitempty"` // compilers of its Go programs, whose standard library it holds
	SizeBytes int64    `json:"size_bytes"`
}

// Of makes the entry of an image.
func Of(name string, tree *rootfs.Tree) Image {
	im := Image{Name: name, Arch: tree.Arch, Packages: []Package{}}
	for _, e := range tree.Entries {
		if e.Type == pkgindex.TypeFile && e.HardLink == "" {
			im.SizeBytes += e.SizeBytes
		}
	}
	for i := range tree.Packages {
		p := &tree.Packages[i]
		version := strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
		im.Packages = append(im.Packages, Package{Name: p.Name, Version: version, Arch: p.Arch, SizeBytes: p.SizeBytes, Partial: p.Partial})
	}
	for i := range tree.NonRPM {
		c := &tree.NonRPM[i]
		im.Content = append(im.Content, Content{Name: c.Name, Version: c.Version, BuiltWith: c.BuiltWith, SizeBytes: c.SizeBytes})
	}
	slices.SortStableFunc(im.Content, func(a, b Content) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(im.Packages, func(a, b Package) int { return cmp.Compare(a.Name, b.Name) })
	return im
}

// Package returns a package of the image by name, nil when it does not ship it.
func (im *Image) Package(name string) *Package {
	i, ok := slices.BinarySearchFunc(im.Packages, name, func(p Package, name string) int { return cmp.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return &im.Packages[i]
}

// Image returns one architecture of an image, nil when it is not there.
func (x *Inventory) Image(name, arch string) *Image {
	i := slices.IndexFunc(x.Images, func(im Image) bool { return im.Name == name && im.Arch == arch })
	if i < 0 {
		return nil
	}
	return &x.Images[i]
}

// Names lists the images, each once, sorted.
func (x *Inventory) Names() []string {
	var out []string
	for i := range x.Images {
		out = append(out, x.Images[i].Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Read reads an inventory; name is for messages.
func Read(r io.Reader, name string) (*Inventory, error) {
	var x Inventory
	err := strictjson.Decode(r, maxBytes, &x)
	if err == nil {
		err = x.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("reading inventory %s: %w", name, err)
	}
	return &x, nil
}

// Validate checks the schema, the order of images and packages, and that they have what Read's callers rely on.
func (x *Inventory) Validate() error {
	if x.Schema != Schema {
		return fmt.Errorf("schema %d, this program reads %d", x.Schema, Schema)
	}
	if !slices.IsSortedFunc(x.Images, compareImages) {
		return errors.New("images are not sorted by name and architecture")
	}
	for i := range x.Images {
		im := &x.Images[i]
		if im.Name == "" || im.Arch == "" {
			return fmt.Errorf("image %d has no name or no architecture", i)
		}
		if i > 0 && compareImages(x.Images[i-1], *im) == 0 {
			return fmt.Errorf("image %s (%s) is there twice", im.Name, im.Arch)
		}
		if !slices.IsSortedFunc(im.Packages, func(a, b Package) int { return cmp.Compare(a.Name, b.Name) }) {
			return fmt.Errorf("image %s (%s): packages are not sorted by name", im.Name, im.Arch)
		}
	}
	return nil
}

func compareImages(a, b Image) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
}

// Write sorts the images and writes the inventory, the same bytes for equal values.
func Write(w io.Writer, x *Inventory) error {
	slices.SortStableFunc(x.Images, compareImages)
	if err := x.Validate(); err != nil {
		return fmt.Errorf("writing inventory: %w", err)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(x)
}
