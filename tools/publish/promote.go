package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/verdict"
)

// promote lets the moving tags name the image, when its tests have passed.
func (c *command) promote() error {
	if err := checkTags(c.Tags); err != nil {
		return err
	}
	im, err := readLayout(c.Layout)
	if err != nil {
		return err
	}
	repo, err := c.repository()
	if err != nil {
		return err
	}
	pushed, err := c.pushed(repo, im)
	if err != nil {
		return err
	}
	if err := c.demandTests(im); err != nil {
		return err
	}
	there, err := repo.digestOf(repo.Tag(pushed.Tag))
	if err != nil {
		return err
	}
	if there != im.digest {
		return fmt.Errorf("tag %s names %q, and %s was pushed: somebody has moved or deleted it", repo.Tag(pushed.Tag), there, im.digest)
	}
	if err := repo.holds(im); err != nil {
		return err
	}
	for _, tag := range c.Tags {
		if err := repo.setTag(tag, im.digest); err != nil {
			return err
		}
	}
	// The list comes last: what it names has all its tags.
	err = c.editDigests(func(p *published) {
		*p = published{
			Name: p.Name, Repository: repo.Name(), Digest: im.digest, Date: pushed.Date, Tags: append([]string{pushed.Tag}, c.Tags...),
			Platforms: im.platforms,
		}
	})
	for _, tag := range c.Tags {
		if err == nil {
			_, err = fmt.Printf("%s -> %s\n", repo.Tag(tag), im.digest)
		}
	}
	return err
}

// pushed is what digests.json says about the push of exactly this image.
func (c *command) pushed(repo *repository, im *image) (*candidate, error) {
	d, err := readDigests(filepath.Join(c.workspace, c.Digests), c.Release)
	if err != nil {
		return nil, err
	}
	push := strings.TrimSuffix(c.Label, "promote") + "push"
	p := d.image(c.Name)
	switch {
	case p == nil || p.Candidate == nil && p.Digest == "":
		return nil, cli.Hint(fmt.Errorf("%s says nothing about a push of %s", c.Digests, c.Name), "bazel run %s", push)
	case p.Repository != repo.Name():
		return nil, cli.Hint(fmt.Errorf("%s says that %s was pushed to %s, not to %s", c.Digests, c.Name, p.Repository, repo.Name()), "bazel run %s", push)
	case p.Candidate != nil && p.Candidate.Digest == im.digest:
		return p.Candidate, nil
	case p.Digest == im.digest: // once more, perhaps after tags were moved by hand
		return &candidate{Digest: p.Digest, Date: p.Date, Tag: p.Tags[0], Platforms: p.Platforms}, nil
	}
	last := p.Digest
	if p.Candidate != nil {
		last = p.Candidate.Digest
	}
	return nil, cli.Hint(fmt.Errorf("%s is %s now, and what was pushed is %s", c.Name, im.digest, last), "bazel run %s", push)
}

// demandTests makes sure that every test has passed for exactly this image.
func (c *command) demandTests(im *image) error {
	var errs []error
	var all []string
	for _, arch := range slices.Sorted(maps.Keys(im.platforms)) {
		if len(c.Tests[arch]) == 0 {
			errs = append(errs, fmt.Errorf("no test runs its image for %s", arch))
		}
		for _, test := range c.Tests[arch] {
			all = append(all, test)
			v, err := verdict.Read(c.testlogs, test)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				err = fmt.Errorf("%s has not passed: it left no %s below %s", test, verdict.Name, c.testlogs)
			case err != nil:
			case v.Digest != im.digest:
				err = fmt.Errorf("%s has passed for %s, not for %s", test, v.Digest, im.digest)
			case v.Arch != arch || v.Checks+v.Skipped == 0:
				err = fmt.Errorf("%s has made %d checks for %s, want some for %s", test, v.Checks, v.Arch, arch)
			}
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return cli.Hint(fmt.Errorf("promoting %s: the tests of all architectures must have passed first:\n%w", c.Name, err), "bazel test %s", strings.Join(all, " "))
	}
	return nil
}
