package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

// makeTarget makes the runfiles of a target with an engine that writes its arguments and its input beside itself.
func makeTarget(t *testing.T, engine string) (program, runfiles string) {
	t.Helper()
	runfiles = t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(runfiles, "_main", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("engine", engine, 0o755)
	write("tags.txt", "repository:tag\n", 0o644)
	platform := v1.Platform{OS: "linux", Architecture: "amd64"}
	if err := imagelayout.WriteImage(filepath.Join(runfiles, "_main", "image"), imagelayout.ImageOptions{Platform: platform}); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(target{Layout: "_main/image", Tags: "_main/tags.txt", Format: "docker", Loader: "_main/engine"})
	if err != nil {
		t.Fatal(err)
	}
	write("load.program.json", string(data), 0o644)
	t.Setenv("RUNFILES_DIR", runfiles)
	t.Setenv("RUNFILES_MANIFEST_FILE", "")
	return filepath.Join(runfiles, "_main", "load.program"), runfiles
}

func TestLoad(t *testing.T) {
	program, runfiles := makeTarget(t, "#!/bin/sh\necho \"$1 $2\" >\"$0.args\"\ncat \"$3\" >\"$0.input\"\n")
	if err := run(program); err != nil {
		t.Fatal(err)
	}
	args, err := os.ReadFile(filepath.Join(runfiles, "_main", "engine.args"))
	if err != nil {
		t.Fatal(err)
	}
	input, err := os.ReadFile(filepath.Join(runfiles, "_main", "engine.input"))
	if err != nil {
		t.Fatal(err)
	}
	if string(args) != "load --input\n" || !strings.Contains(string(input), `"RepoTags":["repository:tag"]`) {
		t.Errorf("got arguments %q and %d bytes, want load --input and an archive with the tag", args, len(input))
	}
}

func TestLoadSaysWhatFailed(t *testing.T) {
	program, _ := makeTarget(t, "#!/bin/sh\ncat \"$3\" >/dev/null\nexit 3\n")
	if err := run(program); err == nil || !strings.Contains(err.Error(), "engine load: exit status 3") {
		t.Errorf("got error %v, want the exit status of the engine", err)
	}
}

func TestFindEngine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := findEngine(); err == nil || !strings.Contains(err.Error(), "hint: set the attribute loader") {
		t.Errorf("got error %v, want a hint", err)
	}
}
