// Ocipush pushes an image or an index to a registry: it is the program behind `bazel run` of an oci_push target. The
// target's file beside the program, <program>.json, says which image and where to. The image goes up by its digest
// first and is tagged then, so that a tag never names half an image. Arguments of `bazel run -- ...`:
//
//	-r, --repository REPOSITORY   instead of the one of the target
//	-t, --tag TAG                 in addition to those of the target; repeatable
//	--insecure                    allow plain HTTP
//
// Credentials are those of docker login and podman login.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/bazelbuild/rules_go/go/runfiles"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

type target struct {
	Layout         string `json:"layout"`          // runfiles path of the image layout
	Repository     string `json:"repository"`      // "" when RepositoryFile or the command line says it
	RepositoryFile string `json:"repository_file"` // runfiles path, or ""
	TagsFile       string `json:"tags_file"`       // runfiles path of the tags, one per line, or ""
}

func main() {
	if err := run(os.Args[0], os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "ocipush: error: %v\n", err)
		os.Exit(1)
	}
}

func run(program string, args []string) error {
	data, err := os.ReadFile(program + ".json")
	if err != nil {
		return fmt.Errorf("reading the target: %w", err)
	}
	var t target
	if err := json.Unmarshal(data, &t); err != nil {
		return fmt.Errorf("reading the target %s.json: %w", program, err)
	}
	files, err := runfiles.New()
	if err != nil {
		return fmt.Errorf("looking for the runfiles: %w", err)
	}
	for _, path := range []*string{&t.Layout, &t.RepositoryFile, &t.TagsFile} {
		if *path == "" {
			continue
		}
		if *path, err = files.Rlocation(*path); err != nil {
			return fmt.Errorf("looking for a runfile: %w", err)
		}
	}
	o := options{dir: t.Layout, repository: t.Repository}
	if t.RepositoryFile != "" {
		text, err := os.ReadFile(t.RepositoryFile)
		if err != nil {
			return fmt.Errorf("reading the repository: %w", err)
		}
		o.repository = strings.TrimSpace(string(text))
	}
	if t.TagsFile != "" {
		text, err := os.ReadFile(t.TagsFile)
		if err != nil {
			return fmt.Errorf("reading the tags: %w", err)
		}
		o.tags = strings.Fields(string(text))
	}
	if err := o.parse(args); err != nil {
		return err
	}
	return push(o)
}

type options struct {
	dir        string
	repository string
	tags       []string
	insecure   bool
}

func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("ocipush", flag.ContinueOnError)
	addTag := func(tag string) error { o.tags = append(o.tags, tag); return nil }
	for _, flagName := range []string{"r", "repository"} {
		flags.StringVar(&o.repository, flagName, o.repository, "repository to push to")
	}
	for _, flagName := range []string{"t", "tag"} {
		flags.Func(flagName, "tag to set; repeatable", addTag)
	}
	flags.BoolVar(&o.insecure, "insecure", false, "allow plain HTTP")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the command line: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reading the command line: unexpected argument %q", flags.Arg(0))
	}
	if o.repository == "" {
		return errors.New("reading the command line: no repository\nhint: set the attribute repository, or pass --repository")
	}
	return nil
}

// push uploads the content of the layout by digest, then sets the tags.
func push(o options) error {
	var nameOptions []name.Option
	if o.insecure {
		nameOptions = append(nameOptions, name.Insecure)
	}
	repository, err := name.NewRepository(o.repository, nameOptions...)
	if err != nil {
		return fmt.Errorf("reading the repository: %w", err)
	}
	index, err := layout.ImageIndexFromPath(o.dir)
	if err != nil {
		return fmt.Errorf("reading image layout %s: %w", o.dir, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return fmt.Errorf("reading image layout %s: %w", o.dir, err)
	}
	if len(manifest.Manifests) != 1 {
		return fmt.Errorf("reading image layout %s: it has %d manifests, want one", o.dir, len(manifest.Manifests))
	}
	root := manifest.Manifests[0]
	pusher, err := remote.NewPusher(remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", repository, err)
	}
	var content remote.Taggable
	if root.MediaType.IsIndex() {
		content, err = index.ImageIndex(root.Digest)
	} else {
		content, err = index.Image(root.Digest)
	}
	if err != nil {
		return fmt.Errorf("reading image layout %s: %w", o.dir, err)
	}
	return upload(pusher, repository, root.Digest.String(), content, o.tags)
}
