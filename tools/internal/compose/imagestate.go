package compose

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// settleIdentity makes the small files that tell what the image is and where: os-release, the time zone, the machine id, and
// where names are looked up.
func (c *composer) settleIdentity() error {
	for _, step := range []func() error{c.settleOSRelease, c.settleTimezone, c.settleMachineID, c.settleNSSwitch} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

const (
	osRelease      = "/etc/os-release"
	vendorRelease  = "/usr/lib/os-release"
	machineID      = "/etc/machine-id"
	nsswitch       = "/etc/nsswitch.conf"
	debianNSSwitch = "/usr/share/libc-bin/nsswitch.conf"
)

// scannedFields are those by which scanners choose the advisories of a distribution: another value would hide vulnerabilities.
var scannedFields = []string{"ID", "VERSION_ID"}

// settleOSRelease links /etc/os-release to the vendor's file where only that is there, or makes it a file of its own with the
// fields that the spec changes. The vendor's file always stays as it is.
func (c *composer) settleOSRelease() error {
	vendor := c.fs.Stat(vendorRelease)
	if len(c.spec.OSRelease) == 0 {
		if path, err := c.fs.Canonical(osRelease); vendor != nil && err == nil && c.fs.Get(path) == nil {
			return c.putLink(osRelease, "../usr/lib/os-release", "os-release")
		}
		return nil
	}
	from := c.fs.Stat(osRelease)
	if from == nil {
		from = vendor
	}
	if from == nil || from.Type != pkgindex.TypeFile {
		return cli.Hint(fmt.Errorf("os_release: the image has neither %s nor %s", osRelease, vendorRelease), "add the release package of the distribution to the contents")
	}
	text, err := c.readEntry(from)
	if err != nil {
		return err
	}
	if text, err = changeFields(text, c.spec.OSRelease); err != nil {
		return fmt.Errorf("os_release: %w", err)
	}
	return c.ownFile(osRelease, text, 0o644)
}

// changeFields sets fields of an os-release(5), new ones at the end by name.
func changeFields(text []byte, fields map[string]string) ([]byte, error) {
	for _, name := range sortedKeys(fields) {
		if slices.Contains(scannedFields, name) {
			return nil, cli.Hint(fmt.Errorf("field %s: scanners find the advisories of a distribution by it", name), "leave %s out; PRETTY_NAME and VARIANT are free", name)
		}
		if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || name == "" || strings.ContainsAny(fields[name], "\n\x00\"\\$`") {
			return nil, fmt.Errorf("field %q with value %q: names are capitals, and values have no quotes, dollars and line breaks", name, fields[name])
		}
	}
	var out bytes.Buffer
	done := map[string]bool{}
	set := func(name string) { fmt.Fprintf(&out, "%s=\"%s\"\n", name, fields[name]); done[name] = true }
	for line := range strings.Lines(string(text)) {
		name, _, ok := strings.Cut(line, "=")
		if _, changed := fields[name]; ok && changed {
			if !done[name] {
				set(name)
			}
			continue
		}
		out.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	for _, name := range sortedKeys(fields) {
		if !done[name] {
			set(name)
		}
	}
	return out.Bytes(), nil
}

// settleTimezone makes /etc/localtime, and on Debian the file that names the zone.
func (c *composer) settleTimezone() error {
	zone := c.spec.Timezone
	if zone == "" {
		return nil
	}
	const dir = "/usr/share/zoneinfo/"
	if e := c.fs.Stat(dir + zone); e == nil || e.Type != pkgindex.TypeFile {
		return cli.Hint(fmt.Errorf("timezone: the image has no %s%s", dir, zone), "add tzdata to the contents, or correct the name: it is one such as Europe/Berlin or UTC")
	}
	at, err := c.fs.Canonical("/etc/localtime")
	if err != nil {
		return err
	}
	if old := c.fs.Get(at); old != nil && old.Type == pkgindex.TypeFile {
		c.fs.Remove(at) // some packages ship a copy
	}
	if err := c.putLink("/etc/localtime", ".."+dir+zone, "timezone"); err != nil {
		return err
	}
	if c.fs.Stat("/etc/timezone") == nil && c.fs.Stat("/etc/debian_version") == nil {
		return nil
	}
	return c.ownFile("/etc/timezone", []byte(zone+"\n"), 0o644)
}

// settleMachineID keeps two machines from having one id: where there is systemd, an empty file, which it replaces in memory at
// each start; and never an id of a package.
func (c *composer) settleMachineID() error {
	e := c.fs.Stat(machineID)
	hasSystemd := false
	for _, name := range []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd"} {
		init := c.fs.Stat(name)
		hasSystemd = hasSystemd || init != nil && init.Layer == c.layer
	}
	switch {
	case e == nil && !hasSystemd, e != nil && (e.Layer != c.layer || e.SizeBytes == 0 || slices.Contains(e.Owners, c.spec.Label)):
		return nil
	case e != nil && e.Type != pkgindex.TypeFile:
		return nil
	}
	return c.rewrite(machineID, nil, &rootfs.Entry{Mode: 0o444}, "machine-id")
}

// settleNSSwitch does what a scriptlet of Debian does: without the file, glibc asks DNS before /etc/hosts.
func (c *composer) settleNSSwitch() error {
	master := c.fs.Stat(debianNSSwitch)
	if at, err := c.fs.Canonical(nsswitch); err != nil || c.fs.Get(at) != nil || master == nil || master.Type != pkgindex.TypeFile {
		return nil
	}
	data, err := c.readEntry(master)
	if err != nil {
		return err
	}
	return c.rewrite(nsswitch, data, &rootfs.Entry{Mode: 0o644}, "nsswitch")
}

// indexes are files that programs of packages make of what lies in a directory, and that nobody makes here.
var indexes = []struct{ dir, source, index, effect, hint string }{
	{"/usr/share/glib-2.0/schemas", "*.gschema.xml", "gschemas.compiled", "programs that use GSettings abort", "glib-compile-schemas"},
	{"/usr/lib*/gdk-pixbuf-2.0/*/loaders", "*.so", "../loaders.cache", "images of most formats cannot be loaded", "gdk-pixbuf-query-loaders"},
	{"/usr/lib/*/gdk-pixbuf-2.0/*/loaders", "*.so", "../loaders.cache", "images of most formats cannot be loaded", "gdk-pixbuf-query-loaders"},
	{"/usr/lib*/gtk-3.0/*/immodules", "*.so", "../immodules.cache", "input methods are not found", "gtk-query-immodules-3.0"},
	{"/usr/share/mime/packages", "*.xml", "../mime.cache", "the type of a file cannot be told", "update-mime-database"},
}

// noteIndexes reports indexes that are missing.
func (c *composer) noteIndexes() error {
	dirs := map[string][]*rootfs.Entry{}
	for _, e := range c.fs.Entries() {
		if e.Type != pkgindex.TypeDir {
			dirs[rootfs.Dir(e.Path)] = append(dirs[rootfs.Dir(e.Path)], e)
		}
	}
	for _, x := range indexes {
		for _, dir := range sortedKeys(dirs) {
			if ok, err := path.Match(x.dir, dir); !ok || err != nil {
				continue
			}
			isSource := func(e *rootfs.Entry) bool {
				ok, err := path.Match(x.source, rootfs.Base(e.Path))
				return ok && err == nil && e.Layer == c.layer
			}
			index := path.Join(dir, x.index)
			if slices.ContainsFunc(dirs[dir], isSource) && c.fs.Stat(index) == nil {
				c.report.Notes = append(c.report.Notes, fmt.Sprintf("not covered: %s is not made, so that %s; make it with %s and add it with files", index, x.effect, x.hint))
			}
		}
	}
	return nil
}

// leavings are what programs leave beside their work: copies, locks and caches with facts of the machine that ran them.
var leavings = []string{
	"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock", "/etc/passwd.lock",
	"/etc/group.lock", "/etc/shadow.lock", "/etc/gshadow.lock", "/var/cache/ldconfig/aux-cache", "/etc/.updated", "/var/.updated", "/**/*.rpmnew",
	"/**/*.rpmorig", "/**/*.rpmsave", "/**/*.dpkg-new", "/**/*.dpkg-tmp",
}

// dropLeavings takes such files out unless a package or the spec itself brings them. A regular file in /dev is one too: a
// scriptlet that wrote to a device which is not there.
func (c *composer) dropLeavings() error {
	var globs []pathglob.Glob
	for _, pattern := range leavings {
		g, err := pathglob.Parse(pattern)
		if err != nil {
			return err
		}
		globs = append(globs, g)
	}
	isLeaving := func(e *rootfs.Entry) bool {
		if e.Layer != c.layer || e.Type == pkgindex.TypeDir || len(c.claims[e.Path]) > 0 || slices.Contains(e.Owners, c.spec.Label) {
			return false
		}
		if e.Type == pkgindex.TypeFile && strings.HasPrefix(e.Path, "/dev/") {
			return true
		}
		return slices.ContainsFunc(globs, func(g pathglob.Glob) bool { return g.Match(e.Path) })
	}
	for _, e := range slices.Clone(c.fs.Entries()) {
		if isLeaving(e) {
			c.fs.Remove(e.Path)
		}
	}
	return nil
}
