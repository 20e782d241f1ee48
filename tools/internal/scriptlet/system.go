package scriptlet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// ldconfig is done once for the finished image, so that no order of packages can leave a stale cache.
func ldconfig(c *call) int {
	for _, a := range c.args {
		switch a {
		case "-X", "-v", "-N", "-n", "--verbose":
		case "-p", "--print-cache", "-r", "-C", "-f":
			return c.option(a)
		}
	}
	c.m.Later("ld.so.cache")
	return 0
}

// caTrust is update-ca-trust and update-ca-certificates; the stores are made once, from all certificates.
func caTrust(c *call) int {
	for _, a := range c.args {
		switch a {
		case "check", "disable", "force-disable":
			return c.unknown("verb %s is not known", a)
		}
	}
	c.m.Later("ca_trust")
	return 0
}

// caLegacy is a script of ca-certificates; this is what its default does where the script itself is not in the image.
func caLegacy(c *call) int {
	for _, p := range []string{"/usr/bin/ca-legacy", "/bin/ca-legacy"} {
		if e := c.m.stat(p); e != nil && e.Type == pkgindex.TypeFile && e.ELF == nil && e.SizeBytes > 0 {
			return c.s.scriptFile(p, append([]string{p}, c.args...))
		}
	}
	if len(c.args) != 1 || c.args[0] != "install" {
		return c.unknown("only install is known")
	}
	const from, to = "/usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt", "/etc/pki/ca-trust/source/ca-bundle.legacy.crt"
	if c.m.stat(from) == nil {
		return 0
	}
	_ = c.m.unlink(to)
	if err := c.m.symlink(from, to); err != nil {
		return c.errorf("%v", err)
	}
	return 0
}

// glibcPostUpgrade is the program of older glibc packages: on a first installation it runs ldconfig and iconvconfig.
func glibcPostUpgrade(c *call) int {
	c.m.Later("ld.so.cache")
	c.m.Later("gconv")
	return 0
}

// iconvconfig is done once too.
func iconvconfig(c *call) int {
	c.m.Later("gconv")
	return 0
}

// localeArchive is build-locale-archive; which locales an image keeps is said by its policies.
func localeArchive(c *call) int {
	c.m.Later("locale_archive")
	return 0
}

// machineID leaves /etc/machine-id as it is: an image must not have one.
func machineID(c *call) int {
	c.m.note("systemd-machine-id-setup: an image has no machine id")
	return 0
}

func getent(c *call) int {
	_, args := c.parse("s:i", map[string]byte{"service": 's'})
	if len(args) == 0 {
		return c.errorf("wrong number of arguments")
	}
	db, _ := c.accounts()
	f := db.Write()
	files := map[string][]byte{"passwd": f.Passwd, "group": f.Group, "shadow": f.Shadow, "gshadow": f.GShadow}
	data, ok := files[args[0]]
	if !ok {
		return c.unknown("database %s is not known", args[0])
	}
	lines := splitLines(data)
	if len(args) == 1 {
		for _, l := range lines {
			fmt.Fprintln(c.out, l)
		}
		return 0
	}
	status := 0
	for _, key := range args[1:] {
		found := false
		for _, l := range lines {
			v := strings.Split(l, ":")
			if v[0] == key || len(v) > 2 && v[2] == key && strings.Trim(key, "0123456789") == "" && !strings.Contains(args[0], "shadow") {
				fmt.Fprintln(c.out, l)
				found = true
				break
			}
		}
		if !found {
			status = 2
		}
	}
	return status
}

func whoami(c *call) int {
	fmt.Fprintln(c.out, "root")
	return 0
}

func id(c *call) int {
	o, args := c.parse("ugnGr", map[string]byte{"user": 'u', "group": 'g', "name": 'n', "groups": 'G'})
	db, _ := c.accounts()
	u := accounts.User{Name: "root"}
	if len(args) > 0 {
		found := db.User(args[0])
		if found == nil {
			return c.errorf("'%s': no such user", args[0])
		}
		u = *found
	}
	groupName := func(gid int) string {
		for _, g := range db.Groups {
			if g.GID == gid {
				return g.Name
			}
		}
		if gid == 0 {
			return "root"
		}
		return fmt.Sprint(gid)
	}
	gids := []int{u.GID}
	for _, g := range db.Groups {
		for _, m := range g.Members {
			if m == u.Name && g.GID != u.GID {
				gids = append(gids, g.GID)
			}
		}
	}
	show := func(n int, name string) string {
		if o.has('n') {
			return name
		}
		return fmt.Sprint(n)
	}
	switch {
	case o.has('u'):
		fmt.Fprintln(c.out, show(u.UID, u.Name))
	case o.has('g'):
		fmt.Fprintln(c.out, show(u.GID, groupName(u.GID)))
	case o.has('G'):
		var out []string
		for _, g := range gids {
			out = append(out, show(g, groupName(g)))
		}
		fmt.Fprintln(c.out, strings.Join(out, " "))
	default:
		var out []string
		for _, g := range gids {
			out = append(out, fmt.Sprintf("%d(%s)", g, groupName(g)))
		}
		fmt.Fprintf(c.out, "uid=%d(%s) gid=%d(%s) groups=%s\n", u.UID, u.Name, u.GID, groupName(u.GID), strings.Join(out, ","))
	}
	return 0
}

func alternativesCommand(c *call) int {
	args := append([]string{c.name}, c.args...)
	for i, a := range c.args {
		switch a {
		case "--display", "--list", "--query", "--get-selections":
			name := ""
			if i+1 < len(c.args) {
				name = c.args[i+1]
			}
			if name == "" || c.m.exists(alternatives.StateDir(c.m.Layout())+"/"+name) {
				return c.unknown("what is registered cannot be shown")
			}
			c.errorf("no alternatives for %s", name)
			return 2
		}
	}
	op, err := alternatives.ParseCommand(args)
	if err != nil {
		return c.unknown("%v", err)
	}
	if err := c.m.Alternatives(op); err != nil {
		c.errorf("%v", err)
		return 2
	}
	return 0
}

// cryptoPolicies puts the links of the chosen policy in place, as update-crypto-policies does.
func cryptoPolicies(c *call) int {
	const share, etc = "/usr/share/crypto-policies", "/etc/crypto-policies"
	o, args := c.parse("", map[string]byte{"no-reload": 'r', "set": 's', "show": 'w', "no-check": 'n', "check": 'c', "is-applied": 'a'})
	if o.has('c') || o.has('a') {
		return c.unknown("this verb is not known")
	}
	policy := "DEFAULT"
	if data, err := c.m.read(etc + "/config"); err == nil {
		for _, l := range splitLines(data) {
			if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
				policy = l
			}
		}
	}
	if o.has('w') {
		fmt.Fprintln(c.out, policy)
		return 0
	}
	if o.has('s') && len(args) == 1 {
		policy = args[0]
		_ = c.m.replace(etc+"/config", []byte(policy+"\n"), 0o644)
	}
	list, err := c.m.readDir(share + "/" + policy)
	if err != nil {
		return c.unknown("policy %s is not in the image", policy)
	}
	local, _ := c.m.readDir(etc + "/local.d")
	_ = c.m.mkdirAll(etc+"/back-ends", 0o755)
	_ = c.m.mkdirAll(etc+"/state", 0o755)
	for _, e := range list {
		name, ok := strings.CutSuffix(rootfs.Base(e.Path), ".txt")
		if !ok {
			continue
		}
		to := etc + "/back-ends/" + name + ".config"
		if old := c.m.lstat(to); old != nil {
			_ = c.m.unlink(to)
		}
		// Additions of the machine make the link a file: the policy, and what local.d has for the program.
		var text []byte
		for _, l := range local {
			if base := rootfs.Base(l.Path); strings.HasPrefix(base, name+"-") && strings.HasSuffix(base, ".config") {
				text = append(text, c.m.data(l)...)
			}
		}
		err := c.m.symlink(e.Path, to)
		if len(text) > 0 {
			_ = c.m.unlink(to)
			err = c.m.replace(to, append(slices.Clone(c.m.data(e)), text...), 0o644)
		}
		if err != nil {
			return c.errorf("%s: %v", to, err)
		}
	}
	_ = c.m.replace(etc+"/state/current", []byte(policy+"\n"), 0o644)
	if data, err := c.m.read(share + "/policies/" + policy + ".pol"); err == nil {
		_ = c.m.replace(etc+"/state/CURRENT.pol", data, 0o644)
	}
	return 0
}

// accountCommand is useradd, groupadd and their siblings, with the exit codes of shadow-utils.
func accountCommand(c *call) int {
	db, _ := c.accounts()
	argv, home, none := []string{c.name}, false, false
	for _, a := range c.args {
		switch {
		case c.name == "useradd" && (a == "-m" || a == "--create-home"):
			home = true
		case a == "-M" || a == "--no-create-home":
			none = true
			argv = append(argv, a)
		default:
			argv = append(argv, a)
		}
	}
	requests, err := accounts.ParseCommand(argv)
	if err != nil {
		return c.unknown("%v", err)
	}
	for _, r := range requests {
		if r.Kind == accounts.WantRemove && db.User(r.Name) == nil || r.Kind == accounts.DropGroup && db.Group(r.Name) == nil {
			c.errorf("'%s' does not exist", r.Name)
			return 6
		}
		exists := r.Kind == accounts.WantUser && db.User(r.Name) != nil || r.Kind == accounts.WantGroup && db.Group(r.Name) != nil
		if !exists {
			continue
		}
		for _, a := range c.args {
			if a == "-f" || a == "--force" || c.name == "adduser" || c.name == "addgroup" {
				return 0
			}
		}
		c.errorf("%s '%s' already exists", r.Kind, r.Name)
		return 9
	}
	for i := range requests {
		if r := &requests[i]; r.Kind == accounts.WantUser && r.Regular {
			c.personDefaults(r)
			home = home || !none && (c.name == "adduser" || c.setting("/etc/login.defs", "CREATE_HOME", " \t") == "yes")
		}
	}
	if err := c.m.Request(requests); err != nil {
		c.errorf("%v", err)
		return 4
	}
	if home {
		return c.makeHome(requests[len(requests)-1].Name)
	}
	return 0
}

// personDefaults fills in what useradd takes from its configuration for accounts of people.
func (c *call) personDefaults(r *accounts.Request) {
	shell := c.setting("/etc/default/useradd", "SHELL", "=")
	if c.name == "adduser" {
		shell = "/bin/bash"
	}
	if r.Shell == "" && shell != "" && c.m.exists(shell) {
		r.Shell = shell
	}
}

// setting returns a value of a configuration file of lines with key and value.
func (c *call) setting(file, key, separators string) string {
	data, err := c.m.read(file)
	if err != nil {
		return ""
	}
	value := ""
	for _, line := range splitLines(data) {
		if i := strings.IndexAny(line, separators); i > 0 && strings.TrimSpace(line[:i]) == key {
			value = strings.TrimSpace(line[i+1:])
		}
	}
	return value
}

func (c *call) makeHome(name string) int {
	db, _ := c.accounts()
	u := db.User(name)
	if u == nil || c.m.stat(u.Home) != nil {
		return 0
	}
	if err := c.m.mkdirAll(rootfs.Dir(u.Home), 0o755); err != nil {
		return c.errorf("cannot create directory %s: %v", rootfs.Dir(u.Home), err)
	}
	if e := c.m.stat("/etc/skel"); e != nil {
		if err := c.copy("/etc/skel", u.Home, copyOptions{recursive: true, noDeref: true, mode: true}, 0); err != nil {
			return c.errorf("cannot create directory %s: %v", u.Home, err)
		}
	} else if err := c.m.mkdir(u.Home, 0o700); err != nil {
		return c.errorf("cannot create directory %s: %v", u.Home, err)
	}
	e := c.m.stat(u.Home)
	c.m.change(e, func(x *rootfs.Entry) { x.Mode = 0o700 })
	for _, x := range append([]*rootfs.Entry{e}, c.m.FS.Under(e.Path)...) {
		c.m.setOwner(x, u.UID, u.GID)
	}
	return 0
}

// sln is glibc's static ln -s, which replaces what is there.
func sln(c *call) int {
	if len(c.args) != 2 {
		return c.errorf("two paths are needed")
	}
	to := c.path(c.args[1])
	if old := c.m.lstat(to); old != nil {
		if old.Type == pkgindex.TypeDir {
			return c.errorf("%s: %v", c.args[1], errIsDir)
		}
		_ = c.m.unlink(to)
	}
	if err := c.m.symlink(c.args[0], to); err != nil {
		return c.errorf("%s: %v", c.args[1], err)
	}
	return 0
}

// rpmEval is rpm --eval; the database is not there before all packages are.
func rpmEval(c *call) int {
	if len(c.args) != 2 || c.args[0] != "--eval" && c.args[0] != "-E" {
		return c.unknown("only --eval is known")
	}
	v, err := c.m.macros(c.args[1])
	if err != nil {
		return c.unknown("%v", err)
	}
	fmt.Fprintln(c.out, v)
	return 0
}
