// Package tests looks at what the rules have made of tests/BUILD.bazel. It runs under Bazel only.
package tests

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bazelbuild/rules_go/go/runfiles"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

// runfile gives the n-th argument of the test target.
func runfile(t *testing.T, n int) string {
	t.Helper()
	if flag.NArg() <= n {
		t.Skip("the arguments of the Bazel target are missing")
	}
	path, err := runfiles.Rlocation(flag.Arg(n))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func config(t *testing.T, dir string, desc v1.Descriptor) string {
	t.Helper()
	image, err := imagelayout.ReadImage(dir, desc)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(image.Config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestImage(t *testing.T) {
	dir := runfile(t, 0)
	root, err := imagelayout.Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := config(t, dir, root)
	for _, want := range []string{
		`"os":"linux"`, `"created":"1970-01-01T00:00:00Z"`, `tests:layer"}]`,
		`"config":{"Cmd":["--flag","two words"],"Entrypoint":["/bin/program"],"Env":["PATH=/opt/bin:/bin"],` +
			`"Labels":{"base":"label=with=signs","child":"label"},"User":"65532","Volumes":{"/data":{}},"WorkingDir":"/srv",` +
			`"ExposedPorts":{"80/tcp":{}}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got config %s, want it to hold %s", got, want)
		}
	}
}

func TestIndexHasAnImagePerPlatform(t *testing.T) {
	dir := runfile(t, 1)
	root, err := imagelayout.Root(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", root.Digest.Hex))
	if err != nil {
		t.Fatal(err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 2 || index.Annotations["kind"] != "index" {
		t.Fatalf("got %d manifests, annotations %v, want 2, kind=index", len(index.Manifests), index.Annotations)
	}
	for i, architecture := range []string{"amd64", "arm64"} {
		m := index.Manifests[i]
		if m.Platform.Architecture != architecture || !strings.Contains(config(t, dir, m), `"architecture":"`+architecture+`"`) {
			t.Errorf("got %s for image %d, want architecture %s there and in its configuration", m.Platform, i, architecture)
		}
	}
	digest, err := os.ReadFile(runfile(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if string(digest) != root.Digest.String()+"\n" {
		t.Errorf("got digest file %q, want %s", digest, root.Digest)
	}
}

func TestTarball(t *testing.T) {
	f, err := os.Open(runfile(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := ""
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = h.Name
	}
	if last != "manifest.json" {
		t.Errorf("got last file %q, want manifest.json", last)
	}
}

// TestPushFindsItsTarget runs the program with a repository that fails before anything is sent.
func TestPushFindsItsTarget(t *testing.T) {
	out, err := exec.Command(runfile(t, 4), "--repository=NOT A NAME").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "reading the repository") {
		t.Errorf("got error %v, output %s, want a complaint about the repository", err, out)
	}
}
