package fetch

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// PartialSuffix marks files that are not complete yet.
const PartialSuffix = ".partial"

// minAdvance is how much must have come for a broken connection not to count as a failed try.
const minAdvance = 64 << 10

// VerifyFile compares a file with a digest. What is absent is fs.ErrNotExist, what differs a MismatchError.
func VerifyFile(name string, want Digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &MismatchError{"type", "a file", "a " + info.Mode().Type().String()}
	}
	return want.check(f, io.Discard)
}

// Save downloads a file to a place, which it replaces. It goes on where an earlier run, an earlier try or another mirror
// stopped: bytes go to place+PartialSuffix, which is renamed once it is complete and its digest right, and kept on errors
// unless it was wrong. Only one Save may work on a place at a time. advance, if not nil, is told how many bytes have come,
// and a negative number when some were thrown away.
func (c *Client) Save(ctx context.Context, targets []string, want Digest, place string, advance func(int64)) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	p, err := openPartial(place+PartialSuffix, want, advance)
	if err != nil {
		return err
	}
	err = p.whole()
	if err != nil {
		err = c.first(ctx, targets, func(target string) error { return c.fill(ctx, target, p) })
	}
	if err == nil {
		err = p.file.Sync()
	}
	if closing := p.file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = rename(p.file.Name(), place)
	} else if p.size == 0 {
		os.Remove(p.file.Name())
	}
	return err
}

// fill completes a partial file from one mirror. A connection that breaks off after some progress is taken up again at once.
func (c *Client) fill(ctx context.Context, target string, p *partial) error {
	for {
		before := p.size
		err := c.fillOnce(ctx, target, p)
		if before > 0 && p.doubtful(err) {
			// What was there before may be to blame: this mirror gets a chance of its own.
			if err = p.reset(); err == nil {
				err = c.fillOnce(ctx, target, p)
			}
			before = 0
		}
		var mismatch *MismatchError
		if errors.As(err, &mismatch) {
			return errors.Join(err, p.reset())
		}
		if err == nil || ctx.Err() != nil || !temporary(err) || p.size-before < minAdvance {
			return err
		}
	}
}

// doubtful reports whether err means that the bytes before do not belong to what the server has.
func (p *partial) doubtful(err error) bool {
	var mismatch *MismatchError
	var status *StatusError
	return errors.As(err, &mismatch) || errors.As(err, &status) && status.Code == http.StatusRequestedRangeNotSatisfiable
}

func (c *Client) fillOnce(ctx context.Context, target string, p *partial) error {
	req := request{target: target, from: p.size}
	if p.etagOf == target {
		req.etag = p.etag
	}
	body, err := c.open(ctx, req)
	if err != nil {
		return err
	}
	defer body.Close()
	if body.from != p.size {
		if err := p.reset(); err != nil {
			return err
		}
	}
	p.etag, p.etagOf = body.etag, target
	if _, err := io.Copy(p, io.LimitReader(body, p.limit()+1-p.size)); err != nil {
		return err
	}
	return p.whole()
}

// partial is a file that grows, and its digest so far.
type partial struct {
	file    *os.File
	want    Digest
	size    int64
	hash    hash.Hash
	advance func(int64)
	// etag is what the server said of the file that the bytes came from last.
	etag, etagOf string
}

func openPartial(name string, want Digest, advance func(int64)) (*partial, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	p := &partial{file: f, want: want, advance: advance}
	if p.hash, err = want.hash(); err == nil {
		var info os.FileInfo
		switch info, err = f.Stat(); {
		case err != nil:
		case !info.Mode().IsRegular():
			err = fmt.Errorf("%s is not a file", name)
		case info.Size() <= p.limit():
			p.size, err = io.Copy(p.hash, io.LimitReader(f, info.Size()))
			p.tell(p.size)
		default:
			err = p.reset()
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading what is there already: %w", err)
	}
	return p, nil
}

func (p *partial) limit() int64 {
	if p.want.SizeBytes < 0 {
		return maxUnsized
	}
	return p.want.SizeBytes
}

func (p *partial) tell(n int64) {
	if p.advance != nil && n != 0 {
		p.advance(n)
	}
}

func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.hash.Write(b[:n])
	p.size += int64(n)
	p.tell(int64(n))
	if err != nil {
		err = marked{err, errLocal}
	}
	return n, err
}

// reset throws everything away.
func (p *partial) reset() error {
	p.tell(-p.size)
	p.size, p.etag, p.etagOf = 0, "", ""
	p.hash.Reset()
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// whole compares what has come with what was promised.
func (p *partial) whole() error {
	if p.want.SizeBytes >= 0 && p.size != p.want.SizeBytes {
		got := fmt.Sprintf("%d bytes", p.size)
		if p.size > p.want.SizeBytes {
			got = "more"
		}
		return &MismatchError{"size", fmt.Sprintf("%d bytes", p.want.SizeBytes), got}
	}
	if got := hex.EncodeToString(p.hash.Sum(nil)); got != p.want.Hex {
		return &MismatchError{p.want.Type, p.want.Hex, got}
	}
	return nil
}

// strong reports whether an ETag can prove that a file has not changed.
func strong(etag string) bool { return strings.HasPrefix(etag, `"`) }
