package extract_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

var compressors = []string{"none", "gzip", "bzip2", "xz", "lzma", "zstd"}

// words is text that compresses about as well as programs do.
func words(size int) string {
	source := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%x %d\n", source.Uint32(), source.IntN(50))
	}
	return b.String()[:size]
}

// sizable has a file of many chunks between small ones.
func sizable(compressor string, size int) rpmtest.Package {
	p := everything()
	p.Name, p.Compressor = "sizable", compressor
	p.Files = append(p.Files, rpmtest.File{Path: "/usr/share/words", Data: words(size)})
	for i := range 200 {
		p.Files = append(p.Files, rpmtest.File{Path: fmt.Sprintf("/usr/share/words.d/%03d", i), Data: words(i * 17)})
	}
	return p
}

// TestSameBytesOnAnyNumberOfCPUs: outputs may not depend on how decoding and writing interleave.
func TestSameBytesOnAnyNumberOfCPUs(t *testing.T) {
	for _, compressor := range compressors {
		t.Run(compressor, func(t *testing.T) {
			content := rpmtest.Build(sizable(compressor, 2_500_000))
			want := map[string][]byte{}
			for _, cpus := range []int{1, 2, 8} {
				before := runtime.GOMAXPROCS(cpus)
				dir, err := run(t, content, extract.Options{})
				runtime.GOMAXPROCS(before)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"payload.tar", "index.json", "header.bin"} {
					got, err := os.ReadFile(filepath.Join(dir, name))
					if err != nil {
						t.Fatal(err)
					}
					if want[name] == nil {
						want[name] = got
					}
					if !bytes.Equal(got, want[name]) {
						t.Errorf("%s differs between 1 and %d CPUs", name, cpus)
					}
				}
			}
		})
	}
}

// BenchmarkCompressors extracts a package of 8 MiB.
func BenchmarkCompressors(b *testing.B) {
	for _, compressor := range compressors {
		b.Run(compressor, func(b *testing.B) {
			const size = 8 << 20
			benchmark(b, size, write(b, rpmtest.Build(sizable(compressor, size))))
		})
	}
}

// BenchmarkSmall extracts a package of a few small files: the cost of a package as such.
func BenchmarkSmall(b *testing.B) {
	benchmark(b, 0, write(b, rpmtest.Build(everything())))
}

// BenchmarkCorpus extracts the real packages at hand, all of them for one turn.
func BenchmarkCorpus(b *testing.B) {
	benchmark(b, 0, corpus(b)...)
}

func write(b *testing.B, content []byte) string {
	path := filepath.Join(b.TempDir(), "in.rpm")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		b.Fatal(err)
	}
	return path
}

func benchmark(b *testing.B, size int64, files ...string) {
	dir := b.TempDir()
	b.ReportAllocs()
	b.SetBytes(size)
	for b.Loop() {
		for _, file := range files {
			err := extract.Run(extract.Options{
				RPM: file, Payload: filepath.Join(dir, "payload.tar"), Index: filepath.Join(dir, "index.json"), Header: filepath.Join(dir, "header.bin"),
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
