package cpio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cpio"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func entry(name, data string, crc bool) []byte {
	return rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: name, Mode: 0o100644, Nlink: 1, Inode: 5, CRC: crc}, []byte(data))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var sizes = func(index int) (int64, error) {
	if index > 3 {
		return 0, fmt.Errorf("file %d is not in the header", index)
	}
	return int64(index), nil
}

// list reads an archive and returns its members as text.
func list(r io.Reader) (string, error) {
	var b strings.Builder
	c := cpio.NewReader(r, sizes)
	for {
		e, err := c.Next()
		if err == io.EOF {
			return b.String(), c.Drain()
		}
		if err != nil {
			return b.String(), err
		}
		data, err := io.ReadAll(c)
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s %d %o %d %q\n", e.Name, e.Index, e.Mode, e.Size, data)
	}
}

func TestRead(t *testing.T) {
	end := rpmtest.AppendTrailer(nil)
	big := uint32(10)
	tests := []struct {
		summary string
		archive []byte
		want    string
		err     string
	}{
		{"an archive may be empty", end, "", ""},
		{"entries keep their order", join(entry("./b", "12345", false), entry("./a", "", false), end), "./b -1 100644 5 \"12345\"\n./a -1 100644 0 \"\"\n", ""},
		{"checksums are verified", join(entry("./b", "12345", true), end), "./b -1 100644 5 \"12345\"\n", ""},
		{"stripped entries take their size from the header", join(rpmtest.AppendStripped(nil, 3, []byte("abc")), rpmtest.AppendStripped(nil, 0, nil), end), " 3 0 3 \"abc\"\n 0 0 0 \"\"\n", ""},
		{"zeros may follow the trailer", join(entry("./a", "x", false), end, make([]byte, 512)), "./a -1 100644 1 \"x\"\n", ""},
		{"nothing else may follow it", join(end, []byte{0, 7}), "", "data after the trailer"},
		{"a trailer is needed", entry("./a", "1234", false), "./a -1 100644 4 \"1234\"\n", "reading archive entry at offset 120: unexpected EOF"},
		{"content must be complete", entry("./a", "12345678", false)[:118], "", "reading content of ./a: 6 bytes are missing: unexpected EOF"},
		{"padding must be there", entry("./a", "123456", false)[:122], "./a -1 100644 6 \"123456\"\n", "reading padding of ./a: unexpected EOF"},
		{"a wrong checksum is an error", bytes.Replace(join(entry("./a", "1234", true), end), []byte("1234"), []byte("1235"), 1), "", "reading content of ./a: checksum 000000cb, the archive says 000000ca"},
		{"unknown magic is an error", []byte("070707000000"), "", `bad magic "070707"`},
		{"fields must be hexadecimal", bytes.Replace(entry("./a", "", false), []byte("000081a4"), []byte("00008 a4"), 1), "", `field 1: "00008 a4" is not a number`},
		{"stripped entries must be in the header", rpmtest.AppendStripped(nil, 4, nil), "", "file 4 is not in the header"},
		{"names have a limit", entry(strings.Repeat("n", 5000), "", false), "", "name of 5001 bytes"},
		{"names hold no NUL", entry("./a\x00b", "", false), "", "does not end in its only NUL"},
		{"names are not empty", entry("", "", false), "", "name of 1 bytes"},
		{"a header may be cut", entry("./a", "", false)[:50], "", "unexpected EOF"},
		{"a size may lie", rpmtest.AppendCPIO(nil, rpmtest.CPIOHeader{Name: "./a", Size: &big}, []byte("12")), "", "bytes are missing"},
	}
	for _, test := range tests {
		for _, r := range []io.Reader{bytes.NewReader(test.archive), iotest.OneByteReader(bytes.NewReader(test.archive)), iotest.DataErrReader(bytes.NewReader(test.archive))} {
			got, err := list(r)
			switch {
			case test.err == "" && err != nil:
				t.Errorf("%s: %v", test.summary, err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("%s: error %v, want %q", test.summary, err, test.err)
			case got != test.want:
				t.Errorf("%s: got\n%swant\n%s", test.summary, got, test.want)
			}
		}
	}
}

func TestSkippedContentIsStillChecked(t *testing.T) {
	archive := bytes.Replace(join(entry("./a", "1234", true), rpmtest.AppendTrailer(nil)), []byte("1234"), []byte("1235"), 1)
	c := cpio.NewReader(bytes.NewReader(archive), nil)
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("skipping gave %v", err)
	}
}

// zeros is an endless source; it stands in for contents that no test could hold.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStrippedEntryOverFourGiB(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 5 GiB")
	}
	const size = 5 << 30
	r := io.MultiReader(bytes.NewReader(rpmtest.AppendStripped(nil, 0, nil)), io.LimitReader(zeros{}, size), bytes.NewReader(rpmtest.AppendTrailer(nil)))
	c := cpio.NewReader(r, func(int) (int64, error) { return size, nil })
	e, err := c.Next()
	if err != nil || e.Size != size {
		t.Fatalf("entry %+v, error %v", e, err)
	}
	if _, err := c.Next(); err != io.EOF {
		t.Errorf("after the content: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	end := rpmtest.AppendTrailer(nil)
	f.Add(join(entry("./b", "12345", false), entry("./a", "xy", true), end))
	f.Add(join(rpmtest.AppendStripped(nil, 3, []byte("abc")), end))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, again string
		var err, errAgain error
		rpmtest.BoundAllocs(t, rpmtest.MaxFuzzAlloc, func() {
			got, err = list(bytes.NewReader(data))
			again, errAgain = list(iotest.HalfReader(bytes.NewReader(data)))
		})
		if got != again || (err == nil) != (errAgain == nil) {
			t.Errorf("result depends on read sizes: %q %v and %q %v", got, err, again, errAgain)
		}
		if errors.Is(err, io.EOF) {
			t.Errorf("a broken archive looks like a whole one: %v", err)
		}
	})
}
