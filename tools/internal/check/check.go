// Package check looks at a finished root filesystem the way it ships, base included, for what makes an image broken or
// unsafe. It reads tree.json only, so it can look at both architectures on any machine.
//
// Every problem is a finding with a code; a finding is allowed, with a reason, by the code and a glob of paths. An allowance
// that matches nothing is a finding itself, so that the lists do not rot.
package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Finding is one problem. Owners are the packages that own the path, or who else put it there. Soname is the library that it is
// about, for the codes that an allowance can narrow to one. Reason is why it is allowed, "" if it is not.
type Finding struct {
	Code, Path, Message string
	Owners              string
	Soname              string
	Reason              string
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s %s: %s", f.Code, f.Path, f.Message)
	if f.Owners != "" {
		text += " [" + f.Owners + "]"
	}
	if f.Reason != "" {
		text = "allowed: " + text + " (" + f.Reason + ")"
	}
	return text
}

// checker is one run over a tree.
type checker struct {
	spec     *Spec
	tree     *rootfs.Tree
	fs       *rootfs.FS
	findings []Finding

	opened map[string]opened          // what open found, by path
	byBase map[string][]*rootfs.Entry // entries that are no directories, by the last component; see named
}

func (c *checker) add(code, path, format string, args ...any) {
	f := Finding{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}
	if e := c.fs.Get(path); e != nil {
		f.Owners = strings.Join(e.Owners, ", ")
	}
	c.findings = append(c.findings, f)
}

// addLibrary adds a finding about a library that the file at the path needs.
func (c *checker) addLibrary(code, path, soname, format string, args ...any) {
	c.add(code, path, format, args...)
	c.findings[len(c.findings)-1].Soname = soname
}

// Check returns all findings, sorted by code, path and message, the allowed ones with their reasons.
func Check(spec *Spec, tree *rootfs.Tree) []Finding {
	c := &checker{spec: spec, tree: tree, fs: rootfs.NewFS(tree.Entries), opened: map[string]opened{}}
	users, groups := c.accountsOf("/etc/passwd", 7), c.accountsOf("/etc/group", 4)
	if spec.Scope != ScopeConfig {
		for _, e := range tree.Entries {
			c.entry(e)
		}
		c.size()
		c.libraries()
		c.accounts(users, groups)
	} else {
		c.findings = nil // those of the account files are the tree's
	}
	if spec.Scope != ScopeTree {
		c.config(users, groups)
	}
	slices.SortFunc(c.findings, compare)
	c.findings = slices.Compact(c.findings)
	c.allow()
	return c.findings
}

func compare(a, b Finding) int {
	return slices.Compare([]string{a.Code, a.Path, a.Message}, []string{b.Code, b.Path, b.Message})
}

// Refused returns the findings that are not allowed.
func Refused(findings []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Reason != "" })
}

func (c *checker) allow() {
	rules, inherited := parseRules(c.spec.Allow), parseRules(c.spec.BaseAllow)
	used := make([]bool, len(rules))
	for i := range c.findings {
		f := &c.findings[i]
		for j, r := range rules {
			if r.match(f) {
				used[j] = true
				if f.Reason == "" {
					f.Reason = r.reason
				}
			}
		}
		for _, r := range inherited {
			if f.Reason == "" && c.ofBase(f.Path) && r.match(f) {
				f.Reason = r.reason + "; allowed in the base"
			}
		}
	}
	var unused []Finding
	for j, r := range rules {
		if !used[j] {
			unused = append(unused, Finding{Code: UnusedAllow, Path: r.text, Message: "nothing to allow for " + r.code + ": " + c.instead(r)})
		}
	}
	c.findings = append(c.findings, unused...)
	slices.SortStableFunc(c.findings, compare)
}

// ofBase reports whether the path is as the base has it.
func (c *checker) ofBase(path string) bool {
	e := c.fs.Get(path)
	return e != nil && e.Layer < c.tree.Layers-1
}

// instead says what the author of an allowance that matches nothing may have meant.
func (c *checker) instead(r rule) string {
	var same []string
	for _, f := range c.findings {
		switch {
		case f.Code == r.code && r.soname != "" && r.glob.match(f.Path):
			return fmt.Sprintf("%s needs %s; did you mean %q?", f.Path, f.Soname, f.Code+":"+r.glob.text+"#"+escapeGlob(f.Soname))
		case f.Code == r.code:
			same = append(same, f.Path)
		case r.glob.match(f.Path):
			return fmt.Sprintf("the path has %s; did you mean %q?", f.Code, f.Code+":"+r.glob.text)
		}
	}
	if near := lockfile.NearMisses(r.glob.text, same, 1); len(near) > 0 {
		return fmt.Sprintf("did you mean %q?", r.code+":"+near[0])
	}
	for _, e := range c.tree.Entries {
		if r.glob.match(e.Path) {
			return "the image has " + e.Path + ", which does not need it; remove it"
		}
	}
	return "the image has no such path; remove it"
}

// entry checks what can be told from one path.
func (c *checker) entry(e *rootfs.Entry) {
	c.leftovers(e)
	switch e.Type {
	case pkgindex.TypeSymlink:
		c.symlink(e)
		return
	case pkgindex.TypeChar, pkgindex.TypeBlock:
		c.add(DeviceNode, e.Path, "%s device %d:%d", e.Type, e.RdevMajor, e.RdevMinor)
	case pkgindex.TypeFile:
		c.file(e)
	}
	if e.Mode&0o002 != 0 && !(e.Type == pkgindex.TypeDir && e.Mode&0o1000 != 0) {
		c.add(WorldWritable, e.Path, "mode %04o lets everyone write", e.Mode)
	}
}

func (c *checker) file(e *rootfs.Entry) {
	if e.Mode&0o4000 != 0 {
		c.add(SetUID, e.Path, "mode %04o, owner %d", e.Mode, e.UID)
	}
	if e.Mode&0o2000 != 0 && e.Mode&0o010 != 0 { // without the group's x bit it means mandatory locking
		c.add(SetGID, e.Path, "mode %04o, group %d", e.Mode, e.GID)
	}
	if e.Caps != "" {
		c.add(Capabilities, e.Path, "%s", e.Caps)
	} else if e.Xattrs["security.capability"] != nil {
		c.add(Capabilities, e.Path, "has security.capability")
	}
	for _, loser := range e.Overwrites {
		c.add(OverwrittenFile, e.Path, "stands here instead of the file of %s", loser)
	}
	if e.Interp != "" && e.Mode&0o111 != 0 {
		c.script(e)
	}
	c.machine(e)
	c.shell(e.Path, e)
}

func (c *checker) size() {
	size := int64(0)
	for _, e := range c.tree.Entries {
		if e.Type == pkgindex.TypeFile && e.HardLink == "" {
			size += e.SizeBytes
		}
	}
	if c.spec.SizeBudget > 0 && size > c.spec.SizeBudget {
		c.add(SizeBudget, "/", "files have %d bytes, %d more than the budget of %d", size, size-c.spec.SizeBudget, c.spec.SizeBudget)
	}
}
