// Inventory writes which packages the images of a release ship, out of their trees.
//
//	inventory --spec=F --out=inventory.json
//
// The spec names the images; a macro of Bazel targets writes it. rpmlock reads the result to say which images an update is for.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

const maxSpecBytes = 16 << 20

// Spec lists images. Paths are relative to the working directory.
type Spec struct {
	Schema  int         `json:"schema"`
	Release string      `json:"release"`
	Images  []ImageSpec `json:"images"`
	// Inventories are files whose images are taken over.
	Inventories []string `json:"inventories"`
}

// ImageSpec is one architecture of an image.
type ImageSpec struct {
	Name string `json:"name"`
	Tree string `json:"tree"` // tree.json
}

const specSchema = 1

func main() { cli.Main("inventory", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("inventory")
	specPath := fs.String("spec", "", "the images")
	out := fs.String("out", "", "inventory.json to write")
	if err := cli.Parse(fs, args, "spec", "out"); err != nil {
		return err
	}
	spec, err := readSpec(*specPath)
	if err != nil {
		return fmt.Errorf("reading spec %s: %w", *specPath, err)
	}
	x := &inventory.Inventory{Schema: inventory.Schema, Release: spec.Release, Images: []inventory.Image{}}
	for _, s := range spec.Images {
		tree, err := readTree(s.Tree)
		if err != nil {
			return fmt.Errorf("image %s: %w", s.Name, err)
		}
		if tree.Release != spec.Release {
			return fmt.Errorf("image %s is of release %s, the inventory is of %s", s.Name, tree.Release, spec.Release)
		}
		x.Images = append(x.Images, inventory.Of(s.Name, tree))
	}
	for _, name := range spec.Inventories {
		part, err := readInventory(name)
		if err != nil {
			return err
		}
		if part.Release != spec.Release {
			return fmt.Errorf("inventory %s is of release %s, want %s", name, part.Release, spec.Release)
		}
		x.Images = append(x.Images, part.Images...)
	}
	var text bytes.Buffer
	if err := inventory.Write(&text, x); err != nil {
		return err
	}
	return os.WriteFile(*out, text.Bytes(), 0o644)
}

func readSpec(name string) (*Spec, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var s Spec
	if err := strictjson.Decode(f, maxSpecBytes, &s); err != nil {
		return nil, err
	}
	if s.Schema != specSchema {
		return nil, fmt.Errorf("schema %d, this program reads %d", s.Schema, specSchema)
	}
	if s.Release == "" {
		return nil, errors.New("it names no release")
	}
	return &s, nil
}

func readInventory(name string) (*inventory.Inventory, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading inventory: %w", err)
	}
	defer f.Close()
	return inventory.Read(f, name)
}

func readTree(name string) (*rootfs.Tree, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rootfs.Read(f, name)
}
