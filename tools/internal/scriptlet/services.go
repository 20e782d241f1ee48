package scriptlet

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// sysv is what the header of a script in init.d says: "# chkconfig: 2345 55 25", and the block of the Linux Standard Base.
type sysv struct {
	name        string
	levels      string // in which it starts
	start, stop int
	required    []string // Required-Start and Should-Start
	provides    []string
	lsb         bool
}

const runLevels = "0123456"

// sysvRoot is /etc/rc.d, or /etc where init.d lies there.
func (m *Machine) sysvRoot() string {
	if e := m.stat("/etc/rc.d/init.d"); e != nil && e.Type == pkgindex.TypeDir {
		return "/etc/rc.d"
	}
	return "/etc"
}

// chkconfig makes and removes the links of SysV services in the directories of the run levels; see chkconfig(8).
func chkconfig(c *call) int {
	if e := c.m.stat("/sbin/chkconfig"); e == nil && c.m.stat("/usr/sbin/chkconfig") == nil {
		c.m.note("chkconfig is not in the image")
		return 127
	}
	levels, verb := "2345", ""
	var names []string
	for args := c.args; len(args) > 0; args = args[1:] {
		switch a := args[0]; {
		case a == "--level" || a == "--levels":
			if len(args) < 2 || strings.Trim(args[1], runLevels) != "" {
				return c.unknown("option %s needs levels", a)
			}
			levels, args = args[1], args[1:]
		case a == "--add" || a == "--del":
			verb = a
		case strings.HasPrefix(a, "-"):
			return c.option(a)
		default:
			names = append(names, a)
		}
	}
	if verb == "" && len(names) == 2 {
		verb, names = names[1], names[:1]
	}
	if len(names) != 1 {
		return c.unknown("these operands are not known")
	}
	s, err := c.m.readSysV(names[0])
	if err != nil && verb != "--del" {
		if verb != "--add" && c.m.hasSystemd() {
			return c.chkconfigUnit(verb, names[0])
		}
		return c.errorf("error reading information on service %s: %v", names[0], err)
	}
	if s == nil {
		s = &sysv{name: names[0]}
	}
	switch verb {
	case "--add":
		c.m.afterRequired(s)
		return c.linkLevels(s, runLevels, func(level string) bool { return strings.Contains(s.levels, level) }, false)
	case "--del":
		c.m.unlinkLevels(s.name, runLevels)
		return 0
	case "on", "off":
		return c.linkLevels(s, levels, func(string) bool { return verb == "on" }, true)
	case "reset":
		return c.linkLevels(s, runLevels, func(level string) bool { return strings.Contains(s.levels, level) }, true)
	}
	return c.unknown("verb %s is not known", verb)
}

// chkconfigUnit passes on what is about a unit of systemd, as chkconfig does.
func (c *call) chkconfigUnit(verb, name string) int {
	if verb != "on" && verb != "off" {
		return c.unknown("verb %s is not known", verb)
	}
	unit := units{c: c, dirs: unitDirs, presets: presetDirs, etc: unitDirs[0]}
	return unit.enable(name, verb == "on")
}

// readSysV reads the header of a script.
func (m *Machine) readSysV(name string) (*sysv, error) {
	if name == "" || strings.Contains(name, "/") {
		return nil, errNoEnt
	}
	data, err := m.read(m.sysvRoot() + "/init.d/" + name)
	if err != nil {
		return nil, err
	}
	s := &sysv{name: name, start: -1, stop: -1}
	block, plain := false, false
	for _, line := range splitLines(data) {
		text, ok := strings.CutPrefix(line, "#")
		text = strings.TrimSpace(text)
		switch {
		case !ok:
			block = false
			continue
		case text == "## BEGIN INIT INFO":
			block, s.lsb = true, true
			continue
		case text == "## END INIT INFO":
			block = false
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			continue
		}
		v := strings.Fields(value)
		switch {
		case key == "chkconfig" && len(v) == 3:
			start, err1 := strconv.Atoi(v[1])
			stop, err2 := strconv.Atoi(v[2])
			if err1 != nil || err2 != nil || start < 0 || start > 99 || stop < 0 || stop > 99 || v[0] != "-" && strings.Trim(v[0], runLevels) != "" {
				return nil, fmt.Errorf("%q is no priority", strings.TrimSpace(value))
			}
			s.start, s.stop, plain = start, stop, true
			s.levels = strings.Trim(v[0], "-")
		case block && key == "Default-Start" && !plain:
			s.levels = strings.Join(v, "")
		case block && key == "Provides":
			s.provides = append(s.provides, v...)
		case block && (key == "Required-Start" || key == "Should-Start"):
			s.required = append(s.required, v...)
		}
	}
	if !plain && !s.lsb {
		return nil, fmt.Errorf("service %s does not support chkconfig", name)
	}
	if s.start < 0 { // a block without the line of chkconfig
		const middle = 50
		s.start, s.stop = middle, middle
	}
	return s, nil
}

// afterRequired moves the start of a service behind those that are added and provide what it requires. Both must have a block of the Linux
// Standard Base.
func (m *Machine) afterRequired(s *sysv) {
	if !s.lsb {
		return
	}
	const last = 99
	list, _ := m.readDir(m.sysvRoot() + "/init.d")
	for _, e := range list {
		other, err := m.readSysV(rootfs.Base(e.Path))
		if err != nil || !other.lsb || other.name == s.name || other.start < s.start || other.start >= last {
			continue
		}
		if slices.ContainsFunc(s.required, func(r string) bool { return slices.Contains(other.provides, r) }) && m.hasLinks(other.name) {
			s.start = other.start + 1
		}
	}
}

// levelLinks returns the links of a service in a level.
func (m *Machine) levelLinks(name, level string) []string {
	var out []string
	list, _ := m.readDir(m.sysvRoot() + "/rc" + level + ".d")
	for _, e := range list {
		b := rootfs.Base(e.Path)
		if e.Type == pkgindex.TypeSymlink && len(b) > 3 && b[3:] == name && (b[0] == 'S' || b[0] == 'K') && strings.Trim(b[1:3], "0123456789") == "" {
			out = append(out, e.Path)
		}
	}
	return out
}

// hasLinks reports whether a service was added.
func (m *Machine) hasLinks(name string) bool {
	for _, level := range runLevels {
		if len(m.levelLinks(name, string(level))) > 0 {
			return true
		}
	}
	return false
}

func (m *Machine) unlinkLevels(name, levels string) {
	for _, level := range levels {
		for _, p := range m.levelLinks(name, string(level)) {
			m.drop(p)
		}
	}
}

// linkLevels makes the link of a service in each level: S to start, K to stop. Without force a level that has one stays as it is.
func (c *call) linkLevels(s *sysv, levels string, on func(level string) bool, force bool) int {
	for _, l := range levels {
		level := string(l)
		if len(c.m.levelLinks(s.name, level)) > 0 && !force {
			continue
		}
		c.m.unlinkLevels(s.name, level)
		dir := c.m.sysvRoot() + "/rc" + level + ".d"
		link := fmt.Sprintf("K%02d%s", s.stop, s.name)
		if on(level) {
			link = fmt.Sprintf("S%02d%s", s.start, s.name)
		}
		if err := c.m.mkdirAll(dir, 0o755); err != nil {
			return c.errorf("%s: %v", dir, err)
		}
		if err := c.m.symlink("../init.d/"+s.name, path.Join(dir, link)); err != nil {
			return c.errorf("failed to make symlink %s: %v", link, err)
		}
	}
	return 0
}
