package scriptlet

import (
	"fmt"
	"strings"
	"time"
)

// commands are the programs that scripts call, by base name. The map is filled by init, because some of them run others.
var commands map[string]command

func init() {
	commands = map[string]command{
		"true": succeed, "false": fail, "test": testCommand, "[": testCommand, "echo": echo, "printf": printf, "pwd": printDir,
		"cat": cat, "head": head, "tail": tail1, "wc": wc, "tee": tee, "cut": cut, "sort": sortCommand, "uniq": uniq, "tr": tr,
		"basename": basename, "dirname": dirname, "seq": seq, "cmp": cmp, "diff": cmp, "tac": tac, "yes": yes, "expr": expr,
		"md5sum": checksum, "sha1sum": checksum, "sha256sum": checksum, "sha512sum": checksum, "grep": grep, "egrep": grep, "fgrep": grep,
		"sed": sedCommandLine, "awk": awkCommand, "gawk": awkCommand, "mawk": awkCommand, "nawk": awkCommand, "find": find, "xargs": xargs, "ls": ls, "stat": statCommand, "which": which,
		"mkdir": mkdirCommand, "rmdir": rmdirCommand, "rm": rm, "unlink": unlinkCommand, "touch": touch, "ln": ln, "cp": cp, "mv": mv,
		"install": install, "chmod": chmod, "chown": chown, "chgrp": chown, "setcap": setcap, "readlink": readlink, "realpath": readlink,
		"mktemp": mktemp, "mknod": mknod, "mkfifo": mknod, "env": env, "printenv": env, "id": id, "whoami": whoami, "uname": uname,
		"arch": archCommand, "hostname": hostname, "date": date, "nproc": one, "getconf": getconf, "tty": fail, "logname": fail,
		"nice": wrapper, "ionice": wrapper, "nohup": wrapper, "setsid": wrapper, "timeout": wrapper, "stdbuf": wrapper,
		"sh": shellCommand, "bash": shellCommand, "dash": shellCommand, "ldconfig": ldconfig, "getent": getent,
		"groupadd": accountCommand, "useradd": accountCommand, "addgroup": accountCommand, "adduser": accountCommand,
		"usermod": accountCommand, "groupmod": groupmod, "gpasswd": accountCommand, "passwd": passwd, "userdel": accountCommand,
		"groupdel": accountCommand, "systemd-sysusers": sysusers, "systemd-tmpfiles": tmpfiles,
		"systemctl": systemctl, "systemd-update-helper": updateHelper, "systemd-machine-id-setup": machineID,
		"update-alternatives": alternativesCommand, "alternatives": alternativesCommand, "update-ca-trust": caTrust,
		"update-ca-certificates": caTrust, "ca-legacy": caLegacy, "update-crypto-policies": cryptoPolicies, "install-info": installInfo,
		"iconvconfig": iconvconfig, "iconvconfig.x86_64": iconvconfig, "iconvconfig.aarch64": iconvconfig,
		"build-locale-archive": localeArchive, "glibc_post_upgrade": glibcPostUpgrade, "glibc_post_upgrade.x86_64": glibcPostUpgrade,
		"glibc_post_upgrade.aarch64": glibcPostUpgrade, "chkconfig": chkconfig, "selinuxenabled": selinuxOff, "sestatus": selinuxOff,
		"getenforce": getenforce, "deb-systemd-helper": systemctlLater, "sln": sln, "rpm": rpmEval,
		"mkfontdir": coreFonts, "mkfontscale": coreFonts, "xorg-x11-fonts-update-dirs": coreFonts, "hardlink": hardlink,
		"libgcc_post_upgrade": ldconfig, "tzdata-update": tzdataUpdate, "rpmdb": rpmDatabase, "curl": noNetwork, "wget": noNetwork,
		"glib-compile-schemas": glibSchemas, "pwconv": shadowsAgree, "grpconv": shadowsAgree,
	}
	for name := range caches {
		commands[name] = cacheOnly
	}
	for _, name := range noEffect {
		commands[name] = nothing
	}
}

// noEffect are commands that only speak to a running system, or to parts of the kernel that an image at rest does not have.
var noEffect = []string{"restorecon", "fixfiles", "semodule", "semanage", "setsebool", "load_policy", "chcon", "udevadm", "journalctl", "dbus-send",
	"killall", "pkill", "systemd-sysctl", "sysctl", "service", "invoke-rc.d", "deb-systemd-invoke", "telinit", "systemd-hwdb", "busctl",
	"gdbus", "depmod", "dracut", "kernel-install", "sleep", "sync", "wall", "logger", "pidof", "systemd-run", "systemd-random-seed", "modprobe", "rmmod",
	"setterm", "systemd-notify", "loginctl", "udevcontrol", "firewall-cmd", "dpkg-trigger", "fuser", "mountpoint", "runlevel", "ulimit",
	"rpmdb_stat", "rpmdb_recover", "db_stat", "matchpathcon", "setfacl"}

// optional are programs that update an index of the whole image for desktops and documentation. Scripts call them in passing;
// an image without the program needs no index.
var optional = map[string]bool{"update-desktop-database": true, "gtk-update-icon-cache": true, "update-mime-database": true,
	"xmlcatalog": true, "install-catalog": true, "scrollkeeper-update": true, "mkfontdir": true, "mkfontscale": true, "fc-cache": true,
	"update-icon-caches": true, "glib-compile-schemas": true, "gtk4-update-icon-cache": true, "texhash": true, "mktexlsr": true, "gconftool-2": true,
	"newaliases": true, "mandb": true, "systemd-sysv-convert": true, "gtk-query-immodules-2.0-64": true, "gtk-query-immodules-3.0-64": true,
	"ibus-table-createdb": true, "authselect": true}

// nothing succeeds and says so in the report.
func nothing(c *call) int {
	c.m.note("%s has no effect in an image", c.name)
	switch c.name {
	case "pidof", "killall", "matchpathcon", "pkill", "fuser", "mountpoint":
		return 1 // nothing runs, nothing is mounted
	}
	return 0
}

func selinuxOff(c *call) int { return 1 }

func getenforce(c *call) int {
	fmt.Fprintln(c.out, "Disabled")
	return 0
}

func one(c *call) int {
	fmt.Fprintln(c.out, "1")
	return 0
}

func hostname(c *call) int {
	if len(c.args) > 0 && !strings.HasPrefix(c.args[0], "-") {
		return c.unknown("a name cannot be set")
	}
	fmt.Fprintln(c.out, "localhost")
	return 0
}

func archCommand(c *call) int {
	fmt.Fprintln(c.out, c.m.Arch)
	return 0
}

// kernel is the release that scripts see: new enough for every distribution, and the same everywhere.
const kernel = "6.1.0"

func uname(c *call) int {
	o, _ := c.parse("asnrvmpio", map[string]byte{"all": 'a', "kernel-name": 's', "nodename": 'n', "kernel-release": 'r', "kernel-version": 'v',
		"machine": 'm', "processor": 'p', "hardware-platform": 'i', "operating-system": 'o'})
	if len(o.set) == 0 {
		o.set['s'] = true
	}
	var out []string
	for _, x := range []struct {
		letter byte
		text   string
	}{{'s', "Linux"}, {'n', "localhost"}, {'r', kernel}, {'v', "#1"}, {'m', c.m.Arch}, {'p', c.m.Arch}, {'i', c.m.Arch}, {'o', "GNU/Linux"}} {
		if o.has(x.letter) || o.has('a') {
			out = append(out, x.text)
		}
	}
	fmt.Fprintln(c.out, strings.Join(out, " "))
	return 0
}

func getconf(c *call) int {
	values := map[string]string{"LONG_BIT": "64", "_NPROCESSORS_ONLN": "1", "_NPROCESSORS_CONF": "1", "PAGESIZE": "4096", "PAGE_SIZE": "4096"}
	if len(c.args) != 1 || values[c.args[0]] == "" {
		return c.unknown("this variable is not known")
	}
	fmt.Fprintln(c.out, values[c.args[0]])
	return 0
}

// date shows the time of the image.
func date(c *call) int {
	o, args := c.parse("uR", map[string]byte{"utc": 'u'})
	t := time.Unix(c.m.Time, 0).UTC()
	if o.has('R') {
		fmt.Fprintln(c.out, t.Format(time.RFC1123Z))
		return 0
	}
	if len(args) == 0 {
		fmt.Fprintln(c.out, t.Format(time.UnixDate))
		return 0
	}
	if !strings.HasPrefix(args[0], "+") {
		return c.unknown("the time cannot be set")
	}
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'F': "2006-01-02", 'T': "15:04:05",
		'y': "06", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'Z': "UTC", 'z': "-0700", 'j': "002", 'D': "01/02/06"}
	var out strings.Builder
	for i, f := 1, args[0]; i < len(f); i++ {
		if f[i] != '%' || i+1 >= len(f) {
			out.WriteByte(f[i])
			continue
		}
		i++
		switch layout, ok := layouts[f[i]]; {
		case ok:
			out.WriteString(t.Format(layout))
		case f[i] == 's':
			fmt.Fprint(&out, c.m.Time)
		case f[i] == 'N':
			out.WriteString("000000000")
		case f[i] == '%':
			out.WriteByte('%')
		case f[i] == 'n':
			out.WriteByte('\n')
		default:
			return c.unknown("format %%%c is not known", f[i])
		}
	}
	fmt.Fprintln(c.out, out.String())
	return 0
}

func unlinkCommand(c *call) int {
	if len(c.args) != 1 {
		return c.errorf("missing operand")
	}
	if err := c.m.unlink(c.path(c.args[0])); err != nil {
		return c.errorf("cannot unlink '%s': %v", c.args[0], err)
	}
	return 0
}

// env prints the environment, or runs a command in a changed one.
func env(c *call) int {
	sub := c.s.subshell()
	args := c.args
	for len(args) > 0 {
		a := args[0]
		switch name, value, ok := strings.Cut(a, "="); {
		case a == "-i" || a == "-" || a == "--ignore-environment":
			for n, v := range sub.vars {
				v.Exported = false
				sub.vars[n] = v
			}
		case a == "-u" && len(args) > 1:
			args = args[1:]
			delete(sub.vars, args[0])
		case a == "--":
		case strings.HasPrefix(a, "-"):
			return c.option(a)
		case ok && name != "":
			v := sub.vars[name]
			v.Set, v.Str, v.Exported, v.Kind = true, value, true, 1
			sub.vars[name] = v
		default:
			if c.name == "printenv" {
				v := sub.vars[a]
				if !v.Exported {
					return 1
				}
				fmt.Fprintln(c.out, v.Str)
				return 0
			}
			c.m.enter()
			defer c.m.leave()
			sub.status = sub.outside(args)
			return sub.finish()
		}
		args = args[1:]
	}
	for _, name := range sortedKeys(sub.vars) {
		if v := sub.vars[name]; v.Exported {
			fmt.Fprintf(c.out, "%s=%s\n", name, v.String())
		}
	}
	return 0
}

// wrapper is for programs that run another one in a way that makes no difference here.
func wrapper(c *call) int {
	args := c.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if (args[0] == "-n" || args[0] == "-c" || args[0] == "-s" || args[0] == "-k") && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if c.name == "timeout" && len(args) > 0 {
		args = args[1:]
	}
	return c.spawn(args)
}

// shellCommand is sh with a script: -c TEXT, a file, or its input.
func shellCommand(c *call) int {
	args := c.args
	child := c.s.child(c.name, nil)
	text, given := "", false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		a := args[0]
		args = args[1:]
		if a == "--" {
			break
		}
		if strings.HasPrefix(a, "--") {
			if a != "--posix" && a != "--norc" && a != "--noprofile" && a != "--login" {
				return c.option(a)
			}
			continue
		}
		letters := strings.Map(func(r rune) rune {
			if strings.ContainsRune("cls", r) {
				return -1
			}
			return r
		}, a)
		child.options(letters)
		if strings.Contains(a[1:], "c") && len(args) > 0 {
			text, given, args = args[0], true, args[1:]
			break
		}
	}
	switch {
	case given:
		if len(args) > 0 {
			child.name, child.params = args[0], args[1:]
		}
	case len(args) > 0:
		data, err := c.m.read(c.path(args[0]))
		if err != nil {
			c.errorf("%s: %v", args[0], err)
			return 127
		}
		child.name, child.params, text = args[0], args[1:], string(data)
	default:
		data, _ := c.input("-")
		text = string(data)
	}
	return child.script(text)
}
