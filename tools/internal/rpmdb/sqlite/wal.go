package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The write-ahead log (fileformat2, section 4).
const (
	walHead   = 32
	frameHead = 24
	walMagic  = 0x377f0682 // the last bit says that checksums are big-endian
	walFormat = 3007000
)

// AddLog lets r read a -wal file of size bytes too: what its committed transactions have changed comes from there. As for
// SQLite, the log ends at the first frame that is cut off, of another log, or has a wrong checksum.
func (r *Reader) AddLog(log io.ReaderAt, size int64) error {
	if size == 0 || !r.wal {
		return nil
	}
	var head [walHead]byte
	if n, err := log.ReadAt(head[:], 0); n < len(head) {
		if errors.Is(err, io.EOF) {
			return nil // nothing was written completely
		}
		return fmt.Errorf("reading write-ahead log: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if be32(head[:])&1 == 1 {
		order = binary.BigEndian
	}
	sum := walSum(order, [2]uint32{}, head[:24])
	switch {
	case be32(head[:])&^1 != walMagic:
		return fmt.Errorf("reading write-ahead log: it starts with %#x", be32(head[:]))
	case sum != [2]uint32{be32(head[24:]), be32(head[28:])}:
		return nil // SQLite takes such a log for an empty one
	case be32(head[4:]) != walFormat || int64(be32(head[8:])) != int64(r.pageSize):
		return fmt.Errorf("reading write-ahead log: version %d with pages of %d bytes; the database has pages of %d", be32(head[4:]), be32(head[8:]), r.pageSize)
	}
	frame := make([]byte, frameHead+r.pageSize)
	pending := map[uint32]int64{}
	for at := int64(walHead); at+int64(len(frame)) <= size; at += int64(len(frame)) {
		if n, err := log.ReadAt(frame, at); n < len(frame) {
			return fmt.Errorf("reading write-ahead log: %w", err)
		}
		sum = walSum(order, walSum(order, sum, frame[:8]), frame[frameHead:])
		if string(frame[8:16]) != string(head[16:24]) || sum != [2]uint32{be32(frame[16:]), be32(frame[20:])} {
			break
		}
		pending[be32(frame)] = at + frameHead
		if pages := be32(frame[4:]); pages != 0 { // the transaction ends here, and leaves that many pages
			if r.logged == nil {
				r.log, r.logged = log, map[uint32]int64{}
			}
			for number, offset := range pending {
				r.logged[number] = offset
			}
			r.pages = pages
			clear(pending)
		}
	}
	return nil
}

// walSum goes on with the checksum of a log over data, a multiple of 8 bytes.
func walSum(order binary.ByteOrder, sum [2]uint32, data []byte) [2]uint32 {
	for ; len(data) > 0; data = data[8:] {
		sum[0] += order.Uint32(data) + sum[1]
		sum[1] += order.Uint32(data[4:]) + sum[0]
	}
	return sum
}

// pageAt reads a page from the log or the file.
func (r *Reader) pageAt(buf []byte, number uint32) error {
	source, offset := r.r, int64(number-1)*int64(r.pageSize)
	if at, ok := r.logged[number]; ok {
		source, offset = r.log, at
	}
	if n, err := source.ReadAt(buf, offset); n < len(buf) {
		return fmt.Errorf("reading page %d: %w", number, err)
	}
	return nil
}
