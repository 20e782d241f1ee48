// Headers prints identity and file names of packages, read from their headers alone: what
// `rpm -qp --qf '%{NEVRA}\n[%{FILENAMES}\n]'` prints. It is the program that the benchmark of readers of headers runs.
//
//	headers --rpm=F [--rpm=F ...]
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

func main() { cli.Main("headers", run) }

func run(args []string) error {
	var names cli.Strings
	fs := cli.NewFlagSet("headers")
	fs.Var(&names, "rpm", "package to read; may be repeated")
	if err := cli.Parse(fs, args, "rpm"); err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for _, name := range names {
		if err := list(out, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.Flush()
}

func list(out *bufio.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	p, err := rpm.ReadPackage(f)
	if err != nil {
		return err
	}
	files, err := rpm.Files(p.Main)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, p.NEVRA())
	for i := range files {
		fmt.Fprintln(out, files[i].Path)
	}
	return nil
}
