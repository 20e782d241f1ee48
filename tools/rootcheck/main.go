// Rootcheck fails the build on a broken or unsafe root filesystem.
//
//	rootcheck --spec=F --tree=F --out=F
//
// It writes all findings to --out, the allowed ones with their reasons, and fails if one is not allowed.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/check"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func main() { cli.Main("rootcheck", run) }

func run(args []string) error {
	var specFile, treeFile, out string
	fs := cli.NewFlagSet("rootcheck")
	fs.StringVar(&specFile, "spec", "", "rootcheck spec")
	fs.StringVar(&treeFile, "tree", "", "tree.json to check")
	fs.StringVar(&out, "out", "", "findings to write")
	if err := cli.Parse(fs, args, "spec", "tree", "out"); err != nil {
		return err
	}
	spec, err := readFile(specFile, check.ReadSpec)
	if err != nil {
		return err
	}
	tree, err := readFile(treeFile, rootfs.Read)
	if err != nil {
		return err
	}
	if spec.Arch != "" && spec.Arch != tree.Arch {
		return fmt.Errorf("checking %s: the tree is for %s, want %s", spec.Label, tree.Arch, spec.Arch)
	}
	findings := check.Check(spec, tree)
	var text strings.Builder
	for _, f := range findings {
		fmt.Fprintln(&text, f)
	}
	if err := os.WriteFile(out, []byte(text.String()), 0o644); err != nil {
		return err
	}
	return refuse(spec, tree.Release, check.Refused(findings))
}

// refuse makes the error for the findings that are not allowed.
func refuse(spec *check.Spec, release string, findings []check.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("checking %s: %d findings", spec.Label, len(findings))}
	if len(findings) == 1 {
		lines[0] = fmt.Sprintf("checking %s: 1 finding", spec.Label)
	}
	lines = append(lines, check.Summary(findings)...)
	err := fmt.Errorf("%s", strings.Join(lines, "\n"))
	advice := check.Advice(release, findings)
	for i := range advice {
		err = cli.Hint(err, "%s", advice[len(advice)-1-i]) // the outermost is shown first
	}
	return err
}

func readFile[T any](name string, decode func(r io.Reader, name string) (*T, error)) (*T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode(f, name)
}
