package imagerun

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultTimeout ends a process that names none.
	DefaultTimeout = 60 * time.Second
	// maxOutputBytes bounds what is kept of each stream of a process.
	maxOutputBytes = 8 << 20
)

// Process says what to run in an image. Only Args is needed: the rest is as the image says, in namespaces of its own, with the
// root filesystem writable. What a process writes there stays for later ones.
type Process struct {
	Args []string
	// Env is added to that of the image ("NAME=value"); the last of a name counts.
	Env []string
	// User is "uid" or "uid:gid"; without a gid it is that of /etc/passwd of the image, or 0. Empty: as the image says.
	User string
	// Cwd is the working directory. Empty: as the image says.
	Cwd string
	// Capabilities are added to the few of umoci's default configuration (CAP_KILL, CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE). As
	// everywhere, users other than root have none of them but by file capabilities.
	Capabilities []string
	ReadOnly     bool // root filesystem
	Mounts       []Mount
	// Devices are device nodes of the machine, such as /dev/loop0, that the process sees and may use.
	Devices []string
	// Network is shared with other processes and with the test. Nil: a namespace of its own, with nothing but lo. After EmulateAll a process
	// with one has no /sys, and no rights over the network.
	Network *Network
	Stdin   io.Reader
	// Timeout after which the process is killed, an error. 0: DefaultTimeout. Under Start it counts from the start.
	Timeout time.Duration
	// Edit changes the runtime configuration (the OCI specification's config.json) at last, for what has no field here.
	Edit func(config map[string]any)
}

// Mount is one mount of a process, before the process starts.
type Mount struct {
	Source, Target, Type string
	Options              []string
}

// Bind shows a file or folder of the machine at a path of the image, read-only.
func Bind(source, target string) Mount {
	return Mount{source, target, "bind", []string{"rbind", "ro"}}
}

// BindWritable shows a file or folder of the machine, and what is written to it stays there.
func BindWritable(source, target string) Mount {
	return Mount{source, target, "bind", []string{"rbind", "rw"}}
}

// Tmpfs is an empty folder; options are those of tmpfs, such as mode=1777, uid=33, size=1m.
func Tmpfs(target string, options ...string) Mount {
	return Mount{"tmpfs", target, "tmpfs", append([]string{"nosuid", "nodev"}, options...)}
}

// Result is what a process left.
type Result struct {
	Stdout, Stderr string
	Exit           int // exit status, 128+n after signal n
	Elapsed        time.Duration
}

// Output is stdout, then stderr.
func (r Result) Output() string { return r.Stdout + r.Stderr }

// Run runs a process to its end. That it exits with a status other than 0 is no error; a program that the image does not have is
// a status other than 0, with a message of runc (qemu-user under emulation) as stderr.
func (i *Image) Run(p Process) (Result, error) {
	r, err := i.Start(p)
	if err != nil {
		return Result{}, err
	}
	return r.Wait()
}

// Running is a process that Start started.
type Running struct {
	name, id string
	image    *Image
	cmd      *exec.Cmd
	bundle   string
	started  time.Time
	stdout   stream
	stderr   stream
	killer   *time.Timer

	mu      sync.Mutex
	expired bool

	done   chan struct{}
	result Result
	err    error
}

// Start starts a process and does not wait for it. Whoever starts one must Wait or Stop.
func (i *Image) Start(p Process) (*Running, error) {
	if i.bundle == "" {
		return nil, errors.New("the image is not unpacked")
	}
	n := i.last.Add(1)
	r := &Running{
		name: strings.Join(p.Args, " "), id: fmt.Sprintf("imagerun-%d-%s-%d", os.Getpid(), filepath.Base(i.dir), n),
		image: i, bundle: filepath.Join(i.dir, fmt.Sprint("process-", n)), started: time.Now(), done: make(chan struct{}),
	}
	config, err := i.configuration(p)
	if err != nil {
		return nil, fmt.Errorf("configuring %s: %w", r.name, err)
	}
	if err := os.Mkdir(r.bundle, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.bundle, "config.json"), config, 0o644); err != nil {
		return nil, err
	}
	r.cmd = i.runc("run", "--bundle", r.bundle, r.id)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = p.Stdin, &r.stdout, &r.stderr
	r.cmd.WaitDelay = 5 * time.Second
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("running runc: %w", err)
	}
	timeout := p.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	r.killer = time.AfterFunc(timeout, r.expire)
	go r.collect(timeout)
	return r, nil
}

func (i *Image) runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", filepath.Join(i.dir, "runc")}, args...)...)
}

func (r *Running) expire() {
	r.mu.Lock()
	r.expired = true
	r.mu.Unlock()
	r.destroy()
}

// destroy ends the container and runc, also when runc hangs before there is one.
func (r *Running) destroy() {
	if r.image.runc("delete", "--force", r.id).Run() != nil {
		r.cmd.Process.Kill()
	}
}

func (r *Running) collect(timeout time.Duration) {
	defer close(r.done)
	err := r.cmd.Wait()
	r.killer.Stop()
	os.RemoveAll(r.bundle)
	r.result = Result{r.stdout.String(), r.stderr.String(), r.cmd.ProcessState.ExitCode(), time.Since(r.started)}
	r.mu.Lock()
	defer r.mu.Unlock()
	var exit *exec.ExitError
	switch {
	case r.expired:
		r.err = fmt.Errorf("%s did not end within %s\n%s", r.name, timeout, r.result.Output())
	case err != nil && !errors.As(err, &exit):
		r.err = fmt.Errorf("running runc for %s: %w\n%s", r.name, err, r.result.Output())
	case r.stdout.cut() || r.stderr.cut():
		r.err = fmt.Errorf("%s wrote more than %d bytes", r.name, maxOutputBytes)
	}
}

// Wait waits until the process has ended.
func (r *Running) Wait() (Result, error) {
	<-r.done
	return r.result, r.err
}

// Output is what the process has written so far: stdout, then stderr.
func (r *Running) Output() string { return r.stdout.String() + r.stderr.String() }

// Status is what the kernel says of the first process of the container: the fields of /proc/PID/status by name, such as Uid.
func (r *Running) Status() (map[string][]string, error) {
	out, err := r.image.runc("state", r.id).Output()
	if err != nil {
		return nil, fmt.Errorf("asking runc for %s: %w", r.name, err)
	}
	var state struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", state.PID))
	if err != nil {
		return nil, err
	}
	fields := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		name, values, _ := strings.Cut(line, ":")
		fields[name] = strings.Fields(values)
	}
	return fields, nil
}

// Signal sends a signal, such as TERM.
func (r *Running) Signal(name string) error {
	if out, err := r.image.runc("kill", r.id, name).CombinedOutput(); err != nil {
		return fmt.Errorf("sending %s to %s: %w\n%s", name, r.name, err, out)
	}
	return nil
}

// Stop sends TERM, and KILL after 10 s, and returns what the process left. One that had ended before is an error.
func (r *Running) Stop() (Result, error) {
	select {
	case <-r.done:
		return r.result, fmt.Errorf("%s had ended by itself with status %d (%v)\n%s", r.name, r.result.Exit, r.err, r.result.Output())
	default:
	}
	if err := r.Signal("TERM"); err != nil {
		r.destroy()
		<-r.done
		return r.result, err
	}
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		r.destroy()
		<-r.done
		return r.result, fmt.Errorf("%s did not end within 10 s of SIGTERM\n%s", r.name, r.result.Output())
	}
	return r.result, r.err
}

// Kill ends the process whatever it does.
func (r *Running) Kill() {
	select {
	case <-r.done:
	default:
		r.destroy()
		<-r.done
	}
}

// Ready asks probe until it has no error. It fails when the process ends, or after the timeout.
func (r *Running) Ready(timeout time.Duration, probe func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-r.done:
			return fmt.Errorf("%s ended with status %d before it was ready (%v): %w\n%s", r.name, r.result.Exit, r.err, err, r.result.Output())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready after %s: %w\n%s", r.name, timeout, err, r.Output())
		}
	}
}

// stream keeps what a process writes, up to a bound.
type stream struct {
	mu   sync.Mutex
	data []byte
	more bool
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := min(len(p), maxOutputBytes-len(s.data))
	s.data = append(s.data, p[:keep]...)
	s.more = s.more || keep < len(p)
	return len(p), nil
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.data)
}

func (s *stream) cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.more
}
