package elfdeps

import (
	"bytes"
	"encoding/json"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// The note of ELF_DLOPEN_METADATA.
const (
	dlopenOwner = "FDO"
	dlopenType  = 0x407c0c0a
	noteHeader  = 12
)

// readNotes looks for dlopen notes in a PT_NOTE segment.
func (f *file) readNotes(s *segment) error {
	if s.filesz > maxNotes-f.notes {
		return malformed("notes of more than %d bytes", maxNotes)
	}
	f.notes += s.filesz
	align := uint64(4)
	if s.align == 8 {
		align = 8
	}
	head := make([]byte, noteHeader)
	for pos := uint64(0); pos+noteHeader <= s.filesz; {
		off, ok := add(s.offset, pos)
		if !ok {
			return malformed("segment at %#x", s.offset)
		}
		if err := f.in.readAt(head, off); err != nil {
			return err
		}
		name, desc := uint64(f.order.Uint32(head)), uint64(f.order.Uint32(head[4:]))
		descAt := roundUp(pos+noteHeader+name, align)
		end := descAt + desc // sums of 32-bit numbers and a bounded position do not overflow
		if end > s.filesz {
			return malformed("note at %d ends at %d of a segment of %d bytes", pos, end, s.filesz)
		}
		if f.order.Uint32(head[8:]) == dlopenType && name == uint64(len(dlopenOwner))+1 {
			if err := f.readDLOpen(off+noteHeader, s.offset+descAt, desc); err != nil {
				return err
			}
		}
		pos = roundUp(end, align)
	}
	return nil
}

func (f *file) readDLOpen(nameAt, descAt, size uint64) error {
	owner := make([]byte, len(dlopenOwner))
	if err := f.in.readAt(owner, nameAt); err != nil {
		return err
	}
	if string(owner) != dlopenOwner {
		return nil
	}
	text := make([]byte, size) // at most maxNotes
	if err := f.in.readAt(text, descAt); err != nil {
		return err
	}
	var entries []pkgindex.DLOpen // has the keys of the note, but for the description
	if err := json.Unmarshal(bytes.TrimRight(text, "\x00"), &entries); err != nil {
		return malformed("dlopen note: %v", err)
	}
	for _, e := range entries {
		if f.dlopen += len(e.Sonames); f.dlopen > maxDLOpen || len(f.out.DLOpen) == maxDLOpen {
			return malformed("more than %d names in dlopen notes", maxDLOpen)
		}
		f.out.DLOpen = append(f.out.DLOpen, e)
	}
	return nil
}

func roundUp(n, align uint64) uint64 { return (n + align - 1) / align * align }
