package check

import (
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// leftover is a pattern, of path.Match or a prefix, and what matches it.
type leftover struct{ pattern, what string }

var asideSuffixes = []string{".rpmnew", ".rpmsave", ".rpmorig"}

var leftoverFiles = []leftover{
	{"/etc/.pwd.lock", "lock of the account files"}, {"/etc/passwd.lock", "lock of the account files"}, {"/etc/group.lock", "lock of the account files"},
	{"/etc/shadow.lock", "lock of the account files"}, {"/etc/gshadow.lock", "lock of the account files"},
	{"/etc/passwd[+\\-]", "backup"}, {"/etc/group[+\\-]", "backup"}, {"/etc/shadow[+\\-]", "backup"}, {"/etc/gshadow[+\\-]", "backup"},
	{"/etc/subuid[+\\-]", "backup"}, {"/etc/subgid[+\\-]", "backup"}, {"/etc/mtab.lock", "lock"}, {"/etc/ld.so.cache~", "unfinished cache"},
	{"/etc/ssh/ssh_host_*_key", "host key, which every container would share"}, {"/root/.bash_history", "history of a shell"},
	{"/root/anaconda-ks.cfg", "log of an installation"}, {"/var/lib/dbus/machine-id", "identity of one machine"},
	{"/var/lib/systemd/random-seed", "seed, which every container would share"},
	{"/var/lib/dpkg/lock*", "lock"}, {"/core", "core dump"}, {"/core.[0-9]*", "core dump"}, {"/*.core", "core dump"}, {"/var/log/*.log", "log"},
}

var leftoverDirs = []leftover{
	{"/var/cache/ldconfig/", "cache that depends on inodes and times"}, {"/var/cache/dnf/", "cache of a package manager"},
	{"/var/cache/libdnf5/", "cache of a package manager"}, {"/var/cache/yum/", "cache of a package manager"},
	{"/var/cache/PackageKit/", "cache of a package manager"}, {"/var/cache/zypp/", "cache of a package manager"},
	{"/var/cache/apt/", "cache of a package manager"}, {"/var/lib/apt/lists/", "cache of a package manager"},
	{"/var/lib/dnf/", "state of a package manager"}, {"/var/lib/yum/", "state of a package manager"},
	{"/usr/lib/sysimage/libdnf5/", "state of a package manager"}, {"/root/.cache/", "cache"},
	{"/tmp/", "temporary file"}, {"/var/tmp/", "temporary file"}, {"/dev/", "file in /dev, which is mounted over"},
}

// rpmdbDirs is where rpm keeps its database; rpmdbFiles are what it needs only while it is open.
var (
	rpmdbDirs  = []string{"/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"}
	rpmdbFiles = []leftover{{".rpm.lock", "lock of the package database"}, {".dbenv.lock", "lock of the package database"},
		{"__db.*", "shared memory of the package database"}, {".migratedb", "mark of a migration"}, {"log.*", "log of the package database"}}
)

// databaseFiles are the companions of an SQLite database in the same directory.
var databaseFiles = []leftover{{"-wal", "write-ahead log"}, {"-shm", "shared memory of a write-ahead log"}, {"-journal", "rollback journal"}}

// leftovers finds what package managers and databases leave behind and no image needs.
func (c *checker) leftovers(e *rootfs.Entry) {
	if e.Type == pkgindex.TypeDir {
		return
	}
	for _, suffix := range asideSuffixes {
		if strings.HasSuffix(e.Path, suffix) {
			c.add(RPMNewLeftover, e.Path, "configuration that was set aside")
			return
		}
	}
	if e.Type == pkgindex.TypeChar || e.Type == pkgindex.TypeBlock {
		return // findings of their own
	}
	if what := c.leftoverOf(e); what != "" {
		c.add(Leftover, e.Path, "%s", what)
	}
}

func (c *checker) leftoverOf(e *rootfs.Entry) string {
	dir, base := rootfs.Dir(e.Path), rootfs.Base(e.Path)
	for _, l := range leftoverDirs {
		if strings.HasPrefix(e.Path, l.pattern) {
			return l.what
		}
	}
	if e.Type != pkgindex.TypeFile {
		return ""
	}
	for _, l := range leftoverFiles {
		if ok, _ := path.Match(l.pattern, e.Path); ok { // the patterns are valid
			return l.what
		}
	}
	for _, db := range rpmdbDirs {
		for _, l := range rpmdbFiles {
			if ok, _ := path.Match(l.pattern, base); ok && dir == db {
				return l.what
			}
		}
	}
	for _, l := range databaseFiles {
		if db, ok := strings.CutSuffix(e.Path, l.pattern); ok && (c.fs.Get(db) != nil || strings.HasSuffix(db, ".sqlite") || strings.HasSuffix(db, ".db")) {
			return l.what
		}
	}
	if e.Path == "/etc/machine-id" && e.SizeBytes >= 32 { // empty, or "uninitialized", are what systemd wants of an image
		return "identity of one machine"
	}
	return ""
}
