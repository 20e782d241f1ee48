package lockfile

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// MaxLockBytes bounds rpms.lock.json; a lock of 10,000 packages has about 10 MB.
const MaxLockBytes = 256 << 20

// Read decodes and checks a lock; name is used in errors. Unknown keys and other schemas are refused.
func Read(r io.Reader, name string) (*Lock, error) {
	l, err := read(r)
	if err != nil {
		return nil, fmt.Errorf("reading lock %s: %w", name, err)
	}
	return l, nil
}

func read(r io.Reader) (*Lock, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxLockBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxLockBytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxLockBytes)
	}
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Schema == nil {
		return nil, errors.New("it has no schema number; it is not a lock")
	}
	if *head.Schema != Schema {
		return nil, &SchemaError{*head.Schema}
	}
	l := new(Lock)
	if err := strictjson.Decode(bytes.NewReader(data), int64(len(data)), l); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return l, l.Validate()
}

// SchemaError says that a lock is of another schema than this program reads.
type SchemaError struct{ Got int }

func (e *SchemaError) Error() string {
	if e.Got > Schema {
		return fmt.Sprintf("schema %d, this tool reads %d: a newer rules_slimrpm made it", e.Got, Schema)
	}
	return fmt.Sprintf("schema %d, this tool reads %d: an older rules_slimrpm made it", e.Got, Schema)
}

// Validate checks that the lock is complete in itself: sorted, every edge leads to a package, every package to a repository.
func (l *Lock) Validate() error {
	repositories := map[[2]string]bool{}
	for _, r := range l.Repositories {
		repositories[[2]string{r.ID, r.Arch}] = true
		if len(r.URLs) == 0 {
			return fmt.Errorf("repository %s of %s has no URL", r.ID, r.Arch)
		}
	}
	archs := make([]string, 0, len(l.Architectures))
	for arch := range l.Architectures {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	for _, arch := range archs {
		section := l.Architectures[arch]
		if section == nil {
			return fmt.Errorf("architecture %s is null", arch)
		}
		if err := section.validate(arch, repositories, l.ManifestDigest == Imported); err != nil {
			return fmt.Errorf("architecture %s: %w", arch, err)
		}
	}
	return nil
}

func (a *Architecture) validate(arch string, repositories map[[2]string]bool, imported bool) error {
	names := map[string]bool{}
	for i := range a.Packages {
		p := &a.Packages[i]
		if p.Name == "" {
			return fmt.Errorf("package %d has no name", i+1)
		}
		if i > 0 && p.Name <= a.Packages[i-1].Name {
			return fmt.Errorf("package %s is listed twice or out of order", p.Name)
		}
		names[p.Name] = true
	}
	for i := range a.Packages {
		p := &a.Packages[i]
		err := p.validate(arch, repositories, names)
		if err == nil && p.SizeBytes == 0 && !imported {
			err = errors.New("size_bytes 0 is not positive")
		}
		if err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
	}
	for _, root := range a.Roots {
		if !names[root] {
			return fmt.Errorf("root %s is not among the packages", root)
		}
	}
	return a.validateGroups(names)
}

func (p *Package) validate(arch string, repositories map[[2]string]bool, names map[string]bool) error {
	if !repositories[[2]string{p.Repository, arch}] {
		return fmt.Errorf("unknown repository %q", p.Repository)
	}
	if sum, err := hex.DecodeString(p.SHA256); err != nil || len(sum) != 32 || strings.ToLower(p.SHA256) != p.SHA256 {
		return fmt.Errorf("sha256 %q is not 64 lower-case hexadecimal digits", p.SHA256)
	}
	if p.SizeBytes < 0 {
		return fmt.Errorf("size_bytes %d is negative", p.SizeBytes)
	}
	if p.Path == "" || strings.HasPrefix(p.Path, "/") || strings.Contains(p.Path, "://") {
		return fmt.Errorf("path %q is not relative", p.Path)
	}
	for _, url := range p.URLs {
		if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
			return fmt.Errorf("url %q is not of http or https", url)
		}
	}
	for _, edges := range [][]string{p.ELF, p.Requires, p.Script, p.Scriptlet, p.Weak} {
		if !slices.IsSorted(edges) {
			return errors.New("its edges are not sorted")
		}
		for _, to := range edges {
			if !names[to] {
				return fmt.Errorf("its edge leads to %q, which is not locked", to)
			}
		}
	}
	return nil
}

// CheckFresh returns an error when the manifest has changed since the lock was made; command repairs it.
func (l *Lock) CheckFresh(manifest []byte, manifestName, lockName, command string) error {
	if l.ManifestDigest == Digest(manifest) {
		return nil
	}
	return cli.Hint(fmt.Errorf("%s is out of date: %s has changed since it was made", lockName, manifestName), "%s", command)
}

// OwnerOf returns the name of the package that has an executable, by its path; empty when none is known to have it.
func (a *Architecture) OwnerOf(path string) string {
	for i := range a.Packages {
		if slices.Contains(a.Packages[i].Executables, path) {
			return a.Packages[i].Name
		}
	}
	return ""
}

// EVR is the version of a package as "[epoch:]version-release".
func (p *Package) EVR() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
}

// Package returns a package of an architecture by name, nil when it is not locked.
func (a *Architecture) Package(name string) *Package {
	i, ok := slices.BinarySearchFunc(a.Packages, name, func(p Package, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return &a.Packages[i]
}
