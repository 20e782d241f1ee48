// Package konflux reads and writes rpms.lock.yaml, the format of rpm-lockfile-prototype that Konflux builds prefetch from.
package konflux

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Version is the version of the format.
const Version = 1

// Vendor is the only known value of lockfileVendor.
const Vendor = "redhat"

// Lock is rpms.lock.yaml.
type Lock struct {
	Version int    `yaml:"lockfileVersion"`
	Vendor  string `yaml:"lockfileVendor"`
	Arches  []Arch `yaml:"arches"`
}

// Arch holds the packages of one architecture.
type Arch struct {
	Arch     string    `yaml:"arch"`
	Packages []Package `yaml:"packages"`
	Source   []Package `yaml:"source"`
	Modules  []Package `yaml:"module_metadata"`
}

// Package is one file.
type Package struct {
	URL       string `yaml:"url"`
	RepoID    string `yaml:"repoid,omitempty"`
	Size      int64  `yaml:"size,omitempty"`
	Checksum  string `yaml:"checksum,omitempty"` // "sha256:hex"
	Name      string `yaml:"name,omitempty"`
	EVR       string `yaml:"evr,omitempty"`
	SourceRPM string `yaml:"sourcerpm,omitempty"`
}

// maxBytes bounds a file.
const maxBytes = 64 << 20

// Read decodes a lock. Unknown keys are errors: what they mean would be lost.
func Read(data []byte) (l *Lock, err error) {
	defer func() { // the YAML decoder reports some malformed documents by panicking
		if r := recover(); r != nil {
			l, err = nil, fmt.Errorf("reading rpms.lock.yaml: malformed YAML: %v", r)
		}
	}()
	if len(data) > maxBytes {
		return nil, fmt.Errorf("reading rpms.lock.yaml: larger than %d bytes", maxBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	l = &Lock{}
	if err := dec.Decode(l); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("reading rpms.lock.yaml: %w", err)
	}
	if l.Version != Version || l.Vendor != Vendor {
		return nil, fmt.Errorf("reading rpms.lock.yaml: lockfileVersion %d of vendor %q, this tool reads version %d of vendor %q", l.Version, l.Vendor, Version, Vendor)
	}
	return l, nil
}

// Write encodes a lock.
func Write(w io.Writer, l *Lock) error {
	var out bytes.Buffer
	out.WriteString("---\n")
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(l); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}
