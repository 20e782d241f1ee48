package accounts

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Range of ids that are given to system accounts that ask for none. Fixed ids of distributions end at 200 (setup of Red Hat)
// or 99 (base-passwd of Debian), and 999 is the last system id of both (login.defs).
const (
	firstFreeID = 300
	lastFreeID  = 998
)

// Request kinds.
const (
	WantUser   = "user"
	WantGroup  = "group"
	WantMember = "member"
)

// Request is one account that a package asks for.
type Request struct {
	Kind string
	Name string // of the user or group; of the user for WantMember
	ID   int    // -1: any
	// Group is the primary group of a user, by name or number; empty: a group of the user's name. For WantMember the group.
	Group  string
	Groups []string // further groups of the user
	Gecos  string
	Home   string // empty: /
	Shell  string // empty: /sbin/nologin
	// Shift lets a taken ID be replaced by a free one, as systemd-sysusers does; otherwise a taken ID is an error.
	Shift bool
}

// Apply fulfils requests in two passes, groups before users before memberships, so that the order of packages does not
// matter. Accounts that exist are left alone. The id of an account that asks for none depends on its name first, so that it
// does not move when other accounts come and go.
func (db *DB) Apply(requests []Request) error {
	for _, kind := range []string{WantGroup, WantUser, WantMember} {
		for _, r := range requests {
			if r.Kind != kind {
				continue
			}
			if err := db.apply(r); err != nil {
				return fmt.Errorf("adding %s %s: %w", r.Kind, r.Name, err)
			}
		}
	}
	return nil
}

func (db *DB) apply(r Request) error {
	switch r.Kind {
	case WantGroup:
		return db.addGroup(r.Name, r.ID, r.Shift)
	case WantMember:
		return db.AddMember(r.Group, r.Name)
	}
	if db.User(r.Name) == nil {
		if err := db.addUser(r); err != nil {
			return err
		}
	}
	for _, g := range r.Groups {
		if err := db.AddMember(g, r.Name); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) addGroup(name string, id int, shift bool) error {
	if db.Group(name) != nil {
		return nil
	}
	if id >= 0 && db.groupByID(id) != "" {
		if !shift {
			return fmt.Errorf("gid %d is that of group %s", id, db.groupByID(id))
		}
		id = -1
	}
	if id < 0 {
		var err error
		if id, err = freeID(name, func(id int) bool { return db.groupByID(id) != "" || db.foreignUID(id, name) }); err != nil {
			return err
		}
	}
	return db.SetGroup(Group{Name: name, GID: id})
}

func (db *DB) addUser(r Request) error {
	gid := -1
	switch {
	case r.Group == "":
		if db.Group(r.Name) == nil {
			if err := db.addGroup(r.Name, r.ID, true); err != nil {
				return err
			}
		}
		gid = db.Group(r.Name).GID
	case strings.Trim(r.Group, "0123456789") == "":
		id, err := parseID(r.Group)
		if err != nil {
			return err
		}
		gid = id
	default:
		g := db.Group(r.Group)
		if g == nil {
			return fmt.Errorf("its group %s does not exist", r.Group)
		}
		gid = g.GID
	}
	id := r.ID
	if id >= 0 && db.userByID(id) != "" {
		if !r.Shift {
			return fmt.Errorf("uid %d is that of user %s", id, db.userByID(id))
		}
		id = -1
	}
	if id < 0 {
		// The number of the user's own group, where that is free.
		if g := db.Group(r.Name); g != nil && g.GID == gid && db.userByID(gid) == "" {
			id = gid
		} else {
			var err error
			if id, err = freeID(r.Name, func(id int) bool { return db.userByID(id) != "" || db.foreignGID(id, r.Name) }); err != nil {
				return err
			}
		}
	}
	u := User{Name: r.Name, UID: id, GID: gid, Gecos: r.Gecos, Home: r.Home, Shell: r.Shell}
	if u.Home == "" {
		u.Home = "/"
	}
	if u.Shell == "" {
		u.Shell = "/sbin/nologin"
	}
	return db.SetUser(u)
}

// freeID tries the range from a place that the name decides.
func freeID(name string, taken func(int) bool) (int, error) {
	const size = lastFreeID - firstFreeID + 1
	h := fnv.New32a()
	h.Write([]byte(name))
	start := int(h.Sum32() % size)
	for i := range size {
		// Downwards, as useradd -r goes.
		id := firstFreeID + (start-i+size)%size
		if !taken(id) {
			return id, nil
		}
	}
	return 0, fmt.Errorf("no free id between %d and %d", firstFreeID, lastFreeID)
}

// HasUID reports whether some user has the number.
func (db *DB) HasUID(id int) bool { return db.userByID(id) != "" }

// HasGID reports whether some group has the number.
func (db *DB) HasGID(id int) bool { return db.groupByID(id) != "" }

func (db *DB) userByID(id int) string {
	for _, u := range db.Users {
		if u.UID == id {
			return u.Name
		}
	}
	return ""
}

func (db *DB) groupByID(id int) string {
	for _, g := range db.Groups {
		if g.GID == id {
			return g.Name
		}
	}
	return ""
}

// foreignUID and foreignGID keep a user and a group of different names from sharing a number.
func (db *DB) foreignUID(id int, name string) bool {
	owner := db.userByID(id)
	return owner != "" && owner != name
}

func (db *DB) foreignGID(id int, name string) bool {
	owner := db.groupByID(id)
	return owner != "" && owner != name
}
