package scriptlet

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func groupmod(c *call) int {
	o, args := c.parse("g:n:o", map[string]byte{"gid": 'g', "new-name": 'n', "non-unique": 'o'})
	if len(args) != 1 || o.has('n') {
		return c.unknown("only --gid is known")
	}
	gid, err := numericID("group ID", o.value('g'))
	if err != nil {
		return c.errorf("%v", err)
	}
	if err := c.m.Change(func(db *accounts.DB) error {
		g := db.Group(args[0])
		if g == nil {
			return fmt.Errorf("group '%s' does not exist", args[0])
		}
		changed := *g
		changed.GID = gid
		return db.SetGroup(changed)
	}); err != nil {
		c.errorf("%v", err)
		return 6
	}
	return 0
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
	return 0
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
