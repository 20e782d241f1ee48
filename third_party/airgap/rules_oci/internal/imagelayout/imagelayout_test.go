package imagelayout

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/zstd"
)

var linuxAMD64 = v1.Platform{OS: "linux", Architecture: "amd64"}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// makeTar gives a tar with one file.
func makeTar(t *testing.T, name, content string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstdCompressed(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// layerFile writes a layer and describes it.
func layerFile(t *testing.T, data []byte) ImageLayer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layer")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	layer, err := DescribeLayer(path, "bazel build //:layer")
	if err != nil {
		t.Fatal(err)
	}
	return ImageLayer{Path: path, Layer: layer}
}

func writeImage(t *testing.T, o ImageOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	if err := WriteImage(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readImage(t *testing.T, dir string) Image {
	t.Helper()
	root, err := Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	image, err := ReadImage(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestDescribeLayer(t *testing.T) {
	plain := makeTar(t, "etc/motd", "hello\n")
	for _, row := range []struct {
		summary     string
		data        []byte
		compression string
	}{
		{"a tar stays as it is", plain, ""},
		{"an empty file is a layer without compression", nil, ""},
		{"a file of one byte has no magic", []byte{0x1f}, ""},
		{"gzip is found by content", gzipped(t, plain), "gzip"},
		{"two gzip members are one stream", append(gzipped(t, plain[:100]), gzipped(t, plain[100:])...), "gzip"},
		{"zstd is found by content", zstdCompressed(t, plain), "zstd"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			got := layerFile(t, row.data)
			want := plain
			if row.compression == "" {
				want = row.data
			}
			if got.Digest.String() != sha(row.data) || got.Size != int64(len(row.data)) ||
				got.DiffID.String() != sha(want) || got.Compression != row.compression {
				t.Errorf("got %+v, want digest %s, diff id %s, compression %q", got.Layer, sha(row.data), sha(want), row.compression)
			}
		})
	}
}

func TestDescribeLayerRefusesDamage(t *testing.T) {
	plain := makeTar(t, "f", strings.Repeat("x", 4096))
	for _, row := range []struct {
		summary string
		data    []byte
	}{
		{"a gzip file that ends early", gzipped(t, plain)[:40]},
		{"a zstd file that ends early", zstdCompressed(t, plain)[:20]},
		{"a gzip file with a wrong checksum", func() []byte { d := gzipped(t, plain); d[len(d)-6] ^= 1; return d }()},
	} {
		t.Run(row.summary, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "layer")
			if err := os.WriteFile(path, row.data, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := DescribeLayer(path, ""); err == nil || !strings.Contains(err.Error(), "describing layer "+path) {
				t.Errorf("got error %v, want one that names the layer", err)
			}
		})
	}
}

func TestWriteImageFromNothing(t *testing.T) {
	plain, zipped := makeTar(t, "a", "a"), gzipped(t, makeTar(t, "b", "b"))
	dir := writeImage(t, ImageOptions{
		Platform: v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
		Layers:   []ImageLayer{layerFile(t, plain), layerFile(t, zipped)},
		User:     "65532:65532", WorkDir: "/srv",
		Entrypoint: []string{"/bin/server"}, Cmd: []string{"--port", "80"},
		Env:          []string{"PATH=/bin", "PATH=$PATH:/sbin", "A=${PATH}x$UNKNOWN"},
		ExposedPorts: []string{"80/tcp"}, Volumes: []string{"/data"},
		Labels: map[string]string{"l": "v"}, Annotations: map[string]string{"a": "b"},
	})
	image := readImage(t, dir)
	config, err := json.Marshal(image.Config)
	if err != nil {
		t.Fatal(err)
	}
	wantConfig := `{"architecture":"arm64","created":"1970-01-01T00:00:00Z","history":[` +
		`{"created":"1970-01-01T00:00:00Z","created_by":"bazel build //:layer"},` +
		`{"created":"1970-01-01T00:00:00Z","created_by":"bazel build //:layer"}],` +
		`"os":"linux","rootfs":{"type":"layers","diff_ids":["` + sha(plain) + `","` + sha(makeTar(t, "b", "b")) + `"]},` +
		`"config":{"Cmd":["--port","80"],"Entrypoint":["/bin/server"],"Env":["PATH=/bin:/sbin","A=/bin:/sbinx"],` +
		`"Labels":{"l":"v"},"User":"65532:65532","Volumes":{"/data":{}},"WorkingDir":"/srv","ExposedPorts":{"80/tcp":{}}},` +
		`"variant":"v8"}`
	if string(config) != wantConfig {
		t.Errorf("got config\n%s\nwant\n%s", config, wantConfig)
	}
	var mediaTypes []string
	for _, l := range image.Manifest.Layers {
		mediaTypes = append(mediaTypes, string(l.MediaType))
	}
	wantTypes := []string{"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"}
	if !reflect.DeepEqual(mediaTypes, wantTypes) {
		t.Errorf("got layer media types %v, want %v", mediaTypes, wantTypes)
	}
	if got := image.Manifest.Annotations; !reflect.DeepEqual(got, map[string]string{"a": "b"}) {
		t.Errorf("got annotations %v", got)
	}
}

func TestWriteImageOnBase(t *testing.T) {
	base := writeImage(t, ImageOptions{
		Platform: linuxAMD64, Layers: []ImageLayer{layerFile(t, makeTar(t, "a", "a"))},
		Entrypoint: []string{"/base"}, Cmd: []string{"arg"}, User: "base", Env: []string{"PATH=/bin", "KEEP=1"},
		Labels: map[string]string{"one": "1", "two": "2"}, Volumes: []string{"/v"}, Annotations: map[string]string{"x": "y"},
	})
	image := readImage(t, writeImage(t, ImageOptions{
		Base: base, Layers: []ImageLayer{layerFile(t, makeTar(t, "b", "b"))},
		Entrypoint: []string{"/child"}, Env: []string{"PATH=/child:$PATH"}, Labels: map[string]string{"two": "II"},
	}))
	c := image.Config.Config
	if image.Config.Architecture != "amd64" || len(image.Config.RootFS.DiffIDs) != 2 || len(image.Config.History) != 2 {
		t.Errorf("got %+v, want the platform of the base and two layers", image.Config)
	}
	if c.Cmd != nil {
		t.Errorf("got cmd %v, want none: a new entrypoint resets it", c.Cmd)
	}
	if want := []string{"PATH=/child:/bin", "KEEP=1"}; !reflect.DeepEqual(c.Env, want) {
		t.Errorf("got env %v, want %v", c.Env, want)
	}
	if want := map[string]string{"one": "1", "two": "II"}; !reflect.DeepEqual(c.Labels, want) {
		t.Errorf("got labels %v, want %v", c.Labels, want)
	}
	if _, kept := c.Volumes["/v"]; !kept || c.User != "base" || image.Manifest.Annotations["x"] != "y" {
		t.Errorf("got %+v, annotations %v, want user, volume and annotation of the base", c, image.Manifest.Annotations)
	}
}

func TestWriteImageRefuses(t *testing.T) {
	for _, row := range []struct {
		summary string
		options ImageOptions
		want    string
	}{
		{"an environment entry without a value", ImageOptions{Env: []string{"PATH"}}, `environment variable "PATH"`},
		{"a time in another format", ImageOptions{Created: "yesterday"}, "reading the creation time"},
		{"a base that is no layout", ImageOptions{Base: t.TempDir()}, "index.json"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			err := WriteImage(t.TempDir(), row.options)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestSameInputsSameBytes(t *testing.T) {
	layer := layerFile(t, makeTar(t, "a", "a"))
	o := ImageOptions{Platform: linuxAMD64, Layers: []ImageLayer{layer},
		Labels: map[string]string{"a": "1", "b": "2", "c": "3"}, Volumes: []string{"/x", "/y", "/z"}}
	first := readImage(t, writeImage(t, o)).Descriptor.Digest
	for range 20 {
		if again := readImage(t, writeImage(t, o)).Descriptor.Digest; again != first {
			t.Fatalf("got digest %s, then %s", first, again)
		}
	}
}

// writeIndex gives an index of two images, as a layout that the reference library finds valid.
func writeIndex(t *testing.T) string {
	t.Helper()
	// Compressed, because the library that validates takes every layer for gzip.
	layer := layerFile(t, gzipped(t, makeTar(t, "a", "a")))
	amd64 := writeImage(t, ImageOptions{Platform: linuxAMD64, Layers: []ImageLayer{layer}})
	arm64 := writeImage(t, ImageOptions{Platform: v1.Platform{OS: "linux", Architecture: "arm64"}, Layers: []ImageLayer{layer}})
	dir := filepath.Join(t.TempDir(), "index")
	if err := WriteIndex(dir, []string{amd64, arm64}, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWriteIndex(t *testing.T) {
	dir := writeIndex(t)
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	root, err := Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(root.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Errorf("validating the index: %v", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if want := []string{"linux/amd64", "linux/arm64"}; !reflect.DeepEqual(platforms, want) || manifest.Annotations["k"] != "v" {
		t.Errorf("got platforms %v, annotations %v, want %v, k=v", platforms, manifest.Annotations, want)
	}
}

func TestWriteIndexRefusesOnePlatformTwice(t *testing.T) {
	one, two := writeImage(t, ImageOptions{Platform: linuxAMD64}), writeImage(t, ImageOptions{Platform: linuxAMD64, User: "x"})
	err := WriteIndex(t.TempDir(), []string{one, two}, nil)
	if err == nil || !strings.Contains(err.Error(), two) || !strings.Contains(err.Error(), one+" is also for platform linux/amd64") {
		t.Errorf("got error %v, want one that names both images", err)
	}
}

func archiveNames(t *testing.T, data []byte) []string {
	t.Helper()
	var names []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestWriteArchive(t *testing.T) {
	layer := layerFile(t, makeTar(t, "a", "a"))
	image := writeImage(t, ImageOptions{Platform: linuxAMD64, Layers: []ImageLayer{layer, layer}})
	var docker bytes.Buffer
	if err := WriteArchive(&docker, image, "docker", []string{"r:t"}); err != nil {
		t.Fatal(err)
	}
	config := readImage(t, image).Manifest.Config.Digest.Hex
	want := []string{"blobs/sha256/" + config, "blobs/sha256/" + layer.Digest.Hex + ".tar.gz", "manifest.json"}
	if got := archiveNames(t, docker.Bytes()); !reflect.DeepEqual(got, want) {
		t.Errorf("got names %v, want %v: a layer that is used twice is there once", got, want)
	}
	var oci bytes.Buffer
	if err := WriteArchive(&oci, writeIndex(t), "oci", []string{"r:t"}); err != nil {
		t.Fatal(err)
	}
	// oci-layout, the index, two manifests, two configurations, the shared layer, index.json.
	if got := archiveNames(t, oci.Bytes()); len(got) != 8 || got[0] != "oci-layout" || got[7] != "index.json" {
		t.Errorf("got names %v, want eight from oci-layout to index.json", got)
	}
	for _, row := range []struct{ summary, dir, format, want string }{
		{"an index is no docker archive", writeIndex(t), "docker", `use format = "oci"`},
		{"an image is no oci archive", image, "oci", `use format = "docker"`},
		{"a format that does not exist", image, "tar", `unknown format "tar"`},
	} {
		if err := WriteArchive(io.Discard, row.dir, row.format, nil); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got error %v, want one with %q", row.summary, err, row.want)
		}
	}
}

func FuzzReadLayout(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:` +
		strings.Repeat("0", 64) + `","size":2}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"sha256:../../x"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "index.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		root, err := Root(dir)
		if err != nil {
			return
		}
		if path := blobPath(dir, root.Digest); !strings.HasPrefix(path, dir) {
			t.Fatalf("a digest leads out of the layout: %s", path)
		}
		// Nothing but index.json is there.
		if _, err := ReadImage(dir, root); err == nil {
			t.Fatal("read an image that does not exist")
		}
	})
}
