package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/inventory"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/imagechanges"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/table"
)

const (
	maxTargetBytes = 1 << 20
	maxRecordBytes = 128 << 20
	targetSchema   = 1
	recordSchema   = 1
)

// target is the file that a Bazel target names in the environment variable RPMLOCK_TARGET: the verb and the files of one release. Paths
// are relative to the working directory (runfiles), where manifest and lock are links to the files of the workspace.
type target struct {
	Schema   int    `json:"schema"`
	Verb     string `json:"verb"`
	Manifest string `json:"manifest"`
	Lock     string `json:"lock"`
	Images   string `json:"images"`
	// Refuse says why the verb cannot do anything for the release, and Hint what can be done instead.
	Refuse string `json:"refuse"`
	Hint   string `json:"hint"`
}

// targetArgs puts what a Bazel target says in front of the arguments.
func targetArgs(args []string) ([]string, error) {
	name := os.Getenv("RPMLOCK_TARGET")
	if name == "" {
		return args, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading RPMLOCK_TARGET: %w", err)
	}
	var t target
	if err := strictjson.Decode(bytes.NewReader(data), maxTargetBytes, &t); err != nil {
		return nil, fmt.Errorf("reading RPMLOCK_TARGET %s: %w", name, err)
	}
	if t.Schema != targetSchema {
		return nil, fmt.Errorf("reading RPMLOCK_TARGET %s: schema %d, this program reads %d", name, t.Schema, targetSchema)
	}
	if t.Refuse != "" {
		return nil, cli.Hint(errors.New(t.Refuse), "%s", t.Hint)
	}
	out := []string{t.Verb}
	for _, file := range []struct{ flag, path string }{{"manifest", t.Manifest}, {"lock", t.Lock}, {"images", t.Images}} {
		path, err := filepath.EvalSymlinks(file.path)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return nil, fmt.Errorf("looking for the %s of %s: %w", file.flag, name, err)
		}
		out = append(out, "--"+file.flag+"="+path)
	}
	return append(out, args...), nil
}

// images reads the inventory of --images; nil without the flag.
func (c *command) images() (*inventory.Inventory, error) {
	if c.imagesPath == "" {
		return nil, nil
	}
	f, err := os.Open(c.imagesPath)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("reading --images: %w", err), "a target of rule rpm_inventory makes it")
	}
	defer f.Close()
	return inventory.Read(f, c.imagesPath)
}

// imagesOf reads the inventory and makes sure that it is of the release.
func (c *command) imagesOf(release string) (*inventory.Inventory, error) {
	x, err := c.images()
	if err == nil && x != nil && x.Release != release {
		err = fmt.Errorf("--images=%s is of release %s, the lock is of %s", c.imagesPath, x.Release, release)
	}
	return x, err
}

// record is what update keeps for summary: what it has changed, and the images as they were before.
type record struct {
	Schema     int                  `json:"schema"`
	Difference *differ.Difference   `json:"difference"`
	Images     *inventory.Inventory `json:"images"`
}

// writeRecord writes the record of an update to --record.
func (c *command) writeRecord(d *differ.Difference, before *inventory.Inventory) error {
	var text bytes.Buffer
	if err := table.JSON(&text, record{recordSchema, d, before}); err != nil {
		return err
	}
	return replaceFile(c.recordPath, text.Bytes())
}

func readRecord(name string) (*record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading record: %w", err)
	}
	defer f.Close()
	var r record
	err = strictjson.Decode(f, maxRecordBytes, &r)
	switch {
	case err != nil:
	case r.Schema != recordSchema:
		err = fmt.Errorf("schema %d, this program reads %d", r.Schema, recordSchema)
	case r.Difference == nil || r.Images == nil:
		err = errors.New("it has no difference or no images")
	default:
		err = r.Images.Validate()
	}
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("reading record %s: %w", name, err), "rpmlock update --images=F --record=F writes it, or rpmlock diff")
	}
	return &r, nil
}

// summary says what an update has made of the images, once they are built again.
func summary(_ context.Context, c *command) error {
	r, err := readRecord(atCaller(c.words[0]))
	if err != nil {
		return err
	}
	after, err := c.imagesOf(r.Difference.Release)
	if err != nil {
		return err
	}
	report := imagechanges.Compare(r.Images, after, r.Difference.Changes)
	return c.writeChanges(r.Difference, report, imagechanges.Options{Format: c.format, Sizes: true})
}

// writeChanges writes what changes for images, when that is known, and for the lock.
func (c *command) writeChanges(d *differ.Difference, images *imagechanges.Report, o imagechanges.Options) error {
	if images == nil {
		return d.Write(c.out, o.Format)
	}
	if o.Format == "json" {
		return table.JSON(c.out, struct {
			*differ.Difference
			Images    []imagechanges.Image `json:"images"`
			Unshipped []differ.Change      `json:"unshipped"`
		}{d, images.Images, images.Unshipped})
	}
	if err := images.Write(c.out, o); err != nil {
		return err
	}
	fmt.Fprintln(c.out)
	return d.Write(c.out, o.Format)
}

// foreseen is what an update means for the images of --images, before they are built again; nil without the flag.
func foreseen(before *inventory.Inventory, changes []differ.Change) *imagechanges.Report {
	if before == nil {
		return nil
	}
	return imagechanges.Compare(before, imagechanges.Foresee(before, changes), changes)
}
