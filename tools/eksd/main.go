// Eksd compares our variants with the images of EKS Distro, which they stand beside.
//
//	eksd lists DIR                     from EKS Distro's lists of files: what our policies would leave out of each of its images
//	eksd packages --rpms=DIR TREE...   from the packages of our images: what EKS Distro's scripts would make of the same ones
//
// DIR of lists has a folder linux_amd64 and a folder linux_arm64, and in each the files <image> and <image>-files as EKS Distro
// commits them. DIR of packages has the files whose names the trees give; rpm reads them. Both print a table in Markdown, and end with
// 1 when an image of ours is larger.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

func main() { cli.Main("eksd", run) }

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no verb: lists or packages")
	}
	fs := cli.NewFlagSet("eksd")
	switch verb := args[0]; verb {
	case "lists":
		dir := fs.String("lists", "", "folder with linux_amd64 and linux_arm64")
		if err := cli.Parse(fs, args[1:], "lists"); err != nil {
			return err
		}
		rows, err := readAllLists(*dir)
		if err != nil {
			return err
		}
		printLists(os.Stdout, rows)
		return larger(rows)
	case "packages":
		var trees cli.Strings
		fs.Var(&trees, "tree", "tree.json of an image; may be repeated")
		rpms := fs.String("rpms", "", "folder of the packages, searched with its folders")
		if err := cli.Parse(fs, args[1:], "rpms", "tree"); err != nil {
			return err
		}
		rows, err := measureTrees(*rpms, trees)
		if err != nil {
			return err
		}
		printMeasured(os.Stdout, rows)
		return larger(rows)
	default:
		return fmt.Errorf("unknown verb %q: lists or packages", verb)
	}
}

// sized is a row of a table.
type sized interface {
	name() string
	sizes() (ours, theirs int64)
}

// larger returns an error that names each image which is larger than EKS Distro's.
func larger[R sized](rows []R) error {
	var all []error
	for _, r := range rows {
		if ours, theirs := r.sizes(); ours > theirs {
			all = append(all, fmt.Errorf("%s: ours is %d bytes, EKS Distro's %d", r.name(), ours, theirs))
		}
	}
	return errors.Join(all...)
}

// mib prints bytes as MiB.
func mib(n int64) string { return fmt.Sprintf("%.2f", float64(n)/(1<<20)) }
