package repomd

import "io"

// ahead reads from r in a goroutine, a few buffers in advance, so that unpacking and parsing use two CPUs.
type ahead struct {
	full  chan buffer
	empty chan []byte
	cur   buffer
	close func() error
}

type buffer struct {
	data, rest []byte
	err        error
}

const (
	aheadBuffers = 4
	aheadBytes   = 128 << 10
)

func readAhead(r io.ReadCloser) io.ReadCloser {
	a := &ahead{full: make(chan buffer, aheadBuffers), empty: make(chan []byte, aheadBuffers)}
	stop, done := make(chan struct{}), make(chan struct{})
	for range aheadBuffers {
		a.empty <- make([]byte, aheadBytes)
	}
	a.close = func() error {
		close(stop)
		<-done
		return r.Close()
	}
	go func() {
		defer close(done)
		for {
			var data []byte
			select {
			case data = <-a.empty:
			case <-stop:
				return
			}
			n, err := fill(r, data)
			a.full <- buffer{data, data[:n], err} // never blocks: there are no more buffers than places
			if err != nil {
				return
			}
		}
	}()
	return a
}

// fill is io.ReadFull that passes on the error of r as it is.
func fill(r io.Reader, data []byte) (n int, err error) {
	for idle := 0; n < len(data) && err == nil; idle++ {
		var more int
		if more, err = r.Read(data[n:]); more > 0 {
			n, idle = n+more, 0
		}
		if idle > 100 {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

func (a *ahead) Read(b []byte) (int, error) {
	for len(a.cur.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.empty <- a.cur.data
		}
		a.cur = <-a.full
	}
	n := copy(b, a.cur.rest)
	a.cur.rest = a.cur.rest[n:]
	return n, nil
}

// Close ends the goroutine. Nothing may be read after it.
func (a *ahead) Close() error { return a.close() }
