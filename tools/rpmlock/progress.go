package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// progress shows people at a terminal what is going on, once it has taken more than a second. Elsewhere it is silent.
type progress struct {
	mu    sync.Mutex
	out   *os.File // nil: silent
	since time.Time
	last  time.Time
	shown bool
}

const (
	progressAfter = time.Second
	progressEvery = 100 * time.Millisecond
)

func newProgress(out *os.File) *progress {
	p := &progress{since: time.Now()}
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.out = out
	}
	return p
}

func (p *progress) say(format string, args ...any) {
	if p == nil || p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.since) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.out, "\r\x1b[Krpmlock: "+format, args...)
}

// done removes the line.
func (p *progress) done() {
	if p.out != nil && p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
