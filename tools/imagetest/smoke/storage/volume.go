// Package storage uses an image as a storage driver of Kubernetes does: it makes file systems on volumes, mounts them where others see
// them, grows, checks and repairs them.
package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

const (
	mebi = 1 << 20
	// shared is where the image and the test see the same mounts, mountpoint where volumes are mounted there.
	shared     = "/var/lib/kubelet"
	mountpoint = shared + "/volume"
)

// volume is a block device that a file is behind, and a folder in which the image mounts it. What is mounted there the test sees, as the
// kubelet does (mountPropagation: Bidirectional), and nobody else: both are in a mount namespace of the test's thread, which ends with it.
type volume struct {
	t      *testing.T
	image  *smoke.Image
	file   *os.File
	device string
	loop   *os.File
	folder string // shared, for the test
	target string // mountpoint, for the test
}

// newVolume makes a volume without content. It skips the test and says why where the machine has no block devices of files, or no file
// systems of the type.
func newVolume(t *testing.T, image *smoke.Image, kind string, bytes int64) *volume {
	t.Helper()
	fd, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC) // loads the module too
	if err != nil {
		t.Skipf("this kernel has no %s: %v", kind, err)
	}
	unix.Close(fd)
	v := &volume{t: t, image: image}
	if v.folder, err = shareMounts(t.TempDir()); err != nil {
		t.Fatalf("making a mount namespace: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(v.folder, unix.MNT_DETACH) })
	v.target = filepath.Join(v.folder, filepath.Base(mountpoint))
	if err := os.Mkdir(v.target, 0o755); err != nil {
		t.Fatal(err)
	}
	if v.file, err = os.Create(filepath.Join(t.TempDir(), "volume")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.file.Close() })
	if err := v.file.Truncate(bytes); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skipf("no block devices of files: %v", err)
	}
	if err := v.attach(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.loop.Close() }) // the kernel lets go of the file then
	return v
}

// shareMounts makes folder, on a thread that belongs to the calling goroutine for good, a place whose mounts are shared with containers
// that bind it, and returns it.
func shareMounts(folder string) (string, error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return "", err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", err
	}
	if err := unix.Mount("shared", folder, "tmpfs", 0, ""); err != nil {
		return "", err
	}
	return folder, unix.Mount("", folder, "", unix.MS_SHARED, "")
}

// attach finds a free loop device for the file. Others may look for one at the same time.
func (v *volume) attach() error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	for range 20 {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("finding a free loop device: %w", err)
		}
		v.device = fmt.Sprint("/dev/loop", number)
		if v.loop, err = os.OpenFile(v.device, os.O_RDWR, 0); err != nil {
			return err
		}
		config := unix.LoopConfig{Fd: uint32(v.file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		if err = unix.IoctlLoopConfigure(int(v.loop.Fd()), &config); err == nil {
			return nil
		}
		v.loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("putting a file behind %s: %w", v.device, err)
		}
	}
	return errors.New("no free loop device in 20 tries")
}

// grow makes the device larger, as the cloud does.
func (v *volume) grow(bytes int64) {
	v.t.Helper()
	if err := v.file.Truncate(bytes); err != nil {
		v.t.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(v.loop.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		v.t.Fatal(err)
	}
}

// process is a program of a privileged container that sees the device and shares the folder.
func (v *volume) process(args ...string) imagerun.Process {
	capabilities := []string{"CAP_SYS_ADMIN"}
	if v.growsMounted() {
		capabilities = append(capabilities, "CAP_SYS_RESOURCE")
	}
	return imagerun.Process{
		Args: args, Devices: []string{v.device}, Capabilities: capabilities,
		Mounts: []imagerun.Mount{{Source: v.folder, Target: shared, Type: "bind", Options: []string{"rbind", "rw", "rshared"}}},
		Edit: func(config map[string]any) {
			linux, _ := config["linux"].(map[string]any)
			linux["rootfsPropagation"] = "shared"
		},
	}
}

// growsMounted tells whether ext4 can be grown while it is mounted: the test needs a capability for that, which not every machine gives, and
// qemu-user does not know the control call.
func (v *volume) growsMounted() bool {
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0 && !v.image.Emulated()
}

func (v *volume) succeed(args ...string) {
	v.t.Helper()
	v.image.Succeed(v.t, v.process(args...))
}

func (v *volume) match(pattern string, args ...string) string {
	v.t.Helper()
	return v.image.Match(v.t, v.process(args...), pattern)
}

// exits demands an exit status.
func (v *volume) exits(status int, args ...string) {
	v.t.Helper()
	if r := v.image.Run(v.t, v.process(args...)); r.Exit != status {
		v.t.Fatalf("%s: exit status %d, want %d\n%s", strings.Join(args, " "), r.Exit, status, r.Output())
	}
}

// mounted demands that the test sees a file system with this magic number at the mount point, and returns its size.
func (v *volume) mounted(magic int64) int64 {
	v.t.Helper()
	var stat unix.Statfs_t
	if err := unix.Statfs(v.target, &stat); err != nil {
		v.t.Fatal(err)
	}
	if int64(stat.Type) != magic {
		v.t.Fatalf("the file system at the mount point has the magic number %#x, want %#x", stat.Type, magic)
	}
	return int64(stat.Blocks) * stat.Bsize
}

// write and read use the mounted volume from outside of the image.
func (v *volume) write(name, content string) {
	v.t.Helper()
	if err := os.WriteFile(filepath.Join(v.target, name), []byte(content), 0o640); err != nil {
		v.t.Fatal(err)
	}
}

func (v *volume) read(name, want string) {
	v.t.Helper()
	if got, err := os.ReadFile(filepath.Join(v.target, name)); err != nil || string(got) != want {
		v.t.Fatalf("%s holds %q (%v), want %q", name, got, err, want)
	}
}

// probe is what drivers ask before they make a file system: status 2 means that there is none.
func (v *volume) probe(kind string) {
	v.t.Helper()
	args := []string{"/usr/sbin/blkid", "-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", v.device}
	if kind == "" {
		v.exits(2, args...)
		return
	}
	v.match("(?m)^TYPE="+kind+"$", args...)
}

// sizes compares what two programs say of the device.
func (v *volume) sizes(bytes int64) {
	v.t.Helper()
	v.match(fmt.Sprintf("^%d\n$", bytes), "/usr/sbin/blockdev", "--getsize64", v.device)
	v.match(fmt.Sprintf(`^%s +%d +loop *\n$`, filepath.Base(v.device), bytes), "/usr/bin/lsblk", "--nodeps", "--noheadings", "--bytes", "-o", "NAME,SIZE,TYPE", v.device)
}

// uint32At reads the file behind the device, whatever the kernel has in its caches of it.
func (v *volume) uint32At(order binary.ByteOrder, offset int64) uint32 {
	v.t.Helper()
	var data [4]byte
	if _, err := v.file.ReadAt(data[:], offset); err != nil {
		v.t.Fatal(err)
	}
	return order.Uint32(data[:])
}
