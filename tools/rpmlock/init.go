package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/distro"
)

// start is the verb init: it writes a first manifest and the keys it names. It needs no network.
func start(_ context.Context, c *command) error {
	d, v, err := distro.Find(c.words[0], c.version)
	if err != nil {
		return err
	}
	release := c.release
	if release == "" {
		release = defaultRelease(d, v)
	}
	manifest, keys, err := distro.Manifest(d, v, release)
	if err != nil {
		return err
	}
	name := c.manifestPath
	if name == "" {
		name = filepath.Join(atCaller(c.dir), "rpms.yaml")
	}
	m, err := lockfile.ParseManifest(manifest, name)
	if err != nil {
		return err
	}
	files := append([]distro.File{{Name: filepath.Base(name), Data: manifest}}, keys...)
	if err := writeNew(filepath.Dir(name), files); err != nil {
		return err
	}
	return c.sayNext(m, name, files)
}

var notRelease = regexp.MustCompile(`[^a-z0-9_]+`)

// defaultRelease is a name for the release: "fedora_44", and "al2023" where the distribution has but one version.
func defaultRelease(d *distro.Distribution, v *distro.Version) string {
	name := d.Name
	if len(d.Versions) > 1 {
		name += "_" + v.Name
	}
	return notRelease.ReplaceAllString(strings.ToLower(name), "_")
}

// writeNew writes files that are not there yet, all or none; one that is there with the same content is left.
func writeNew(dir string, files []distro.File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var fresh []distro.File
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(dir, f.Name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			fresh = append(fresh, f)
		case err != nil:
			return err
		case string(old) != string(f.Data):
			return cli.Hint(fmt.Errorf("%s is there already, with another content", filepath.Join(dir, f.Name)),
				"move it away, or write elsewhere: --dir=DIR")
		}
	}
	for _, f := range fresh {
		if err := replaceFile(filepath.Join(dir, f.Name), f.Data); err != nil {
			return err
		}
	}
	return nil
}

// sayNext tells what was made and what the next command is and needs.
func (c *command) sayNext(m *lockfile.Manifest, manifest string, files []distro.File) error {
	lock := c.lockPath
	if lock == "" {
		lock = filepath.Join(filepath.Dir(manifest), "rpms.lock.json")
	}
	for _, f := range files {
		fmt.Fprintf(c.out, "wrote %s\n", filepath.Join(filepath.Dir(manifest), f.Name))
	}
	fmt.Fprintf(c.out, "\nNext, edit install in %s, then:\n\n    rpmlock lock --manifest=%s --lock=%s\n\nThat reads, over the network, metadata and package headers from\n",
		manifest, manifest, lock)
	for i := range m.Repositories {
		for _, arch := range m.Architectures {
			r := &repository{config: &m.Repositories[i], arch: arch}
			if !r.config.For(arch) {
				continue
			}
			source, err := r.source(m)
			if err != nil {
				return err
			}
			for _, url := range append(source.BaseURLs, source.MirrorList, source.MetaLink) {
				if url != "" {
					fmt.Fprintf(c.out, "    %s\n", url)
				}
			}
		}
	}
	fmt.Fprint(c.out, "and the servers that these name. Behind a proxy set https_proxy; where there is a mirror, write its URL as baseurl.\n")
	return nil
}
