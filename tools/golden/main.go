// Golden compares images with the committed lists of what is in them, holds their sizes against budgets, and writes the lists again.
//
//	golden --spec=F [--spec=F ...]                              compare; exit 1 with what differs, by package
//	golden --spec=F [--spec=F ...] --update [--workspace=DIR]   write the lists, and the sizes in the pages that show them
//
// Bazel tests run the first, `bazel run //variants/<image>:update_goldens` and `//variants:update_goldens` the second. They name
// the specs in the environment variable GOLDEN_SPECS, separated by spaces, because a rule can set no arguments; GOLDEN_UPDATE is
// set for --update, and the workspace is $BUILD_WORKSPACE_DIRECTORY.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/golden"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

const maxSpecBytes = 1 << 20

// Spec says which image to compare with which list. Paths are relative to the working directory (runfiles under Bazel).
type Spec struct {
	Schema   int    `json:"schema"`
	Variant  string `json:"variant"`
	Release  string `json:"release"`
	Arch     string `json:"arch"`      // OCI's name
	Tree     string `json:"tree"`      // tree.json of the image
	BaseTree string `json:"base_tree"` // tree.json of the base, or ""
	Golden   string `json:"golden"`    // the list, or "" when there is none yet
	Path     string `json:"path"`      // where the list belongs, from the root of the workspace
	Update   string `json:"update"`    // label of what writes the list again
	Moving   bool   `json:"moving"`    // packages of the release get newer without a commit
	// BudgetMiB is how large the image may be: regular files, hard links once. 0: none was given, which is an error.
	BudgetMiB int64 `json:"budget_mib"`
}

const specSchema = 1

func main() { cli.Main("golden", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("golden")
	specs := cli.Strings(strings.Fields(os.Getenv("GOLDEN_SPECS")))
	fs.Var(&specs, "spec", "what to compare")
	update := fs.Bool("update", os.Getenv("GOLDEN_UPDATE") != "", "write the lists")
	workspace := fs.String("workspace", os.Getenv("BUILD_WORKSPACE_DIRECTORY"), "root of the workspace")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if len(specs) == 0 {
		return cli.Hint(errors.New("no spec given"), "golden --spec=F; targets //variants/...:update_goldens name theirs")
	}
	if *update && *workspace == "" {
		return cli.Hint(errors.New("no workspace to write to"), "run it with bazel run, or give --workspace=DIR")
	}
	var failed []error
	for _, name := range specs {
		im, err := readImage(name, *update)
		if err == nil {
			if *update {
				err = im.update(*workspace)
			} else {
				err = im.compare()
			}
		}
		failed = append(failed, err)
	}
	if *update {
		failed = append(failed, updatePages(*workspace))
	}
	return errors.Join(failed...)
}

// image is what a spec leads to.
type image struct {
	Spec
	tree *rootfs.Tree
	got  *golden.List
	want *golden.List // nil when there is no list yet
}

// readImage reads what a spec names. A damaged list is no error where it is going to be written again.
func readImage(name string, damaged bool) (*image, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading spec: %w", err)
	}
	defer file.Close()
	im := &image{}
	if err := strictjson.Decode(file, maxSpecBytes, &im.Spec); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	if im.Schema != specSchema {
		return nil, fmt.Errorf("reading spec %s: schema %d, this tool reads %d", name, im.Schema, specSchema)
	}
	if im.tree, err = readTree(im.Tree); err != nil {
		return nil, err
	}
	var base *rootfs.Tree
	if im.BaseTree != "" {
		if base, err = readTree(im.BaseTree); err != nil {
			return nil, err
		}
	}
	im.got = golden.New(im.tree, base, golden.Options{Variant: im.Variant, Release: im.Release, Arch: im.Arch, Moving: im.Moving})
	if im.Golden == "" {
		return im, nil
	}
	data, err := os.ReadFile(im.Golden)
	if err != nil {
		return nil, fmt.Errorf("reading list: %w", err)
	}
	if im.want, err = golden.Read(bytes.NewReader(data), im.Path); err != nil && !damaged {
		return nil, im.hint(err)
	}
	return im, nil
}

func readTree(name string) (*rootfs.Tree, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading tree: %w", err)
	}
	defer file.Close()
	return rootfs.Read(file, name)
}

func (im *image) hint(err error) error {
	return cli.Hint(err, "if this is what you want: ./bazelw run %s (all images: ./bazelw run //variants:update_goldens)", im.Update)
}

// compare returns what is wrong with the image.
func (im *image) compare() error {
	var failed []error
	if im.want == nil {
		failed = append(failed, im.hint(fmt.Errorf("%s does not exist: nobody has reviewed what is in %s (%s, %s)", im.Path, im.Variant, im.Release, im.Arch)))
	} else {
		d := golden.Compare(im.want, im.got, im.Moving)
		if notes := d.Notes(); notes != "" {
			fmt.Printf("note: %s is of a day with other versions of packages; what follows from that is no error:\n%s", im.Path, notes)
		}
		if !d.Equal() {
			failed = append(failed, im.hint(fmt.Errorf("%s (%s, %s) is not what %s says:\n%s", im.Variant, im.Release, im.Arch, im.Path, strings.TrimSuffix(d.Report(), "\n"))))
		}
	}
	return errors.Join(append(failed, im.checkBudget())...)
}

func (im *image) checkBudget() error {
	if im.BudgetMiB == 0 {
		proposal := golden.Size(im.tree)>>20 + 2
		return cli.Hint(fmt.Errorf("%s (%s, %s) has no size budget", im.Variant, im.Release, im.Arch),
			"add size_budget = {%q: {%q: %d}} (MiB) to its BUILD file", im.Release, im.Arch, proposal)
	}
	if err := golden.CheckBudget(im.tree, im.want, im.BudgetMiB); err != nil {
		return cli.Hint(fmt.Errorf("%s (%s, %s): %w", im.Variant, im.Release, im.Arch, err),
			"leave something out, or raise size_budget in the BUILD file; ./bazelw run %s says why a package is there",
			strings.Replace(im.Update, ":update_goldens", ":why -- NAME", 1))
	}
	return nil
}

// update writes the list, when it differs in anything, and prints what changed.
func (im *image) update(workspace string) error {
	var text bytes.Buffer
	if err := im.got.Write(&text, im.Update); err != nil {
		return err
	}
	path := filepath.Join(workspace, filepath.FromSlash(im.Path))
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading list: %w", err)
	}
	if bytes.Equal(old, text.Bytes()) {
		return nil
	}
	fmt.Printf("%s (%d lines)\n", im.Path, bytes.Count(text.Bytes(), []byte("\n")))
	if im.want != nil {
		fmt.Print(golden.Compare(im.want, im.got, false).Report())
	}
	return write(path, text.Bytes())
}

// write replaces a file as a whole.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	if err := os.WriteFile(partial, data, 0o644); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
