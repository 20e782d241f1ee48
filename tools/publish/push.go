package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// push uploads the image under its immutable tag.
func (c *command) push() error {
	im, err := readLayout(c.Layout)
	if err != nil {
		return err
	}
	repo, err := c.repository()
	if err != nil {
		return err
	}
	tag := immutableTag(c.date, im.digest)
	there, err := repo.digestOf(repo.Tag(tag))
	if err != nil {
		return err
	}
	if there != "" && there != im.digest {
		err := fmt.Errorf("tag %s names %s already, and this image is %s: an immutable tag never moves", repo.Tag(tag), there, im.digest)
		return cli.Hint(err, "somebody has set the tag by hand; push with another --date, and find out who uses the tag")
	}
	if there == "" {
		if err := c.upload(repo, tag); err != nil {
			return err
		}
	}
	if there, err = repo.digestOf(repo.Tag(tag)); err != nil {
		return err
	}
	if there != im.digest {
		return fmt.Errorf("tag %s names %s after the upload, want %s", repo.Tag(tag), there, im.digest)
	}
	if err := repo.holds(im); err != nil {
		return err
	}
	err = c.editDigests(func(p *published) {
		p.Repository = repo.Name()
		p.Candidate = &candidate{Digest: im.digest, Date: c.date, Tag: tag, Platforms: im.platforms}
		if p.Digest == im.digest {
			p.Candidate = nil // promoted already; a push for another date adds a tag and nothing else
		}
	})
	if err == nil {
		_, err = fmt.Printf("%s@%s\n%s\n", repo, im.digest, repo.Tag(tag))
	}
	return err
}

// upload runs the program of oci_push, which finds its files in our runfiles.
func (c *command) upload(repo *repository, tag string) error {
	program, err := filepath.Abs(c.Pusher)
	if err != nil {
		return err
	}
	args := []string{"--repository", repo.Name(), "--tag", tag}
	if c.insecure {
		args = append(args, "--insecure")
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = os.Environ()
	if os.Getenv("RUNFILES_DIR") == "" {
		here, err := os.Getwd() // the folder of the main repository in the runfiles
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "RUNFILES_DIR="+filepath.Dir(here))
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pushing %s with %s: %w", repo.Tag(tag), c.Pusher, err)
	}
	return nil
}
