//go:build !(linux || darwin || freebsd)

package fetch

import (
	"errors"
	"os"
)

func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
