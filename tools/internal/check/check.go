// Package check looks at a finished root filesystem the way it ships, base included, for what makes an image broken or
// unsafe. It reads tree.json only, so it can look at both architectures on any machine.
//
// Every problem is a finding with a code; a finding is allowed, with a reason, by the code and a glob of paths. An allowance
// that matches nothing is a finding itself, so that the lists do not rot.
package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Codes of findings.
const (
	MissingSoname       = "missing-soname"
	MissingVersion      = "missing-version"
	MissingInterpreter  = "missing-interpreter"
	DanglingSymlink     = "dangling-symlink"
	EscapingSymlink     = "escaping-symlink"
	Shell               = "shell"
	SetUID              = "setuid"
	SetGID              = "setgid"
	Capabilities        = "capabilities"
	WorldWritable       = "world-writable"
	DeviceNode          = "device-node"
	OwnerUnknown        = "owner-unknown"
	PasswdGroupMismatch = "passwd-group-mismatch"
	ShadowMismatch      = "passwd-shadow-mismatch"
	RPMNewLeftover      = "rpmnew-leftover"
	Leftover            = "leftover"
	UserUnknown         = "user-unknown"
	SizeBudget          = "size-budget"
	UnusedAllow         = "unused-allow"
)

// Codes lists all codes.
var Codes = []string{Capabilities, DanglingSymlink, DeviceNode, EscapingSymlink, Leftover, MissingInterpreter, MissingSoname,
	MissingVersion, OwnerUnknown, PasswdGroupMismatch, ShadowMismatch, RPMNewLeftover, SetGID, SetUID, Shell, SizeBudget, UnusedAllow,
	UserUnknown, WorldWritable}

// Finding is one problem. Reason is why it is allowed, "" if it is not.
type Finding struct {
	Code, Path, Message string
	Reason              string
}

func (f Finding) String() string {
	text := fmt.Sprintf("%s %s: %s", f.Code, f.Path, f.Message)
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
}

func (c *checker) add(code, path, format string, args ...any) {
	c.findings = append(c.findings, Finding{Code: code, Path: path, Message: fmt.Sprintf(format, args...)})
}

// Check returns all findings, sorted by code, path and message, the allowed ones with their reasons.
func Check(spec *Spec, tree *rootfs.Tree) []Finding {
	c := &checker{spec: spec, tree: tree, fs: rootfs.NewFS(tree.Entries)}
	size := int64(0)
	for _, e := range tree.Entries {
		c.entry(e)
		if e.Type == pkgindex.TypeFile && e.HardLink == "" {
			size += e.SizeBytes
		}
	}
	c.libraries()
	c.accounts()
	if spec.SizeBudget > 0 && size > spec.SizeBudget {
		c.add(SizeBudget, "/", "files have %d bytes, the budget is %d", size, spec.SizeBudget)
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
	rules := c.spec.rules()
	used := make([]bool, len(rules))
	for i := range c.findings {
		f := &c.findings[i]
		for j, r := range rules {
			if r.code == f.Code && r.glob.match(f.Path) {
				used[j] = true
				if f.Reason == "" {
					f.Reason = r.reason
				}
			}
		}
	}
	for j, r := range rules {
		if !used[j] {
			c.add(UnusedAllow, r.glob.text, "nothing to allow for %s:%s; remove it", r.code, r.glob.text)
		}
	}
	slices.SortStableFunc(c.findings, compare)
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
	if e.Interp != "" && e.Mode&0o111 != 0 {
		c.script(e)
	}
	c.shell(e.Path, e)
}

// runtimeDirs are mounted by whoever runs the container.
var runtimeDirs = []string{"/proc", "/sys", "/dev"}

func (c *checker) symlink(e *rootfs.Entry) {
	if e.Link == "" {
		c.add(DanglingSymlink, e.Path, "has no target")
		return
	}
	if escapes(e) {
		c.add(EscapingSymlink, e.Path, "-> %s leads out of the root", e.Link)
	}
	real, err := c.fs.Follow(e.Path)
	if err != nil {
		c.add(DanglingSymlink, e.Path, "-> %s goes in circles", e.Link)
		return
	}
	for _, dir := range runtimeDirs {
		if real == dir || strings.HasPrefix(real, dir+"/") {
			return
		}
	}
	to := c.fs.Get(real)
	if to == nil && real != "/" {
		c.add(DanglingSymlink, e.Path, "-> %s: %s does not exist", e.Link, real)
		return
	}
	if to != nil && to.Type == pkgindex.TypeFile {
		c.shell(e.Path, to)
	}
}

// escapes reports whether the target climbs above the root, which other tools than a kernel inside the root would follow.
func escapes(e *rootfs.Entry) bool {
	depth := 0
	if !strings.HasPrefix(e.Link, "/") {
		depth = strings.Count(rootfs.Dir(e.Path), "/")
		if rootfs.Dir(e.Path) == "/" {
			depth = 0
		}
	}
	for part := range strings.SplitSeq(e.Link, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// shells are the programs that make an image one with a shell.
var shells = []string{"ash", "bash", "busybox", "csh", "dash", "fish", "hush", "ksh", "ksh93", "lksh", "mksh", "oksh", "posh", "rbash",
	"sash", "sh", "tcsh", "toybox", "yash", "zsh"}

func (c *checker) shell(name string, file *rootfs.Entry) {
	if c.spec.Shell || file.Mode&0o111 == 0 || !slices.Contains(shells, rootfs.Base(name)) {
		return
	}
	if dir := rootfs.Base(rootfs.Dir(name)); dir == "bin" || dir == "sbin" {
		c.add(Shell, name, "is a shell")
	}
}

// leftovers finds what package managers and databases leave behind and no image needs.
func (c *checker) leftovers(e *rootfs.Entry) {
	if e.Type == pkgindex.TypeDir {
		return
	}
	for _, suffix := range []string{".rpmnew", ".rpmsave", ".rpmorig"} {
		if strings.HasSuffix(e.Path, suffix) {
			c.add(RPMNewLeftover, e.Path, "configuration that was set aside")
		}
	}
	for _, l := range leftovers {
		if ok, _ := path.Match(l.pattern, e.Path); ok && e.Type == pkgindex.TypeFile { // the patterns are valid
			c.add(Leftover, e.Path, "%s", l.what)
			return
		}
	}
	for _, dir := range leftoverDirs {
		if strings.HasPrefix(e.Path, dir.pattern) {
			c.add(Leftover, e.Path, "%s", dir.what)
			return
		}
	}
}

type leftover struct{ pattern, what string }

var leftovers = []leftover{
	{"/etc/.pwd.lock", "lock of the account files"}, {"/etc/passwd-", "backup"}, {"/etc/group-", "backup"}, {"/etc/shadow-", "backup"},
	{"/etc/gshadow-", "backup"}, {"/etc/subuid-", "backup"}, {"/etc/subgid-", "backup"},
	{"/var/lib/rpm/.rpm.lock", "lock of the package database"}, {"/var/lib/rpm/__db.*", "shared memory of the package database"},
	{"/usr/lib/sysimage/rpm/.rpm.lock", "lock of the package database"},
	{"/var/lib/rpm/*-wal", "write-ahead log"}, {"/var/lib/rpm/*-shm", "shared memory of a write-ahead log"},
	{"/usr/lib/sysimage/rpm/*-wal", "write-ahead log"}, {"/usr/lib/sysimage/rpm/*-shm", "shared memory of a write-ahead log"},
	{"/var/lib/dpkg/lock*", "lock"}, {"/core", "core dump"}, {"/core.[0-9]*", "core dump"}, {"/var/log/*.log", "log"},
}

var leftoverDirs = []leftover{
	{"/var/cache/ldconfig/", "cache that depends on inodes and times"}, {"/var/cache/dnf/", "cache of a package manager"},
	{"/var/cache/libdnf5/", "cache of a package manager"}, {"/var/cache/yum/", "cache of a package manager"},
	{"/var/cache/apt/", "cache of a package manager"}, {"/var/lib/dnf/", "state of a package manager"},
	{"/var/lib/yum/", "state of a package manager"}, {"/tmp/", "temporary file"}, {"/var/tmp/", "temporary file"},
	{"/dev/", "file in /dev, which is mounted over"},
}
