package repomd

import (
	"hash/maphash"
	"strings"
)

// ID stands for a string of a Strings table; 0 is the empty string.
type ID uint32

// Strings maps strings to small numbers and back, keeping each string once. Numbers are given in the order of first use,
// so that equal inputs give equal numbers. It is not safe for concurrent use.
type Strings struct {
	text  []string
	slots []ID // open addressing; 0 is a free slot
	seed  maphash.Seed
	chunk *strings.Builder
}

// chunkSize is how many bytes of text are allocated at once.
const chunkSize = 1 << 20

// NewStrings returns a table that holds the empty string only.
func NewStrings() *Strings {
	return &Strings{text: []string{""}, slots: make([]ID, 1<<12), seed: maphash.MakeSeed(), chunk: new(strings.Builder)}
}

// Text returns the string of id.
func (s *Strings) Text(id ID) string { return s.text[id] }

// Len returns the number of strings; every ID is smaller.
func (s *Strings) Len() int { return len(s.text) }

// Intern returns the number of b, which is copied when it is new.
func (s *Strings) Intern(b []byte) ID {
	if len(b) == 0 {
		return 0
	}
	mask := uint64(len(s.slots) - 1)
	for i := maphash.Bytes(s.seed, b) & mask; ; i = (i + 1) & mask {
		id := s.slots[i]
		if id == 0 {
			id = ID(len(s.text))
			s.text = append(s.text, s.keep(b))
			s.slots[i] = id
			if len(s.text)*2 > len(s.slots) {
				s.grow()
			}
			return id
		}
		if s.text[id] == string(b) {
			return id
		}
	}
}

// InternString is Intern for a string.
func (s *Strings) InternString(t string) ID { return s.Intern([]byte(t)) }

// Lookup returns the number of t, and false when t is not in the table.
func (s *Strings) Lookup(t string) (ID, bool) {
	if t == "" {
		return 0, true
	}
	mask := uint64(len(s.slots) - 1)
	for i := maphash.String(s.seed, t) & mask; ; i = (i + 1) & mask {
		id := s.slots[i]
		if id == 0 {
			return 0, false
		}
		if s.text[id] == t {
			return id, true
		}
	}
}

// keep copies b into the current chunk: a string cut from a Builder stays valid while the Builder grows within its capacity.
func (s *Strings) keep(b []byte) string {
	if len(b) > chunkSize/4 {
		return string(b)
	}
	if s.chunk.Cap()-s.chunk.Len() < len(b) {
		s.chunk = new(strings.Builder)
		s.chunk.Grow(chunkSize)
	}
	start := s.chunk.Len()
	s.chunk.Write(b)
	return s.chunk.String()[start:]
}

// grow doubles the number of slots.
func (s *Strings) grow() { s.rehash(len(s.slots) * 2) }

func (s *Strings) rehash(slots int) {
	s.slots = make([]ID, slots)
	mask := uint64(len(s.slots) - 1)
	for id := 1; id < len(s.text); id++ {
		i := maphash.String(s.seed, s.text[id]) & mask
		for s.slots[i] != 0 {
			i = (i + 1) & mask
		}
		s.slots[i] = ID(id)
	}
}
