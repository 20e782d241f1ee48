package scriptlet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// change applies a change to the accounts and turns an error into an exit status.
func (c *call) change(f func(*accounts.DB) error) int {
	if err := c.m.Change(f); err != nil {
		c.errorf("%v", err)
		return 6
	}
	return 0
}

// usermod is usermod(8), and chsh(1), which is one option of it.
func usermod(c *call) int {
	o, args := c.parse("aG:s:d:c:g:u:LUr", map[string]byte{"append": 'a', "groups": 'G', "shell": 's', "home": 'd', "comment": 'c', "gid": 'g',
		"uid": 'u', "lock": 'L', "unlock": 'U', "remove": 'r'})
	if len(args) != 1 {
		return c.errorf("one user name is needed")
	}
	name := args[0]
	if o.has('U') {
		return c.option("--unlock")
	}
	return c.change(func(db *accounts.DB) error {
		u := db.User(name)
		if u == nil {
			return fmt.Errorf("user '%s' does not exist", name)
		}
		changed := *u
		for letter, field := range map[byte]*string{'s': &changed.Shell, 'd': &changed.Home, 'c': &changed.Gecos} {
			if o.has(letter) {
				*field = o.value(letter)
			}
		}
		if o.has('u') {
			n, err := numericID("user ID", o.value('u'))
			if err != nil {
				return err
			}
			changed.UID = n
		}
		if o.has('g') {
			g := db.Group(o.value('g'))
			if g == nil {
				return fmt.Errorf("group '%s' does not exist", o.value('g'))
			}
			changed.GID = g.GID
		}
		if err := db.SetUser(changed); err != nil {
			return err
		}
		if o.has('G') {
			return setGroups(db, name, strings.Split(o.value('G'), ","), o.has('a'), o.has('r'))
		}
		return nil
	})
}

// setGroups makes user a member of groups, and without add of no others.
func setGroups(db *accounts.DB, user string, groups []string, add, remove bool) error {
	for _, g := range groups {
		if db.Group(g) == nil {
			return fmt.Errorf("group '%s' does not exist", g)
		}
	}
	for i := range db.Groups {
		g := &db.Groups[i]
		listed := slices.Contains(groups, g.Name)
		if remove && listed || !add && !remove && !listed {
			g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return m == user })
		}
	}
	if remove {
		return nil
	}
	for _, g := range groups {
		if err := db.AddMember(g, user); err != nil {
			return err
		}
	}
	return nil
}

func groupmod(c *call) int {
	o, args := c.parse("g:n:o", map[string]byte{"gid": 'g', "new-name": 'n', "non-unique": 'o'})
	if len(args) != 1 || o.has('n') {
		return c.unknown("only --gid is known")
	}
	gid, err := numericID("group ID", o.value('g'))
	if err != nil {
		return c.errorf("%v", err)
	}
	return c.change(func(db *accounts.DB) error {
		g := db.Group(args[0])
		if g == nil {
			return fmt.Errorf("group '%s' does not exist", args[0])
		}
		changed := *g
		changed.GID = gid
		return db.SetGroup(changed)
	})
}

// gpasswd adds and removes members, as groupmems does.
func gpasswd(c *call) int {
	o, args := c.parse("a:d:M:g:", map[string]byte{"add": 'a', "delete": 'd', "group": 'g'})
	group := o.value('g')
	if len(args) == 1 {
		group = args[0]
	}
	if group == "" || o.has('M') || !o.has('a') && !o.has('d') {
		return c.unknown("only adding and removing one member is known")
	}
	return c.change(func(db *accounts.DB) error {
		user := o.value('a') + o.value('d')
		return setGroups(db, user, []string{group}, true, o.has('d'))
	})
}

// passwd locks accounts; those made here are locked from the start.
func passwd(c *call) int {
	o, args := c.parse("lSf", map[string]byte{"lock": 'l', "status": 'S'})
	if !o.has('l') || len(args) != 1 {
		return c.unknown("only --lock is known")
	}
	db, _ := c.accounts()
	if db.User(args[0]) == nil {
		return c.errorf("Unknown user name '%s'.", args[0])
	}
	return c.change(func(db *accounts.DB) error { return db.Lock(args[0]) })
}

func accountDelete(c *call) int {
	o, args := c.parse("rf", map[string]byte{"remove": 'r', "force": 'f'})
	if len(args) != 1 || o.has('r') {
		return c.unknown("only the removal of one account, without its files, is known")
	}
	db, _ := c.accounts()
	user := c.name == "userdel"
	if user && db.User(args[0]) == nil || !user && db.Group(args[0]) == nil {
		c.errorf("'%s' does not exist", args[0])
		return 6
	}
	return c.change(func(db *accounts.DB) error {
		if user {
			db.RemoveUser(args[0])
		} else {
			db.RemoveGroup(args[0])
		}
		return nil
	})
}

// configFiles returns the files of the drop-in directories of a service: those of earlier directories hide those of the same
// name in later ones; by name.
func (c *call) configFiles(dirs []string) []*rootfs.Entry {
	byName := map[string]*rootfs.Entry{}
	for _, dir := range dirs {
		list, _ := c.m.readDir(dir)
		for _, e := range list {
			name := rootfs.Base(e.Path)
			if _, hidden := byName[name]; !hidden && strings.HasSuffix(name, ".conf") || !hidden && strings.HasSuffix(name, ".preset") {
				byName[name] = c.m.stat(e.Path)
			}
		}
	}
	var out []*rootfs.Entry
	for _, name := range sortedKeys(byName) {
		if e := byName[name]; e != nil && e.Type == pkgindex.TypeFile {
			out = append(out, e)
		}
	}
	return out
}

// operandFiles resolves the operands of systemd-sysusers and systemd-tmpfiles: paths, or names in their directories.
func (c *call) operandFiles(args, dirs []string) ([]string, error) {
	var texts []string
	if len(args) == 0 {
		for _, e := range c.configFiles(dirs) {
			texts = append(texts, string(c.m.data(e)))
		}
		return texts, nil
	}
	for _, a := range args {
		if a == "-" {
			data, err := c.input(a)
			if err != nil {
				return nil, err
			}
			texts = append(texts, string(data))
			continue
		}
		found := false
		places := []string{c.path(a)}
		if !strings.Contains(a, "/") {
			places = nil
			for _, dir := range dirs {
				places = append(places, dir+"/"+a)
			}
		}
		for _, p := range places {
			if data, err := c.m.read(p); err == nil {
				texts, found = append(texts, string(data)), true
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("failed to open '%s': %v", a, errNoEnt)
		}
	}
	return texts, nil
}

func sysusers(c *call) int {
	o, args := c.parse("", map[string]byte{"inline": 'i', "replace": 'r', "root": 'R', "cat-config": 'c'})
	if o.has('R') || o.has('c') {
		return c.option("--root or --cat-config")
	}
	texts := []string{strings.Join(args, "\n")}
	if !o.has('i') {
		var err error
		if texts, err = c.operandFiles(args, []string{"/etc/sysusers.d", "/run/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"}); err != nil {
			return c.errorf("%v", err)
		}
	}
	var all []accounts.Request
	for _, text := range texts {
		requests, err := accounts.ParseSysusers([]byte(text))
		if err != nil {
			return c.unknown("%v", err)
		}
		all = append(all, requests...)
	}
	if err := c.m.Request(all); err != nil {
		return c.errorf("%v", err)
	}
	return 0
}
