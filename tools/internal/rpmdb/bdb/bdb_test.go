package bdb

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
		out = append(out, strings.Repeat(fmt.Sprint(i, " "), 1+i*37%4000))
	}
	return out
}

var orders = []Order{binary.LittleEndian, binary.BigEndian}

func build(t testing.TB, blobs Blobs, order Order) []byte {
	t.Helper()
	p, err := PlanPackages(blobs, order)
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
	for _, order := range orders {
		for _, n := range []int{0, 1, 2, 100, 191, 192, 193, 600, 3000} {
			blobs := sample(n)
			data := build(t, blobs, order)
			var got texts
			err := Read(bytes.NewReader(data), int64(len(data)), func(number uint32, blob []byte) error {
				if got = append(got, string(blob)); number != uint32(len(got)) {
					return fmt.Errorf("header %d comes as number %d", number, len(got))
				}
				return nil
			})
			if err != nil || !slices.Equal(got, blobs) {
				t.Errorf("%s, %d headers: got %d (%v)", order, n, len(got), err)
			}
		}
	}
}

// TestCharKey pins the hash function: the format keeps the hash of a known key to tell functions apart.
func TestCharKey(t *testing.T) {
	if got := hash([]byte(charKey)); got != 0x5e688dd1 {
		t.Errorf("got %#x", got)
	}
}

func TestReadRefuses(t *testing.T) {
	le := binary.LittleEndian
	good := build(t, sample(5), le)
	// Page 1 and 2 are the buckets, the headers follow. Number 4 has more than one page.
	bucketOf := func(b []byte, number uint32) (page []byte, value int) {
		for _, page := range [][]byte{b[pageSize : 2*pageSize], b[2*pageSize : 3*pageSize]} {
			for i := range int(le.Uint16(page[20:])) / 2 {
				key, value := int(le.Uint16(page[pageHead+4*i:])), int(le.Uint16(page[pageHead+4*i+2:]))
				if le.Uint32(page[key+1:]) == number {
					return page, value
				}
			}
		}
		t.Fatalf("no header %d", number)
		return nil, 0
	}
	for _, c := range []struct {
		summary, want string
		change        func([]byte) []byte
	}{
		{"an empty file", "reading its start: unexpected EOF", func(b []byte) []byte { return nil }},
		{"another format", "not a hash of Berkeley DB", func(b []byte) []byte { b[12] = 0; return b }},
		{"a b-tree", "not a hash of Berkeley DB", func(b []byte) []byte { le.PutUint32(b[12:], treeMagic); return b }},
		{"an unknown version", "hash version 6, known are 7 to 10", func(b []byte) []byte { b[16] = 6; return b }},
		{"an odd page size", "page size 4097", func(b []byte) []byte { b[20] = 1; return b }},
		{"encryption", "its pages are encrypted", func(b []byte) []byte { b[24] = 1; return b }},
		{"checksums", "its pages have checksums", func(b []byte) []byte { b[26] = 1; return b }},
		{"another first page", "its first page has type 9", func(b []byte) []byte { b[25] = pageTreeMeta; return b }},
		{"a cut file", "its last page is number", func(b []byte) []byte { return b[:len(b)-1] }},
		{"too many buckets", "buckets in", func(b []byte) []byte { b[metaMaxBucket+1] = 1; return b }},
		{"a bucket elsewhere", "bucket 0: page 100 of", func(b []byte) []byte { b[spareStart] = 100; return b }},
		{"a bucket on a page of a header", "bucket 0: page 3 has type 7", func(b []byte) []byte { b[spareStart] = 3; return b }},
		{"buckets in a circle", "the pages form a cycle", func(b []byte) []byte { b[pageSize+16] = 1; return b }},
		{"an odd number of items", "page 1: ", func(b []byte) []byte { b[pageSize+20]++; return b }},
		{"more items than fit", "page 1: ", func(b []byte) []byte { b[pageSize+21] = 0xf0; return b }},
		{"an item outside of its page", "outside of", func(b []byte) []byte { b[pageSize+pageHead+1] = 0xff; return b }},
		{"an item inside of the head", "outside of", func(b []byte) []byte { b[pageSize+pageHead+1] = 0; return b }},
		{"a key of another type", "is no header number", func(b []byte) []byte {
			b[pageSize+int(le.Uint16(b[pageSize+pageHead:]))] = itemOffPage
			return b
		}},
		{"a value of another type", "header 4: an item of type 2", func(b []byte) []byte {
			page, value := bucketOf(b, 4)
			page[value] = 2
			return b
		}},
		{"a header of no length", "header 4: 0 bytes", func(b []byte) []byte {
			page, value := bucketOf(b, 4)
			le.PutUint32(page[value+8:], 0)
			return b
		}},
		{"a header longer than the file", "are more than a header has, or the file", func(b []byte) []byte {
			page, value := bucketOf(b, 4)
			le.PutUint32(page[value+8:], 1<<28)
			return b
		}},
		{"a header longer than its pages", "its pages hold", func(b []byte) []byte {
			page, value := bucketOf(b, 1)
			page[value+8]++
			return b
		}},
		{"a header shorter than its pages", "bytes read before", func(b []byte) []byte {
			page, value := bucketOf(b, 1)
			page[value+8]--
			return b
		}},
		{"headers in a circle", "header ", func(b []byte) []byte {
			page, value := bucketOf(b, 4)
			first := le.Uint32(page[value+4:])
			le.PutUint32(b[int(first)*pageSize+16:], first)
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
		p, err := PlanPackages(c.blobs, binary.LittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	if _, err := PlanPackages(texts{""}, binary.LittleEndian); err == nil || !strings.Contains(err.Error(), "header 1 has 0 bytes") {
		t.Errorf("an empty header: got %v", err)
	}
}

// pairs is a table of keys that are their own values.
type pairs []string

func (p pairs) Len() int                  { return len(p) }
func (p pairs) Entry(i int) (_, _ []byte) { return []byte(p[i]), []byte(p[i]) }

// lookup finds the value of a key as a reader does: from the root down.
func lookup(data []byte, order Order, key string) (string, bool) {
	page := func(n uint32) []byte { return data[int(n)*pageSize:][:pageSize] }
	value := func(item []byte) string {
		if item[2] == itemInline {
			return string(item[itemHead : itemHead+order.Uint16(item)])
		}
		var out []byte
		for n := order.Uint32(item[4:]); n != 0; n = order.Uint32(page(n)[16:]) {
			out = append(out, page(n)[pageHead:][:order.Uint16(page(n)[22:])]...)
		}
		return string(out)
	}
	p := page(order.Uint32(data[88:]))
	for {
		at := func(i int) []byte { return p[order.Uint16(p[pageHead+2*i:]):] }
		entries := int(order.Uint16(p[20:]))
		if p[25] == pageLeaf {
			for i := 0; i < entries; i += 2 {
				if value(at(i)) == key {
					return value(at(i + 1)), true
				}
			}
			return "", false
		}
		child := at(0)
		for i := 1; i < entries; i++ {
			item := at(i)
			separator := string(item[internalHead:][:order.Uint16(item)])
			if item[2] == itemOffPage {
				separator = value(item[internalHead:])
			}
			if separator <= key {
				child = item
			}
		}
		p = page(order.Uint32(child[4:]))
	}
}

func TestIndex(t *testing.T) {
	var long pairs
	for i := range 500 {
		long = append(long, fmt.Sprintf("%s%05d", strings.Repeat("s", 1200), i))
	}
	var many pairs
	for i := range 40000 {
		many = append(many, fmt.Sprintf("key-%06d-%s", i, strings.Repeat("x", i%90)))
	}
	for _, order := range orders {
		for _, table := range []pairs{nil, {"a"}, long, many, {"a", strings.Repeat("b", 1007), strings.Repeat("c", 1008), strings.Repeat("d", 9000)}} {
			x, err := BuildIndex("Name", table, order)
			if err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			if n, err := x.WriteTo(&buf); err != nil || n != x.Size() || n%pageSize != 0 {
				t.Fatalf("WriteTo returned %d of %d (%v)", n, x.Size(), err)
			}
			data := buf.Bytes()
			if last := order.Uint32(data[32:]); int(last+1)*pageSize != len(data) {
				t.Errorf("page %d is the last of %d bytes", last, len(data))
			}
			for i := 0; i < len(table); i += 1 + len(table)/300 {
				if got, ok := lookup(data, order, table[i]); !ok || got != table[i] {
					t.Errorf("%.30q is not found", table[i])
				}
			}
			if _, ok := lookup(data, order, "nothing"); ok {
				t.Error("what is not there is found")
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(build(f, sample(0), binary.LittleEndian))
	f.Add(build(f, sample(5), binary.LittleEndian))
	f.Add(build(f, texts{"short", strings.Repeat("long", 3000)}, binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		Read(bytes.NewReader(data), int64(len(data)), func(_ uint32, blob []byte) error {
			total += len(blob)
			return nil
		})
		if total > 2*len(data) {
			t.Fatalf("%d bytes of headers in a file of %d", total, len(data))
		}
	})
}
