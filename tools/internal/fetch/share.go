package fetch

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

const (
	// lockPoll is how often a file that another process fetches is asked for.
	lockPoll = 50 * time.Millisecond
	// maxLockWait is how long: a process that is stopped must not stop others, and two that fetch the same file do no harm.
	maxLockWait = 5 * time.Minute
)

// share waits while another process fetches a file into the same cache. It locks the folder of the file, one of 256, so that
// nothing has to be removed later and a killed process leaves nothing behind. Where folders cannot be locked (NFS, Windows)
// both processes fetch the file, and the last one to complete it replaces it by the same bytes.
func (c *Client) share(ctx context.Context, want Digest) (unlock func()) {
	none := func() {}
	if c.CacheDir == "" {
		return none
	}
	dir := filepath.Dir(c.cachePath(want))
	if os.MkdirAll(dir, 0o755) != nil {
		return none
	}
	f, err := os.Open(dir)
	if err != nil {
		return none
	}
	patient, cancel := context.WithTimeout(ctx, maxLockWait)
	defer cancel()
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		locked, err := tryLock(f)
		if locked {
			return func() { f.Close() }
		}
		if err == nil {
			select {
			case <-ticker.C:
				continue
			case <-patient.Done():
			}
		}
		f.Close()
		return none
	}
}
