package compose

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// maxShownOwners bounds the list of unknown owners in an error.
const maxShownOwners = 20

// settleAccounts decides the accounts of the image, writes the files and gives every package file its numeric owner.
func (c *composer) settleAccounts() error {
	if _, err := c.accountsNow(); err != nil {
		return err
	}
	requests, err := c.sysusers()
	if err != nil {
		return err
	}
	provided, err := c.providedAccounts()
	if err != nil {
		return err
	}
	if err := c.checkSpecGroups(); err != nil {
		return err
	}
	if err := c.db.Apply(append(requests, provided...)); err != nil {
		return hintAccounts(err)
	}
	for _, u := range c.db.Users {
		if !c.scripts.shipped["user "+u.Name] {
			c.report.Accounts = append(c.report.Accounts, ReportAccount{"user", u.Name, u.UID})
		}
	}
	for _, g := range c.db.Groups {
		if !c.scripts.shipped["group "+g.Name] {
			c.report.Accounts = append(c.report.Accounts, ReportAccount{"group", g.Name, g.GID})
		}
	}
	if err := c.settleOwners(); err != nil {
		return err
	}
	return c.writeAccounts()
}

func hintAccounts(err error) error {
	if len(cli.Hints(err)) > 0 {
		return err
	}
	return cli.Hint(err, "give the account a fixed id with the accounts attribute")
}

// loadAccounts reads the accounts that packages and the base bring: /etc/passwd and its companions, or on Debian, where a
// scriptlet copies them, the masters of base-passwd.
func (c *composer) loadAccounts() error {
	ids, err := readIDs(c.spec.Accounts.IDs)
	if err != nil {
		return err
	}
	c.db = accounts.New()
	c.db.IDs = ids
	if c.spec.Accounts.Replace {
		return nil
	}
	var f accounts.Files
	for _, x := range []struct {
		to    *[]byte
		paths []string
	}{
		{&f.Passwd, []string{"/etc/passwd", "/usr/share/base-passwd/passwd.master"}},
		{&f.Group, []string{"/etc/group", "/usr/share/base-passwd/group.master"}},
		{&f.Shadow, []string{"/etc/shadow"}},
		{&f.GShadow, []string{"/etc/gshadow"}},
	} {
		for _, path := range x.paths {
			e := c.fs.Stat(path)
			if e == nil || e.Type != pkgindex.TypeFile {
				continue
			}
			data, err := c.readEntry(e)
			if err != nil {
				return err
			}
			*x.to = data
			break
		}
	}
	db, err := accounts.Load(f)
	if err != nil {
		return err
	}
	c.db = db
	c.db.IDs = ids
	return nil
}

func readIDs(f *IDFile) (*accounts.IDs, error) {
	if f == nil {
		return nil, nil
	}
	data := []byte(f.Text)
	if f.Source != "" {
		var err error
		if data, err = os.ReadFile(f.Source); err != nil {
			return nil, fmt.Errorf("account_ids: %w", err)
		}
	}
	ids, err := accounts.ParseIDs(data, f.Name)
	if err != nil {
		return nil, fmt.Errorf("account_ids: %w", err)
	}
	return ids, nil
}

// setSpecAccounts sets what the spec says. Two users of one number would be one to the kernel; two groups of one number are a
// custom, such as nogroup beside nobody.
func (c *composer) setSpecAccounts() error {
	a := &c.spec.Accounts
	for _, g := range a.Groups {
		if err := c.db.SetGroup(accounts.Group{Name: g.Name, GID: g.GID, Members: g.Members}); err != nil {
			return fmt.Errorf("accounts: %w", err)
		}
	}
	for _, u := range a.Users {
		if other := c.db.UserByID(u.UID); other != "" && other != u.Name {
			return cli.Hint(fmt.Errorf("accounts: user %s: uid %d is that of user %s", u.Name, u.UID, other), "choose another uid, or drop the accounts of packages and base with replace")
		}
		if err := c.db.SetUser(accounts.User{Name: u.Name, UID: u.UID, GID: u.GID, Gecos: u.Gecos, Home: orDefault(u.Home, "/"),
			Shell: orDefault(u.Shell, "/sbin/nologin")}); err != nil {
			return fmt.Errorf("accounts: %w", err)
		}
	}
	return nil
}

// checkSpecGroups: a primary group without a name would make ls and rootcheck stumble; the user can name it in one line.
func (c *composer) checkSpecGroups() error {
	for _, u := range c.spec.Accounts.Users {
		found := false
		for _, g := range c.db.Groups {
			found = found || g.GID == u.GID
		}
		if !found {
			return cli.Hint(fmt.Errorf("accounts: user %s: no group has gid %d", u.Name, u.GID), "add a group with gid %d to the accounts attribute", u.GID)
		}
	}
	return nil
}

// sysusers reads the sysusers.d files of the tree: those in /etc replace those of the same name in /usr/lib.
func (c *composer) sysusers() ([]accounts.Request, error) {
	files := map[string]*rootfs.Entry{}
	for _, dir := range []string{"/usr/lib/sysusers.d", "/etc/sysusers.d"} {
		for _, e := range c.fs.List(dir) {
			if e.Type == pkgindex.TypeFile && strings.HasSuffix(e.Path, ".conf") {
				files[rootfs.Base(e.Path)] = e
			}
		}
	}
	var out []accounts.Request
	for _, name := range sortedKeys(files) {
		e := files[name]
		if e.Layer != c.layer {
			continue // applied when the base was made
		}
		data, err := c.readEntry(e)
		if err != nil {
			return nil, err
		}
		specifiers, err := c.specifiers()
		if err != nil {
			return nil, err
		}
		requests, err := accounts.ParseSysusersWith(data, specifiers)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", e.Path, strings.Join(e.Owners, ", "), err)
		}
		out = append(out, requests...)
	}
	return out, nil
}

// specifiers are what sysusers.d may say of the image with %.
func (c *composer) specifiers() (accounts.Specifiers, error) {
	var release []byte
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if e := c.fs.Stat(name); e != nil && e.Type == pkgindex.TypeFile {
			var err error
			if release, err = c.readEntry(e); err != nil {
				return nil, err
			}
			break
		}
	}
	return accounts.SpecifiersOf(release, map[string]string{"x86_64": "x86-64", "aarch64": "arm64"}[c.spec.Arch]), nil
}

// providedAccounts reads the accounts that packages built by rpm 4.19 and later provide: "user(NAME)" and "group(NAME)", each
// with a line of sysusers.d in Base64 as its version. Of a package of which only some files ship those count that own one of them.
func (c *composer) providedAccounts() ([]accounts.Request, error) {
	var out []accounts.Request
	for _, p := range c.own {
		requests, err := p.provided()
		if err != nil {
			return nil, err
		}
		out = append(out, requests...)
	}
	return out, nil
}

func (p *pkg) provided() ([]accounts.Request, error) {
	var out []accounts.Request
	for _, provide := range p.Index.Provides {
		name, version, ok := strings.Cut(provide, " = ")
		kind, _, isCall := strings.Cut(name, "(")
		if !ok || !isCall || kind != "user" && kind != "group" && kind != "groupmember" {
			continue
		}
		line, err := base64.StdEncoding.DecodeString(version)
		if err != nil {
			continue // a version of somebody's own making, which rpm ignores too
		}
		requests, err := accounts.ParseSysusers(line)
		if err != nil {
			return nil, fmt.Errorf("package %s: provides %s: %q: %w", p.Index.NEVRA, name, line, err)
		}
		for _, r := range requests {
			if !p.partial || p.ownsAs(r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// ownsAs reports whether the account of r owns a file of p that ships.
func (p *pkg) ownsAs(r accounts.Request) bool {
	for i := range p.Index.Files {
		f := &p.Index.Files[i]
		if p.states[i] == rootfs.StateNormal && !f.Ghost() && (r.Kind == accounts.WantUser && f.User == r.Name || f.Group == r.Name) {
			return true
		}
	}
	return false
}

// settleOwners turns the owner names of all new package files into numbers.
func (c *composer) settleOwners() error {
	var conflicts []error
	unknown := map[string][]string{}
	for _, path := range sortedKeys(c.claims) {
		for _, cl := range c.claims[path] {
			f := cl.file()
			e := c.fs.Get(path)
			if e == nil {
				continue // removed
			}
			uid, okU := c.uid(f.User)
			gid, okG := c.gid(f.Group)
			// A bare number may own a file, but what runs with somebody's rights must say whose.
			if f.Type == pkgindex.TypeFile && f.Mode&setIDBits != 0 {
				okU = okU && (uid == 0 || c.db.UserByID(uid) != "")
				okG = okG && (gid == 0 || c.db.GroupByID(gid) != "")
			}
			where := fmt.Sprintf("%s of %s", f.Path, cl.pkg.Index.NEVRA)
			if !okU {
				unknown["user "+f.User] = append(unknown["user "+f.User], where)
			}
			if !okG {
				unknown["group "+f.Group] = append(unknown["group "+f.Group], where)
			}
			if !okU || !okG || cl.pkg.states[cl.i] != rootfs.StateNormal {
				continue
			}
			if e.Layer == c.layer {
				if !c.scripts.machine.Chowned[path] {
					e.UID, e.GID = uid, gid
				}
			} else if (e.UID != uid || e.GID != gid) && c.isBasePackage(e.Owners[0]) {
				conflicts = append(conflicts, fmt.Errorf("file conflict: %s: %s and the base: owner %d:%d against %d:%d", path,
					cl.pkg.Index.NEVRA, uid, gid, e.UID, e.GID))
			}
		}
	}
	if len(unknown) > 0 {
		return unknownOwners(unknown)
	}
	return conflictError(conflicts)
}

func unknownOwners(unknown map[string][]string) error {
	var errs []error
	for _, name := range sortedKeys(unknown) {
		files := unknown[name]
		text := files[0]
		if len(files) > 1 {
			text = fmt.Sprintf("%s and %d more files", text, len(files)-1)
		}
		if errs = append(errs, fmt.Errorf("unknown %s: owner of %s", name, text)); len(errs) == maxShownOwners {
			break
		}
	}
	names := strings.Join(sortedKeys(unknown), ", ")
	return cli.Hint(errors.Join(errs...), "add %s to the accounts attribute, or the package that makes it to the contents", names)
}

// uid resolves a user name, or a number where no user has that name. "root" is 0 also in an image without accounts.
func (c *composer) uid(name string) (int, bool) {
	if u := c.db.User(name); u != nil {
		return u.UID, true
	}
	return numeric(name)
}

func (c *composer) gid(name string) (int, bool) {
	if g := c.db.Group(name); g != nil {
		return g.GID, true
	}
	return numeric(name)
}

func numeric(name string) (int, bool) {
	if name == "root" {
		return 0, true
	}
	n, err := strconv.ParseUint(name, 10, 31)
	return int(n), err == nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// writeAccounts writes those of the four files that differ from what the tree has. An image without any account gets none.
func (c *composer) writeAccounts() error {
	if len(c.db.Users) == 0 && len(c.db.Groups) == 0 {
		return nil
	}
	f := c.db.Write()
	// Debian lets the group shadow read the secrets, others nobody.
	mode, gid := uint32(0), 0
	if g := c.db.Group("shadow"); g != nil {
		mode, gid = 0o640, g.GID
	}
	for _, x := range []struct {
		path string
		data []byte
		mode uint32
		gid  int
	}{
		{"/etc/passwd", f.Passwd, 0o644, 0},
		{"/etc/group", f.Group, 0o644, 0},
		{"/etc/shadow", f.Shadow, mode, gid},
		{"/etc/gshadow", f.GShadow, mode, gid},
	} {
		if err := c.rewrite(x.path, x.data, &rootfs.Entry{Mode: x.mode, GID: x.gid}, "accounts"); err != nil {
			return err
		}
	}
	return nil
}

// rewrite puts data at path as the work of a step. An existing file keeps its mode, owner and packages; one that has the
// data already is left alone.
func (c *composer) rewrite(path string, data []byte, fresh *rootfs.Entry, step string) error {
	path, err := c.fs.Follow(path)
	if err != nil {
		return err
	}
	e := fresh
	e.Path, e.Owners = path, []string{rootfs.MadeBy(step)}
	if old := c.fs.Get(path); old != nil {
		if old.Type != pkgindex.TypeFile {
			return fmt.Errorf("writing %s: it is a %s (%s)", path, old.Type, strings.Join(old.Owners, ", "))
		}
		have, err := c.readEntry(old)
		if err == nil && bytes.Equal(have, data) {
			return nil
		}
		e.Mode, e.UID, e.GID, e.Flags = old.Mode, old.UID, old.GID, old.Flags
		e.Owners = append(e.Owners, old.Owners...)
	}
	setData(e, data)
	e.ModTime = c.spec.SourceDateEpoch
	return c.put(e)
}
