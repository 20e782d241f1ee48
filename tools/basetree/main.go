// Basetree reads an image of others, so that root filesystems can be built on top of it.
//
//	basetree --layout=DIR --arch=A --label=L --layer=OUT.tar --tree=OUT.json --foreign=OUT
//
// DIR is an OCI layout with a linux image of the architecture, named as RPM does (x86_64, aarch64). tree.json describes the whole
// image, as of a single layer; the layer holds all its files, for steps on top that must read one. --foreign gets the headers
// of the package database, which databases on top take over byte for byte.
package main

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/baseimage"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func main() { cli.Main("basetree", run) }

func run(args []string) (err error) {
	var o baseimage.Options
	var layer, tree, foreign string
	fs := cli.NewFlagSet("basetree")
	fs.StringVar(&o.Layout, "layout", "", "OCI layout of the image")
	fs.StringVar(&o.Arch, "arch", "", "RPM architecture")
	fs.StringVar(&o.Label, "label", "", "of the target; owner of files that no package has")
	fs.StringVar(&layer, "layer", "", "tar of all files to write")
	fs.StringVar(&tree, "tree", "", "tree.json to write")
	fs.StringVar(&foreign, "foreign", "", "file of package headers to write")
	if err := cli.Parse(fs, args, "layout", "arch", "label", "layer", "tree", "foreign"); err != nil {
		return err
	}
	o.Scratch = filepath.Dir(layer)
	base, err := baseimage.Read(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	if err := cli.WriteFile(layer, base.WriteLayer); err != nil {
		return err
	}
	if err := cli.WriteFile(foreign, base.WriteHeaders); err != nil {
		return err
	}
	return cli.WriteFile(tree, func(w io.Writer) error { return rootfs.Write(w, base.Tree) })
}
