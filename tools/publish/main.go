// Publish pushes an image to a registry, and later moves the tags that consumers follow.
//
//	publish push    --registry=R --date=YYYY-MM-DD [--insecure]
//	publish promote --registry=R [--testlogs=DIR] [--insecure]
//
// `bazel run` of the targets that rule rpm_publish declares runs it; the environment variable PUBLISH_TARGET names a file that says which
// image. push uploads with rules_oci's oci_push, under an immutable tag: the date and the start of the digest. promote demands that the tests
// of every architecture have passed for exactly this digest, and that it was pushed; then it sets the moving tags. Both write
// digests.json, the committed list of what consumers should use. Credentials are those of docker login and podman login.
//
// It uses the network, so no action runs it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

func main() { cli.Main("publish", run) }

const (
	targetSchema   = 1
	maxTargetBytes = 1 << 20
)

// target is what a Bazel target says about an image. Paths are relative to the working directory (runfiles).
type target struct {
	Schema  int    `json:"schema"`
	Verb    string `json:"verb"` // push, promote
	Label   string `json:"label"`
	Name    string `json:"name"`    // of the image; the last part of its repository
	Release string `json:"release"` // of its packages
	Layout  string `json:"layout"`  // OCI layout with one index
	Pusher  string `json:"pusher"`  // program of an oci_push target
	// Digests is the path of digests.json in the workspace.
	Digests string `json:"digests"`
	// Tags are the moving tags.
	Tags []string `json:"tags"`
	// Tests are the labels of the tests that must have passed, by OCI architecture.
	Tests map[string][]string `json:"tests"`
}

// command is one run.
type command struct {
	target
	registry, date, testlogs string
	insecure                 bool
	workspace                string // where digests.json is kept
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	switch c.Verb {
	case "push":
		return c.push()
	case "promote":
		return c.promote()
	}
	return fmt.Errorf("unknown verb %q: push or promote", c.Verb)
}

func parse(args []string) (*command, error) {
	c := &command{workspace: os.Getenv("BUILD_WORKSPACE_DIRECTORY")}
	name := os.Getenv("PUBLISH_TARGET")
	if name == "" {
		return nil, cli.Hint(errors.New("PUBLISH_TARGET names no target"), "bazel run a target of rule rpm_publish, such as //variants/nginx:push")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading PUBLISH_TARGET: %w", err)
	}
	if err := strictjson.Decode(bytes.NewReader(data), maxTargetBytes, &c.target); err != nil {
		return nil, fmt.Errorf("reading PUBLISH_TARGET %s: %w", name, err)
	}
	if c.Schema != targetSchema {
		return nil, fmt.Errorf("reading PUBLISH_TARGET %s: schema %d, this program reads %d", name, c.Schema, targetSchema)
	}
	if c.workspace == "" {
		return nil, cli.Hint(errors.New("BUILD_WORKSPACE_DIRECTORY is not set"), "bazel run %s", c.Label)
	}
	return c, c.flags(args)
}

func (c *command) flags(args []string) error {
	fs := flag.NewFlagSet("publish "+c.Verb, flag.ContinueOnError)
	fs.SetOutput(new(bytes.Buffer))
	fs.StringVar(&c.registry, "registry", os.Getenv("SLIMRPM_REGISTRY"), "registry and folder that the repository of the image is in")
	fs.BoolVar(&c.insecure, "insecure", false, "allow plain HTTP; a registry on loopback is always asked that way")
	if c.Verb == "push" {
		fs.StringVar(&c.date, "date", "", "date of the immutable tag, YYYY-MM-DD")
	} else {
		fs.StringVar(&c.testlogs, "testlogs", filepath.Join(c.workspace, "bazel-testlogs"), "where Bazel keeps the outputs of tests")
	}
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if c.registry == "" {
		return cli.Hint(errors.New("no registry"), "bazel run %s -- --registry=HOST/FOLDER, or set SLIMRPM_REGISTRY", c.Label)
	}
	if c.Verb != "push" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, c.date); err != nil {
		return cli.Hint(fmt.Errorf("--date=%s is no date", c.date), "bazel run %s -- --date=$(date -u +%%F)", c.Label)
	}
	return nil
}

// digestLength is how much of the digest a tag has.
const digestLength = 12

// immutableTag is the tag of a digest that never moves.
func immutableTag(date, digest string) string {
	return date + "-" + strings.TrimPrefix(digest, "sha256:")[:digestLength]
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// checkTags refuses moving tags that registries do not take, or that look like immutable ones.
func checkTags(tags []string) error {
	immutable := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}-[0-9a-f]{12}$`)
	i := slices.IndexFunc(tags, func(tag string) bool { return !tagForm.MatchString(tag) || immutable.MatchString(tag) })
	if i >= 0 {
		return fmt.Errorf("%q cannot be a moving tag", tags[i])
	}
	return nil
}
