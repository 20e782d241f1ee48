package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"regexp"
	"sync"
	"time"
)

// progress shows what is going on once it has taken more than a second: a line that changes at a terminal; elsewhere a line for
// each thing that goes on, and another one every few seconds as long as it does. Short runs are silent.
type progress struct {
	mu       sync.Mutex
	out      io.Writer // nil: silent
	terminal bool
	now      func() time.Time
	start    time.Time
	last     time.Time            // at a terminal
	lasts    map[string]time.Time // elsewhere, of each thing
	shown    bool
}

const (
	progressAfter = time.Second
	terminalEvery = 100 * time.Millisecond
	linesEvery    = 5 * time.Second
)

func newProgress(out *os.File) *progress {
	p := &progress{out: out, now: time.Now, start: time.Now(), lasts: map[string]time.Time{}}
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.terminal = true
	}
	return p
}

// say shows how far a thing is.
func (p *progress) say(thing, format string, args ...any) {
	if p == nil || p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.start) < progressAfter {
		return
	}
	if !p.terminal {
		if last, ok := p.lasts[thing]; !ok || now.Sub(last) >= linesEvery {
			p.lasts[thing] = now
			fmt.Fprintf(p.out, "rpmlock: "+format+"\n", args...)
		}
		return
	}
	if now.Sub(p.last) >= terminalEvery {
		p.last, p.shown = now, true
		fmt.Fprintf(p.out, "\r\x1b[Krpmlock: "+format, args...)
	}
}

// fetching is fetch.Client.Progress.
func (p *progress) fetching(target string, got, size int64) {
	name, host := target, "a server"
	if u, err := url.Parse(target); err == nil {
		name, host = digestPrefix.ReplaceAllString(path.Base(u.Path), ""), u.Host
	}
	of := ""
	if size >= 0 {
		of = " of " + bytesText(size)
	}
	p.say(target, "fetching %s from %s, %s%s", name, host, bytesText(got), of)
}

// digestPrefix is what createrepo_c puts in front of the names of files.
var digestPrefix = regexp.MustCompile(`^[0-9a-f]{32,128}-`)

func bytesText(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// done removes the line of a terminal.
func (p *progress) done() {
	if p.terminal && p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
