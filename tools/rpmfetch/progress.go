package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// progress shows how far the downloads are: one line that changes at a terminal, a line every few seconds elsewhere. Nothing
// is shown of a run that is over within the first second.
type progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	now      func() time.Time
	start    time.Time
	last     time.Time
	shown    bool
	files    int
	allFiles int
	bytes    int64
	allBytes int64
}

const (
	progressAfter = time.Second
	terminalEvery = 100 * time.Millisecond
	linesEvery    = 10 * time.Second
)

func newProgress(out *os.File, items []*item) *progress {
	p := &progress{out: out, now: time.Now, start: time.Now(), allFiles: len(items)}
	p.last = p.start
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal = true
	}
	for _, it := range items {
		p.allBytes += it.want.SizeBytes
	}
	return p
}

func (p *progress) advance(n int64) { p.update(n, 0) }
func (p *progress) finished()       { p.update(0, 1) }

func (p *progress) update(bytes int64, files int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += bytes
	p.files += files
	now := p.now()
	every := linesEvery
	if p.terminal {
		every = terminalEvery
	}
	if now.Sub(p.start) < progressAfter || now.Sub(p.last) < every {
		return
	}
	p.last, p.shown = now, true
	text := fmt.Sprintf("rpmfetch: %d of %d packages, %s of %s, %s/s", p.files, p.allFiles, megabytes(p.bytes), megabytes(p.allBytes),
		megabytes(int64(float64(p.bytes)/now.Sub(p.start).Seconds())))
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%s", text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

// done removes the line of a terminal.
func (p *progress) done() {
	if p.terminal && p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
