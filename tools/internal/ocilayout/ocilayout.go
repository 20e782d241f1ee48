// Package ocilayout reads images from a folder in the layout of the OCI image specification, as oci_pull, skopeo and umoci make
// them.
//
// An image is found by operating system and architecture, through any depth of indexes. Manifests may be OCI's or Docker's,
// layers plain tars, gzip or zstd. Every blob is checked against its digest and size, every decompressed layer against the
// diff_id of the configuration. Layers that the layout does not hold (foreign ones) are an error.
package ocilayout

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// Limits on what a layout may hold.
const (
	maxJSON   = 16 << 20
	maxDepth  = 8
	maxLayers = 1024
)

// Media types of what holds manifests; everything else in an index is taken for a manifest of an image.
var indexTypes = []string{"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}

// descriptor is a reference to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform"`
	Annotations map[string]string `json:"annotations"`
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

func (p platform) String() string { return p.OS + "/" + p.Architecture }

// index is index.json, and the blob of an image index.
type index struct {
	Manifests []descriptor `json:"manifests"`
}

type manifest struct {
	Config descriptor   `json:"config"`
	Layers []descriptor `json:"layers"`
}

type config struct {
	platform
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// Image is one image of a layout.
type Image struct {
	Digest string // of its manifest
	dir    string
	layers []descriptor
	diffs  []string
}

// Open finds the linux image of an architecture, named as Go and OCI do: amd64, arm64.
func Open(dir, arch string) (*Image, error) {
	image, err := open(dir, platform{"linux", arch})
	if err != nil {
		return nil, fmt.Errorf("reading image %s: %w", dir, err)
	}
	return image, nil
}

func open(dir string, want platform) (*Image, error) {
	data, err := readFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, cli.Hint(err, "an OCI layout is a folder with index.json, oci-layout and blobs; skopeo copy SOURCE oci:DIR makes one")
	}
	s := &search{dir: dir, want: want, seen: map[string]bool{}}
	if err := s.index(data, 0); err != nil {
		return nil, err
	}
	slices.Sort(s.others)
	switch others := strings.Join(slices.Compact(s.others), ", "); {
	case len(s.found) == 0 && others == "":
		return nil, errors.New("it holds no image")
	case len(s.found) == 0:
		return nil, fmt.Errorf("it holds no image for %s, only for %s", want, others)
	case len(s.found) > 1:
		return nil, cli.Hint(fmt.Errorf("it holds %d images for %s: %s and %s", len(s.found), want, s.found[0].Digest, s.found[1].Digest),
			"copy the one that is meant into a layout of its own")
	}
	return s.found[0], nil
}

// search looks for images of a platform.
type search struct {
	dir    string
	want   platform
	seen   map[string]bool // digests
	found  []*Image
	others []string // platforms
}

func (s *search) index(data []byte, depth int) error {
	var x index
	if err := json.Unmarshal(data, &x); err != nil {
		return fmt.Errorf("reading its index: %w", err)
	}
	for _, d := range x.Manifests {
		if s.seen[d.Digest] {
			continue
		}
		s.seen[d.Digest] = true
		if d.Platform != nil && d.Platform.Architecture != "" && !slices.Contains(indexTypes, d.MediaType) && *d.Platform != s.want {
			s.others = append(s.others, d.Platform.String())
			continue
		}
		blob, err := readBlob(s.dir, d)
		if err != nil {
			return err
		}
		if slices.Contains(indexTypes, d.MediaType) {
			if depth == maxDepth {
				return fmt.Errorf("its indexes are nested deeper than %d", maxDepth)
			}
			if err := s.index(blob, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := s.manifest(d, blob); err != nil {
			return fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
	}
	return nil
}

func (s *search) manifest(d descriptor, blob []byte) error {
	var m manifest
	if err := json.Unmarshal(blob, &m); err != nil {
		return err
	}
	if !strings.Contains(m.Config.MediaType, "image") {
		s.others = append(s.others, m.Config.MediaType) // an artifact, such as a signature
		return nil
	}
	data, err := readBlob(s.dir, m.Config)
	if err != nil {
		return err
	}
	var c config
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	if c.platform != s.want {
		s.others = append(s.others, c.platform.String())
		return nil
	}
	if len(m.Layers) != len(c.RootFS.DiffIDs) || len(m.Layers) > maxLayers {
		return fmt.Errorf("%d layers, its configuration %s names %d; allowed are %d", len(m.Layers), m.Config.Digest, len(c.RootFS.DiffIDs), maxLayers)
	}
	s.found = append(s.found, &Image{Digest: d.Digest, dir: s.dir, layers: m.Layers, diffs: c.RootFS.DiffIDs})
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err == nil && len(data) > maxJSON {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxJSON)
	}
	return data, err
}

// readBlob reads a small blob.
func readBlob(dir string, d descriptor) ([]byte, error) {
	name, sum, err := blobPath(dir, d.Digest)
	if err != nil {
		return nil, err
	}
	data, err := readFile(name)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	sum.Write(data)
	return data, check(d, int64(len(data)), sum)
}

var digestForm = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)

// blobPath returns where a blob lies and the hash that its digest is made with.
func blobPath(dir, digest string) (string, hash.Hash, error) {
	if !digestForm.MatchString(digest) {
		return "", nil, fmt.Errorf("%q is no digest", digest)
	}
	algorithm, name, _ := strings.Cut(digest, ":")
	sum := sha256.New()
	if algorithm == "sha512" {
		sum = sha512.New()
	}
	return filepath.Join(dir, "blobs", algorithm, name), sum, nil
}

func check(d descriptor, size int64, sum hash.Hash) error {
	_, want, _ := strings.Cut(d.Digest, ":")
	if got := hex.EncodeToString(sum.Sum(nil)); got != want || d.Size != 0 && d.Size != size {
		return fmt.Errorf("blob %s: %d bytes with digest %s, %d bytes are wanted", d.Digest, size, got, d.Size)
	}
	return nil
}

// Layers is the number of layers.
func (x *Image) Layers() int { return len(x.layers) }

// CopyLayer writes layer i, the lowest first, as a plain tar. Only when it returns no error is what it wrote the layer.
func (x *Image) CopyLayer(w io.Writer, i int) error {
	if err := x.copyLayer(w, i); err != nil {
		return fmt.Errorf("layer %d of image %s: %w", i+1, x.Digest, err)
	}
	return nil
}

func (x *Image) copyLayer(w io.Writer, i int) error {
	d := x.layers[i]
	name, sum, err := blobPath(x.dir, d.Digest)
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) && strings.Contains(d.MediaType, "foreign") || strings.Contains(d.MediaType, "nondistributable") && err != nil {
		return fmt.Errorf("blob %s is a layer that registries do not give (%s)", d.Digest, d.MediaType)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	blob := &counter{r: io.TeeReader(f, sum)}
	_, diff, err := blobPath("", x.diffs[i])
	if err != nil {
		return err
	}
	r, err := decompress(blob)
	if err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	defer r.Close()
	if _, err := io.Copy(io.MultiWriter(w, diff), r); err != nil {
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if _, err := io.Copy(io.Discard, blob); err != nil { // behind the end of the compressed data
		return err
	}
	if err := check(d, blob.n, sum); err != nil {
		return err
	}
	if _, want, _ := strings.Cut(x.diffs[i], ":"); hex.EncodeToString(diff.Sum(nil)) != want {
		return fmt.Errorf("blob %s: decompressed it has the digest %x, the configuration wants %s", d.Digest, diff.Sum(nil), x.diffs[i])
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	skippable = []byte{0x2a, 0x4d, 0x18} // end of the magic of a zstd frame without data, which zstd:chunked may start with
)

func isZstd(start []byte) bool {
	return bytes.HasPrefix(start, zstdMagic) || len(start) == 4 && start[0]&0xf0 == 0x50 && bytes.Equal(start[1:], skippable)
}
