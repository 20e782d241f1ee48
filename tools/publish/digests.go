package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

const (
	digestsSchema   = 1
	maxDigestsBytes = 16 << 20
)

// digests is digests.json: what was published of a release. Consumers take the digest of an image from here.
type digests struct {
	Schema  int         `json:"schema"`
	Release string      `json:"release"`
	Images  []published `json:"images"` // by name
}

// published is one image. All but name, repository and candidate are about what its moving tags name; empty before the first promotion.
type published struct {
	Name       string            `json:"name"`
	Repository string            `json:"repository"`
	Digest     string            `json:"digest,omitempty"` // of the index
	Date       string            `json:"date,omitempty"`   // of its immutable tag
	Tags       []string          `json:"tags,omitempty"`   // the immutable one first
	Platforms  map[string]string `json:"platforms,omitempty"`
	// Candidate was pushed later and is not promoted yet.
	Candidate *candidate `json:"candidate,omitempty"`
}

type candidate struct {
	Digest    string            `json:"digest"`
	Date      string            `json:"date"`
	Tag       string            `json:"tag"`
	Platforms map[string]string `json:"platforms"`
}

func readDigests(path, release string) (*digests, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &digests{Schema: digestsSchema, Release: release, Images: []published{}}, nil
	}
	var d digests
	if err == nil {
		err = strictjson.Decode(bytes.NewReader(data), maxDigestsBytes, &d)
	}
	switch {
	case err != nil:
	case d.Schema != digestsSchema:
		err = fmt.Errorf("schema %d, this program reads %d", d.Schema, digestsSchema)
	case d.Release != release:
		err = fmt.Errorf("it is of release %s, want %s", d.Release, release)
	}
	if err != nil {
		return nil, fmt.Errorf("reading digests %s: %w", path, err)
	}
	return &d, nil
}

// image returns the entry of a name, nil when there is none.
func (d *digests) image(name string) *published {
	i := slices.IndexFunc(d.Images, func(p published) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Images[i]
}

// editDigests changes the entry of the image. Runs for other images wait for each other; the file is there as a whole or not at all.
func (c *command) editDigests(change func(*published)) error {
	path := filepath.Join(c.workspace, c.Digests)
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing digests %s: %w", path, err)
	}
	defer unlock()
	d, err := readDigests(path, c.Release)
	if err != nil {
		return err
	}
	if d.image(c.Name) == nil {
		d.Images = append(d.Images, published{Name: c.Name})
		slices.SortFunc(d.Images, func(a, b published) int { return cmp.Compare(a.Name, b.Name) })
	}
	change(d.image(c.Name))
	if err := replace(path, d); err != nil {
		return fmt.Errorf("writing digests %s: %w", path, err)
	}
	return nil
}

func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

func replace(path string, d *digests) (err error) {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".digests-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
