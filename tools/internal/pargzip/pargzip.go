// Package pargzip compresses a stream to one gzip member (RFC 1952) with several goroutines.
//
// The stream is cut into blocks of BlockSize bytes. Each is deflated by itself, with the end of the block before it as its
// dictionary, and ends on a byte boundary (an empty stored block), so that the results can be put one behind the other. The
// bytes depend on the input and the level alone, never on the number of goroutines. The header has no name and no time.
package pargzip

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// BlockSize is the number of bytes deflated at a time: large enough for the lost matches not to matter (less than 0.1 %),
// small enough for memory (two blocks for each goroutine).
const BlockSize = 1 << 20

// window is how far back deflate can refer (RFC 1951).
const window = 32 << 10

// header: magic, deflate, no flags, no time, no hint about the level, unknown operating system.
var header = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

type block struct {
	data []byte
	dict []byte
	last bool
	done chan result
}

type result struct {
	data []byte
	err  error
}

// Compress reads r to its end and writes it to w as gzip. level is a level of compress/flate; workers is the number of
// blocks in work at the same time, at least 1.
func Compress(w io.Writer, r io.Reader, level, workers int) error {
	if _, err := w.Write(header); err != nil {
		return err
	}
	order := make(chan *block, max(workers, 1)) // blocks in work, in order of the stream
	stop := make(chan struct{})
	defer close(stop)
	sum := &checksum{}
	readErr := make(chan error, 1)
	go func() {
		defer close(order)
		readErr <- split(r, level, sum, order, stop)
	}()
	for b := range order {
		result := <-b.done
		if result.err != nil {
			return result.err
		}
		if _, err := w.Write(result.data); err != nil {
			return err
		}
	}
	if err := <-readErr; err != nil {
		return fmt.Errorf("reading what is to be compressed: %w", err)
	}
	trailer := binary.LittleEndian.AppendUint32(nil, sum.crc)
	_, err := w.Write(binary.LittleEndian.AppendUint32(trailer, uint32(sum.size)))
	return err
}

type checksum struct {
	crc  uint32
	size uint64 // modulo 2^32 in the trailer
}

// split cuts the stream and starts a goroutine for each block; the capacity of order bounds how many there are.
func split(r io.Reader, level int, sum *checksum, order chan<- *block, stop <-chan struct{}) error {
	var dict []byte
	for {
		data := make([]byte, BlockSize)
		n, err := io.ReadFull(r, data)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		data = data[:n]
		sum.crc = crc32.Update(sum.crc, crc32.IEEETable, data)
		sum.size += uint64(n)
		b := &block{data: data, dict: dict, last: last, done: make(chan result, 1)}
		select {
		case order <- b:
		case <-stop:
			return nil
		}
		go func() { b.done <- deflate(b, level) }()
		if last {
			return nil
		}
		dict = data[len(data)-window:]
	}
}

func deflate(b *block, level int) result {
	var out bytes.Buffer
	w, err := flate.NewWriterDict(&out, level, b.dict)
	if err != nil {
		return result{err: err}
	}
	if _, err := w.Write(b.data); err != nil {
		return result{err: err}
	}
	if b.last {
		err = w.Close()
	} else {
		err = w.Flush()
	}
	return result{out.Bytes(), err}
}
