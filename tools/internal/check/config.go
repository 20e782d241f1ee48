package check

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// config checks what the image config says against the tree.
func (c *checker) config(users, groups *accountFile) {
	uid, gids, ok := c.user(users, groups)
	if !ok { // what would be missing for every user
		uid, gids = 0, []int{0}
	}
	c.entrypoint(uid, gids)
}

// user checks the user and group that the image runs as and returns their numbers, the supplementary groups of a name included;
// not ok if one is not known. Numbers need no account.
func (c *checker) user(users, groups *accountFile) (uid int, gids []int, ok bool) {
	user, group, hasGroup := strings.Cut(c.spec.User, ":")
	bad := func(file, format string, args ...any) (int, []int, bool) {
		c.add(UserUnknown, file, "the image runs as "+c.spec.User+": "+format, args...)
		return 0, nil, false
	}
	if c.spec.User == "" {
		return 0, []int{0}, true
	}
	if user == "" || (hasGroup && group == "") {
		return bad(users.path, "the form is user or user:group, as names or numbers")
	}
	gid := 0
	uid, numeric, inRange := number(user)
	i := slices.IndexFunc(users.accounts, func(a account) bool { return a.name == user || (numeric && a.id == uid) })
	switch {
	case numeric && !inRange:
		return bad(users.path, "%s is not between 0 and %d", user, math.MaxInt32)
	case i >= 0:
		uid, gid = users.accounts[i].id, users.accounts[i].gid
	case !numeric && users.unread:
		return 0, nil, false
	case !numeric:
		return bad(users.path, "%s is not there", user)
	}
	if !hasGroup {
		gids = append(gids, gid)
		for _, g := range groups.accounts {
			if i >= 0 && slices.Contains(g.members, users.accounts[i].name) {
				gids = append(gids, g.id)
			}
		}
		return uid, gids, true
	}
	gid, numeric, inRange = number(group)
	i = slices.IndexFunc(groups.accounts, func(a account) bool { return a.name == group })
	switch {
	case numeric && !inRange:
		return bad(groups.path, "%s is not between 0 and %d", group, math.MaxInt32)
	case i >= 0:
		gid = groups.accounts[i].id
	case !numeric && groups.unread:
		return 0, nil, false
	case !numeric:
		return bad(groups.path, "%s is not there", group)
	}
	return uid, []int{gid}, true
}

// number reads a user or group number; runtimes take those of 31 bits.
func number(s string) (n int, numeric, inRange bool) {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, strings.Trim(s, "+-0123456789") == "", false
	}
	return int(v), true, v >= 0 && v <= math.MaxInt32
}

// entrypoint checks the program that the image runs: the first word of entrypoint and cmd together.
func (c *checker) entrypoint(uid int, gids []int) {
	words := slices.Concat(c.spec.Entrypoint, c.spec.Cmd)
	if len(words) == 0 {
		return
	}
	program := words[0]
	if !strings.Contains(program, "/") {
		c.search(program, uid, gids)
		return
	}
	at := program
	if !strings.HasPrefix(at, "/") {
		at = path.Join("/", c.spec.WorkDir, at)
	}
	w, err := c.walk("/", at)
	switch {
	case err != nil:
		c.add(Entrypoint, at, "the image runs %q: links go in circles", program)
	case !w.exists():
		c.add(Entrypoint, at, "the image runs %q: %s%s", program, c.missing(w.path), c.elsewhere(path.Base(at)))
	default:
		if problem := c.cannotRun(w, uid, gids); problem != "" {
			c.add(Entrypoint, at, "the image runs %q: %s", program, problem)
		}
	}
}

// search looks for a program in the PATH of the image, as execvp(3) does: what cannot be executed is passed over.
func (c *checker) search(name string, uid int, gids []int) {
	dirs := ldso.ProgramDirs
	if c.spec.Path != "" {
		dirs = strings.Split(c.spec.Path, ":")
	}
	at, why := "", ""
	for _, dir := range dirs {
		if !strings.HasPrefix(dir, "/") {
			continue
		}
		file := rootfs.Join(path.Clean(dir), name)
		w, err := c.walk("/", file)
		if err != nil || !w.exists() {
			continue
		}
		problem := c.cannotRun(w, uid, gids)
		if problem == "" {
			return
		}
		if why == "" {
			at, why = file, problem
		}
	}
	if why != "" {
		c.add(Entrypoint, at, "the image runs %q: %s", name, why)
	} else {
		c.add(Entrypoint, "/", "the image runs %q, which is in none of %s%s", name, strings.Join(dirs, ", "), c.elsewhere(name))
	}
}

// cannotRun says why the user must not or the machine cannot execute what the walk led to, or "".
func (c *checker) cannotRun(w *walked, uid int, gids []int) string {
	e := w.entry
	if e == nil || e.Type != pkgindex.TypeFile {
		return w.path + " is no file"
	}
	for _, dir := range w.dirs {
		if !mayExecute(dir, uid, gids) {
			return dir.Path + " is closed to user " + strconv.Itoa(uid) + octal(dir)
		}
	}
	if !mayExecute(e, uid, gids) {
		return e.Path + " is not executable by user " + strconv.Itoa(uid) + octal(e)
	}
	if e.ELF != nil && !c.native(e.ELF.Machine) {
		return e.Path + " is a program for " + e.ELF.Machine + ", the image is for " + c.tree.Arch
	}
	return ""
}

func octal(e *rootfs.Entry) string {
	return " (mode 0" + strconv.FormatUint(uint64(e.Mode), 8) + ", owner " + strconv.Itoa(e.UID) + ":" + strconv.Itoa(e.GID) + ")"
}

// mayExecute follows path_resolution(7): root needs some x bit on files and none on directories, others that of their class.
func mayExecute(e *rootfs.Entry, uid int, gids []int) bool {
	switch {
	case uid == 0:
		return e.Type == pkgindex.TypeDir || e.Mode&0o111 != 0
	case e.UID == uid:
		return e.Mode&0o100 != 0
	case slices.Contains(gids, e.GID):
		return e.Mode&0o010 != 0
	}
	return e.Mode&0o001 != 0
}

// elsewhere names a file of that name that can be executed, if there is one.
func (c *checker) elsewhere(name string) string {
	for _, e := range c.tree.Entries {
		if rootfs.Base(e.Path) == name && e.Mode&0o111 != 0 && (e.Type == pkgindex.TypeFile || e.Type == pkgindex.TypeSymlink) {
			return "; the image has " + e.Path
		}
	}
	return ""
}
