package ndb

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
)

// maxSlotPages bounds the table of slots: a million packages.
const maxSlotPages = 4096

// IsPackages reports whether a file that starts so is a Packages.db.
func IsPackages(start []byte) bool {
	return len(start) >= 8 && string(start[:4]) == packagesMagic && binary.LittleEndian.Uint32(start[4:]) == 0
}

// Read calls fn for every header of a Packages.db of size bytes, in the order of its slots. The blob is fn's to keep.
func Read(r io.ReaderAt, size int64, fn func(number uint32, blob []byte) error) error {
	head := make([]byte, 2*slotSize)
	if err := readAt(r, head, 0); err != nil {
		return fmt.Errorf("reading its start: %w", err)
	}
	if !IsPackages(head) {
		return fmt.Errorf("it does not start with %q and version 0", packagesMagic)
	}
	pages := binary.LittleEndian.Uint32(head[12:])
	if pages == 0 || pages > maxSlotPages {
		return fmt.Errorf("%d pages of slots, allowed are 1 to %d", pages, maxSlotPages)
	}
	total := int64(0)
	for page := range int64(pages) {
		slots := make([]byte, pageSize)
		if err := readAt(r, slots, page*pageSize); err != nil {
			return fmt.Errorf("reading slots: %w", err)
		}
		if page == 0 {
			slots = slots[len(head):]
		}
		for ; len(slots) > 0; slots = slots[slotSize:] {
			n, err := readSlot(r, size, slots[:slotSize], int64(pages)*pageSize, fn)
			if err != nil {
				return err
			}
			// Blobs do not overlap, so together they cannot be longer than the file.
			if total += n; total > size {
				return fmt.Errorf("its headers overlap")
			}
		}
	}
	return nil
}

// readSlot reads the blob of one slot, if it has one, and returns how many bytes it takes in the file.
func readSlot(r io.ReaderAt, size int64, slot []byte, first int64, fn func(uint32, []byte) error) (int64, error) {
	le := binary.LittleEndian
	if string(slot[:4]) != slotMagic {
		return 0, fmt.Errorf("a slot starts with %q", slot[:4])
	}
	number, offset, length := le.Uint32(slot[4:]), int64(le.Uint32(slot[8:]))*blockSize, int64(le.Uint32(slot[12:]))*blockSize
	if offset == 0 {
		return 0, nil
	}
	if offset < first || length < blobHeadSize+blobTailSize || length > maxBlob+blobHeadSize+blobTailSize+blockSize || offset+length > size {
		return 0, fmt.Errorf("header %d: %d bytes at %d do not lie in a file of %d", number, length, offset, size)
	}
	blob := make([]byte, length)
	if err := readAt(r, blob, offset); err != nil {
		return 0, fmt.Errorf("header %d: %w", number, err)
	}
	tail := blob[length-blobTailSize:]
	n := le.Uint32(blob[12:])
	switch {
	case string(blob[:4]) != blobHead || string(tail[8:]) != blobTail:
		return 0, fmt.Errorf("header %d: its marks are missing", number)
	case le.Uint32(blob[4:]) != number:
		return 0, fmt.Errorf("header %d: it says that it is header %d", number, le.Uint32(blob[4:]))
	case le.Uint32(tail[4:]) != n || int64(n) > length-blobHeadSize-blobTailSize:
		return 0, fmt.Errorf("header %d: a length of %d in %d bytes, %d at its end", number, n, length, le.Uint32(tail[4:]))
	case adler32.Checksum(blob[:length-blobTailSize]) != le.Uint32(tail):
		return 0, fmt.Errorf("header %d: wrong checksum", number)
	}
	return length, fn(number, blob[blobHeadSize:blobHeadSize+n:blobHeadSize+n])
}

func readAt(r io.ReaderAt, buf []byte, offset int64) error {
	if n, err := r.ReadAt(buf, offset); n < len(buf) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}
