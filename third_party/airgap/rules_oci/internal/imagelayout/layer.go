package imagelayout

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// Layer describes a layer file: all that an image needs to know about it besides its bytes. Finding it out reads the
// whole file, so Bazel does it in an action per layer, which a change of a label does not repeat.
type Layer struct {
	// Digest and Size are those of the file as it is.
	Digest v1.Hash `json:"digest"`
	Size   int64   `json:"size"`
	// DiffID is the digest of the uncompressed tar.
	DiffID v1.Hash `json:"diff_id"`
	// Compression is "", "gzip" or "zstd".
	Compression string `json:"compression"`
	// CreatedBy is the text for the image's history.
	CreatedBy string `json:"created_by"`
}

// The first bytes of a compressed file, RFC 1952 section 2.3.1 and RFC 8878 section 3.1.1.
var magics = []struct {
	compression string
	magic       []byte
}{
	{"gzip", []byte{0x1f, 0x8b}},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}},
}

// zstdMemory bounds the window that a zstd layer may ask for.
const zstdMemory = 512 << 20

// DescribeLayer reads the layer file at path. Its compression is found by content, not by name; a file without any
// stays without any, as in rules_oci.
func DescribeLayer(path, createdBy string) (_ Layer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("describing layer %s: %w", path, err)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return Layer{}, err
	}
	defer f.Close()
	raw := &digester{hash: sha256.New()}
	buffered := bufio.NewReaderSize(io.TeeReader(f, raw), 1<<20)
	layer := Layer{CreatedBy: createdBy, Compression: compressionOf(buffered)}
	content, err := decompressor(buffered, layer.Compression)
	if err != nil {
		return Layer{}, err
	}
	diff := &digester{hash: sha256.New()}
	if _, err := io.Copy(diff, content); err != nil {
		return Layer{}, fmt.Errorf("decompressing %s: %w", layer.Compression, err)
	}
	// A decompressor may stop before the end of the file.
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return Layer{}, err
	}
	layer.Digest, layer.Size, layer.DiffID = raw.sum(), raw.size, diff.sum()
	return layer, nil
}

func compressionOf(r *bufio.Reader) string {
	for _, m := range magics {
		if start, err := r.Peek(len(m.magic)); err == nil && bytes.Equal(start, m.magic) {
			return m.compression
		}
	}
	return ""
}

func decompressor(r io.Reader, compression string) (io.Reader, error) {
	switch compression {
	case "gzip":
		return gzip.NewReader(r)
	case "zstd":
		// One decoder goroutine and no read-ahead state to close: the decoder is dropped with the program.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(zstdMemory))
	}
	return r, nil
}

// digester counts and hashes what is written to it.
type digester struct {
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	size int64
}

func (d *digester) Write(p []byte) (int, error) {
	n, err := d.hash.Write(p)
	d.size += int64(n)
	return n, err
}

func (d *digester) sum() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(d.hash.Sum(nil))}
}

// ReadLayer reads a description that `ocilayout layer` has written.
func ReadLayer(path string) (Layer, error) {
	var layer Layer
	data, err := os.ReadFile(path)
	if err != nil {
		return Layer{}, fmt.Errorf("reading a layer's description: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&layer); err != nil {
		return Layer{}, fmt.Errorf("reading a layer's description %s: %w", path, err)
	}
	return layer, nil
}
