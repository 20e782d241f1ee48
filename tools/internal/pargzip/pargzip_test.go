package pargzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"
	"testing/iotest"
)

// text has repetitions that reach over block boundaries.
func text(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 500)
	for i := range words {
		words[i] = make([]byte, 3+random.IntN(40))
		for j := range words[i] {
			words[i][j] = byte(random.IntN(256))
		}
	}
	var out []byte
	for len(out) < size {
		out = append(out, words[random.IntN(len(words))]...)
	}
	return out[:size]
}

func compress(t testing.TB, data []byte, workers int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Compress(&out, iotest.HalfReader(bytes.NewReader(data)), 6, workers); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, window, BlockSize - 1, BlockSize, BlockSize + 1, 5*BlockSize + 12345} {
		data := text(size)
		packed := compress(t, data, 1)
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		r.Multistream(false)
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: came back as %d, %v", size, len(got), err)
		}
		for _, workers := range []int{0, 2, 7} {
			if !bytes.Equal(compress(t, data, workers), packed) {
				t.Errorf("%d bytes: %d workers give other bytes than one", size, workers)
			}
		}
	}
}

func TestSizeIsNearThatOfOneStream(t *testing.T) {
	data := text(8 * BlockSize)
	var one bytes.Buffer
	w, _ := gzip.NewWriterLevel(&one, 6)
	w.Write(data)
	w.Close()
	if got := len(compress(t, data, 2)); float64(got) > 1.05*float64(one.Len()) {
		t.Errorf("%d bytes, the standard library makes %d", got, one.Len())
	}
}

func TestGzipReadsIt(t *testing.T) {
	if _, err := exec.LookPath("gzip"); err != nil {
		t.Skip("no gzip on this machine: output not read by it")
	}
	data := text(3*BlockSize + 7)
	cmd := exec.Command("gzip", "-dc")
	cmd.Stdin = bytes.NewReader(compress(t, data, 2))
	got, err := cmd.Output()
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("gzip gives %d bytes, %v", len(got), err)
	}
}

func TestErrorsOfBothSidesComeBack(t *testing.T) {
	broken := errors.New("broken")
	err := Compress(io.Discard, io.MultiReader(bytes.NewReader(text(2*BlockSize)), iotest.ErrReader(broken)), 6, 2)
	if !errors.Is(err, broken) {
		t.Errorf("reader: got %v", err)
	}
	if err := Compress(failing{broken}, bytes.NewReader(text(4*BlockSize)), 6, 2); !errors.Is(err, broken) {
		t.Errorf("writer: got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func BenchmarkCompress(b *testing.B) {
	data := text(16 * BlockSize)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Compress(io.Discard, bytes.NewReader(data), 6, 2); err != nil {
			b.Fatal(err)
		}
	}
}
