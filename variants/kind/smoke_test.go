// Package kind_test boots the image as a node.
package kind_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// reference is the name that the node gives the image which it runs.
const reference = "localhost/nested:test"

// shutdown is the signal that systemd powers off at: SIGRTMIN+3.
const shutdown = "37"

// node is a booted image.
type node struct {
	t       *testing.T
	running *imagerun.Running
}

// boot starts systemd as kind does: a privileged container with a hierarchy of control groups of its own, /run and /tmp empty.
func boot(t *testing.T, image *smoke.Image, mounts ...imagerun.Mount) node {
	t.Helper()
	running := image.Start(t, imagerun.Process{
		Args: []string{"/usr/sbin/init"}, Env: []string{"container=oci"}, Timeout: 3 * time.Minute,
		Capabilities: strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_ADMIN
			CAP_NET_RAW CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_ADMIN CAP_SETFCAP CAP_MKNOD CAP_SYS_BOOT`),
		Mounts: append([]imagerun.Mount{
			imagerun.Tmpfs("/run", "mode=755"), imagerun.Tmpfs("/tmp", "mode=1777"), imagerun.Tmpfs("/var/lib/containerd"),
			{Source: "cgroup2", Target: "/sys/fs/cgroup", Type: "cgroup2", Options: []string{"rw", "nosuid", "nodev", "noexec"}},
		}, mounts...),
		Edit: privileged,
	}, time.Minute, func() error { return nil })
	n := node{t, running}
	if err := running.Ready(2*time.Minute, func() error {
		r, err := running.Exec(20*time.Second, "systemctl", "is-system-running")
		if state := strings.TrimSpace(r.Stdout); err == nil && state != "running" && state != "degraded" {
			err = errors.New("the system is " + strings.TrimSpace(r.Output()))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// privileged gives the container control groups of its own, and hides nothing.
func privileged(config map[string]any) {
	var mounts []any
	have, _ := config["mounts"].([]any)
	for _, m := range have {
		if mount, _ := m.(map[string]any); mount["type"] != "cgroup" {
			mounts = append(mounts, m)
		}
	}
	config["mounts"] = mounts
	linux, _ := config["linux"].(map[string]any)
	namespaces, _ := linux["namespaces"].([]any)
	own := map[string]any{"type": "cgroup"} // umoci gives it or not, by its version
	namespaces = slices.DeleteFunc(namespaces, func(n any) bool { return reflect.DeepEqual(n, own) })
	linux["namespaces"] = append(namespaces, own)
	linux["maskedPaths"], linux["readonlyPaths"] = []any{}, []any{}
	process, _ := config["process"].(map[string]any)
	process["noNewPrivileges"] = false
}

// match runs a program of the node that must succeed, and what it says must match.
func (n node) match(pattern string, args ...string) string {
	n.t.Helper()
	r, err := n.running.Exec(time.Minute, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	if r.Exit != 0 || strings.TrimSpace(r.Output()) == "" || !regexp.MustCompile(pattern).MatchString(r.Output()) {
		n.t.Fatalf("%s: exit status %d, output does not match %q:\n%s", strings.Join(args, " "), r.Exit, pattern, r.Output())
	}
	return r.Output()
}

// emulatedFailures are units that fail where root is not root of the machine, and where qemu-user does not know a system call.
var emulatedFailures = strings.Fields(`dev-hugepages.mount sys-fs-fuse-connections.mount systemd-sysctl.service systemd-sysusers.service
	systemd-tmpfiles-setup-dev.service systemd-tmpfiles-setup.service`)

// nothingFailed demands that every unit of the boot has come up.
func (n node) nothingFailed(image *smoke.Image) {
	n.t.Helper()
	if !image.Emulated() {
		n.match("(?m)^0 loaded units", "systemctl", "--failed", "--no-pager", "--plain")
		n.match("^running\n$", "systemctl", "is-system-running")
		return
	}
	out := n.match("(?m)^[0-9]+ loaded units", "systemctl", "--failed", "--no-pager", "--plain")
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[2] == "failed" {
			if !slices.Contains(emulatedFailures, fields[0]) {
				n.t.Errorf("unit %s failed", fields[0])
			}
			n.t.Log("under emulation, not as root of the machine: failed " + strings.Join(fields, " "))
		}
	}
}

// TestBoot: systemd comes up as process 1 with nothing failed, starts services and units of the moment, and powers off.
func TestBoot(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	archive := filepath.Join(t.TempDir(), "nested.tar")
	writeArchive(t, smoke.OpenNamed(t, "nested"), archive)
	look := smoke.WriteFile(t, "file", "from the node")
	n := boot(t, image, imagerun.Bind(archive, "/nested.tar"), imagerun.Bind(look, "/file"))

	n.match("^systemd\n$", "cat", "/proc/1/comm")
	n.nothingFailed(image)
	n.match("^(active\n){6}$", "systemctl", "is-active", "basic.target", "multi-user.target", "default.target", "systemd-journald.service", "systemd-logind.service", "dbus.service")
	n.match("^from a unit\n$", "systemd-run", "--wait", "--pipe", "--quiet", "echo", "from a unit")
	n.match("of a unit of its own", "systemd-run", "--wait", "--pipe", "--quiet", "-p", "DynamicUser=yes", "-p", "PrivateTmp=yes", "sh", "-c", "id -u; echo of a unit of its own")
	n.match("Reached target Multi-User System|Startup finished", "journalctl", "-b", "--no-pager")

	n.match("^active\n$", "sh", "-c", "systemctl start containerd && systemctl is-active containerd")
	n.match("(?s)Client:.*Version: .*Server:.*Version:", "ctr", "version")
	n.match(`io\.containerd\.grpc\.v1 +cri +linux/[a-z0-9/]+ +ok`, "ctr", "plugins", "ls")
	n.match("(?i)unpacking|saved|done", "ctr", "--namespace", "k8s.io", "images", "import", "/nested.tar")
	n.match(reference, "ctr", "--namespace", "k8s.io", "images", "ls")
	n.match("/mnt", "ctr", "--namespace", "k8s.io", "images", "mount", reference, "/mnt")
	n.match("^nsenter from util-linux", "chroot", "/mnt", "/usr/bin/nsenter", "--version")
	if r, err := n.running.Exec(time.Minute, "grep", "-w", "cpu", "/sys/fs/cgroup/cgroup.controllers"); err != nil || r.Exit != 0 {
		t.Log("containerd does not run a container: the kernel's cpu controller is in the first version of control groups")
	} else {
		n.match("^nsenter from util-linux", "ctr", "--namespace", "k8s.io", "run", "--rm", reference, "nested", "/usr/bin/nsenter", "--version")
	}

	if image.Emulated() {
		t.Log("iptables is not run under emulation: qemu-user does not know its sockets")
	} else {
		n.match(`^iptables v[0-9.]+ \(nf_tables\)\n$`, "iptables", "--version")
	}
	n.match(`lo: .*\n.*\n.*127\.0\.0\.1/8`, "ip", "address")
	n.match("^[a-z0-9-]+\n$", "hostname")

	if image.Emulated() {
		t.Log("the node is not powered off under emulation: qemu-user keeps signals of real time for itself")
		return
	}
	if err := n.running.Signal(shutdown); err != nil {
		t.Fatal(err)
	}
	result, err := n.running.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, result.Output())
	}
	t.Logf("the node ran for %.1f s and ended with %d", result.Elapsed.Seconds(), result.Exit)
}

// writeArchive packs the layout of an image as containerd imports it.
func writeArchive(t *testing.T, image *smoke.Image, path string) {
	t.Helper()
	layout, _, _ := strings.Cut(image.Reference(), ":")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := tar.NewWriter(file)
	add := func(name string, data []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	var index map[string]any
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	manifests, _ := index["manifests"].([]any)
	manifest, _ := manifests[0].(map[string]any)
	manifest["annotations"] = map[string]any{"io.containerd.image.name": reference}
	if data, err = json.Marshal(index); err != nil {
		t.Fatal(err)
	}
	errs := []error{add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), add("index.json", data)}
	blobs, err := filepath.EvalSymlinks(filepath.Join(layout, "blobs"))
	errs = append(errs, err, filepath.WalkDir(blobs, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(blobs, path)
		if err != nil {
			return err
		}
		return add(filepath.Join("blobs", name), data)
	}), w.Close())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestPrograms: what scripts of a node call is there, on every architecture.
func TestPrograms(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	for _, test := range [][]string{
		{"/usr/bin/containerd", "--version", "^containerd "},
		{"/usr/bin/ctr", "--version", "^ctr "},
		{"/usr/sbin/runc", "--version", "^runc version "},
		{"/usr/bin/systemctl", "--version", "^systemd "},
		{"/usr/bin/curl", "--version", "^curl "},
		{"/usr/sbin/ethtool", "--version", "^ethtool version "},
		{"/usr/sbin/ip", "-V", "^ip utility, iproute2"},
		{"/usr/bin/jq", "-n", "6 * 7", "^42\n$"},
		{"/usr/bin/socat", "-V", "(?m)^socat version "},
		{"/usr/bin/rsync", "--version", "^rsync +version "},
		{"/usr/bin/pigz", "--version", "^pigz "},
		{"/usr/bin/tar", "--version", "^tar "},
		{"/usr/bin/mount", "--version", "^mount from util-linux "},
		{"/usr/sbin/mount.nfs", "-V", "^mount.nfs"},
		{"/usr/bin/ps", "--version", "^ps from procps"},
		{"/usr/bin/hostname", "--version", "^hostname "},
		{"/usr/bin/sudo", "-n", "id", "-u", "(?m)^0$"},
		{"/usr/bin/su", "nobody", "-s", "/bin/sh", "-c", "id -u", "(?m)^65534$"},
		{"/bin/bash", "-c", "which sh find awk | wc -l", "^[23]\n$"},
	} {
		last := len(test) - 1
		image.Match(t, imagerun.Process{Args: test[:last], Capabilities: []string{"CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"}}, test[last])
	}
}
