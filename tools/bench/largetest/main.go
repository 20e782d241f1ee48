// Largetest writes a package with one file of 2 GiB, to measure memory with. The compressor's window is filled many times over.
//
//	largetest --compressor=zstd|xz --window-mib=N --out=F
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

const (
	fileSize  = 2 << 30
	partSize  = 128 << 20
	blockSize = 4096
	// noise is how much of a block cannot be compressed: enough to make the decoder work, little enough to be fast.
	noise = 128
)

func main() { cli.Main("largetest", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("largetest")
	compressor := fs.String("compressor", "", "zstd or xz")
	window := fs.Int("window-mib", 8, "window or dictionary")
	out := fs.String("out", "", "package to write")
	if err := cli.Parse(fs, args, "compressor", "out"); err != nil {
		return err
	}
	var packed bytes.Buffer
	file, plain := sha256.New(), sha256.New()
	if err := compress(&packed, *compressor, *window, file, plain); err != nil {
		return err
	}
	size := uint64(fileSize)
	return os.WriteFile(*out, rpmtest.Build(rpmtest.Package{
		Name: "large", Compressor: *compressor,
		Files:       []rpmtest.File{{Path: "/usr/share/large", Size: &size, Digest: hex.EncodeToString(file.Sum(nil))}},
		EditPayload: func([]byte) []byte { return packed.Bytes() },
		Tags:        []rpmtest.Value{{Tag: rpm.TagPayloadDigestAlt, V: []string{hex.EncodeToString(plain.Sum(nil))}}},
		OmitSig:     []rpm.Tag{rpm.SigPayloadSize},
	}), 0o644)
}

// compress writes the payload and feeds the digests of the file and of the archive.
func compress(packed *bytes.Buffer, compressor string, window int, file, plain hash.Hash) error {
	switch compressor {
	case "zstd":
		w, err := zstd.NewWriter(packed, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window<<20))
		if err != nil {
			return err
		}
		all := io.MultiWriter(w, plain)
		if _, err := all.Write(rpmtest.AppendCPIO(nil, entry(), nil)); err != nil {
			return err
		}
		if err := content(io.MultiWriter(all, file), fileSize); err != nil {
			return err
		}
		if _, err := all.Write(rpmtest.AppendTrailer(nil)); err != nil {
			return err
		}
		return w.Close()
	case "xz":
		return compressXZ(packed, window, file, plain)
	}
	return fmt.Errorf("compressor %q is neither zstd nor xz", compressor)
}

func entry() rpmtest.CPIOHeader {
	size := uint32(fileSize)
	return rpmtest.CPIOHeader{Name: "./usr/share/large", Mode: 0o100644, Nlink: 1, Size: &size}
}

// content writes what the file holds.
func content(w io.Writer, size int) error {
	source := rand.New(rand.NewPCG(1, 2))
	block := make([]byte, 64*blockSize)
	for i := range block {
		block[i] = byte(i % 61)
	}
	for range size / len(block) {
		for at := 0; at < len(block); at += blockSize {
			for i := at; i < at+noise; i++ {
				block[i] = byte(source.Uint32())
			}
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	return nil
}
