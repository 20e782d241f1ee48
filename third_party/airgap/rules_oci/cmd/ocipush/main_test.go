package main

import (
	"io"
	"log"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	image, index := filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "index")
	if err := imagelayout.WriteImage(image, imagelayout.ImageOptions{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}); err != nil {
		t.Fatal(err)
	}
	if err := imagelayout.WriteIndex(index, []string{image}, nil); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{image, index} {
		repository := strings.TrimPrefix(server.URL, "http://") + "/" + filepath.Base(dir)
		if err := push(options{dir: dir, repository: repository, tags: []string{"one", "two"}}); err != nil {
			t.Fatal(err)
		}
		root, err := imagelayout.Root(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, reference := range []string{repository + "@" + root.Digest.String(), repository + ":one", repository + ":two"} {
			ref, err := name.ParseReference(reference)
			if err != nil {
				t.Fatal(err)
			}
			got, err := remote.Get(ref)
			if err != nil {
				t.Fatal(err)
			}
			if got.Digest != root.Digest {
				t.Errorf("got %s at %s, want %s", got.Digest, reference, root.Digest)
			}
		}
	}
}

func TestPushRefuses(t *testing.T) {
	for _, row := range []struct {
		summary string
		options options
		want    string
	}{
		{"a repository that is no name", options{repository: "UPPER CASE"}, "reading the repository"},
		{"a folder that is no layout", options{repository: "localhost/x", dir: t.TempDir()}, "reading image layout"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			if err := push(row.options); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	o := options{repository: "target", tags: []string{"t1"}}
	if err := o.parse([]string{"-r", "mine", "--tag=t2", "-t", "t3", "--insecure"}); err != nil {
		t.Fatal(err)
	}
	if o.repository != "mine" || strings.Join(o.tags, " ") != "t1 t2 t3" || !o.insecure {
		t.Errorf("got %+v, want the repository of the command line and all tags", o)
	}
	empty := options{}
	if err := empty.parse(nil); err == nil || !strings.Contains(err.Error(), "hint: set the attribute repository") {
		t.Errorf("got error %v, want a hint", err)
	}
}
