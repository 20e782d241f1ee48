package check

import (
	"slices"
	"strconv"
	"strings"
)

// account is a line of an account file that matters here.
type account struct {
	name    string
	id, gid int // gid of users only
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
func (c *checker) accountsOf(name string, fields int) ([]account, bool) {
	rows, ok := c.lines(name)
	var out []account
	for _, row := range rows {
		if len(row) < fields || row[0] == "" {
			c.add(PasswdGroupMismatch, name, "line %q has %d fields, want %d", strings.Join(row, ":"), len(row), fields)
			continue
		}
		a := account{name: row[0]}
		id, err := strconv.Atoi(row[2])
		if a.id = id; err == nil && fields == 7 {
			a.gid, err = strconv.Atoi(row[3])
		}
		if err != nil {
			c.add(PasswdGroupMismatch, name, "line of %s has no number", row[0])
			continue
		}
		out = append(out, a)
	}
	return out, ok
}

// accounts checks the account files among each other, against the owners of files, and against the user of the image.
func (c *checker) accounts() {
	users, _ := c.accountsOf("/etc/passwd", 7)
	groups, _ := c.accountsOf("/etc/group", 4)
	uids, gids := map[int]bool{0: true}, map[int]bool{0: true} // root needs no line
	for _, g := range groups {
		gids[g.id] = true
	}
	for _, u := range users {
		uids[u.id] = true
		if !gids[u.gid] {
			c.add(PasswdGroupMismatch, "/etc/passwd", "group %d of user %s is not in /etc/group", u.gid, u.name)
		}
	}
	for _, e := range c.tree.Entries {
		if !uids[e.UID] {
			c.add(OwnerUnknown, e.Path, "user %d is not in /etc/passwd", e.UID)
		}
		if !gids[e.GID] {
			c.add(OwnerUnknown, e.Path, "group %d is not in /etc/group", e.GID)
		}
	}
	c.shadow("/etc/passwd", users, "/etc/shadow")
	c.shadow("/etc/group", groups, "/etc/gshadow")
	c.user(users, groups)
}

// shadow checks that both files have the same names, if the shadow file exists.
func (c *checker) shadow(file string, accounts []account, shadow string) {
	rows, ok := c.lines(shadow)
	if !ok {
		return
	}
	for _, a := range accounts {
		if !slices.ContainsFunc(rows, func(row []string) bool { return row[0] == a.name }) {
			c.add(ShadowMismatch, shadow, "lacks %s of %s", a.name, file)
		}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(accounts, func(a account) bool { return a.name == row[0] }) {
			c.add(ShadowMismatch, shadow, "has %s, which %s lacks", row[0], file)
		}
	}
}

// user checks the user and group by name that the image runs as; numbers need no account.
func (c *checker) user(users, groups []account) {
	user, group, _ := strings.Cut(c.spec.User, ":")
	for _, x := range []struct {
		name, file string
		known      []account
	}{{user, "/etc/passwd", users}, {group, "/etc/group", groups}} {
		if _, err := strconv.Atoi(x.name); x.name == "" || err == nil {
			continue
		}
		if !slices.ContainsFunc(x.known, func(a account) bool { return a.name == x.name }) {
			c.add(UserUnknown, x.file, "the image runs as %s: %s is not there", c.spec.User, x.name)
		}
	}
}
