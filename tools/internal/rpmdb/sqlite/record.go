package sqlite

import (
	"encoding/binary"
	"fmt"
)

// Kind is the storage class of a Value.
type Kind uint8

// The storage classes that rows of an rpmdb use. Float is read and never written.
const (
	Null Kind = iota
	Integer
	Float
	Text
	Blob
)

// Value is one column of a row. Bytes holds texts and blobs (and the eight bytes of a float), Int holds integers.
type Value struct {
	Kind  Kind
	Int   int64
	Bytes []byte
}

// NullValue is the value of a column without one; the column of an INTEGER PRIMARY KEY is stored so.
func NullValue() Value { return Value{} }

// IntValue is an integer.
func IntValue(i int64) Value { return Value{Kind: Integer, Int: i} }

// TextValue is a text, in whatever encoding b has.
func TextValue(b []byte) Value { return Value{Kind: Text, Bytes: b} }

// BlobValue is a blob.
func BlobValue(b []byte) Value { return Value{Kind: Blob, Bytes: b} }

// maxColumns bounds the columns of a row that is read; SQLite's own default limit is 2,000.
const maxColumns = 2000

// serialType returns the type code of v and the length of its body (fileformat2, section 2.1).
func (v Value) serialType() (code uint64, size int) {
	switch v.Kind {
	case Integer:
		return intType(v.Int)
	case Blob:
		return uint64(len(v.Bytes))*2 + 12, len(v.Bytes)
	case Text:
		return uint64(len(v.Bytes))*2 + 13, len(v.Bytes)
	case Float:
		return 7, 8
	}
	return 0, 0
}

func intType(i int64) (code uint64, size int) {
	switch {
	case i == 0:
		return 8, 0
	case i == 1:
		return 9, 0
	case i >= -1<<7 && i < 1<<7:
		return 1, 1
	case i >= -1<<15 && i < 1<<15:
		return 2, 2
	case i >= -1<<23 && i < 1<<23:
		return 3, 3
	case i >= -1<<31 && i < 1<<31:
		return 4, 4
	case i >= -1<<47 && i < 1<<47:
		return 5, 6
	}
	return 6, 8
}

// RecordSize is the number of bytes AppendRecord adds for the same values.
func RecordSize(values ...Value) int {
	types, body := 0, 0
	for i := range values {
		code, size := values[i].serialType()
		types += varintLen(code)
		body += size
	}
	return headerSize(types) + body
}

// BlobRowSize is RecordSize of NULL and a blob of size bytes: a row of a number and a blob, the number being the rowid.
func BlobRowSize(size int) int {
	return headerSize(1+varintLen(uint64(size)*2+12)) + size
}

// headerSize adds the length of the header's own length field, which counts itself.
func headerSize(types int) int {
	n := 1
	for varintLen(uint64(types+n)) > n {
		n++
	}
	return types + n
}

// AppendRecord appends a row in SQLite's record format.
func AppendRecord(dst []byte, values ...Value) []byte {
	types := 0
	for i := range values {
		code, _ := values[i].serialType()
		types += varintLen(code)
	}
	dst = appendVarint(dst, uint64(headerSize(types)))
	for i := range values {
		code, _ := values[i].serialType()
		dst = appendVarint(dst, code)
	}
	for i := range values {
		v := &values[i]
		if v.Kind != Integer {
			dst = append(dst, v.Bytes...)
			continue
		}
		_, size := intType(v.Int)
		for shift := (size - 1) * 8; shift >= 0; shift -= 8 {
			dst = append(dst, byte(v.Int>>shift))
		}
	}
	return dst
}

// ParseRecord decodes a row. Texts and blobs of the result point into record.
func ParseRecord(record []byte) ([]Value, error) {
	size, n := readVarint(record)
	if n == 0 || size > uint64(len(record)) || size < uint64(n) {
		return nil, fmt.Errorf("record header of %d bytes in a record of %d", size, len(record))
	}
	types, body := record[n:size], record[size:]
	var values []Value
	for len(types) > 0 {
		code, n := readVarint(types)
		if n == 0 {
			return nil, fmt.Errorf("record header ends inside a type")
		}
		if len(values) == maxColumns {
			return nil, fmt.Errorf("record has more than %d columns", maxColumns)
		}
		types = types[n:]
		v, used, err := parseValue(code, body)
		if err != nil {
			return nil, err
		}
		values, body = append(values, v), body[used:]
	}
	return values, nil
}

func parseValue(code uint64, body []byte) (Value, int, error) {
	var size uint64
	switch {
	case code >= 12:
		size = (code - 12) / 2
	case code == 10 || code == 11:
		return Value{}, 0, fmt.Errorf("record type %d is reserved", code)
	default:
		size = [10]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[code]
	}
	if size > uint64(len(body)) {
		return Value{}, 0, fmt.Errorf("value of %d bytes where %d are left", size, len(body))
	}
	data := body[:size:size]
	switch {
	case code == 0:
		return NullValue(), 0, nil
	case code == 7:
		return Value{Kind: Float, Bytes: data}, 8, nil
	case code == 8 || code == 9:
		return IntValue(int64(code - 8)), 0, nil
	case code < 7:
		i := int64(int8(data[0]))
		for _, b := range data[1:] {
			i = i<<8 | int64(b)
		}
		return IntValue(i), int(size), nil
	case code%2 == 0:
		return BlobValue(data), int(size), nil
	}
	return TextValue(data), int(size), nil
}

// A varint holds 7 bits a byte, most significant first; the ninth byte, if there is one, holds 8.

func varintLen(v uint64) int {
	n := 1
	for v >>= 7; v != 0 && n < 9; v >>= 7 {
		n++
	}
	return n
}

func appendVarint(dst []byte, v uint64) []byte {
	n := varintLen(v)
	if n == 9 {
		for shift := 57; shift >= 8; shift -= 7 {
			dst = append(dst, byte(v>>shift)|0x80)
		}
		return append(dst, byte(v))
	}
	for shift := (n - 1) * 7; shift > 0; shift -= 7 {
		dst = append(dst, byte(v>>shift)|0x80)
	}
	return append(dst, byte(v)&0x7f)
}

// readVarint returns the value and its length, 0 if b ends inside it.
func readVarint(b []byte) (uint64, int) {
	var v uint64
	for i := 0; i < 8 && i < len(b); i++ {
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return v<<8 | uint64(b[8]), 9
}

func be16(b []byte) int    { return int(binary.BigEndian.Uint16(b)) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
