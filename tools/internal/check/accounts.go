package check

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// account is a line of an account file that matters here.
type account struct {
	name    string
	id, gid int      // gid of users only
	members []string // of groups only
}

// accountFile is /etc/passwd or /etc/group.
type accountFile struct {
	path     string
	accounts []account
	ids      map[int]bool
	unread   bool // too large to be kept in the tree: its accounts are not known
}

func (f *accountFile) has(name string) bool {
	return slices.ContainsFunc(f.accounts, func(a account) bool { return a.name == name })
}

// lines reads one of the account files of the tree; ok tells whether it exists.
func (c *checker) lines(name string) (rows [][]string, ok bool) {
	e := c.fs.Stat(name)
	if e == nil {
		return nil, false
	}
	for line := range strings.Lines(e.Text) {
		line = strings.TrimRight(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			rows = append(rows, strings.Split(line, ":"))
		}
	}
	return rows, true
}

// accountsOf reads passwd or group; lines that are not of that form are findings.
func (c *checker) accountsOf(name string, fields int) *accountFile {
	rows, _ := c.lines(name)
	out := &accountFile{path: name, ids: map[int]bool{0: true}} // root needs no line
	if e := c.fs.Stat(name); e != nil && e.Text == "" && e.SizeBytes > rootfs.MaxText {
		out.unread = true
		c.add(OwnerUnknown, name, "has %d bytes; up to %d are read, so owners cannot be checked", e.SizeBytes, rootfs.MaxText)
	}
	for _, row := range rows {
		if len(row) != fields || row[0] == "" {
			c.add(PasswdGroupMismatch, name, "line %q has %d fields, want %d", strings.Join(row, ":"), len(row), fields)
			continue
		}
		a := account{name: row[0]}
		id, err := strconv.ParseUint(row[2], 10, 32)
		a.id = int(id)
		if err == nil && fields == 7 {
			id, err = strconv.ParseUint(row[3], 10, 32)
			a.gid = int(id)
		}
		if err != nil {
			c.add(PasswdGroupMismatch, name, "line of %s has no number", row[0])
			continue
		}
		if fields == 4 && row[3] != "" {
			a.members = strings.Split(row[3], ",")
		}
		if out.has(a.name) {
			c.add(PasswdGroupMismatch, name, "has %s twice", a.name)
		}
		out.accounts = append(out.accounts, a)
		out.ids[a.id] = true
	}
	return out
}

// accounts checks the account files among each other and against the owners of files.
func (c *checker) accounts(users, groups *accountFile) {
	for _, u := range users.accounts {
		if !groups.ids[u.gid] && !groups.unread {
			c.add(PasswdGroupMismatch, users.path, "group %d of user %s is not in %s", u.gid, u.name, groups.path)
		}
		if u.id == 0 && u.name != "root" {
			c.add(ExtraRoot, users.path, "%s has user number 0", u.name)
		}
	}
	for _, g := range groups.accounts {
		for _, member := range g.members {
			if !users.has(member) && !users.unread {
				c.add(PasswdGroupMismatch, groups.path, "member %s of group %s is not in %s", member, g.name, users.path)
			}
		}
	}
	for _, e := range c.tree.Entries {
		if !users.ids[e.UID] && !users.unread {
			c.add(OwnerUnknown, e.Path, "user %d is not in %s", e.UID, users.path)
		}
		if !groups.ids[e.GID] && !groups.unread {
			c.add(OwnerUnknown, e.Path, "group %d is not in %s", e.GID, groups.path)
		}
	}
	c.shadow(users, "/etc/shadow")
	c.shadow(groups, "/etc/gshadow")
	c.passwords("/etc/passwd")
	c.passwords("/etc/shadow")
}

// shadow checks that both files have the same names, if the shadow file exists.
func (c *checker) shadow(f *accountFile, shadow string) {
	rows, ok := c.lines(shadow)
	if !ok || f.unread {
		return
	}
	names := map[string]bool{}
	for _, row := range rows {
		if names[row[0]] {
			c.add(ShadowMismatch, shadow, "has %s twice", row[0])
		}
		names[row[0]] = true
		if !f.has(row[0]) {
			c.add(ShadowMismatch, shadow, "has %s, which %s lacks", row[0], f.path)
		}
	}
	for _, a := range f.accounts {
		if !names[a.name] {
			c.add(ShadowMismatch, shadow, "lacks %s of %s", a.name, f.path)
		}
	}
}

// passwords looks at the second field of passwd or shadow: what begins with "!" or "*" is locked, "x" leads to shadow
// (passwd(5), shadow(5)).
func (c *checker) passwords(name string) {
	rows, _ := c.lines(name)
	for _, row := range rows {
		switch {
		case len(row) < 2:
		case row[1] == "":
			c.add(Password, name, "%s has an empty password", row[0])
		case row[1] != "x" && !strings.HasPrefix(row[1], "!") && !strings.HasPrefix(row[1], "*"):
			c.add(Password, name, "%s has the hash of a password", row[0])
		}
	}
}
