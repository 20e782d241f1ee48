package accounts

import (
	"fmt"
	"slices"
)

// Request kinds.
const (
	WantUser   = "user"
	WantGroup  = "group"
	WantMember = "member"
	WantChange = "change"        // of a user that exists
	WantRemove = "removal"       // of a user, and of its own group
	DropGroup  = "group removal" // of a group
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
	// Set (WantChange): Groups are all groups of the user, not further ones.
	Set bool
	// Regular is an account of a person or an ordinary program: one that asks for no ID gets one from 1000 on.
	Regular bool
}

// ids is the range for an account that asks for no number.
func (r Request) ids() span {
	if r.Regular {
		return peopleIDs
	}
	return systemIDs
}

// Apply fulfils requests in two passes, groups before users before memberships, so that the order of packages does not
// matter. Accounts that exist are left alone. The id of an account that asks for none is that of db.IDs, or else depends on its
// name alone, so that it does not move when other accounts come and go.
func (db *DB) Apply(requests []Request) error {
	for _, kind := range []string{WantGroup, WantUser, WantMember, WantChange, WantRemove, DropGroup} {
		for _, r := range requests {
			if r.Kind != kind {
				continue
			}
			if err := db.apply(r); err != nil {
				return fmt.Errorf("%s: %w", r.subject(), err)
			}
		}
	}
	return nil
}

// subject says what a request wants, for messages.
func (r Request) subject() string {
	switch r.Kind {
	case WantMember:
		return "adding " + r.Name + " to group " + r.Group
	case WantChange:
		return "changing user " + r.Name
	case WantRemove:
		return "removing user " + r.Name
	case DropGroup:
		return "removing group " + r.Name
	}
	return "adding " + r.Kind + " " + r.Name
}

func (db *DB) apply(r Request) error {
	switch r.Kind {
	case WantGroup:
		return db.addGroup(r.Name, r.ID, r.Shift, r.ids())
	case WantMember:
		return db.AddMember(r.Group, r.Name)
	case WantChange:
		return db.change(r)
	case WantRemove:
		db.removeUser(r.Name)
		return nil
	case DropGroup:
		db.removeGroup(r.Name)
		return nil
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

func (db *DB) addGroup(name string, id int, shift bool, ids span) error {
	if db.Group(name) != nil {
		return nil
	}
	pinned := db.IDs.group(name)
	if id >= 0 && !shift {
		if who := db.GroupByID(id); who != "" {
			return fmt.Errorf("gid %d is that of group %s", id, who)
		}
		if err := db.insist(id, pinned); err != nil {
			return err
		}
		return db.SetGroup(Group{Name: name, GID: id})
	}
	// A number that is wished for may be that of a user of another name, as for systemd-sysusers.
	taken := db.GroupByID
	if id < 0 && pinned < 0 {
		taken = func(id int) string { return db.ownerOfID(id, name) }
	}
	id, err := db.chooseID(choice{"group", name, id, pinned, ids, taken})
	if err != nil {
		return err
	}
	return db.SetGroup(Group{Name: name, GID: id})
}

func (db *DB) addUser(r Request) error {
	gid, err := db.primaryGroup(r)
	if err != nil {
		return err
	}
	pinned := db.IDs.user(r.Name)
	id := r.ID
	if id >= 0 && !r.Shift {
		if who := db.UserByID(id); who != "" {
			return fmt.Errorf("uid %d is that of user %s", id, who)
		}
		if err := db.insist(id, pinned); err != nil {
			return err
		}
	} else {
		// The number of the user's own group, where the package names none.
		if g := db.Group(r.Name); id < 0 && pinned < 0 && g != nil && g.GID == gid && db.UserByID(gid) == "" {
			id = gid
		}
		taken := db.UserByID
		if pinned < 0 && (id < 0 || r.Group == "") {
			taken = func(id int) string { return db.ownerOfID(id, r.Name) }
		}
		if id, err = db.chooseID(choice{"user", r.Name, id, pinned, r.ids(), taken}); err != nil {
			return err
		}
	}
	u := User{Name: r.Name, UID: id, GID: gid, Gecos: r.Gecos, Home: r.Home, Shell: r.Shell}
	if u.Home == "" {
		u.Home = "/"
	}
	if u.Shell == "" {
		u.Shell = "/sbin/nologin"
	}
	if err := db.SetUser(u); err != nil {
		return err
	}
	if r.Regular {
		db.shadow[u.Name] = "!" + aging
	}
	return nil
}

// primaryGroup returns the number of the group of a new user, which is made when it is the user's own.
func (db *DB) primaryGroup(r Request) (int, error) {
	if r.Group == "" {
		if db.Group(r.Name) == nil {
			// A user with a number of its own wants its group to have it too, where it is free.
			if err := db.addGroup(r.Name, r.ID, true, r.ids()); err != nil {
				return 0, err
			}
		}
		return db.Group(r.Name).GID, nil
	}
	if g := db.Group(r.Group); g != nil {
		return g.GID, nil
	}
	if id, err := parseID(r.Group); err == nil && db.GroupByID(id) != "" {
		return id, nil
	}
	return 0, fmt.Errorf("its group %s does not exist", r.Group)
}

// change is usermod(8).
func (db *DB) change(r Request) error {
	u := db.User(r.Name)
	if u == nil {
		return fmt.Errorf("no such user")
	}
	changed := *u
	if r.ID >= 0 {
		if who := db.UserByID(r.ID); who != "" && who != r.Name {
			return fmt.Errorf("uid %d is that of user %s", r.ID, who)
		}
		changed.UID = r.ID
	}
	for _, x := range []struct{ to, from *string }{{&changed.Gecos, &r.Gecos}, {&changed.Home, &r.Home}, {&changed.Shell, &r.Shell}} {
		if *x.from != "" {
			*x.to = *x.from
		}
	}
	if r.Group != "" {
		gid, err := db.primaryGroup(r)
		if err != nil {
			return err
		}
		changed.GID = gid
	}
	if r.Set {
		db.removeMember(r.Name)
	}
	for _, g := range r.Groups {
		if err := db.AddMember(g, r.Name); err != nil {
			return err
		}
	}
	return db.SetUser(changed)
}

func (db *DB) removeMember(user string) {
	for i := range db.Groups {
		db.Groups[i].Members = slices.DeleteFunc(slices.Clone(db.Groups[i].Members), func(m string) bool { return m == user })
	}
}

// removeUser is userdel(8): the group of the user's name goes too, when it has no other members.
func (db *DB) removeUser(name string) {
	db.removeMember(name)
	db.Users = slices.DeleteFunc(db.Users, func(u User) bool { return u.Name == name })
	delete(db.shadow, name)
	if g := db.Group(name); g != nil && len(g.Members) == 0 && !slices.ContainsFunc(db.Users, func(u User) bool { return u.GID == g.GID }) {
		db.removeGroup(name)
	}
}

func (db *DB) removeGroup(name string) {
	db.Groups = slices.DeleteFunc(db.Groups, func(g Group) bool { return g.Name == name })
	delete(db.passgr, name)
}

// UserByID returns the name of the first user with the number, or "".
func (db *DB) UserByID(id int) string {
	for _, u := range db.Users {
		if u.UID == id {
			return u.Name
		}
	}
	return ""
}

// GroupByID returns the name of the first group with the number, or "".
func (db *DB) GroupByID(id int) string {
	for _, g := range db.Groups {
		if g.GID == id {
			return g.Name
		}
	}
	return ""
}
