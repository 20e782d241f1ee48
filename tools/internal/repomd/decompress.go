package repomd

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// MaxOpenBytes bounds an uncompressed metadata file; the largest public filelists.xml are below 2 GiB.
const MaxOpenBytes = 8 << 30

// What unpacks to more than freeBytes and more than maxRatio times what was read for it is a decompression bomb, whatever the
// index says of its size; filelists.xml, the most compressible one, comes to about 20 times its packed size.
const (
	freeBytes = 64 << 20
	maxRatio  = 200
)

// maxWindow bounds the memory that a zstd frame or an xz dictionary may ask for.
const maxWindow = 512 << 20

// Decompress returns a reader of the uncompressed content. The format is told by the first bytes, never by the name:
// gzip, xz, zstd, bzip2, plain XML or YAML. r is read in a goroutine until Close returns. openBytes is the expected size, or -1; a longer or shorter content is an error.
func Decompress(r io.Reader, openBytes int64) (io.ReadCloser, error) {
	packed := &counted{r: r}
	br := bufio.NewReaderSize(packed, 64<<10)
	magic, err := br.Peek(16)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	err = nil
	limit := openBytes
	if limit < 0 || limit > MaxOpenBytes {
		limit = MaxOpenBytes
	}
	content := &exact{packed: packed, left: limit, known: openBytes >= 0}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		content.r, err = gzip.NewReader(br)
	case bytes.HasPrefix(magic, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		content.r, err = xz.NewReader(br, maxWindow)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		var dec *zstd.Decoder
		if dec, err = zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1)); err == nil {
			content.r, content.close = dec, dec.Close
		}
	case bytes.HasPrefix(magic, []byte("BZh")):
		content.r = bzip2.NewReader(br)
	case bytes.HasPrefix(magic, []byte("\x00ZCK1")), bytes.HasPrefix(magic, []byte("\x00ZHR1")):
		return nil, errors.New("zchunk metadata is not supported; the repository must offer gzip, xz, zstd or bzip2 too")
	case bytes.HasPrefix(magic, []byte("SQLite format 3\x00")):
		return nil, errors.New("sqlite metadata is not supported; the repository must offer XML")
	case len(bytes.TrimLeft(magic, " \t\r\n\xef\xbb\xbf")) > 0 && bytes.TrimLeft(magic, " \t\r\n\xef\xbb\xbf")[0] == '<':
		content.r = br
	case len(magic) == 0:
		return nil, errors.New("the file is empty")
	case bytes.HasPrefix(magic, []byte("---")), bytes.HasPrefix(magic, []byte("document:")): // modules.yaml
		content.r = br
	default:
		return nil, fmt.Errorf("unknown compression, first bytes %x", magic[:min(len(magic), 6)])
	}
	if err != nil {
		return nil, err
	}
	return readAhead(content), nil
}

// SizeError says that a file unpacks to more than it should.
type SizeError struct{ text string }

func (e *SizeError) Error() string { return e.text }

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// exact passes on r and fails when it holds more or fewer bytes than expected, or very many more than were packed.
type exact struct {
	r      io.Reader
	packed *counted
	got    int64
	left   int64
	known  bool
	close  func()
}

func (e *exact) Read(b []byte) (int, error) {
	if int64(len(b)) > e.left+1 {
		b = b[:e.left+1]
	}
	n, err := e.r.Read(b)
	e.got += int64(n)
	if e.left -= int64(n); e.left < 0 {
		if !e.known {
			return 0, &SizeError{fmt.Sprintf("the uncompressed content is larger than %d bytes", int64(MaxOpenBytes))}
		}
		return 0, &SizeError{"the uncompressed content is larger than the index says"}
	}
	if e.got > freeBytes && e.got/maxRatio > e.packed.n {
		text := fmt.Sprintf("the content unpacks to more than %d times its size: %d bytes out of %d and counting", maxRatio, e.got, e.packed.n)
		return 0, &SizeError{text}
	}
	if errors.Is(err, io.EOF) && e.known && e.left > 0 {
		return n, fmt.Errorf("the uncompressed content is %d bytes shorter than the index says: %w", e.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (e *exact) Close() error {
	if e.close != nil {
		e.close()
	}
	return nil
}
