package imagerun

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the emulator is mounted in the container; it is a static program, so it needs nothing of the image.
const emulatorInImage = "/.qemu-user"

var emulators = map[string]string{"arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}

// Emulator is the program of the machine that runs programs of an architecture.
func Emulator(arch string) (string, error) {
	path, err := exec.LookPath(emulators[arch])
	if err != nil {
		path, err = exec.LookPath(emulators[arch] + "-static")
	}
	if err != nil {
		return "", fmt.Errorf("finding the emulator for %s: %w", arch, err)
	}
	file, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the emulator for %s: %w", arch, err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 {
		return "", fmt.Errorf("%s needs %s, which an image does not have: put a static one on PATH", path, libraries[0])
	}
	return path, nil
}

// configuration edits the runtime configuration that umoci made from the image: no resource limits (the machine may not allow to
// raise them), no terminal, and what the process asks for.
func (i *Image) configuration(p Process) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(i.bundle, "config.json"))
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
	if len(p.Args) == 0 {
		return nil, errors.New("no arguments")
	}
	config["root"] = map[string]any{"path": i.Rootfs(), "readonly": p.ReadOnly}
	delete(process, "rlimits")
	process["terminal"] = false
	args := p.Args
	if i.Emulated() && i.handlers == nil {
		emulator, err := Emulator(i.Arch)
		if err != nil {
			return nil, err
		}
		args = append([]string{emulatorInImage}, args...)
		appendTo(config, "mounts", Bind(emulator, emulatorInImage).spec())
	}
	process["args"] = args
	for _, m := range p.Mounts {
		appendTo(config, "mounts", m.spec())
	}
	if p.User != "" {
		if err := i.setUser(process, p.User); err != nil {
			return nil, err
		}
	}
	for _, variable := range p.Env {
		setVariable(process, variable)
	}
	if p.Cwd != "" {
		process["cwd"] = p.Cwd
	}
	addCapabilities(process, p.Capabilities)
	if err := setLinux(config, p); err != nil {
		return nil, err
	}
	if i.handlers != nil {
		linux, _ := config["linux"].(map[string]any)
		i.handlers.join(linux)
		if p.Network != nil {
			dropMounts(config, "sysfs")
		}
	}
	if p.Edit != nil {
		p.Edit(config)
	}
	return json.Marshal(config)
}

func appendTo(object map[string]any, key string, value any) {
	list, _ := object[key].([]any)
	object[key] = append(list, value)
}

func (m Mount) spec() map[string]any {
	return map[string]any{"destination": m.Target, "source": m.Source, "type": m.Type, "options": m.Options}
}

// dropMounts leaves out mounts of a type. A sysfs shows a network namespace, and only one of the process's own user namespace.
func dropMounts(config map[string]any, kind string) {
	have, _ := config["mounts"].([]any)
	config["mounts"] = slices.DeleteFunc(have, func(m any) bool {
		mount, _ := m.(map[string]any)
		return mount["type"] == kind
	})
}

// setVariable replaces a variable of the environment, or adds it.
func setVariable(process map[string]any, variable string) {
	name, _, _ := strings.Cut(variable, "=")
	var kept []any
	have, _ := process["env"].([]any)
	for _, v := range have {
		if text, _ := v.(string); !strings.HasPrefix(text, name+"=") {
			kept = append(kept, v)
		}
	}
	process["env"] = append(kept, variable)
}

// setUser sets uid, gid, and HOME, as a container runtime does that knows the accounts of the image.
func (i *Image) setUser(process map[string]any, user string) error {
	name, group, hasGroup := strings.Cut(user, ":")
	uid, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return fmt.Errorf("user %q is not a number, or two with a colon", user)
	}
	var gid uint64
	home := "/"
	passwd, err := os.ReadFile(filepath.Join(i.Rootfs(), "etc/passwd"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(passwd)) {
		if fields := strings.Split(line, ":"); len(fields) == 7 && fields[2] == name {
			gid, _ = strconv.ParseUint(fields[3], 10, 31)
			home = fields[5]
			break
		}
	}
	if hasGroup {
		if gid, err = strconv.ParseUint(group, 10, 31); err != nil {
			return fmt.Errorf("user %q is not a number, or two with a colon", user)
		}
	}
	process["user"] = map[string]any{"uid": uid, "gid": gid}
	setVariable(process, "HOME="+home)
	return nil
}

// addCapabilities also takes the ambient ones away, with which umoci lets users other than root keep some: no runtime of images does.
func addCapabilities(process map[string]any, capabilities []string) {
	sets, ok := process["capabilities"].(map[string]any)
	if !ok {
		return
	}
	delete(sets, "ambient")
	delete(sets, "inheritable")
	for _, set := range []string{"bounding", "effective", "permitted"} {
		for _, capability := range capabilities {
			appendTo(sets, set, capability)
		}
	}
}

// setLinux sets the network namespace and the devices.
func setLinux(config map[string]any, p Process) error {
	linux, ok := config["linux"].(map[string]any)
	if !ok {
		return errors.New("runtime configuration has no linux")
	}
	if p.Network != nil {
		var kept []any
		have, _ := linux["namespaces"].([]any)
		for _, n := range have {
			if space, _ := n.(map[string]any); space["type"] != "network" {
				kept = append(kept, n)
			}
		}
		linux["namespaces"] = append(kept, map[string]any{"type": "network", "path": p.Network.Path()})
	}
	for _, device := range p.Devices {
		var stat unix.Stat_t
		if err := unix.Stat(device, &stat); err != nil {
			return fmt.Errorf("device %s: %w", device, err)
		}
		kind := map[uint32]string{unix.S_IFBLK: "b", unix.S_IFCHR: "c"}[stat.Mode&unix.S_IFMT]
		if kind == "" {
			return fmt.Errorf("%s is no device", device)
		}
		major, minor := unix.Major(uint64(stat.Rdev)), unix.Minor(uint64(stat.Rdev))
		appendTo(linux, "devices", map[string]any{"path": device, "type": kind, "major": major, "minor": minor, "fileMode": stat.Mode & 0o777, "uid": stat.Uid, "gid": stat.Gid})
		resources, _ := linux["resources"].(map[string]any)
		if resources == nil {
			resources = map[string]any{}
			linux["resources"] = resources
		}
		appendTo(resources, "devices", map[string]any{"allow": true, "type": kind, "major": major, "minor": minor, "access": "rwm"})
	}
	return nil
}
