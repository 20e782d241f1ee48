package extract

import (
	"fmt"
	"io"
)

// boundedReader fails as soon as a payload is larger than its files can need, however well it is compressed.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the payload expands to more than the %d bytes that its files need", b.limit)
	}
	return n, err
}

// readAhead reads its source in a goroutine, a few chunks ahead of the reader, which so works while the next chunk is decoded.
// Its own side of the work stays small: decoding is the slower part for all compressors but zstd.
type readAhead struct {
	full    chan chunk
	empty   chan []byte
	quit    chan struct{}
	current chunk
	rest    []byte
}

type chunk struct {
	data []byte
	n    int
	err  error
}

const (
	chunkSize  = 256 << 10
	chunkCount = 4
)

// newReadAhead starts reading r.
func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{full: make(chan chunk, chunkCount), empty: make(chan []byte, chunkCount), quit: make(chan struct{})}
	for range chunkCount {
		a.empty <- nil // made when needed: most packages are small
	}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.empty:
		case <-a.quit:
			return
		}
		if buf == nil {
			buf = make([]byte, chunkSize)
		}
		n, err := io.ReadFull(r, buf)
		if err == io.ErrUnexpectedEOF && n > 0 {
			// ReadFull's own error for a short last chunk; a decoder's is wrapped in text and so differs.
			err = io.EOF
		}
		a.full <- chunk{buf, n, err} // never blocks: there are as many places as buffers
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.current.data != nil {
			a.empty <- a.current.data
		}
		a.current = <-a.full
		a.rest = a.current.data[:a.current.n]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// stop ends the goroutine and waits for it, so that the source is free again.
func (a *readAhead) stop() {
	close(a.quit)
	for range a.full {
	}
}
