package compose

import (
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// accountLog is what scriptlets did to the accounts. The files of the tree always show the result, and packages that bring these
// files later get it added to theirs.
type accountLog struct {
	changes    []func(*accounts.DB) error
	made       map[string]bool // "user NAME", "group NAME" that no file of a package had
	shipped    map[string]bool // those that one had
	state      string          // of the account files when they were read
	accountErr error
}

func newAccountLog(a *Accounts) accountLog {
	l := accountLog{made: map[string]bool{}, shipped: map[string]bool{}}
	for _, u := range a.Users {
		l.made["user "+u.Name] = true
	}
	for _, g := range a.Groups {
		l.made["group "+g.Name] = true
	}
	return l
}

// names calls f with every account.
func names(db *accounts.DB, f func(string)) {
	for _, u := range db.Users {
		f("user " + u.Name)
	}
	for _, g := range db.Groups {
		f("group " + g.Name)
	}
}

// accountsNow returns the accounts of the image as it is: those of the files, of the spec, and of scriptlets so far.
func (c *composer) accountsNow() (*accounts.DB, error) {
	l := &c.scripts.accountLog
	if state := c.accountState(); c.db != nil && state == l.state {
		return c.db, nil
	}
	if err := c.loadAccounts(); err != nil {
		return nil, err
	}
	names(c.db, func(name string) {
		if !l.made[name] {
			l.shipped[name] = true
		}
	})
	if err := c.setSpecAccounts(); err != nil {
		return nil, err
	}
	for _, change := range l.changes {
		if err := change(c.db); err != nil {
			return nil, hintAccounts(err)
		}
	}
	l.state = c.accountState()
	return c.db, nil
}

// accountState tells whether the account files are still those that were read.
func (c *composer) accountState() string {
	text := ""
	for _, p := range []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/usr/share/base-passwd/passwd.master"} {
		if e := c.fs.Stat(p); e != nil {
			var data *byte
			if len(e.Content.Data) > 0 {
				data = &e.Content.Data[0]
			}
			text += fmt.Sprintf("%p %p %d %s;", e, data, e.SizeBytes, e.SHA256)
		}
	}
	return text
}

func (c *composer) requestAccounts(requests []accounts.Request) error {
	return c.changeAccounts(func(db *accounts.DB) error { return db.Apply(requests) })
}

// changeAccounts applies a change, remembers it, and writes the files.
func (c *composer) changeAccounts(change func(*accounts.DB) error) error {
	db, err := c.accountsNow()
	if err != nil {
		return err
	}
	l := &c.scripts.accountLog
	before := map[string]bool{}
	names(db, func(name string) { before[name] = true })
	if err := change(db); err != nil {
		l.accountErr, l.state, c.db = err, "", nil // half of it may be there: read it anew
		return err
	}
	l.changes = append(l.changes, change)
	names(db, func(name string) {
		if !before[name] {
			l.made[name] = true
		}
	})
	if err := c.writeAccounts(); err != nil {
		return err
	}
	for _, p := range []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"} {
		if e := c.fs.Stat(p); e != nil && rootfs.IsMade(e.Owners[0]) {
			c.scripts.machine.Chowned[e.Path] = true
		}
	}
	l.state = c.accountState()
	return nil
}
