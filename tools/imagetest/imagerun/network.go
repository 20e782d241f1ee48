package imagerun

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Network is a network namespace that has nothing but lo, 127.0.0.1 and ::1. Processes of several images and the test itself can
// be in it; nothing outside can be reached from there.
type Network struct{ file *os.File }

// NewNetwork makes one. It lives until Close, and until the last process in it has ended.
func NewNetwork() (*Network, error) {
	type made struct {
		file *os.File
		err  error
	}
	c := make(chan made)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine, and no other goroutine comes into the namespace.
		runtime.LockOSThread()
		file, err := unshareNetwork()
		c <- made{file, err}
	}()
	m := <-c
	if m.err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", m.err)
	}
	return &Network{m.file}, nil
}

func unshareNetwork() (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return nil, fmt.Errorf("bringing lo up: %w", err)
	}
	return os.Open("/proc/thread-self/ns/net")
}

// Close lets go of the namespace.
func (n *Network) Close() error { return n.file.Close() }

// Path is where runc and others find the namespace.
func (n *Network) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// Do calls f on a thread in the namespace. Sockets that f makes stay in it; goroutines that f starts are not in it.
func (n *Network) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever, as in NewNetwork
		err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// Start starts a program of the machine in the namespace.
func (n *Network) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Listen listens in the namespace; the address is an IP address with a port.
func (n *Network) Listen(network, address string) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// Dial connects in the namespace; the address is an IP address with a port.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := n.Do(func() (err error) {
		// The fast path of a single IP address: no other goroutine makes the socket.
		d := net.Dialer{Timeout: 10 * time.Second, FallbackDelay: -1}
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Transport makes HTTP connections in the namespace.
func (n *Network) Transport() *http.Transport { return &http.Transport{DialContext: n.Dial} }
