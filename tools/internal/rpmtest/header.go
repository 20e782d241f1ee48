package rpmtest

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// I18N is a value stored as an i18n string.
type I18N []string

// Chars is a value stored as a char array.
type Chars []byte

// Value is one header value. The Go type of V chooses the stored type: string, []string, I18N, uint32, []uint32, uint64,
// []uint64, []uint16, []byte, Chars.
type Value struct {
	Tag rpm.Tag
	V   any
}

var headerMagic = []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}

// Header writes a header structure, magic included and without padding: the region named by region (none when 0) followed by
// the values in tag order.
func Header(region rpm.Tag, values []Value) []byte {
	values = append([]Value(nil), values...)
	sort.SliceStable(values, func(i, j int) bool { return values[i].Tag < values[j].Tag })
	var index, data []byte
	for _, v := range values {
		typ, align, count, raw := encode(v)
		for len(data)%align != 0 {
			data = append(data, 0)
		}
		index = appendEntry(index, uint32(v.Tag), uint32(typ), uint32(len(data)), uint32(count))
		data = append(data, raw...)
	}
	if region != 0 {
		size := len(index) + 16
		index = append(appendEntry(nil, uint32(region), uint32(rpm.TypeBin), uint32(len(data)), 16), index...)
		data = appendEntry(data, uint32(region), uint32(rpm.TypeBin), uint32(-size), 16)
	}
	out := append([]byte(nil), headerMagic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(index)/16))
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, index...), data...)
}

func appendEntry(b []byte, words ...uint32) []byte {
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func encode(v Value) (typ rpm.Type, align, count int, raw []byte) {
	switch x := v.V.(type) {
	case string:
		return rpm.TypeString, 1, 1, append([]byte(x), 0)
	case []string:
		return rpm.TypeStringArray, 1, len(x), joinStrings(x)
	case I18N:
		return rpm.TypeI18NString, 1, len(x), joinStrings(x)
	case uint32:
		return rpm.TypeInt32, 4, 1, binary.BigEndian.AppendUint32(nil, x)
	case []uint32:
		for _, e := range x {
			raw = binary.BigEndian.AppendUint32(raw, e)
		}
		return rpm.TypeInt32, 4, len(x), raw
	case uint64:
		return rpm.TypeInt64, 8, 1, binary.BigEndian.AppendUint64(nil, x)
	case []uint64:
		for _, e := range x {
			raw = binary.BigEndian.AppendUint64(raw, e)
		}
		return rpm.TypeInt64, 8, len(x), raw
	case []uint16:
		for _, e := range x {
			raw = binary.BigEndian.AppendUint16(raw, e)
		}
		return rpm.TypeInt16, 2, len(x), raw
	case []byte:
		return rpm.TypeBin, 1, len(x), x
	case Chars:
		return rpm.TypeChar, 1, len(x), x
	}
	panic(fmt.Sprintf("rpmtest: value of %s has type %T", v.Tag, v.V))
}

func joinStrings(list []string) []byte {
	var raw []byte
	for _, s := range list {
		raw = append(append(raw, s...), 0)
	}
	return raw
}
