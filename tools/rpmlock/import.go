package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/distro"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/importer"
)

// maxListBytes bounds a list of another program.
const maxListBytes = 64 << 20

// imports makes a manifest and a lock from the list of another program. It needs no network.
func imports(_ context.Context, c *command) error {
	list := &importer.List{}
	for _, word := range c.words {
		one, err := readList(atCaller(word))
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		if err := list.Join(one); err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	release := c.release
	if release == "" {
		release = "imported"
	}
	result, err := importer.Convert(list, release)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.words, ", "), err)
	}
	if _, err := lockfile.ParseManifest(result.Manifest, c.manifestPath); err != nil {
		return err
	}
	if err := result.Lock.Validate(); err != nil {
		return fmt.Errorf("checking the new lock: %w", err)
	}
	var lock bytes.Buffer
	if err := lockfile.Write(&lock, result.Lock); err != nil {
		return err
	}
	if filepath.Dir(c.manifestPath) == filepath.Dir(c.lockPath) {
		err = writeNew(filepath.Dir(c.manifestPath), append(result.KeyFiles(),
			distro.File{Name: filepath.Base(c.manifestPath), Data: result.Manifest}, distro.File{Name: filepath.Base(c.lockPath), Data: lock.Bytes()}))
	} else if err = writeNew(filepath.Dir(c.manifestPath), append(result.KeyFiles(), distro.File{Name: filepath.Base(c.manifestPath), Data: result.Manifest})); err == nil {
		err = writeNew(filepath.Dir(c.lockPath), []distro.File{{Name: filepath.Base(c.lockPath), Data: lock.Bytes()}})
	}
	if err != nil {
		return err
	}
	c.sayImported(list, result)
	return nil
}

// readList reads a file in whichever form it has.
func readList(name string) (*importer.List, error) {
	data, err := readBounded(name, maxListBytes)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, err
	}
	switch trimmed := bytes.TrimSpace(data); {
	case strings.HasSuffix(name, ".yaml"), strings.HasSuffix(name, ".yml"), bytes.Contains(trimmed[:min(len(trimmed), 200)], []byte("lockfileV")):
		return importer.Konflux(data)
	case bytes.HasPrefix(trimmed, []byte("{")):
		return importer.Bazeldnf(data)
	}
	list, err := importer.Workspace(string(data))
	if err == nil && len(list.Packages) == 0 && len(list.Lost) == 0 {
		err = cli.Hint(errors.New("there is no rpm() rule in it"),
			"import reads WORKSPACE and .bzl files with bazeldnf's rpm(), bazeldnf's JSON locks, and rpms.lock.yaml")
	}
	return list, err
}

func (c *command) sayImported(list *importer.List, result *importer.Result) {
	total := 0
	var counts []string
	for _, arch := range slices.Sorted(maps.Keys(result.Lock.Architectures)) {
		n := len(result.Lock.Architectures[arch].Packages)
		total += n
		counts = append(counts, fmt.Sprintf("%s %d", arch, n))
	}
	fmt.Fprintf(c.out, "imported %d packages (%s) from %d entries\n", total, strings.Join(counts, ", "), len(list.Packages))
	for _, line := range result.Lost {
		fmt.Fprintf(c.out, "not carried over: %s\n", line)
	}
	fmt.Fprintf(c.out, "wrote %s and %s\n\nNext:\n\n    %s\n\nThat keeps every package at its digest, and adds what the list does not say: requirements, sizes and signatures. Until then\nno build uses the lock.\n",
		c.manifestPath, c.lockPath, c.lockCommand())
}
