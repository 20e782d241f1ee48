package extract

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfdeps"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// maxInterp is how much of a script's first line Linux reads (BINPRM_BUF_SIZE).
const maxInterp = 256

// inspect adds what the index tells about a file's content: ELF facts, interpreter of a script, text of loader configuration.
// It runs after the content is in the tar, whose bytes ELF facts are read from.
func (u *unpacker) inspect(f *rpm.File) error {
	switch {
	case bytes.HasPrefix(u.head, []byte("\x7fELF")):
		content, err := u.tar.section(f.Offset, f.SizeBytes)
		if err != nil {
			return err
		}
		if f.ELF, err = elfdeps.Read(content, f.SizeBytes); err != nil {
			return fmt.Errorf("%q: %w", f.Path, err)
		}
	case bytes.HasPrefix(u.head, []byte("#!")):
		f.Interp, f.InterpArg = interpreter(u.head)
	}
	if pkgindex.KeepsText(f.Path, f.SizeBytes) {
		f.Text = string(u.head)
	}
	return nil
}

// interpreter splits a "#!" line like Linux: the first word, and all the rest as one argument.
func interpreter(head []byte) (program, arg string) {
	line := string(head[2:min(len(head), maxInterp)])
	line, _, _ = strings.Cut(line, "\n")
	line, _, _ = strings.Cut(line, "\x00")
	line = strings.Trim(line, " \t\r")
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], strings.Trim(line[i:], " \t")
	}
	return line, ""
}

// boundedReader fails as soon as a payload is larger than its files can need, however well it is compressed.
type boundedReader struct {
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the payload expands to more than the %d bytes that its files need", b.limit)
	}
	return n, err
}

// readAhead reads its source in a goroutine, a few chunks ahead of the reader.
type readAhead struct {
	full    chan chunk
	empty   chan []byte
	quit    chan struct{}
	current chunk
	rest    []byte
}

type chunk struct {
	data []byte
	n    int
	err  error
}

const (
	chunkSize  = 256 << 10
	chunkCount = 4
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{full: make(chan chunk, chunkCount), empty: make(chan []byte, chunkCount), quit: make(chan struct{})}
	for range chunkCount {
		a.empty <- make([]byte, chunkSize)
	}
	go a.run(r)
	return a
}

func (a *readAhead) run(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.empty:
		case <-a.quit:
			return
		}
		n, err := io.ReadFull(r, buf)
		if err == io.ErrUnexpectedEOF && n > 0 {
			// ReadFull's own error for a short last chunk; a decoder's is wrapped in text and so differs.
			err = io.EOF
		}
		a.full <- chunk{buf, n, err} // never blocks: there are as many places as buffers
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.current.err != nil {
			return 0, a.current.err
		}
		if a.current.data != nil {
			a.empty <- a.current.data
		}
		a.current = <-a.full
		a.rest = a.current.data[:a.current.n]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// stop ends the goroutine and waits for it, so that the source is free again.
func (a *readAhead) stop() {
	close(a.quit)
	for range a.full {
	}
}
