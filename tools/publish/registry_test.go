package main

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rules-slimrpm/rules_slimrpm/tools/publish/registrytest"
)

// TestMain is also the program of an oci_push target: what FAKE_PUSHER names goes to --repository under --tag.
func TestMain(m *testing.M) {
	dir := os.Getenv("FAKE_PUSHER")
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := fakePush(dir, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ocipush: error:", err)
		os.Exit(1)
	}
}

func fakePush(dir string, args []string) error {
	if len(args) != 4 || args[0] != "--repository" || args[2] != "--tag" {
		return fmt.Errorf("arguments are %q", args)
	}
	ref, err := name.ParseReference(args[1] + ":" + args[3])
	if err != nil {
		return err
	}
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return err
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	return remote.WriteIndex(ref, index)
}

// serve starts a registry on loopback: Debian's docker-registry or, without it, one in memory.
func serve(t *testing.T) string {
	address, err := registrytest.Serve(t)
	if err != nil {
		t.Logf("%v; a registry in memory takes its place (./bazelw test //tools/publish:all has the real one)", err)
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(server.Close)
		address = strings.TrimPrefix(server.URL, "http://")
	}
	return address
}

// writeLayout writes an OCI layout with an index of two architectures, and returns its digest.
func writeLayout(t *testing.T, dir string) string {
	t.Helper()
	index := v1.ImageIndex(mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := random.Image(500, 1)
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	path, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = path.AppendIndex(index)
	}
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}
