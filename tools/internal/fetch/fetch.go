// Package fetch reads repositories over http, https and from local folders. It believes nobody: what has a checksum is
// returned only when size and checksum agree, mirrors are tried in turn, and the cache holds verified files only, each under
// the name of its checksum, written beside and moved into place, so that concurrent or killed runs never see half a file.
package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// Client fetches files. Its methods may be called concurrently.
type Client struct {
	// HTTP is used for http and https; see NewHTTPClient.
	HTTP *http.Client
	// CacheDir keeps verified files; empty means no cache, then File keeps its result in TempDir.
	CacheDir string
	// Root is the folder that base URLs without scheme are relative to.
	Root string
	// Retries is how often a server that is overloaded or breaks off is asked again; Pause is the first waiting time, which
	// doubles each time.
	Retries int
	Pause   time.Duration
	// Stall is how long a connection may be silent.
	Stall time.Duration
	// Progress, if not nil, is told how many bytes of a file File has, while it fetches it; size is -1 when it is not known.
	// It is called often, and concurrently.
	Progress func(url string, got, size int64)
	// busy has a mutex for each file of the cache that is being fetched, so that two repositories that share it fetch it once.
	busy sync.Map
	// Advise adds hints to errors of the network; nil means those for making locks.
	Advise func(error) error
}

const defaultStall = 60 * time.Second

// IsLocal reports whether a base URL is a folder, which needs no cache.
func IsLocal(base string) bool {
	return !strings.HasPrefix(base, "http://") && !strings.HasPrefix(base, "https://")
}

// Join appends a path of the metadata, escaped or not, to a base URL. The path may begin with "../" (Amazon Linux keeps its packages beside the
// repository) but never leaves the server.
func Join(base, location string) (string, error) {
	if IsLocal(base) {
		return strings.TrimSuffix(base, "/") + "/" + location, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("reading URL %q: %w", base, err)
	}
	if text, err := url.PathUnescape(location); err == nil { // some repositories write %2B for +
		location = text
	}
	u.Path = path.Join("/", u.Path, location)
	u.RawPath = ""
	return u.String(), nil
}

// StatusError is an answer other than success.
type StatusError struct {
	Code   int
	Status string
	// RetryAfter is how long an overloaded server asks to wait; 0 when it does not say.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string { return "the server answers " + e.Status }

// temporary reports whether asking again may help.
func temporary(err error) bool {
	var status *StatusError
	var mismatch *MismatchError
	if errors.As(err, &mismatch) {
		return false // the next mirror may be better, this one will not
	}
	if errors.As(err, &status) {
		return status.Code == http.StatusTooManyRequests || status.Code >= 500
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	return !final(err) && !errors.Is(err, errNotModified) && !errors.Is(err, errTooManyRedirects) && !errors.Is(err, context.Canceled) && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errTooLarge) && !errors.Is(err, errTooSmall)
}

// final reports whether TLS, credentials or the disk are the problem, which asking again does not solve.
func final(err error) bool {
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	return errors.Is(err, errAccess) || errors.Is(err, errLocal) || errors.As(err, &certificate) || errors.As(err, &op) && op.Op == "remote error"
}

var (
	errTooLarge         = errors.New("the file is larger than expected")
	errTooSmall         = errors.New("the file is truncated")
	errTooManyRedirects = errors.New("too many redirects")
)

// each tries use on a location below every base in turn.
func (c *Client) each(ctx context.Context, bases []string, location string, use func(url string) error) error {
	targets := make([]string, len(bases))
	for i, base := range bases {
		var err error
		if targets[i], err = Join(base, location); err != nil {
			return err
		}
	}
	return c.first(ctx, targets, use)
}

// first tries use on every URL in turn, with retries, until it succeeds. The error tells what each answered.
func (c *Client) first(ctx context.Context, targets []string, use func(url string) error) error {
	var errs []error
	for i, target := range targets {
		patience := maxRetryAfter
		if i+1 < len(targets) {
			patience = c.Pause * 8 // another mirror is likely to be quicker
		}
		err := c.retry(ctx, patience, func() error { return use(target) })
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("fetching %s: %w", redacted(target), err))
		if ctx.Err() != nil || errors.Is(err, errLocal) {
			break
		}
	}
	if len(errs) == 0 {
		return errors.New("the repository has no URL")
	}
	return c.advise(errors.Join(errs...))
}

// redacted is a URL without the password it may hold.
func redacted(target string) string {
	if u, err := url.Parse(target); err == nil && u.User != nil {
		return u.Redacted()
	}
	return target
}

func (c *Client) advise(err error) error {
	var status *StatusError
	errors.As(err, &status)
	switch {
	case errors.Is(err, errAccess), errors.Is(err, errLocal):
		return err
	case final(err):
		return cli.Hint(err, "check --client-cert, --client-key and --ca")
	case status != nil && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden):
		return cli.Hint(err, "the server wants credentials: put them into ~/.netrc or the file that NETRC names, or use --client-cert")
	case status != nil && status.Code == http.StatusProxyAuthRequired:
		return cli.Hint(err, "the proxy wants credentials: put them into the proxy variables, http://user:password@host:port")
	case c.Advise != nil:
		return c.Advise(err)
	}
	return adviseLock(err)
}

// IsNetwork reports whether a server was not reached at all.
func IsNetwork(err error) bool {
	var netError interface{ Timeout() bool }
	return errors.As(err, &netError)
}

// IsNotFound reports whether a server or folder was reached, but does not have the file.
func IsNotFound(err error) bool {
	var status *StatusError
	return errors.Is(err, os.ErrNotExist) || errors.As(err, &status) && (status.Code == http.StatusNotFound || status.Code == http.StatusGone)
}

func adviseLock(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return cli.Hint(err, "check baseurl of the repository in the manifest; without a scheme it is relative to the folder of the lock")
	case IsNotFound(err):
		return cli.Hint(err, "check baseurl, releasever and vars of the repository in the manifest")
	case IsNetwork(err):
		err = cli.Hint(err, "without a way to these servers, name a mirror that can be reached as baseurl of the repository, or make the lock elsewhere")
		return cli.Hint(err, "check the network and the proxy variables (https_proxy, http_proxy); making a lock needs the repositories, building from one does not")
	}
	return err
}

// maxRetryAfter is the longest time that a server may ask us to wait.
const maxRetryAfter = 2 * time.Minute

// retry calls use again, after pauses that double, while asking again may help. A server that asks for a longer pause gets it,
// up to patience.
func (c *Client) retry(ctx context.Context, patience time.Duration, use func() error) error {
	pause := c.Pause
	for try := 0; ; try++ {
		err := use()
		if err == nil || try >= c.Retries || !temporary(err) {
			return err
		}
		wait := pause
		var status *StatusError
		if errors.As(err, &status) && status.RetryAfter > wait {
			if wait = status.RetryAfter; wait > patience {
				return fmt.Errorf("%w, and asks to wait for %s", err, wait)
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		pause *= 2
	}
}

// retryAfter reads the pause that an answer asks for: seconds, or a date, which the server's own clock makes a duration.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 && seconds < 1<<30 {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	now, err1 := http.ParseTime(header.Get("Date"))
	if err != nil || err1 != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// request is what to open: a URL from a byte on, up to another byte when to is positive and the server can do that.
type request struct {
	target   string
	from, to int64
	etag     string // the bytes before from belong to this version of the file; empty: not known
	// have is a version that we have already: errNotModified says that it is current.
	have version
}

// version is how a server names a version of a file; empty when it does not.
type version struct{ ETag, Modified string }

var errNotModified = errors.New("not modified")

// answer is the content of a URL from a byte on, which is the one asked for or 0.
type answer struct {
	io.ReadCloser
	from int64
	etag string
	// version of the whole file
	version version
}

func (r request) http(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.target, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "slimrpm")
	switch {
	case r.to > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.from, r.to-1))
	case r.from > 0:
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", r.from))
		if strong(r.etag) {
			req.Header.Set("If-Range", r.etag)
		}
	}
	if r.have.ETag != "" {
		req.Header.Set("If-None-Match", r.have.ETag)
	}
	if r.have.Modified != "" {
		req.Header.Set("If-Modified-Since", r.have.Modified)
	}
	return req, nil
}

func (c *Client) open(ctx context.Context, r request) (*answer, error) {
	if IsLocal(r.target) {
		f, err := os.Open(c.localPath(r.target))
		if err != nil {
			return nil, err
		}
		return &answer{ReadCloser: f}, nil
	}
	stall := c.Stall
	if stall == 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := r.http(ctx)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no data for %s", stall)) })
	resp, err := c.HTTP.Do(req)
	if err != nil {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		var wrapped *url.Error // says the URL again
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	body := &answer{
		ReadCloser: &watched{body: resp.Body, timer: timer, stall: stall, cancel: cancel, ctx: ctx},
		etag:       resp.Header.Get("ETag"),
		version:    version{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")},
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return body, nil
	case resp.StatusCode == http.StatusPartialContent && req.Header.Get("Range") != "":
		if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", r.from)) {
			body.Close()
			return nil, fmt.Errorf("the server answers another range: %q", got)
		}
		body.from = r.from
		return body, nil
	}
	body.Close()
	if resp.StatusCode == http.StatusNotModified && r.have != (version{}) {
		return nil, errNotModified
	}
	return nil, &StatusError{resp.StatusCode, resp.Status, retryAfter(resp.Header)}
}

func (c *Client) localPath(target string) string {
	if rest, ok := strings.CutPrefix(target, "file://"); ok {
		return filepath.FromSlash(rest)
	}
	if filepath.IsAbs(target) {
		return target
	}
	return filepath.Join(c.Root, filepath.FromSlash(target))
}

// watched ends a read that is silent for too long.
type watched struct {
	body   io.ReadCloser
	timer  *time.Timer
	stall  time.Duration
	cancel context.CancelCauseFunc
	ctx    context.Context
}

func (w *watched) Read(b []byte) (int, error) {
	w.timer.Reset(w.stall)
	n, err := w.body.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(w.ctx); cause != nil && w.ctx.Err() != nil {
			err = cause
		}
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	err := w.body.Close()
	w.cancel(nil)
	return err
}

// Get returns a small file whose content nothing vouches for yet, and the base it came from.
func (c *Client) Get(ctx context.Context, bases []string, location string, limit int64) (data []byte, base string, err error) {
	for _, b := range bases {
		var got []byte
		err1 := c.each(ctx, []string{b}, location, func(target string) error {
			var err error
			got, err = c.read(ctx, target, limit)
			return err
		})
		if err1 == nil {
			return got, b, nil
		}
		err = errors.Join(err, err1)
		if ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		err = errors.New("the repository has no URL")
	}
	return nil, "", err
}

func (c *Client) read(ctx context.Context, target string, limit int64) ([]byte, error) {
	body, err := c.open(ctx, request{target: target})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readLimited(body, limit)
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return data, nil
}

// Head returns the first size bytes of a file.
func (c *Client) Head(ctx context.Context, bases []string, location string, size int64) ([]byte, error) {
	var data []byte
	err := c.each(ctx, bases, location, func(target string) error {
		body, err := c.open(ctx, request{target: target, to: size})
		if err != nil {
			return err
		}
		defer body.Close()
		data = make([]byte, 0, min(size, 1<<20))
		chunk := make([]byte, 64<<10)
		for int64(len(data)) < size {
			n, err := body.Read(chunk[:min(int64(len(chunk)), size-int64(len(data)))])
			data = append(data, chunk[:n]...)
			if errors.Is(err, io.EOF) && int64(len(data)) < size {
				return fmt.Errorf("%w: it ends after %d of the %d bytes wanted", errTooSmall, len(data), size)
			} else if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}
