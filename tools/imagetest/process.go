package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Where the emulator is mounted in the container; it is a static program, so it needs nothing of the image.
const emulatorInImage = "/.qemu-user"

var emulators = map[string]string{"arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}

var shells = []string{"sh", "bash", "dash", "ash", "ksh", "zsh", "csh", "tcsh", "busybox", "toybox"}

func (t *tester) noShell() error {
	if !t.spec.NoShell {
		return nil
	}
	for _, dir := range []string{"bin", "usr/bin", "sbin", "usr/sbin", "usr/local/bin", "usr/lib/busybox"} {
		for _, shell := range shells {
			if _, err := os.Lstat(filepath.Join(t.rootfs(), dir, shell)); err == nil {
				return fmt.Errorf("/%s/%s is a shell", dir, shell)
			}
		}
	}
	out, exit, err := t.exec([]string{"/bin/sh", "-c", "exit 0"})
	if err != nil {
		return err
	}
	if exit == 0 {
		return fmt.Errorf("/bin/sh -c 'exit 0' ran")
	}
	// A check that sees nothing fails: only this message proves that the shell, not the container, is what is missing.
	if !strings.Contains(out, "no such file") && !strings.Contains(strings.ToLower(out), "no such file or directory") {
		return fmt.Errorf("/bin/sh -c 'exit 0' ended with %d for another reason: %s", exit, out)
	}
	return nil
}

func (t *tester) runCommand(c Command) {
	name := strings.Join(c.Args, " ")
	if t.emulated() && c.NativeOnly != "" {
		fmt.Printf("SKIP %s under emulation: %s\n", name, c.NativeOnly)
		return
	}
	want := Outcome{c.Output, c.Exit}
	if t.emulated() && c.Emulated != nil {
		want = *c.Emulated
		name += " (emulated)"
	}
	t.record(name, func() error {
		out, exit, err := t.exec(c.Args, c.Capabilities...)
		if err != nil {
			return err
		}
		if exit != want.Exit {
			return fmt.Errorf("exit status %d, want %d\n%s", exit, want.Exit, out)
		}
		re, err := regexp.Compile(want.Output)
		if err != nil {
			return err
		}
		if !re.MatchString(strings.TrimSuffix(out, "\n")) {
			return fmt.Errorf("output does not match %q:\n%s", want.Output, out)
		}
		return nil
	}())
}

// exec runs args in the container with its own network and PID namespaces, as the image's user.
func (t *tester) exec(args []string, capabilities ...string) (string, int, error) {
	config, err := t.containerConfig(args, capabilities)
	if err != nil {
		return "", 0, err
	}
	if err := os.WriteFile(filepath.Join(t.bundle, "config.json"), config, 0o644); err != nil {
		return "", 0, err
	}
	id := fmt.Sprintf("imagetest-%d", os.Getpid())
	cmd := exec.Command("runc", "--root", filepath.Join(t.dir, "runc"), "run", "--bundle", t.bundle, id)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", 0, fmt.Errorf("running runc: %w", err)
	}
	return string(out), cmd.ProcessState.ExitCode(), nil
}

// containerConfig edits the runtime configuration umoci made from the image: other arguments, no resource limits (the
// machine may not allow to raise them), no terminal.
func (t *tester) containerConfig(args, capabilities []string) ([]byte, error) {
	original := filepath.Join(t.bundle, "config.orig.json")
	data, err := os.ReadFile(original)
	if errors.Is(err, os.ErrNotExist) {
		if data, err = os.ReadFile(filepath.Join(t.bundle, "config.json")); err == nil {
			err = os.WriteFile(original, data, 0o644)
		}
	}
	if err != nil {
		return nil, err
	}
	var config map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&config); err != nil {
		return nil, err
	}
	process, ok := config["process"].(map[string]any)
	if !ok {
		return nil, errors.New("runtime configuration has no process")
	}
	delete(process, "rlimits")
	process["terminal"] = false
	if t.emulated() {
		emulator, err := exec.LookPath(emulators[t.spec.Arch])
		if err != nil {
			return nil, fmt.Errorf("finding the emulator for %s: %w", t.spec.Arch, err)
		}
		args = append([]string{emulatorInImage}, args...)
		mounts, _ := config["mounts"].([]any)
		config["mounts"] = append(mounts, map[string]any{
			"destination": emulatorInImage, "source": emulator, "type": "bind", "options": []string{"bind", "ro"},
		})
	}
	process["args"] = args
	if sets, ok := process["capabilities"].(map[string]any); ok {
		for _, set := range []string{"bounding", "effective", "permitted"} {
			have, _ := sets[set].([]any)
			for _, capability := range capabilities {
				have = append(have, capability)
			}
			sets[set] = have
		}
	}
	return json.Marshal(config)
}
