package fetch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Stat returns the size of a file as its server tells it, without reading the file; -1 when the server does not say.
func (c *Client) Stat(ctx context.Context, bases []string, location string) (size int64, err error) {
	err = c.each(ctx, bases, location, func(target string) error {
		if IsLocal(target) {
			info, err := os.Stat(c.localPath(target))
			if err == nil {
				size = info.Size()
			}
			return err
		}
		size, err = c.statRemote(ctx, target)
		return err
	})
	return size, err
}

func (c *Client) statRemote(ctx context.Context, target string) (int64, error) {
	stall := c.Stall
	if stall == 0 {
		stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no answer for %s", stall)) })
	defer timer.Stop()
	req, err := request{target: target}.http(ctx)
	if err != nil {
		return 0, err
	}
	req.Method = http.MethodHead
	req.Header.Set("Accept-Encoding", "identity") // else the size may be that of a packed copy
	resp, err := c.HTTP.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return 0, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, &StatusError{resp.StatusCode, resp.Status, retryAfter(resp.Header)}
	}
	size, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
	if err != nil {
		return -1, nil
	}
	return size, nil
}
