// Package mounttest lays files over others for the programs that a test starts, and for nobody else.
package mounttest

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

// Bind is a file or directory that is seen in the place of another one.
type Bind struct{ From, To string }

// Over calls f in a mount namespace of its own, in which the binds are made; programs that f starts see them too. f must start
// them itself, not in another goroutine. Where nothing can be mounted the test is skipped, and says what is not checked.
func Over(t testing.TB, unchecked string, binds []Bind, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("not root; not checked: %s", unchecked)
	}
	result := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)      // also where f ends the test
		runtime.LockOSThread() // never unlocked: the thread, and with it the namespace, ends with this goroutine
		err := mount(binds)
		result <- err
		if err == nil {
			f()
		}
	}()
	<-done
	if err := <-result; err != nil {
		t.Skipf("nothing can be mounted here (%v); not checked: %s", err, unchecked)
	}
	if t.Failed() {
		t.FailNow()
	}
}

func mount(binds []Bind) error {
	if err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_NEWNS); err != nil {
		return &os.PathError{Op: "unshare", Path: "mount namespace", Err: err}
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return &os.PathError{Op: "mount", Path: "/", Err: err}
	}
	for _, b := range binds {
		if err := syscall.Mount(b.From, b.To, "", syscall.MS_BIND, ""); err != nil {
			return &os.PathError{Op: "mount", Path: b.To, Err: err}
		}
	}
	return nil
}
