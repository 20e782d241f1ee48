package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/gitblob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/imagechanges"
)

// diff compares two locks: files, or git revisions of --lock.
func diff(ctx context.Context, c *command) error {
	before, err := c.lockAt(c.words[0])
	if err != nil {
		return err
	}
	var after *lockfile.Lock
	if len(c.words) == 2 {
		after, err = c.lockAt(c.words[1])
	} else if c.lockPath == "" {
		err = cli.Hint(fmt.Errorf("diff: %s is to be compared with the lock, which is not named", c.words[0]), "name it with --lock=F, or a second file or revision")
	} else {
		after, err = c.locked()
	}
	if err != nil {
		return err
	}
	options := differ.Options{Churn: (&lockfile.Manifest{}).ChurnNames()}
	if c.manifestPath != "" {
		m, _, err := c.manifest()
		if err != nil {
			return err
		}
		options.Churn = m.ChurnNames()
		if c.advisories {
			if options.Advisories, err = c.advisoriesOf(ctx, m, after); err != nil {
				return err
			}
		}
	} else if c.advisories {
		return fmt.Errorf("diff: --advisories reads the repositories of a manifest: --manifest=F is missing")
	}
	images, err := c.imagesOf(after.Release)
	if err != nil {
		return err
	}
	c.progress.done()
	d := differ.Compare(before, after, options)
	if c.recordPath != "" {
		if err := c.writeRecord(d, images); err != nil {
			return err
		}
	}
	return c.writeChanges(d, foreseen(images, d.Changes), imagechanges.Options{Format: c.format, Sizes: true, Foreseen: true})
}

// lockAt reads a lock from a file or, when there is no file of the name, from a git revision of --lock.
func (c *command) lockAt(word string) (*lockfile.Lock, error) {
	path := atCaller(word)
	data, err := os.ReadFile(path)
	if err == nil {
		return lockfile.Read(bytes.NewReader(data), word)
	}
	if !os.IsNotExist(err) {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	if c.lockPath == "" {
		return nil, cli.Hint(fmt.Errorf("reading lock: there is no file %s", word), "to compare with a git revision, say which file: --lock=F")
	}
	data, err = gitblob.Read(c.lockPath, word, lockfile.MaxLockBytes)
	if err != nil {
		err = fmt.Errorf("reading %s at revision %s: %w", c.lockPath, word, err)
		return nil, cli.Hint(err, "there is no file %s either; any two files can be compared: git show %s:PATH > old.json", word, word)
	}
	return lockfile.Read(bytes.NewReader(data), word+":"+c.lockPath)
}
