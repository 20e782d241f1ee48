package accounts

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// Ranges of ids that are given to accounts that ask for none. Fixed ids of distributions end at 200 (setup of Red Hat)
// or 99 (base-passwd of Debian), and 999 is the last system id of both (login.defs).
// Accounts of people begin at 1000, and what distributions give to sub-ids, nobody and services beyond 60000 is left alone.
var (
	systemIDs = span{300, 998}
	peopleIDs = span{1000, 59999}
)

// span is a range of numbers, both ends in it.
type span struct{ first, last int }

func (s span) size() int { return s.last - s.first + 1 }

// IDs is the table in which a release keeps the numbers of accounts whose packages leave the number open. A number in it wins
// over the one a package merely prefers, and must agree with one that a package insists on.
type IDs struct {
	Name          string // of the file, for messages
	users, groups map[string]int
}

// ParseIDs reads a table: lines of sysusers.d(5), "u NAME ID" or "g NAME ID" with "#" comments. The id of a user is that of the
// group of its name too, unless a "g" line says otherwise. No number may stand for two names.
func ParseIDs(data []byte, name string) (*IDs, error) {
	requests, err := ParseSysusers(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	t := &IDs{Name: name, users: map[string]int{}, groups: map[string]int{}}
	for _, r := range requests {
		ids := t.users
		switch r.Kind {
		case WantGroup:
			ids = t.groups
		case WantUser:
		default:
			return nil, fmt.Errorf("reading %s: %s: only lines \"u NAME ID\" and \"g NAME ID\"", name, r.Name)
		}
		if r.ID < 0 || r.Group != "" || r.Gecos+r.Home != "" {
			return nil, fmt.Errorf("reading %s: %s %s: a line has a name and an id, and nothing else", name, r.Kind, r.Name)
		}
		for other, id := range ids {
			if other == r.Name || id == r.ID {
				return nil, fmt.Errorf("reading %s: %s %s: %s has id %d already", name, r.Kind, r.Name, other, id)
			}
		}
		ids[r.Name] = r.ID
	}
	for user, id := range t.users {
		if _, ok := t.groups[user]; ok {
			continue
		}
		for group, gid := range t.groups {
			if gid == id {
				return nil, fmt.Errorf("reading %s: user %s: its group would have the id %d of group %s", name, user, id, group)
			}
		}
	}
	return t, nil
}

// user and group return the number of a name, or -1.
func (t *IDs) user(name string) int {
	if t != nil {
		if id, ok := t.users[name]; ok {
			return id
		}
	}
	return -1
}

func (t *IDs) group(name string) int {
	if t != nil {
		if id, ok := t.groups[name]; ok {
			return id
		}
	}
	return t.user(name)
}

// idOf depends on nothing but the name.
func idOf(name string, ids span) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	return ids.first + int(h.Sum32()%uint32(ids.size()))
}

// choice is what decides the number of an account.
type choice struct {
	kind, name        string
	preferred, pinned int              // by the package and by the table; -1: none
	ids               span             // for an account that names none
	taken             func(int) string // who has a number, or ""
}

// chooseID decides the number of an account whose package leaves it open or merely prefers one. The number never depends on which
// other accounts there are: where that would be needed, somebody must decide.
func (db *DB) chooseID(c choice) (int, error) {
	switch {
	case c.pinned >= 0:
		if who := c.taken(c.pinned); who != "" {
			return 0, fmt.Errorf("id %d of %s is that of %s", c.pinned, db.IDs.Name, who)
		}
		return c.pinned, nil
	case c.preferred >= 0 && c.taken(c.preferred) == "":
		return c.preferred, nil
	}
	id := idOf(c.name, c.ids)
	if db.IDs != nil {
		for c.taken(id) != "" || db.IDs.has(id) {
			id = c.ids.first + (id-c.ids.first+1)%c.ids.size()
		}
		return 0, cli.Hint(fmt.Errorf("%s has no id for it", db.IDs.Name), "add this line to %s: %s %s %d", db.IDs.Name, c.kind[:1], c.name, id)
	}
	if who := c.taken(id); who != "" {
		return 0, cli.Hint(fmt.Errorf("its id would be %d, which is that of %s, and an id must not depend on what else is in an image", id, who),
			"give one of the two a fixed id: in the accounts attribute, or in a table of the release (account_ids)")
	}
	return id, nil
}

func (t *IDs) has(id int) bool {
	for _, ids := range []map[string]int{t.users, t.groups} {
		for _, have := range ids {
			if have == id {
				return true
			}
		}
	}
	return false
}

// insist checks a number that a package insists on against the table.
func (db *DB) insist(id, pinned int) error {
	if pinned >= 0 && pinned != id {
		return cli.Hint(fmt.Errorf("the package wants id %d, %s says %d", id, db.IDs.Name, pinned), "correct %s", db.IDs.Name)
	}
	return nil
}

// owners lists who has a number, users and groups of other names.
func (db *DB) ownerOfID(id int, name string) string {
	var who []string
	if u := db.UserByID(id); u != "" && u != name {
		who = append(who, "user "+u)
	}
	if g := db.GroupByID(id); g != "" && g != name {
		who = append(who, "group "+g)
	}
	return strings.Join(who, " and ")
}
