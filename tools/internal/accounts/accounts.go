// Package accounts reads and writes the account files of an image - passwd(5), group(5), shadow(5), gshadow(5) - as one
// database in which the four agree, and understands the ways in which packages ask for accounts: sysusers.d(5) files and
// the command lines of groupadd, useradd, addgroup and adduser.
//
// NIS lines ("+", "-") are errors: an image that needs them has no business with this package. Nothing depends on the clock:
// the date of the last password change stays empty in lines that this package makes.
package accounts

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxFileBytes = 4 << 20
	maxID        = 1<<32 - 2 // -1 means "no change" to chown(2)
	// locked is what systemd-sysusers(8) writes: no password matches it, and the account is not usable for login.
	locked = "!*"
	// aging is the rest of a line of shadow for an account of a person, as useradd writes it with the login.defs of distributions,
	// but for the date.
	aging = "::0:99999:7:::"
	// noAging is the rest of a line of shadow for a system account, as useradd -r and systemd-sysusers write it, but for the date
	// of the last change, which would be the day of the build.
	noAging = ":::::::"
)

// User is a line of /etc/passwd. The password is not part of it: it is in Shadow.
type User struct {
	Name     string
	UID, GID int
	Gecos    string
	Home     string
	Shell    string
}

// Group is a line of /etc/group.
type Group struct {
	Name    string
	GID     int
	Members []string
}

// DB is a set of accounts, in the order of the files.
type DB struct {
	Users  []User
	Groups []Group
	// IDs fixes numbers that packages leave open; nil: such a number depends on the name alone.
	IDs    *IDs
	shadow map[string]string // line of shadow after the name
	passgr map[string]gshadow
}

type gshadow struct{ password, admins string }

// Files are the contents of the four files. A nil one does not exist.
type Files struct{ Passwd, Group, Shadow, GShadow []byte }

// New returns a database without accounts.
func New() *DB { return &DB{shadow: map[string]string{}, passgr: map[string]gshadow{}} }

// Load reads the files. Lines of shadow and gshadow without an account are dropped; passwords in passwd and group move to
// shadow and gshadow, an empty one becomes "no login".
func Load(f Files) (*DB, error) {
	db := New()
	if err := eachLine("passwd", f.Passwd, 7, db.loadUser); err != nil {
		return nil, err
	}
	if err := eachLine("group", f.Group, 4, db.loadGroup); err != nil {
		return nil, err
	}
	if err := eachLine("shadow", f.Shadow, 9, db.loadShadow); err != nil {
		return nil, err
	}
	if err := eachLine("gshadow", f.GShadow, 4, db.loadGShadow); err != nil {
		return nil, err
	}
	return db, nil
}

func (db *DB) loadUser(v []string) error {
	uid, err := parseID(v[2])
	if err != nil {
		return err
	}
	gid, err := parseID(v[3])
	if err != nil {
		return err
	}
	if db.User(v[0]) != nil {
		return fmt.Errorf("user %s: twice", v[0])
	}
	db.Users = append(db.Users, User{v[0], uid, gid, v[4], v[5], v[6]})
	if v[1] != "x" && v[1] != "" {
		db.shadow[v[0]] = v[1] + noAging
	}
	return nil
}

func (db *DB) loadGroup(v []string) error {
	gid, err := parseID(v[2])
	if err != nil {
		return err
	}
	if db.Group(v[0]) != nil {
		return fmt.Errorf("group %s: twice", v[0])
	}
	db.Groups = append(db.Groups, Group{v[0], gid, splitList(v[3])})
	if v[1] != "x" && v[1] != "" {
		db.passgr[v[0]] = gshadow{password: v[1]}
	}
	return nil
}

func (db *DB) loadShadow(v []string) error {
	if db.User(v[0]) != nil {
		db.shadow[v[0]] = strings.Join(v[1:], ":")
	}
	return nil
}

func (db *DB) loadGShadow(v []string) error {
	if db.Group(v[0]) != nil {
		db.passgr[v[0]] = gshadow{v[1], v[2]}
	}
	return nil
}

func eachLine(file string, data []byte, fields int, do func([]string) error) error {
	if len(data) > maxFileBytes {
		return fmt.Errorf("reading %s: larger than %d bytes", file, maxFileBytes)
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line == "" {
			continue
		}
		v := strings.Split(line, ":")
		if len(v) != fields {
			return fmt.Errorf("reading %s: line %d: %d fields instead of %d", file, i+1, len(v), fields)
		}
		if err := CheckName(v[0]); err != nil {
			return fmt.Errorf("reading %s: line %d: %w", file, i+1, err)
		}
		if err := do(v); err != nil {
			return fmt.Errorf("reading %s: line %d: %w", file, i+1, err)
		}
	}
	return nil
}

// Write returns the four files. Each user has one line in Shadow, each group one in GShadow with the same members.
func (db *DB) Write() Files {
	var passwd, group, shadow, gshadow bytes.Buffer
	for _, u := range db.Users {
		fmt.Fprintf(&passwd, "%s:x:%d:%d:%s:%s:%s\n", u.Name, u.UID, u.GID, u.Gecos, u.Home, u.Shell)
		rest, ok := db.shadow[u.Name]
		if !ok {
			rest = locked + noAging
		}
		fmt.Fprintf(&shadow, "%s:%s\n", u.Name, rest)
	}
	for _, g := range db.Groups {
		members := strings.Join(g.Members, ",")
		fmt.Fprintf(&group, "%s:x:%d:%s\n", g.Name, g.GID, members)
		p, ok := db.passgr[g.Name]
		if !ok {
			p.password = locked
		}
		fmt.Fprintf(&gshadow, "%s:%s:%s:%s\n", g.Name, p.password, p.admins, members)
	}
	return Files{passwd.Bytes(), group.Bytes(), shadow.Bytes(), gshadow.Bytes()}
}

// User returns the user of that name, or nil.
func (db *DB) User(name string) *User {
	for i := range db.Users {
		if db.Users[i].Name == name {
			return &db.Users[i]
		}
	}
	return nil
}

// Group returns the group of that name, or nil.
func (db *DB) Group(name string) *Group {
	for i := range db.Groups {
		if db.Groups[i].Name == name {
			return &db.Groups[i]
		}
	}
	return nil
}

// SetUser adds u, or replaces the user of that name.
func (db *DB) SetUser(u User) error {
	for _, text := range []string{u.Gecos, u.Home, u.Shell} {
		if strings.ContainsAny(text, ":\n\x00") {
			return fmt.Errorf("user %s: %q holds a colon or line break", u.Name, text)
		}
	}
	if err := CheckName(u.Name); err != nil {
		return err
	}
	if u.UID < 0 || u.UID > maxID || u.GID < 0 || u.GID > maxID {
		return fmt.Errorf("user %s: uid %d, gid %d out of range", u.Name, u.UID, u.GID)
	}
	if old := db.User(u.Name); old != nil {
		*old = u
	} else {
		db.Users = append(db.Users, u)
	}
	return nil
}

// SetGroup adds g, or replaces the group of that name.
func (db *DB) SetGroup(g Group) error {
	for _, name := range append([]string{g.Name}, g.Members...) {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	if g.GID < 0 || g.GID > maxID {
		return fmt.Errorf("group %s: gid %d out of range", g.Name, g.GID)
	}
	if old := db.Group(g.Name); old != nil {
		*old = g
	} else {
		db.Groups = append(db.Groups, g)
	}
	return nil
}

// AddMember adds user to the members of group; both need not exist as a user, as group(5) has it.
func (db *DB) AddMember(group, user string) error {
	g := db.Group(group)
	if g == nil {
		return fmt.Errorf("adding %s to group %s: no such group", user, group)
	}
	if err := CheckName(user); err != nil {
		return err
	}
	if !slices.Contains(g.Members, user) {
		g.Members = append(g.Members, user)
	}
	return nil
}

// Merge adds the accounts of other that db lacks, passwords included, and the members of groups that both have.
func (db *DB) Merge(other *DB) {
	for _, u := range other.Users {
		if db.User(u.Name) != nil {
			continue
		}
		db.Users = append(db.Users, u)
		if s, ok := other.shadow[u.Name]; ok {
			db.shadow[u.Name] = s
		}
	}
	for _, g := range other.Groups {
		if mine := db.Group(g.Name); mine != nil {
			for _, m := range g.Members {
				if !slices.Contains(mine.Members, m) {
					mine.Members = append(mine.Members, m)
				}
			}
			continue
		}
		db.Groups = append(db.Groups, Group{g.Name, g.GID, slices.Clone(g.Members)})
		if p, ok := other.passgr[g.Name]; ok {
			db.passgr[g.Name] = p
		}
	}
}

// CheckName accepts the names that shadow-utils accept without --badname, and digits and dots inside them.
func CheckName(name string) error {
	if name == "" || len(name) > 256 {
		return fmt.Errorf("account name %q: empty or too long", name)
	}
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		inner := c >= '0' && c <= '9' || c == '-' || c == '.' || (c == '$' && i == len(name)-1)
		if !letter && (i == 0 || !inner) {
			return fmt.Errorf("account name %q: character %q", name, c)
		}
	}
	return nil
}

func parseID(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxID {
		return 0, fmt.Errorf("id %q: not a number in range", s)
	}
	return int(n), nil
}

func splitList(s string) []string {
	var out []string
	for _, name := range strings.Split(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}
