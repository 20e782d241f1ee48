// Package ocitest makes OCI layouts for tests.
package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Image is one image. Its layers are tars as they are; Compression of each, if given, is "", "gzip" or "zstd".
type Image struct {
	Arch        string
	Layers      [][]byte
	Compression []string
	Docker      bool // media types of Docker
	NoPlatform  bool // in the index
}

// Descriptor is a reference to a blob, for tests that write their own manifests.
type Descriptor struct {
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int               `json:"size"`
	Platform  map[string]string `json:"platform,omitempty"`
}

// Layout writes images into a folder of their own; nested says to put them into an index below index.json.
func Layout(t testing.TB, nested bool, images ...Image) string {
	t.Helper()
	dir := t.TempDir()
	var list []Descriptor
	for _, image := range images {
		list = append(list, image.write(t, dir))
	}
	if nested {
		list = []Descriptor{Blob(t, dir, "application/vnd.oci.image.index.v1+json", Index(list))}
	}
	WriteFile(t, dir, "index.json", Index(list))
	WriteFile(t, dir, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return dir
}

// Index is an image index.
func Index(list []Descriptor) []byte {
	return encode(map[string]any{"schemaVersion": 2, "manifests": list})
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// WriteFile writes a file below dir.
func WriteFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Blob writes a blob.
func Blob(t testing.TB, dir, mediaType string, data []byte) Descriptor {
	t.Helper()
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	WriteFile(t, dir, "blobs/sha256/"+sum, data)
	return Descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(data)}
}

func (image Image) write(t testing.TB, dir string) Descriptor {
	t.Helper()
	layerType, configType, manifestType := "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.manifest.v1+json"
	if image.Docker {
		layerType, configType, manifestType = "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.container.image.v1+json",
			"application/vnd.docker.distribution.manifest.v2+json"
	}
	var layers []Descriptor
	var diffs []string
	for i, data := range image.Layers {
		diffs = append(diffs, fmt.Sprintf("sha256:%x", sha256.Sum256(data)))
		mediaType := layerType
		if i < len(image.Compression) {
			data = compress(t, image.Compression[i], data)
			if image.Compression[i] != "" && !image.Docker {
				mediaType += "+" + image.Compression[i]
			}
		}
		layers = append(layers, Blob(t, dir, mediaType, data))
	}
	config := Blob(t, dir, configType, encode(map[string]any{"os": "linux", "architecture": image.Arch, "rootfs": map[string]any{"type": "layers", "diff_ids": diffs}}))
	manifest := Blob(t, dir, manifestType, encode(map[string]any{"schemaVersion": 2, "config": config, "layers": layers}))
	if !image.NoPlatform {
		manifest.Platform = map[string]string{"os": "linux", "architecture": image.Arch}
	}
	return manifest
}

func compress(t testing.TB, method string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	switch method {
	case "gzip":
		w := gzip.NewWriter(&buf)
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case "zstd":
		w, err := zstd.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		return data
	}
	return buf.Bytes()
}

// Entry is an entry of a tar. A header without type is a regular file, of which only name and mode are needed.
type Entry struct {
	tar.Header
	Data string
}

// File is a regular file with mode 0644.
func File(name, data string) Entry {
	return Entry{tar.Header{Name: name, Mode: 0o644}, data}
}

// Dir is a directory with mode 0755.
func Dir(name string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}}
}

// Link is a link of a type of package tar.
func Link(kind byte, name, target string) Entry {
	return Entry{Header: tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o777}}
}

// Tar makes a tar.
func Tar(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.Data))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1600000000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.Data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
