package fetch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// partPattern names temporary files in the cache. What a killed run leaves is removed by Sweep.
const partPattern = ".part-*"

// store writes a file of the cache: beside its place, flushed to disk, then moved there. A cache that cannot be written is no
// error, for everything in it can be had again.
func (c *Client) store(place string, write func(io.Writer) error) {
	c.storeWith(place, write, (*os.File).Sync)
}

func (c *Client) storeWith(place string, write func(io.Writer) error, flush func(*os.File) error) {
	if os.MkdirAll(filepath.Dir(place), 0o755) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(place), partPattern)
	if err != nil {
		return
	}
	b := bufio.NewWriterSize(f, 64<<10)
	if err = errors.Join(write(b), b.Flush(), flush(f), f.Close()); err == nil {
		err = rename(f.Name(), place)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

// rename moves a file that has been flushed to its place, and flushes the folder, so that after a power loss the place holds
// the old file or the new one.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // folders cannot be opened there, and NTFS has a journal
		return nil
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// Sweep removes temporary files of the cache that were last written before a time, those of killed runs, and derived files of
// some kinds that were made before another.
func (c *Client) Sweep(parts, derived time.Time, kinds func(folder string) bool) {
	if c.CacheDir == "" {
		return
	}
	filepath.WalkDir(c.CacheDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		before := derived
		if strings.HasPrefix(entry.Name(), strings.TrimSuffix(partPattern, "*")) {
			before = parts
		} else if !kinds(filepath.Base(filepath.Dir(path))) {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.ModTime().Before(before) {
			os.Remove(path)
		}
		return nil
	})
}

// Derived opens what was made of a verified file and kept under a name of its own, such as its parsed form; nil when there is
// nothing. The reader must be able to tell whether it is whole.
func (c *Client) Derived(kind, name string) *os.File {
	if c.CacheDir == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(c.CacheDir, kind, name))
	if err != nil {
		return nil
	}
	return f
}

// StoreDerived keeps what was made of a verified file. It is not flushed to disk, which takes longer than making it again.
func (c *Client) StoreDerived(kind, name string, write func(io.Writer) error) {
	if c.CacheDir != "" {
		c.storeWith(filepath.Join(c.CacheDir, kind, name), write, func(*os.File) error { return nil })
	}
}

// Current is a small file that nothing vouches for yet, as a server has it now.
type Current struct {
	Data []byte
	keep func()
}

// Keep puts the file into the cache once the caller has verified it, so that the next run need only ask whether it changed.
func (f *Current) Keep() {
	if f.keep != nil {
		f.keep()
	}
}

// kept is the first line of a cached Current: what the server said of it, and its checksum.
type kept struct {
	URL     string
	Version version
	SHA256  string
}

// GetCurrent is Get for one base, and asks the server only whether the file has changed when the cache holds it. full asks for
// the file itself.
func (c *Client) GetCurrent(ctx context.Context, base, location string, limit int64, full bool) (*Current, error) {
	out := &Current{}
	err := c.each(ctx, []string{base}, location, func(target string) error {
		place := filepath.Join(c.CacheDir, "urls", hexSum([]byte(target)))
		var old *kept
		var oldData []byte
		if c.CacheDir != "" && !full {
			old, oldData = loadKept(place, target, limit)
		}
		req := request{target: target}
		if old != nil {
			req.have = old.Version
		}
		body, err := c.open(ctx, req)
		if old != nil && errors.Is(err, errNotModified) {
			out.Data = oldData
			return nil
		}
		if err != nil {
			return err
		}
		defer body.Close()
		if out.Data, err = readLimited(body, limit); err != nil {
			return err
		}
		if c.CacheDir != "" && body.version != (version{}) {
			head := kept{redacted(target), body.version, hexSum(out.Data)}
			out.keep = func() { c.storeKept(place, head, out.Data) }
		}
		return nil
	})
	return out, err
}

func (c *Client) storeKept(place string, head kept, data []byte) {
	c.store(place, func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(head); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	})
}

func loadKept(place, target string, limit int64) (*kept, []byte) {
	f, err := os.Open(place)
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	const maxLine = 64 << 10
	all, err := io.ReadAll(io.LimitReader(f, limit+maxLine))
	if err != nil {
		return nil, nil
	}
	line, data, ok := strings.Cut(string(all), "\n")
	var head kept
	if !ok || json.Unmarshal([]byte(line), &head) != nil || head.URL != redacted(target) || head.SHA256 != hexSum([]byte(data)) ||
		head.Version == (version{}) {
		return nil, nil
	}
	return &head, []byte(data)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
