package ocilayout

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocitest"
)

func layers(t *testing.T, x *Image) (out []string) {
	t.Helper()
	for i := range x.Layers() {
		var buf bytes.Buffer
		if err := x.CopyLayer(&buf, i); err != nil {
			t.Fatal(err)
		}
		out = append(out, buf.String())
	}
	return out
}

func TestOpen(t *testing.T) {
	amd := ocitest.Image{Arch: "amd64", Layers: [][]byte{[]byte("plain"), []byte("zipped"), []byte("zstandard")}, Compression: []string{"", "gzip", "zstd"}}
	arm := ocitest.Image{Arch: "arm64", Layers: [][]byte{[]byte("other")}, Compression: []string{"gzip"}, Docker: true}
	bare := amd
	bare.NoPlatform = true
	for _, c := range []struct {
		summary string
		dir     string
		arch    string
		want    string
	}{
		{"one image", ocitest.Layout(t, false, amd), "amd64", "plain zipped zstandard"},
		{"one of two", ocitest.Layout(t, false, amd, arm), "arm64", "other"},
		{"an index in the index", ocitest.Layout(t, true, amd, arm), "amd64", "plain zipped zstandard"},
		{"an index without platforms, as oci_pull makes it", ocitest.Layout(t, false, bare), "amd64", "plain zipped zstandard"},
		{"the same image twice", ocitest.Layout(t, false, amd, amd), "amd64", "plain zipped zstandard"},
	} {
		x, err := Open(c.dir, c.arch)
		if err != nil {
			t.Errorf("%s: %v", c.summary, err)
			continue
		}
		if got := strings.Join(layers(t, x), " "); got != c.want {
			t.Errorf("%s: got %q", c.summary, got)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	amd := ocitest.Image{Arch: "amd64", Layers: [][]byte{[]byte("a")}}
	other := ocitest.Image{Arch: "amd64", Layers: [][]byte{[]byte("b")}}
	artifact := t.TempDir()
	config := ocitest.Blob(t, artifact, "application/vnd.dev.cosign.artifact.sig.v1+json", []byte("{}"))
	ocitest.WriteFile(t, artifact, "index.json", ocitest.Index([]ocitest.Descriptor{
		ocitest.Blob(t, artifact, "application/vnd.oci.image.manifest.v1+json", fmt.Appendf(nil, `{"config":{"mediaType":%q,"digest":%q},"layers":[]}`, config.MediaType, config.Digest))}))
	text := func(index string) string {
		dir := t.TempDir()
		ocitest.WriteFile(t, dir, "index.json", []byte(index))
		return dir
	}
	for _, c := range []struct{ summary, dir, want string }{
		{"no layout", t.TempDir(), "index.json: no such file"},
		{"an index that is no JSON", text("<"), "reading its index"},
		{"nothing in it", ocitest.Layout(t, false), "it holds no image"},
		{"another architecture only", ocitest.Layout(t, false, ocitest.Image{Arch: "arm64"}), "it holds no image for linux/amd64, only for linux/arm64"},
		{"two images", ocitest.Layout(t, false, amd, other), "it holds 2 images for linux/amd64"},
		{"a signature", artifact, "only for application/vnd.dev.cosign"},
		{"a digest that leads elsewhere", text(`{"manifests":[{"digest":"sha256:../../etc/passwd"}]}`), "is no digest"},
		{"a blob that is not there", text(`{"manifests":[{"digest":"sha256:` + strings.Repeat("0", 64) + `"}]}`), "no such file"},
	} {
		_, err := Open(c.dir, "amd64")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	if _, err := Open(t.TempDir(), "amd64"); len(cli.Hints(err)) != 1 {
		t.Errorf("no hint for %v", err)
	}
}

// TestDamage changes a byte of every blob, and cuts every blob: nothing may pass.
func TestDamage(t *testing.T) {
	for _, compression := range []string{"", "gzip", "zstd"} {
		dir := ocitest.Layout(t, false, ocitest.Image{Arch: "amd64", Layers: [][]byte{bytes.Repeat([]byte("layer "), 1000)}, Compression: []string{compression}})
		blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
		if err != nil || len(blobs) != 3 {
			t.Fatalf("%d blobs (%v)", len(blobs), err)
		}
		for _, blob := range blobs {
			good, err := os.ReadFile(blob)
			if err != nil {
				t.Fatal(err)
			}
			changed := bytes.Clone(good)
			changed[len(changed)/2] ^= 1
			for _, bad := range [][]byte{changed, good[:len(good)-1], append(bytes.Clone(good), 0), nil} {
				if err := os.WriteFile(blob, bad, 0o644); err != nil {
					t.Fatal(err)
				}
				x, err := Open(dir, "amd64")
				if err == nil {
					err = x.CopyLayer(&bytes.Buffer{}, 0)
				}
				if err == nil {
					t.Errorf("%s: a damaged blob of %d bytes was read", compression, len(bad))
				}
			}
			if err := os.WriteFile(blob, good, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
