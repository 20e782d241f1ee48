package ndb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

type texts []string

func (b texts) Len() int                                 { return len(b) }
func (b texts) Size(i int) int                           { return len(b[i]) }
func (b texts) Append(dst []byte, i int) ([]byte, error) { return append(dst, b[i]...), nil }

func sample(n int) texts {
	var out texts
	for i := range n {
		out = append(out, strings.Repeat(fmt.Sprint(i, " "), 1+i%200))
	}
	return out
}

func build(t testing.TB, blobs Blobs) []byte {
	t.Helper()
	p, err := PlanPackages(blobs)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	n, err := p.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) || n != p.Size() {
		t.Fatalf("WriteTo returned %d, wrote %d, announced %d (%v)", n, buf.Len(), p.Size(), err)
	}
	return buf.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 253, 254, 255, 300, 600} {
		blobs := sample(n)
		data := build(t, blobs)
		var got texts
		err := Read(bytes.NewReader(data), int64(len(data)), func(number uint32, blob []byte) error {
			if got = append(got, string(blob)); number != uint32(len(got)) {
				return fmt.Errorf("header %d comes as number %d", number, len(got))
			}
			return nil
		})
		if err != nil || !slices.Equal(got, blobs) {
			t.Errorf("%d headers: got %d (%v)", n, len(got), err)
		}
	}
}

// TestPackagesStart pins the layout of a database of one header.
func TestPackagesStart(t *testing.T) {
	data := build(t, texts{"header"})
	want := "RpmP\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00" + strings.Repeat("\x00", 12) +
		"Slot\x01\x00\x00\x00\x00\x01\x00\x00\x03\x00\x00\x00Slot" + strings.Repeat("\x00", 12) + "Slot"
	if got := string(data[:len(want)]); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	want = "BlbS\x01\x00\x00\x00\x01\x00\x00\x00\x06\x00\x00\x00header" + strings.Repeat("\x00", 14) + "\x24\x06\x2c\x93\x06\x00\x00\x00BlbE"
	if got := string(data[pageSize:]); got[:36] != want[:36] || got[40:] != want[40:] || len(got) != len(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	good := build(t, sample(5))
	for _, c := range []struct {
		summary, want string
		change        func([]byte) []byte
	}{
		{"an empty file", "reading its start: unexpected EOF", func(b []byte) []byte { return nil }},
		{"another format", "does not start with", func(b []byte) []byte { b[0] = 'X'; return b }},
		{"another version", "does not start with", func(b []byte) []byte { b[4] = 1; return b }},
		{"no slots", "0 pages of slots", func(b []byte) []byte { b[12] = 0; return b }},
		{"too many slots", "pages of slots, allowed are", func(b []byte) []byte { b[14] = 1; return b }},
		{"more slots than bytes", "reading slots: unexpected EOF", func(b []byte) []byte {
			b[12] = 9
			copy(b[32:pageSize], bytes.Repeat([]byte("Slot\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 254))
			return b
		}},
		{"a slot without mark", `a slot starts with "xlot"`, func(b []byte) []byte { b[32] = 'x'; return b }},
		{"a header among the slots", "do not lie in a file", func(b []byte) []byte { b[40], b[41] = 1, 0; return b }},
		{"a header past the end", "do not lie in a file", func(b []byte) []byte { b[43] = 1; return b }},
		{"a header of no length", "do not lie in a file", func(b []byte) []byte { b[44] = 1; return b }},
		{"a cut file", "do not lie in a file", func(b []byte) []byte { return b[:len(b)-1] }},
		{"a header without mark", "header 1: its marks are missing", func(b []byte) []byte { b[pageSize] = 'x'; return b }},
		{"a header of another number", "header 1: it says that it is header 7", func(b []byte) []byte { b[pageSize+4] = 7; return b }},
		{"a header longer than its blocks", "header 1: a length of", func(b []byte) []byte { b[pageSize+13] = 9; return b }},
		{"a changed byte", "header 1: wrong checksum", func(b []byte) []byte { b[pageSize+16] ^= 1; return b }},
		{"two slots of one header", "header 2: it says that it is header 1", func(b []byte) []byte {
			copy(b[48+8:], b[32+8:48])
			return b
		}},
	} {
		data := c.change(bytes.Clone(good))
		err := Read(bytes.NewReader(data), int64(len(data)), func(uint32, []byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
}

type failing struct {
	texts
	err error
}

func (f failing) Append(dst []byte, i int) ([]byte, error) {
	return append(dst, "longer than said"...), f.err
}

func TestWriteReportsErrors(t *testing.T) {
	for _, c := range []struct {
		summary, want string
		blobs         Blobs
	}{
		{"the header cannot be read", "gone", failing{texts{"x"}, errors.New("gone")}},
		{"the header has changed", "16 bytes where 1 were announced", failing{texts{"x"}, nil}},
	} {
		p, err := PlanPackages(c.blobs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	if _, err := PlanPackages(texts{""}); err == nil || !strings.Contains(err.Error(), "header 1 has 0 bytes") {
		t.Errorf("an empty header: got %v", err)
	}
}

// entries is a table made of lists of keys: package i+1 has the keys of list i.
type entries struct {
	tag  uint32
	list []triple
}

type triple struct {
	key          string
	pkg, element uint32
}

func (e entries) Tag() uint32 { return e.tag }
func (e entries) Len() int    { return len(e.list) }
func (e entries) Entry(i int) ([]byte, uint32, uint32) {
	return []byte(e.list[i].key), e.list[i].pkg, e.list[i].element
}

// lookup finds the entries of a key in a table as a reader does: along the probe sequence, to the first free slot.
func lookup(table []byte, key string) (found []triple) {
	le := binary.LittleEndian
	slots, mask := le.Uint32(table[12:]), le.Uint32(table[24:])
	body := table[tableHead:]
	h := hash([]byte(key))
	for at, step := h&(slots-1), uint32(firstStep); ; at, step = (at+step)&(slots-1), step+1 {
		word, data := le.Uint32(body[8*at:]), le.Uint32(body[8*at+4:])
		if word == 0 {
			return found
		}
		if word&mask != h&mask {
			continue
		}
		if stored := body[12*slots+word&^mask:]; !bytes.HasPrefix(stored, appendKey(nil, []byte(key))) {
			continue
		}
		switch {
		case data>>31 == 1:
			found = append(found, triple{key, le.Uint32(body[8*slots+4*at:]), data &^ (1 << 31)})
		case data>>30 == 1:
			found = append(found, triple{key, data & (1<<24 - 1), data >> 24 & 63})
		default:
			found = append(found, triple{key, data & (1<<20 - 1), data >> 20})
		}
	}
}

func TestIndex(t *testing.T) {
	var list []triple
	want := map[string][]triple{}
	add := func(key string, pkg, element uint32) {
		e := triple{key, pkg, element}
		if list = append(list, e); !slices.Contains(want[key], e) {
			want[key] = append(want[key], e)
		}
	}
	for pkg := uint32(1); pkg <= 300; pkg++ {
		for i := range uint32(20) {
			add(fmt.Sprintf("lib%d.so.%d", pkg, i), pkg, i)
			add(fmt.Sprintf("lib%d.so", i), pkg, i)
		}
		add("", pkg, 1023)
		add("", pkg, 1024)
	}
	add("large element", 5, 1<<30)
	add("large package", 1<<20, 63)
	add("large package", 1<<20, 64)
	add("huge package", 1<<24, 0)
	add("repeated", 9, 3)
	add("repeated", 9, 1)
	add("repeated", 9, 3)
	for _, n := range []int{254, 255, 65534, 65535, 70000} {
		add(strings.Repeat("k", n), 1, uint32(n))
	}
	x, err := BuildIndex([]Table{entries{1000, nil}, entries{1117, list}}, 77)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if n, err := x.WriteTo(&buf); err != nil || n != x.Size() || n != int64(buf.Len()) || n%pageSize != 0 {
		t.Fatalf("WriteTo returned %d of %d, wrote %d (%v)", n, x.Size(), buf.Len(), err)
	}
	data := buf.Bytes()
	le := binary.LittleEndian
	if string(data[:4]) != indexMagic || le.Uint32(data[20:]) != 77 {
		t.Errorf("start of the file: % x", data[:32])
	}
	if tag := le.Uint32(data[32+16+4:]); tag != 1117 {
		t.Errorf("the second slot is of tag %d", tag)
	}
	table := data[le.Uint32(data[32+16+8:])*pageSize:]
	if pages := le.Uint32(data[32+16+12:]); int(pages)*pageSize != len(table) {
		t.Errorf("%d pages for %d bytes", pages, len(table))
	}
	for key, entries := range want {
		if got := lookup(table, key); !slices.Equal(got, entries) {
			t.Errorf("%.20q: got %v, want %v", key, got, entries)
		}
	}
	if got := lookup(table, "absent"); got != nil {
		t.Errorf("an absent key: got %v", got)
	}
	if used, slots := le.Uint32(table[16:]), le.Uint32(table[12:]); used*2 > slots || slots&(slots-1) != 0 {
		t.Errorf("%d of %d slots are used", used, slots)
	}
	_, err = BuildIndex([]Table{entries{5, []triple{{"x", 1, 1 << 31}}}}, 1)
	if err == nil || !strings.Contains(err.Error(), "building the index of tag 5: element 2147483648 of package 1 is out of range") {
		t.Errorf("an element out of range: got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(build(f, sample(0)))
	f.Add(build(f, sample(5)))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		Read(bytes.NewReader(data), int64(len(data)), func(_ uint32, blob []byte) error {
			total += len(blob)
			return nil
		})
		if total > len(data) {
			t.Fatalf("%d bytes of headers in a file of %d", total, len(data))
		}
	})
}
