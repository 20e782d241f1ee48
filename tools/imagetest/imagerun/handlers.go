package imagerun

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What ELF files of an architecture start with, for the kernel's binfmt_misc: magic and mask. The masked bytes are the ABI and, in the
// type, the difference between fixed and relocatable programs.
var magics = map[string]string{
	"amd64": `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00`,
	"arm64": `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`,
}

const magicMask = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`

// handlerVariable is set for the child of ours that registers its value and then waits for the end of its stdin.
const handlerVariable = "IMAGERUN_HANDLER"

// Only a new process can be the first of a user namespace: a process with threads, as every Go program is, cannot make one. So it is this
// program once more, which takes this way out before anything else begins.
func init() {
	handler := os.Getenv(handlerVariable)
	if handler == "" {
		return
	}
	if err := registerHandler(handler); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func registerHandler(handler string) error {
	const folder = "/proc/sys/fs/binfmt_misc"
	if err := unix.Mount("binfmt_misc", folder, "binfmt_misc", 0, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", folder, err)
	}
	return os.WriteFile(folder+"/register", []byte(handler), 0)
}

// handlers is a user namespace in which the kernel starts programs of another architecture under the emulator, by whatever path they are
// started. Nothing outside of it is changed. It lives until close.
type handlers struct {
	cmd   *exec.Cmd
	stdin io.Closer
	// mapped tells that the runtime configuration must repeat the mappings of the namespace, as runc before 1.2 demands.
	mapped bool
}

// startHandlers needs Linux 6.7, the first whose user namespaces have binary formats of their own.
func startHandlers(arch string) (*handlers, error) {
	emulator, err := Emulator(arch)
	if err != nil {
		return nil, err
	}
	version, err := exec.Command("runc", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("running runc --version: %w", err)
	}
	// F: the kernel opens the emulator now, so that the image need not have it. P: the program sees its own name.
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{handlerVariable + "=:imagerun:M::" + magics[arch] + ":" + magicMask + ":" + emulator + ":PF"}
	all := []syscall.SysProcIDMap{{Size: math.MaxUint32}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("making a user namespace with binary formats of its own: %w", err)
	}
	h := &handlers{cmd, stdin, strings.HasPrefix(string(version), "runc version 1.0.") || strings.HasPrefix(string(version), "runc version 1.1.")}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		h.close()
		return nil, fmt.Errorf("a user namespace cannot have binary formats of its own here (Linux has them since 6.7): %s", strings.TrimSpace(stderr.String()))
	}
	return h, nil
}

func (h *handlers) close() {
	h.stdin.Close()
	h.cmd.Wait()
}

// join puts a container into the namespace.
func (h *handlers) join(linux map[string]any) {
	appendTo(linux, "namespaces", map[string]any{"type": "user", "path": fmt.Sprintf("/proc/%d/ns/user", h.cmd.Process.Pid)})
	if h.mapped {
		all := []any{map[string]any{"containerID": 0, "hostID": 0, "size": uint32(math.MaxUint32)}}
		linux["uidMappings"], linux["gidMappings"] = all, all
	}
}

// EmulateAll lets later processes of an emulated image start other programs of the image, which qemu-user alone cannot: they run in
// a user namespace in which the kernel calls the emulator. They are root there and not root of the machine: mounting a block device and
// the like are not theirs. It does nothing for an image that is not emulated. Whoever calls it must Close the image.
func (i *Image) EmulateAll() error {
	if !i.Emulated() || i.handlers != nil {
		return nil
	}
	h, err := startHandlers(i.Arch)
	i.handlers = h
	return err
}

// EmulatesAll tells whether processes can start other programs of the image.
func (i *Image) EmulatesAll() bool { return !i.Emulated() || i.handlers != nil }

// Close ends what EmulateAll began.
func (i *Image) Close() {
	if i.handlers != nil {
		i.handlers.close()
		i.handlers = nil
	}
}
