// Package gosdk reads and writes sdks.json, the Go SDKs that images hold: versions and the hashes that pin them.
//
// The Go project publishes each SDK as a version of one module, such as golang.org/toolchain@v0.0.1-go1.26.4.linux-amd64, through the same
// proxies and with the same checksum database as every module (go.dev/doc/toolchain).
package gosdk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Schema is the version of sdks.json.
const Schema = 1

const maxBytes = 1 << 20

// File is sdks.json.
type File struct {
	Schema int    `json:"schema"`
	Module string `json:"module"` // that the SDKs are versions of
	SDKs   []SDK  `json:"sdks"`   // by series
}

// SDK is one Go SDK for all architectures.
type SDK struct {
	Series  string            `json:"series"`  // minor version, such as "1.26"; updates stay in it
	Version string            `json:"version"` // such as "1.26.4"
	Digests map[string]string `json:"digests"` // OCI architecture to the h1: hash of the module's zip, as in go.sum
}

var (
	seriesForm  = regexp.MustCompile(`^1\.[1-9][0-9]*$`)
	versionForm = regexp.MustCompile(`^(1\.[1-9][0-9]*)\.([0-9]+)$`)
	digestForm  = regexp.MustCompile(`^h1:[A-Za-z0-9+/]{43}=$`)
	moduleForm  = regexp.MustCompile(`^v0\.0\.1-go(1\.[0-9]+\.[0-9]+)\.linux-([a-z0-9]+)$`)
)

// Read decodes sdks.json strictly and checks it. name is used in errors.
func Read(r io.Reader, name string) (*File, error) {
	var f File
	err := strictjson.Decode(r, maxBytes, &f)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return &f, nil
}

func (f *File) check() error {
	if f.Schema != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", f.Schema, Schema)
	}
	if f.Module == "" {
		return fmt.Errorf("no module")
	}
	for i, s := range f.SDKs {
		if !seriesForm.MatchString(s.Series) {
			return fmt.Errorf("series %q: must be like 1.26", s.Series)
		}
		if m := versionForm.FindStringSubmatch(s.Version); m == nil || m[1] != s.Series {
			return fmt.Errorf("series %s: version %q: must be like %s.1", s.Series, s.Version, s.Series)
		}
		if i > 0 && minor(f.SDKs[i-1].Series) >= minor(s.Series) {
			return fmt.Errorf("series %s: not sorted", s.Series)
		}
		if len(s.Digests) == 0 {
			return fmt.Errorf("series %s: no digests", s.Series)
		}
		for arch, digest := range s.Digests {
			if !digestForm.MatchString(digest) {
				return fmt.Errorf("series %s: digest of %s is %q: must be h1: and a hash, as in go.sum", s.Series, arch, digest)
			}
		}
	}
	return nil
}

func minor(series string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(series, "1."))
	return n
}

// Write encodes f.
func Write(w io.Writer, f *File) error {
	if err := f.check(); err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(f)
}

// ModuleVersion returns the version of the module that an SDK is.
func ModuleVersion(version, arch string) string {
	return fmt.Sprintf("v0.0.1-go%s.linux-%s", version, arch)
}

// Architectures returns the architectures of an SDK, sorted.
func (s *SDK) Architectures() []string {
	var out []string
	for arch := range s.Digests {
		out = append(out, arch)
	}
	slices.Sort(out)
	return out
}

// Latest returns the newest release of the SDK's series that is there for each of its architectures, of the versions of the module that a
// proxy lists. Release candidates do not count. It is the SDK's own version when the list has no newer one.
func (s *SDK) Latest(versions []string) string {
	archs := map[string]map[string]bool{}
	for _, v := range versions {
		if m := moduleForm.FindStringSubmatch(v); m != nil && strings.HasPrefix(m[1], s.Series+".") {
			if archs[m[1]] == nil {
				archs[m[1]] = map[string]bool{}
			}
			archs[m[1]][m[2]] = true
		}
	}
	best := s.Version
	for version, have := range archs {
		complete := !slices.ContainsFunc(s.Architectures(), func(arch string) bool { return !have[arch] })
		if complete && compare(version, best) > 0 {
			best = version
		}
	}
	return best
}

// compare orders versions of one series.
func compare(a, b string) int {
	patch := func(v string) int {
		n, _ := strconv.Atoi(v[strings.LastIndexByte(v, '.')+1:])
		return n
	}
	return cmp.Compare(patch(a), patch(b))
}
