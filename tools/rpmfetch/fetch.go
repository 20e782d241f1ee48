package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
)

// outcome is what happened to one item.
type outcome int

const (
	kept     outcome = iota // was there and right
	fetched                 // was not there
	replaced                // was there and wrong
)

// fetch brings the folder to what the items say.
func (c *command) fetch(ctx context.Context, items []*item) error {
	unlock, err := c.lockFolder()
	if err != nil {
		return err
	}
	defer unlock()
	c.progress = newProgress(os.Stderr, items)
	outcomes, errs := make([]outcome, len(items)), make([]error, len(items))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(c.jobs, len(items)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(items) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				outcomes[i], errs[i] = c.bring(ctx, items[i])
				c.progress.finished()
			}
		})
	}
	wait.Wait()
	c.progress.done()
	if ctx.Err() != nil {
		return cli.Hint(errors.New("interrupted"), "run again: what has come is kept")
	}
	return c.report(items, outcomes, errs)
}

// lockFolder makes the folder and keeps a second run out of it. The lock is on the folder itself and ends with the process.
func (c *command) lockFolder() (unlock func(), err error) {
	if !c.check {
		if err := os.MkdirAll(c.out, 0o755); err != nil {
			return nil, fmt.Errorf("making the folder: %w", err)
		}
	}
	dir, err := os.Open(c.out)
	if err != nil {
		return nil, fmt.Errorf("opening the folder: %w", err)
	}
	if c.check {
		return func() { dir.Close() }, nil
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		dir.Close()
		return nil, cli.Hint(fmt.Errorf("another rpmfetch works in %s", c.out), "wait until it is done")
	}
	// A file system without locks is used without one.
	return func() { dir.Close() }, nil
}

// bring makes one file right in all its places.
func (c *command) bring(ctx context.Context, it *item) (outcome, error) {
	result := fetched
	good := ""
	var missing []string
	var errs []error
	for _, place := range it.places {
		name := filepath.Join(c.out, filepath.FromSlash(place))
		err := fetch.VerifyFile(name, it.want)
		var mismatch *fetch.MismatchError
		switch {
		case err == nil:
			good = name
			continue
		case errors.As(err, &mismatch):
			result = replaced
			err = fmt.Errorf("%s is wrong: %w", place, err)
		case errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("%s is missing", place)
		}
		missing = append(missing, name)
		errs = append(errs, err)
	}
	if len(missing) == 0 {
		c.progress.advance(it.want.SizeBytes)
		return kept, nil
	}
	if c.check {
		return result, errors.Join(errs...)
	}
	if good != "" {
		c.progress.advance(it.want.SizeBytes)
	} else {
		if err := c.client.Save(ctx, it.targets, it.want, missing[0], c.progress.advance); err != nil {
			return result, fmt.Errorf("%w; %w", errs[0], err)
		}
		good, missing = missing[0], missing[1:]
	}
	for _, name := range missing {
		if err := duplicate(good, name); err != nil {
			return result, err
		}
	}
	return result, nil
}

// duplicate gives a file a second name, or copies it where the file system has no hard links.
func duplicate(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	temporary := to + fetch.PartialSuffix
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(from, temporary); err != nil {
		if err := copyFile(from, temporary); err != nil {
			return err
		}
	}
	return os.Rename(temporary, to)
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Sync(), w.Close())
}

// report says what was done, and what could not be.
func (c *command) report(items []*item, outcomes []outcome, errs []error) error {
	counts := map[outcome]int{}
	var failed []error
	bytes := int64(0)
	for i, it := range items {
		if errs[i] != nil {
			failed = append(failed, fmt.Errorf("package %s: %w", it.nevra, errs[i]))
			continue
		}
		counts[outcomes[i]]++
		bytes += it.want.SizeBytes
	}
	if len(failed) > 0 {
		err := fmt.Errorf("%d of %d packages of %s are not in %s\n%w", len(failed), len(items), c.lockPath, c.out, errors.Join(failed...))
		if c.check {
			err = cli.Hint(err, "without --check they are downloaded")
		}
		return err
	}
	folder, err := filepath.Abs(c.out)
	if err != nil {
		return err
	}
	fmt.Printf("%d packages, %s, are in %s: %d downloaded, %d replaced, %d kept\n",
		len(items), megabytes(bytes), c.out, counts[fetched], counts[replaced], counts[kept])
	if c.layout == layoutDistdir {
		fmt.Printf("to build from there: bazel build --distdir=%s\n", folder)
	} else {
		if strings.ContainsAny(folder, " \t\n") { // what separates folders in the variable
			folder = (&url.URL{Scheme: "file", Path: folder}).String()
		}
		fmt.Printf("to build from there: bazel build --repo_env=SLIMRPM_MIRROR=%s\n", folder)
	}
	return nil
}
