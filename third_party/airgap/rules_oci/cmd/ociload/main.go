// Ociload loads an image into a container engine: it is the program behind `bazel run` of an oci_load target. The
// target's file beside the program, <program>.json, says which image, in terms of Bazel's runfiles.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/bazelbuild/rules_go/go/runfiles"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

// engines are looked for in this order.
var engines = []string{"docker", "podman", "nerdctl"}

type target struct {
	Layout string `json:"layout"` // runfiles path of the image layout
	Tags   string `json:"tags"`   // runfiles path of the tags, one per line
	Format string `json:"format"` // docker or oci
	Loader string `json:"loader"` // runfiles path of the engine's program, "" to look for one
}

func main() {
	if err := run(os.Args[0]); err != nil {
		fmt.Fprintf(os.Stderr, "ociload: error: %v\n", err)
		os.Exit(1)
	}
}

func run(program string) error {
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
	for _, path := range []*string{&t.Layout, &t.Tags, &t.Loader} {
		if *path == "" {
			continue
		}
		if *path, err = files.Rlocation(*path); err != nil {
			return fmt.Errorf("looking for a runfile: %w", err)
		}
	}
	if t.Loader == "" {
		if t.Loader, err = findEngine(); err != nil {
			return err
		}
	}
	tags, err := os.ReadFile(t.Tags)
	if err != nil {
		return fmt.Errorf("reading the tags: %w", err)
	}
	return load(t, strings.Fields(string(tags)))
}

func findEngine() (string, error) {
	for _, name := range engines {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("looking for a container engine: none of %s is in PATH\nhint: set the attribute loader",
		strings.Join(engines, ", "))
}

// load streams the archive to `engine load`, so that it never lies on the disk.
func load(t target, tags []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	cmd := exec.Command(t.Loader, "load", "--input", "/dev/fd/3")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{r}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running %s: %w", t.Loader, err)
	}
	r.Close()
	writeErr := errors.Join(imagelayout.WriteArchive(w, t.Layout, t.Format, tags), w.Close())
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("running %s load: %w", t.Loader, err)
	}
	return writeErr
}
