package rpm

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Getters return ok = false for an absent tag and an error for a tag of another type. They never turn a wrong type into an
// empty value, because that would hide corruption.

// Has reports whether the tag is present.
func (h *Header) Has(tag Tag) bool { return h.find(tag) >= 0 }

// Lookup returns the entry of tag.
func (h *Header) Lookup(tag Tag) (Entry, bool) {
	i := h.find(tag)
	if i < 0 {
		return Entry{}, false
	}
	return h.entries[i], true
}

func (h *Header) find(tag Tag) int {
	for i := range h.entries {
		if h.entries[i].Tag == tag {
			return i
		}
	}
	return -1
}

// RawData returns the bytes of the values of e, which must be one of h.Entries(). The caller must not change them.
func (h *Header) RawData(e Entry) []byte {
	i := h.find(e.Tag)
	if i < 0 || h.entries[i] != e {
		panic("rpm: RawData of an entry of another header")
	}
	return h.data()[e.Offset:h.ends[i]:h.ends[i]]
}

// want returns the data of tag if it is present and of one of the types.
func (h *Header) want(tag Tag, types ...Type) (Entry, []byte, bool, error) {
	i := h.find(tag)
	if i < 0 {
		return Entry{}, nil, false, nil
	}
	e := h.entries[i]
	for _, t := range types {
		if e.Type == t {
			return e, h.data()[e.Offset:h.ends[i]:h.ends[i]], true, nil
		}
	}
	return Entry{}, nil, false, fmt.Errorf("%s has type %s, wanted %s", tag, e.Type, types[0])
}

// String returns a string value; of an i18n string the first one, which is that of the C locale.
func (h *Header) String(tag Tag) (value string, ok bool, err error) {
	_, data, ok, err := h.want(tag, TypeString, TypeI18NString)
	if !ok {
		return "", false, err
	}
	return string(data[:bytes.IndexByte(data, 0)]), true, nil
}

// Strings returns the elements of a string array, or all translations of an i18n string.
func (h *Header) Strings(tag Tag) (values []string, ok bool, err error) {
	e, data, ok, err := h.want(tag, TypeStringArray, TypeI18NString)
	if !ok {
		return nil, false, err
	}
	return splitStrings(data, e.Count), true, nil
}

// Argv returns a value that old packages store as a string and newer ones as a string array: programs of scriptlets.
func (h *Header) Argv(tag Tag) (values []string, ok bool, err error) {
	e, data, ok, err := h.want(tag, TypeStringArray, TypeString)
	if !ok {
		return nil, false, err
	}
	return splitStrings(data, e.Count), true, nil
}

func splitStrings(data []byte, count uint32) []string {
	values := make([]string, count)
	text := string(data) // one allocation for all elements
	at := 0
	for i := range values {
		n := bytes.IndexByte(data[at:], 0)
		values[i] = text[at : at+n]
		at += n + 1
	}
	return values
}

// Uint16s returns the elements of an int16 array.
func (h *Header) Uint16s(tag Tag) (values []uint16, ok bool, err error) {
	e, data, ok, err := h.want(tag, TypeInt16)
	if !ok {
		return nil, false, err
	}
	values = make([]uint16, e.Count)
	for i := range values {
		values[i] = binary.BigEndian.Uint16(data[2*i:])
	}
	return values, true, nil
}

// Uint32s returns the elements of an int32 array.
func (h *Header) Uint32s(tag Tag) (values []uint32, ok bool, err error) {
	e, data, ok, err := h.want(tag, TypeInt32)
	if !ok {
		return nil, false, err
	}
	values = make([]uint32, e.Count)
	for i := range values {
		values[i] = binary.BigEndian.Uint32(data[4*i:])
	}
	return values, true, nil
}

// Uint64s returns the elements of an int64 array.
func (h *Header) Uint64s(tag Tag) (values []uint64, ok bool, err error) {
	e, data, ok, err := h.want(tag, TypeInt64)
	if !ok {
		return nil, false, err
	}
	values = make([]uint64, e.Count)
	for i := range values {
		values[i] = binary.BigEndian.Uint64(data[8*i:])
	}
	return values, true, nil
}

// Uint32 returns an int32 value, which must have exactly one element.
func (h *Header) Uint32(tag Tag) (value uint32, ok bool, err error) {
	values, ok, err := h.Uint32s(tag)
	if !ok {
		return 0, false, err
	}
	if len(values) != 1 {
		return 0, false, fmt.Errorf("%s has %d elements, wanted 1", tag, len(values))
	}
	return values[0], true, nil
}

// Uint64 returns an int64 value, which must have exactly one element.
func (h *Header) Uint64(tag Tag) (value uint64, ok bool, err error) {
	values, ok, err := h.Uint64s(tag)
	if !ok {
		return 0, false, err
	}
	if len(values) != 1 {
		return 0, false, fmt.Errorf("%s has %d elements, wanted 1", tag, len(values))
	}
	return values[0], true, nil
}

// SizesAny returns the elements of the int64 array long if present, else those of the int32 array short. rpm stores sizes
// of 4 GiB and more under a second tag.
func (h *Header) SizesAny(short, long Tag) (values []uint64, ok bool, err error) {
	values, ok, err = h.Uint64s(long)
	if ok || err != nil {
		return values, ok, err
	}
	narrow, ok, err := h.Uint32s(short)
	if !ok {
		return nil, false, err
	}
	values = make([]uint64, len(narrow))
	for i, v := range narrow {
		values[i] = uint64(v)
	}
	return values, true, nil
}

// SizeAny is SizesAny for a single value.
func (h *Header) SizeAny(short, long Tag) (value uint64, ok bool, err error) {
	values, ok, err := h.SizesAny(short, long)
	if !ok {
		return 0, false, err
	}
	if len(values) != 1 {
		return 0, false, fmt.Errorf("%s or %s has %d elements, wanted 1", short, long, len(values))
	}
	return values[0], true, nil
}

// Bytes returns a binary value. The caller must not change it.
func (h *Header) Bytes(tag Tag) (value []byte, ok bool, err error) {
	_, data, ok, err := h.want(tag, TypeBin)
	return data, ok, err
}

// Chars returns a char or int8 array. The caller must not change it.
func (h *Header) Chars(tag Tag) (value []byte, ok bool, err error) {
	_, data, ok, err := h.want(tag, TypeChar, TypeInt8)
	return data, ok, err
}
