package rpm

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/ulikunitz/xz/lzma"
)

const (
	// maxZstdWindow allows every window of zstd's long mode; klauspost's own limit is 512 MiB.
	maxZstdWindow = 1 << 31
	// maxDictionary is the largest dictionary of xz and lzma; xz -9 uses 64 MiB.
	maxDictionary = 128 << 20
)

// archiveOverhead is what an archive may have per file beside name and content: header and padding, rounded up; and the
// padding of a last block.
const (
	archiveOverhead = 256
	archivePadding  = 2 << 20
)

// ArchiveLimit returns a size that the decompressed payload cannot exceed if it holds these files and nothing else.
// Decoders that go past it are at work on a bomb.
func ArchiveLimit(files []File) (int64, error) {
	limit := int64(archivePadding)
	for i := range files {
		f := &files[i]
		// Ghosts count too: rpm before 4.11 shipped them.
		limit += archiveOverhead + int64(len(f.Path)+len(f.LinkTarget))
		if f.SizeBytes > 1<<62-limit {
			return 0, fmt.Errorf("%q: the files take more than %d bytes", f.Path, int64(1<<62))
		}
		limit += f.SizeBytes
	}
	return limit, nil
}

// PayloadCompressor returns the compressor the header names; "" if it names none, in which case OpenPayload looks at the data.
// A payload that is not a cpio archive is an error.
func PayloadCompressor(h *Header) (string, error) {
	format, ok, err := h.String(TagPayloadFormat)
	if err != nil {
		return "", fmt.Errorf("reading payload format: %w", err)
	}
	if ok && format != "cpio" {
		return "", fmt.Errorf("payload format %q is not supported, only cpio is", format)
	}
	name, _, err := h.String(TagPayloadCompressor)
	if err != nil {
		return "", fmt.Errorf("reading payload compressor: %w", err)
	}
	return name, nil
}

// OpenPayload decompresses r. name is a value of PAYLOADCOMPRESSOR: gzip, bzip2, xz, lzma, zstd, none; for "" the first bytes
// decide. A bare archive is read under any name. Close frees the decoder and leaves r alone.
func OpenPayload(name string, r io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if head, _ := br.Peek(4); string(head) == "0707" {
		name = "none" // an archive, decompressed after it was built; no compressor's data starts so
	}
	if name == "" {
		name = sniff(br)
	}
	rc, err := openPayload(name, br)
	if err != nil {
		return nil, fmt.Errorf("decompressing %s payload: %w", name, err)
	}
	return &payloadReader{name, rc}, nil
}

// payloadReader adds the compressor to errors.
type payloadReader struct {
	name string
	io.ReadCloser
}

func (p *payloadReader) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("decompressing %s payload: %w", p.name, err)
	}
	return n, err
}

func sniff(br *bufio.Reader) string {
	head, _ := br.Peek(6)
	for _, magic := range []struct{ prefix, name string }{
		{"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"\x5d\x00\x00", "lzma"},
	} {
		if len(head) >= len(magic.prefix) && string(head[:len(magic.prefix)]) == magic.prefix {
			return magic.name
		}
	}
	return "none"
}

func openPayload(name string, br *bufio.Reader) (io.ReadCloser, error) {
	switch name {
	case "none":
		return io.NopCloser(br), nil
	case "gzip":
		return gzip.NewReader(br)
	case "bzip2":
		return io.NopCloser(bzip2.NewReader(br)), nil
	case "xz":
		r, err := xz.NewReader(br, maxDictionary)
		return io.NopCloser(r), err
	case "lzma":
		return openLZMA(br)
	case "zstd":
		d, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("compressor %q is unknown", name)
}

// openLZMA checks the dictionary size of the 13-byte header, which the decoder would allocate unseen.
func openLZMA(br *bufio.Reader) (io.ReadCloser, error) {
	head, err := br.Peek(lzma.HeaderLen)
	if err != nil {
		return nil, truncated(err, "the lzma header")
	}
	if dict := binary.LittleEndian.Uint32(head[1:]); dict > maxDictionary {
		return nil, fmt.Errorf("dictionary of %d bytes, allowed are %d", dict, maxDictionary)
	}
	r, err := lzma.NewReader(br)
	return io.NopCloser(r), err
}
