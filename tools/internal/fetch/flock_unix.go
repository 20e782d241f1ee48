//go:build linux || darwin || freebsd

package fetch

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock of a folder that processes share, which ends with the file's Close or the process; false means that
// another process has it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}
