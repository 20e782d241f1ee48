package repomd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func storedOf(t testing.TB, text string) (*Primary, []byte) {
	p, err := ParsePrimary(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Store(&b); err != nil {
		t.Fatal(err)
	}
	return p, b.Bytes()
}

func TestStored(t *testing.T) {
	many := document(one, strings.ReplaceAll(one, "tool", "other-tool"), strings.ReplaceAll(one, `epoch="1"`, `epoch="2"`))
	for _, text := range []string{document(), document(one), many} {
		p, data := storedOf(t, text)
		q, err := LoadPrimary(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := dump(q), dump(p); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		for id := range p.Strings.Len() {
			text := p.Strings.Text(ID(id))
			if got, ok := q.Strings.Lookup(text); !ok || int(got) != id {
				t.Errorf("%q has number %d, stored %d", text, id, got)
			}
		}
		var again bytes.Buffer
		q.Strings.InternString("from another repository")
		if err := q.Store(&again); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Errorf("storing it again gives other bytes (%v)", err)
		}
		before := q.Strings.Len()
		if n := q.Strings.InternString("quite new"); int(n) != before || q.Strings.InternString("quite new") != n {
			t.Errorf("a new string has number %d of %d", n, before)
		}
	}
}

// TestStoredDamage changes and cuts a stored form all over: it is never believed.
func TestStoredDamage(t *testing.T) {
	_, data := storedOf(t, document(one, strings.ReplaceAll(one, "tool", "other-tool")))
	rnd := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < len(data); at += 1 + at/200 { // the head and the small tables byte by byte
		changed := bytes.Clone(data)
		changed[at] ^= byte(1 + rnd.IntN(255))
		if _, err := LoadPrimary(bytes.NewReader(changed), int64(len(changed))); !errors.Is(err, ErrStored) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
		if _, err := LoadPrimary(bytes.NewReader(data[:at]), int64(at)); !errors.Is(err, ErrStored) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		if _, err := LoadPrimary(bytes.NewReader(data[:at]), int64(len(data))); !errors.Is(err, ErrStored) {
			t.Fatalf("cut at %d of %d: %v", at, len(data), err)
		}
	}
	longer := append(bytes.Clone(data), 0)
	if _, err := LoadPrimary(bytes.NewReader(longer), int64(len(longer))); !errors.Is(err, ErrStored) {
		t.Errorf("a longer file: %v", err)
	}
}

// FuzzLoadPrimary mends the checksum, so that the checks of the numbers are what keeps a wrong file harmless.
func FuzzLoadPrimary(f *testing.F) {
	_, data := storedOf(f, document(one))
	f.Add(data)
	f.Add(data[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = mendStored(data)
		p, err := LoadPrimary(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			dump(p)
			p.Strings.Lookup("no such text")
		}
	})
}

func mendStored(data []byte) []byte {
	if len(data) < storedTail {
		return data
	}
	data = bytes.Clone(data)
	rest := len(data) - storedTail
	binary.LittleEndian.PutUint32(data[rest:], crc32.Checksum(data[:rest], castagnoli))
	return data
}

func TestReadAhead(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	r := readAhead(io.NopCloser(bytes.NewReader(want)))
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	broken := readAhead(io.NopCloser(io.MultiReader(bytes.NewReader(want), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if got, err := io.ReadAll(broken); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != len(want) {
		t.Errorf("%d bytes of %d before an error, %v", len(got), len(want), err)
	}
	broken.Close()
	early := readAhead(io.NopCloser(bytes.NewReader(want))) // closing it ends its goroutine
	early.Read(make([]byte, 10))
	early.Close()
	idle := readAhead(io.NopCloser(readerFunc(func([]byte) (int, error) { return 0, nil })))
	if _, err := io.ReadAll(idle); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
	idle.Close()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
