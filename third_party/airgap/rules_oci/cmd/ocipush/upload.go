package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func upload(pusher *remote.Pusher, repository name.Repository, digest string, content remote.Taggable, tags []string) error {
	ctx := context.Background()
	reference := repository.Digest(digest)
	if err := pusher.Push(ctx, reference, content); err != nil {
		return fmt.Errorf("pushing %s: %w", reference, err)
	}
	for _, tag := range tags {
		t, err := name.NewTag(repository.Name()+":"+tag, name.StrictValidation)
		if err != nil {
			return fmt.Errorf("reading tag %q: %w", tag, err)
		}
		if err := pusher.Push(ctx, repository.Tag(t.TagStr()), content); err != nil {
			return fmt.Errorf("setting tag %s: %w", t, err)
		}
	}
	_, err := fmt.Fprintln(os.Stdout, reference)
	return err
}
