// Package verdict defines passed.json, which the test of an image leaves behind when it has passed: the proof that exactly this image
// was run. Bazel keeps what a test writes to its folder of undeclared outputs below bazel-testlogs, and removes it before the test
// runs again.
package verdict

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Name is the name of the file.
const Name = "passed.json"

// Schema is the version of the format.
const Schema = 1

const maxBytes = 1 << 16

// Verdict is passed.json.
type Verdict struct {
	Schema int    `json:"schema"`
	Test   string `json:"test"`   // label of the test
	Digest string `json:"digest"` // of what the layout names: the index of all architectures
	Arch   string `json:"arch"`   // OCI architecture that was run
	Checks int    `json:"checks"` // that passed
	// Skipped counts checks that ran the image and said why they could not go on, such as under emulation.
	Skipped int `json:"skipped,omitempty"`
}

// Write writes the verdict into a folder.
func Write(dir string, v Verdict) error {
	v.Schema = Schema
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, Name), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the verdict: %w", err)
	}
	return nil
}

// Read looks for the verdict of a test below bazel-testlogs, where Bazel keeps undeclared outputs as files or in outputs.zip. Without
// one, the error wraps fs.ErrNotExist.
func Read(testlogs, label string) (*Verdict, error) {
	outputs := filepath.Join(testlogs, filepath.FromSlash(strings.ReplaceAll(strings.TrimLeft(label, "@/"), ":", "/")), "test.outputs")
	data, err := os.ReadFile(filepath.Join(outputs, Name))
	if errors.Is(err, fs.ErrNotExist) {
		data, err = fromZip(filepath.Join(outputs, "outputs.zip"))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the verdict of %s: %w", label, err)
	}
	var v Verdict
	if err := strictjson.Decode(bytes.NewReader(data), maxBytes, &v); err != nil {
		return nil, fmt.Errorf("reading the verdict of %s: %w", label, err)
	}
	if v.Schema != Schema {
		return nil, fmt.Errorf("reading the verdict of %s: schema %d, this program reads %d", label, v.Schema, Schema)
	}
	return &v, nil
}

// LayoutDigest is the digest of what an OCI layout names.
func LayoutDigest(dir string) (string, error) {
	name := filepath.Join(dir, "index.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("reading image layout: %w", err)
	}
	var index struct {
		Manifests []struct {
			Digest string `json:"digest"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return "", fmt.Errorf("reading image layout %s: %w", name, err)
	}
	if len(index.Manifests) != 1 {
		return "", fmt.Errorf("reading image layout %s: it names %d images, want one", name, len(index.Manifests))
	}
	return index.Manifests[0].Digest, nil
}

func fromZip(name string) ([]byte, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	f, err := z.Open(Name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}
