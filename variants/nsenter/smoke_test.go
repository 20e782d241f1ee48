// Package nsenter_test enters the namespaces of another container, as agents of a node do.
package nsenter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// view is what the program look tells: the name of the host, whether it sees the target's file, and namespaces.
type view struct {
	host       string
	file       string
	namespaces map[string]string
}

func parse(t *testing.T, out string) view {
	t.Helper()
	fields := strings.Fields(out)
	if len(fields) != 7 {
		t.Fatalf("look says %q", out)
	}
	v := view{fields[0], fields[1], map[string]string{}}
	for _, f := range fields[2:] {
		kind, _, _ := strings.Cut(f, ":")
		v.namespaces[kind] = f
	}
	return v
}

// TestEnter: the target is process 1 for the container that enters it, as the first process of a node is with hostPID.
func TestEnter(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	look := imagerun.Bind(smoke.Program(t, "look"), "/look")
	target := imagerun.Process{
		Args: []string{"/look", "target"}, Mounts: []imagerun.Mount{look, imagerun.Tmpfs("/tmp")}, Capabilities: []string{"CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"},
	}
	running, err := image.Image.Start(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	if err := running.Ready(20*time.Second, func() error {
		if !strings.HasSuffix(running.Output(), "\n") {
			return errors.New("the target has not said anything")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := parse(t, running.Output())
	if want.host != "target" || want.file != "true" {
		t.Fatalf("the target sees %v", want)
	}
	status, err := running.Status()
	if err != nil {
		t.Fatal(err)
	}
	process := func(args ...string) imagerun.Process {
		return imagerun.Process{
			Args: args, Mounts: []imagerun.Mount{look}, Capabilities: []string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_CHROOT"},
			Edit: func(config map[string]any) { sharePIDs(config, strings.Join(status["Pid"], "")) },
		}
	}
	for _, test := range []struct {
		flags   string
		entered []string
	}{
		{"--uts", []string{"uts"}},
		{"--net --ipc", []string{"ipc", "net"}},
		{"--mount", []string{"mnt"}},
		{"--uts --ipc --net --pid", []string{"ipc", "net", "uts"}},
		{"--mount --uts --ipc --net --pid", []string{"ipc", "mnt", "net", "uts"}},
	} {
		if image.Emulated() && slices.Contains(test.entered, "mnt") {
			t.Logf("not run under emulation: %s: qemu-user has threads, and a process with threads cannot enter a mount namespace", test.flags)
			continue
		}
		args := append([]string{"/usr/bin/nsenter", "--target", "1"}, strings.Fields(test.flags)...)
		got := parse(t, image.Output(t, process(append(args, "--", "/look")...)))
		for _, kind := range []string{"ipc", "mnt", "net", "uts"} {
			if entered := got.namespaces[kind] == want.namespaces[kind]; entered != slices.Contains(test.entered, kind) {
				t.Errorf("%s: namespace %s is the target's: %v", test.flags, kind, entered)
			}
		}
		if (got.host == "target") != slices.Contains(test.entered, "uts") || (got.file == "true") != slices.Contains(test.entered, "mnt") {
			t.Errorf("%s: %v", test.flags, got)
		}
	}
	outside := parse(t, image.Output(t, process("/look")))
	if outside.host == "target" || outside.file == "true" || outside.namespaces["pid"] != want.namespaces["pid"] {
		t.Errorf("a container that does not enter sees %v", outside)
	}
	image.Fail(t, process("/usr/bin/nsenter", "--target", "1", "--uts", "--", "/bin/sh"), "(?m)failed to execute /bin/sh: No such file or directory$")
}

// sharePIDs puts a container into the PID namespace of a process of the machine.
func sharePIDs(config map[string]any, pid string) {
	linux, _ := config["linux"].(map[string]any)
	namespaces, _ := linux["namespaces"].([]any)
	for _, n := range namespaces {
		if space, _ := n.(map[string]any); space["type"] == "pid" {
			space["path"] = "/proc/" + pid + "/ns/pid"
		}
	}
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
