package scriptlet

import (
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

var (
	unitDirs   = []string{"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
	presetDirs = []string{"/etc/systemd/system-preset", "/usr/local/lib/systemd/system-preset", "/usr/lib/systemd/system-preset", "/lib/systemd/system-preset"}
	userDirs   = []string{"/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"}
	userPreset = []string{"/etc/systemd/user-preset", "/usr/local/lib/systemd/user-preset", "/usr/lib/systemd/user-preset"}
)

// systemctl makes the links of units; what it tells a running manager has no effect. Without systemd it is not there, as in a
// real installation.
func systemctl(c *call) int {
	if !c.m.hasSystemd() {
		c.m.note("systemctl: the image has no systemd")
		c.errorf("command not found")
		return 127
	}
	var words []string
	u := units{c: c, dirs: unitDirs, presets: presetDirs, etc: unitDirs[0]}
	for _, a := range c.args {
		switch {
		case a == "--global" || a == "--user":
			u.dirs, u.presets, u.etc = userDirs, userPreset, userDirs[0]
		case a == "--runtime":
			u.etc = strings.Replace(u.etc, "/etc", "/run", 1)
		case strings.HasPrefix(a, "--root") || strings.HasPrefix(a, "--preset-mode"):
			return c.option(a)
		case strings.HasPrefix(a, "-"): // --no-reload, --now, --quiet, --force, --system ...
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return 0
	}
	return u.do(words[0], words[1:])
}

// systemctlLater is Debian's deb-systemd-helper.
func systemctlLater(c *call) int {
	c.m.note("%s has no effect in an image", c.name)
	return 0
}

// units are the unit files of one manager, of the system or of users.
type units struct {
	c             *call
	dirs, presets []string
	etc           string
	depth         int
}

func (u *units) do(verb string, names []string) int {
	status := 0
	switch verb {
	case "preset":
		for _, n := range names {
			status |= u.enable(n, u.preset(n))
		}
	case "enable", "reenable", "disable":
		for _, n := range names {
			status |= u.enable(n, verb != "disable")
		}
	case "mask", "unmask":
		for _, n := range names {
			status |= u.mask(n, verb == "mask")
		}
	case "is-enabled":
		for _, n := range names {
			if len(u.links(n)) == 0 {
				return 1
			}
		}
	case "is-active", "is-failed", "is-system-running", "status", "show":
		return 3 // nothing runs
	case "set-default":
		return u.setDefault(names)
	case "preset-all":
		return u.presetAll()
	case "link", "add-wants", "add-requires", "edit", "set-property":
		return u.c.unknown("verb %s is not known", verb)
	default: // start, stop, restart, try-restart, reload, daemon-reload, daemon-reexec, condrestart ...
		u.c.m.note("systemctl %s has no effect in an image", verb)
	}
	return status
}

// presetAll applies the policy to every unit that can be enabled.
func (u *units) presetAll() int {
	seen := map[string]bool{}
	for _, dir := range u.dirs[1:] {
		list, _ := u.c.m.readDir(dir)
		for _, e := range list {
			if e.Type == pkgindex.TypeFile && len(u.section(e.Path)) > 0 {
				seen[rootfs.Base(e.Path)] = true
			}
		}
	}
	for _, name := range sortedKeys(seen) {
		u.enable(name, u.preset(name)) // a unit that is masked stays so
	}
	return 0
}

func (u *units) setDefault(names []string) int {
	if len(names) != 1 {
		return u.c.errorf("one unit is needed")
	}
	p := u.find(names[0])
	if p == "" {
		return u.c.errorf("Unit file %s does not exist.", names[0])
	}
	_ = u.c.m.mkdirAll(u.etc, 0o755)
	_ = u.c.m.unlink(u.etc + "/default.target")
	if err := u.c.m.symlink(p, u.etc+"/default.target"); err != nil {
		return u.c.errorf("%v", err)
	}
	return 0
}

// preset reads the policy files: the first line that matches decides, and no line means yes.
func (u *units) preset(unit string) bool {
	for _, e := range u.c.configFiles(u.presets) {
		for _, line := range splitLines(u.c.m.data(e)) {
			v := strings.Fields(line)
			if len(v) < 2 || v[0][0] == '#' || v[0][0] == ';' {
				continue
			}
			if ok, err := path.Match(v[1], unit); err != nil || !ok {
				continue
			}
			switch v[0] {
			case "enable":
				return true
			case "disable", "ignore":
				return false
			}
		}
	}
	return true
}

// find returns the path of a unit file; an instance has that of its template.
func (u *units) find(unit string) string {
	for _, name := range []string{unit, template(unit)} {
		for _, dir := range u.dirs {
			if e := u.c.m.lstat(dir + "/" + name); e != nil && e.Type != pkgindex.TypeDir && u.c.m.stat(dir+"/"+name) != nil {
				return e.Path
			}
		}
	}
	return ""
}

// template turns x@y.service into x@.service.
func template(unit string) string {
	if at := strings.IndexByte(unit, '@'); at >= 0 {
		return unit[:at+1] + path.Ext(unit)
	}
	return unit
}

// link is one link that enables a unit.
type link struct{ at, target string }

// section returns the values of the keys of [Install].
func (u *units) section(p string) map[string][]string {
	data, err := u.c.m.read(p)
	if err != nil {
		return nil
	}
	out, in := map[string][]string{}, false
	for _, line := range splitLines(data) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			in = line == "[Install]"
			continue
		}
		if key, value, ok := strings.Cut(line, "="); in && ok {
			key = strings.TrimSpace(key)
			if strings.TrimSpace(value) == "" {
				delete(out, key)
			}
			out[key] = append(out[key], strings.Fields(value)...)
		}
	}
	return out
}

// links returns the links that enabling a unit makes.
func (u *units) links(unit string) []link {
	p := u.find(unit)
	if p == "" {
		return nil
	}
	install := u.section(p)
	name := unit
	if strings.Contains(unit, "@.") {
		def := install["DefaultInstance"]
		if len(def) == 0 {
			return nil
		}
		name = strings.Replace(unit, "@.", "@"+def[0]+".", 1)
	}
	instance := ""
	if at := strings.IndexByte(name, '@'); at >= 0 {
		instance = strings.TrimSuffix(name[at+1:], path.Ext(name))
	}
	clean := strings.NewReplacer("%i", instance, "%I", instance, "%n", name, "%N", strings.TrimSuffix(name, path.Ext(name)),
		"%p", strings.SplitN(strings.TrimSuffix(name, path.Ext(name)), "@", 2)[0])
	var out []link
	for key, suffix := range map[string]string{"WantedBy": ".wants", "RequiredBy": ".requires", "UpheldBy": ".upholds"} {
		for _, target := range install[key] {
			out = append(out, link{u.etc + "/" + clean.Replace(target) + suffix + "/" + name, p})
		}
	}
	for _, a := range install["Alias"] {
		out = append(out, link{u.etc + "/" + clean.Replace(a), p})
	}
	slices.SortFunc(out, func(a, b link) int { return strings.Compare(a.at, b.at) })
	return out
}

// enable makes the links of a unit, or takes them away.
func (u *units) enable(unit string, on bool) int {
	m := u.c.m
	if strings.HasPrefix(unit, "/") {
		return u.c.unknown("units by path are not known")
	}
	if path.Ext(unit) == "" {
		unit += ".service"
	}
	p := u.find(unit)
	if p == "" {
		return u.c.errorf("Unit file %s does not exist.", unit)
	}
	if e := m.lstat(u.etc + "/" + unit); on && e != nil && e.Type == pkgindex.TypeSymlink && e.Link == "/dev/null" {
		return u.c.errorf("Unit file %s is masked.", unit)
	}
	for _, l := range u.links(unit) {
		old := m.lstat(l.at)
		switch {
		case !on && old != nil && old.Type == pkgindex.TypeSymlink:
			_ = m.unlink(l.at)
		case on && old == nil && l.at != p:
			if err := m.mkdirAll(path.Dir(l.at), 0o755); err != nil {
				return u.c.errorf("%s: %v", path.Dir(l.at), err)
			}
			if err := m.symlink(l.target, l.at); err != nil {
				return u.c.errorf("%s: %v", l.at, err)
			}
		}
	}
	status := 0
	const deepest = 8
	if u.depth < deepest {
		u.depth++
		for _, also := range u.section(p)["Also"] {
			status |= u.enable(also, on)
		}
		u.depth--
	}
	return status
}

func (u *units) mask(unit string, on bool) int {
	if path.Ext(unit) == "" {
		unit += ".service"
	}
	m, at := u.c.m, u.etc+"/"+unit
	old := m.lstat(at)
	isMask := old != nil && old.Type == pkgindex.TypeSymlink && old.Link == "/dev/null"
	switch {
	case on && isMask, !on && !isMask:
		return 0
	case !on:
		_ = m.unlink(at)
		return 0
	case old != nil:
		return u.c.errorf("File '%s' already exists.", at)
	}
	_ = m.mkdirAll(u.etc, 0o755)
	if err := m.symlink("/dev/null", at); err != nil {
		return u.c.errorf("%s: %v", at, err)
	}
	return 0
}

// updateHelper is systemd-update-helper, which the macros of systemd call.
func updateHelper(c *call) int {
	if len(c.args) == 0 {
		return c.errorf("missing verb")
	}
	verb, names := c.args[0], c.args[1:]
	if !c.m.hasSystemd() {
		c.m.note("systemd-update-helper: the image has no systemd")
		return 0
	}
	switch verb {
	case "install-system-units":
		return (&units{c: c, dirs: unitDirs, presets: presetDirs, etc: unitDirs[0]}).do("preset", names)
	case "install-user-units":
		return (&units{c: c, dirs: userDirs, presets: userPreset, etc: userDirs[0]}).do("preset", names)
	case "remove-system-units", "remove-user-units":
		return c.unknown("verb %s is for removals", verb)
	case "mark-reload-system-units", "mark-restart-system-units", "mark-reload-user-units", "mark-restart-user-units", "system-reload-restart",
		"user-reload-restart", "system-reload", "system-restart", "user-reload", "user-restart", "user-reexec":
		c.m.note("systemd-update-helper %s has no effect in an image", verb)
		return 0
	}
	return c.unknown("verb %s is not known", verb)
}
