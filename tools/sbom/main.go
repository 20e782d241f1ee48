// Command sbom lists what an image holds.
//
//	sbom --tree=F --cyclonedx=OUT.json --list=OUT.tsv
//
// The bill of materials is CycloneDX 1.5; the list has one package or content a line, with where it comes from: whole, partial,
// provided, foreign or content.
package main

import (
	"bufio"
	"io"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/sbom"
)

func main() { cli.Main("sbom", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("sbom")
	treePath := fs.String("tree", "", "tree.json of the image")
	out := fs.String("cyclonedx", "", "bill of materials to write")
	list := fs.String("list", "", "table to write")
	if err := cli.Parse(fs, args, "tree", "cyclonedx", "list"); err != nil {
		return err
	}
	tree, err := readTree(*treePath)
	if err != nil {
		return err
	}
	if err := cli.WriteFile(*out, func(w io.Writer) error { return sbom.WriteCycloneDX(w, tree) }); err != nil {
		return err
	}
	return cli.WriteFile(*list, func(w io.Writer) error {
		_, err := io.WriteString(w, sbom.Table(sbom.Items(tree)))
		return err
	})
}

func readTree(name string) (*rootfs.Tree, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rootfs.Read(bufio.NewReaderSize(f, 1<<16), name)
}
