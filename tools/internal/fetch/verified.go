package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Digest is what a file must be.
type Digest struct {
	Type      string // sha256, sha384, sha512
	Hex       string // lower case
	SizeBytes int64  // -1 when unknown
}

// maxUnsized bounds a file whose size the metadata does not tell.
const maxUnsized = 8 << 30

func (d Digest) hash() (hash.Hash, error) {
	var h hash.Hash
	switch d.Type {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	case "md5", "sha1", "sha224":
		return nil, fmt.Errorf("its checksum is %s, which is too weak", d.Type)
	default:
		return nil, fmt.Errorf("its checksum is of the unknown type %q", d.Type)
	}
	if len(d.Hex) != h.Size()*2 {
		return nil, fmt.Errorf("its %s checksum has %d digits", d.Type, len(d.Hex))
	}
	return h, nil
}

// MismatchError says that a file is not the one that the metadata promised.
type MismatchError struct{ What, Want, Got string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s mismatch: wanted %s, got %s", e.What, e.Want, e.Got)
}

// check reads r to the end and compares it.
func (d Digest) check(r io.Reader, w io.Writer) error {
	h, err := d.hash()
	if err != nil {
		return err
	}
	limit := d.SizeBytes
	if limit < 0 {
		limit = maxUnsized
	}
	n, err := io.Copy(io.MultiWriter(h, w), io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if d.SizeBytes >= 0 && n != d.SizeBytes {
		got := fmt.Sprintf("%d bytes", n)
		if n > d.SizeBytes {
			got = "more"
		}
		return &MismatchError{"size", fmt.Sprintf("%d bytes", d.SizeBytes), got}
	}
	if n > limit {
		return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != d.Hex {
		return &MismatchError{d.Type, d.Hex, got}
	}
	return nil
}

// File returns a file that has been compared with its digest, open for reading at its start. A mirror that breaks off in the
// middle is asked for the rest, and after it the next mirror.
func (c *Client) File(ctx context.Context, bases []string, location string, want Digest) (*os.File, error) {
	if _, err := want.hash(); err != nil {
		return nil, fmt.Errorf("fetching %s: %w", location, err)
	}
	busy, _ := c.busy.LoadOrStore(want, new(sync.Mutex))
	busy.(*sync.Mutex).Lock()
	defer busy.(*sync.Mutex).Unlock()
	if f := c.cached(want); f != nil {
		return f, nil
	}
	if !allLocal(bases) {
		defer c.share(ctx, want)()
		if f := c.cached(want); f != nil { // another process was quicker
			return f, nil
		}
	}
	var part *partial
	var file *os.File
	err := c.each(ctx, bases, location, func(target string) (err error) {
		if IsLocal(target) {
			file, err = c.checkLocal(target, want)
			return err
		}
		if part == nil {
			if part, err = c.newPartial(want); err != nil {
				return marked{err, errLocal}
			}
		}
		if c.Progress != nil {
			part.advance = func(int64) { c.Progress(redacted(target), part.size, want.SizeBytes) }
			part.advance(0)
		}
		return c.fill(ctx, target, part)
	})
	if err != nil || part == nil || file != nil {
		if part != nil {
			part.discard()
		}
		return file, err
	}
	return c.keep(part)
}

func allLocal(bases []string) bool {
	return !slices.ContainsFunc(bases, func(base string) bool { return !IsLocal(base) })
}

func (c *Client) checkLocal(target string, want Digest) (*os.File, error) {
	f, err := os.Open(c.localPath(target))
	if err != nil {
		return nil, err
	}
	return rewound(f, want.check(f, io.Discard))
}

// rewound returns f at its start, or closes it and returns err.
func rewound(f *os.File, err error) (*os.File, error) {
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (c *Client) cachePath(want Digest) string {
	return filepath.Join(c.CacheDir, want.Type, want.Hex[:2], want.Hex)
}

// cached returns a file of the cache, which is compared again: disks and people change files.
func (c *Client) cached(want Digest) *os.File {
	if c.CacheDir == "" {
		return nil
	}
	f, err := os.Open(c.cachePath(want))
	if err != nil {
		return nil
	}
	if f, err = rewound(f, want.check(f, io.Discard)); err != nil {
		os.Remove(c.cachePath(want))
		return nil
	}
	return f
}

// newPartial makes a temporary file beside the place of a file in the cache.
func (c *Client) newPartial(want Digest) (*partial, error) {
	dir := os.TempDir()
	if c.CacheDir != "" {
		dir = filepath.Dir(c.cachePath(want))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(dir, partPattern)
	if err != nil {
		return nil, err
	}
	p := &partial{file: f, want: want}
	if p.hash, err = want.hash(); err != nil {
		p.discard()
		return nil, err
	}
	return p, nil
}

// keep flushes a complete file to disk, moves it to its place in the cache, and returns it at its start.
func (c *Client) keep(p *partial) (*os.File, error) {
	if c.CacheDir == "" {
		os.Remove(p.file.Name())
		return rewound(p.file, nil)
	}
	err := p.file.Sync()
	if err == nil {
		err = rename(p.file.Name(), c.cachePath(p.want))
	}
	if err != nil {
		os.Remove(p.file.Name())
	}
	return rewound(p.file, err)
}

func (p *partial) discard() {
	p.file.Close()
	os.Remove(p.file.Name())
}

// LoadHead returns a cached head of a package, which the caller must verify, nil when there is none.
func (c *Client) LoadHead(sha256 string, size int64) []byte {
	if c.CacheDir == "" {
		return nil
	}
	data, err := os.ReadFile(c.headPath(sha256))
	if err != nil || int64(len(data)) != size {
		return nil
	}
	return data
}

// StoreHead caches the head of a package after it was verified. A cache that cannot be written is no error.
func (c *Client) StoreHead(sha256 string, data []byte) {
	if c.CacheDir == "" {
		return
	}
	c.store(c.headPath(sha256), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (c *Client) headPath(sha256 string) string {
	return filepath.Join(c.CacheDir, "headers", sha256[:2], sha256)
}
