package scriptlet

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// caches are programs that write what other programs can do without: they look for themselves where it is missing.
var caches = map[string]string{
	"fc-cache":               "fontconfig reads the directories of fonts itself",
	"gtk-update-icon-cache":  "GTK reads the directories of icons itself",
	"gtk4-update-icon-cache": "GTK reads the directories of icons itself",
	"update-icon-caches":     "GTK reads the directories of icons itself",
	"gio-querymodules":       "GIO opens each of its modules to see what it is for",
	"gio-querymodules-64":    "GIO opens each of its modules to see what it is for",
	"gio-querymodules-32":    "GIO opens each of its modules to see what it is for",
	"java":                   "the Java machine loads its classes one by one",
	"mandb":                  "man looks for pages itself",
}

// cacheOnly makes no cache and says so in the report. fc-cache --version tells the version of the package that has it.
func cacheOnly(c *call) int {
	switch {
	case c.name == "java" && !slices.Contains(c.args, "-Xshare:dump"):
		return c.unknown("only -Xshare:dump is known")
	case c.name == "fc-cache" && (slices.Contains(c.args, "--version") || slices.Contains(c.args, "-V")):
		version := c.m.versionOf("/usr/bin/fc-cache")
		if version == "" {
			return c.unknown("no package says which version it is")
		}
		fmt.Fprintf(c.err, "fontconfig version %s\n", version)
		return 0
	}
	c.m.note("%s: its cache is not made; %s", c.name, caches[c.name])
	return 0
}

// versionOf returns the version of the package that a file is from.
func (m *Machine) versionOf(p string) string {
	e := m.stat(p)
	if e == nil || len(e.Owners) == 0 {
		return ""
	}
	parts := strings.Split(e.Owners[0], "-") // name-[epoch:]version-release.arch
	const least = 3
	if len(parts) < least {
		return ""
	}
	v := parts[len(parts)-2]
	return v[strings.IndexByte(v, ':')+1:]
}

// glibSchemas compiles nothing where there is nothing, as the program itself; most images have its trigger and no schema.
func glibSchemas(c *call) int {
	_, dirs := c.parse("", map[string]byte{"strict": 's', "allow-any-name": 'a', "dry-run": 'n', "targetdir": 't', "schema-file": 'f'})
	for _, dir := range dirs {
		list, _ := c.m.readDir(c.path(dir))
		for _, e := range list {
			if strings.HasSuffix(e.Path, ".gschema.xml") || strings.HasSuffix(e.Path, ".gschema.override") {
				return c.unknown("schemas such as %s cannot be compiled here; run it in a container once and add gschemas.compiled with files, or leave the "+
					"schemas out", e.Path)
			}
		}
	}
	fmt.Fprintln(c.err, "No schema files found: doing nothing.")
	return 0
}

// coreFonts makes no index of the fonts of an X server where there is none.
func coreFonts(c *call) int {
	for _, server := range []string{"/usr/bin/Xorg", "/usr/bin/Xvfb", "/usr/bin/Xvnc", "/usr/bin/xfs", "/usr/libexec/Xorg"} {
		if c.m.stat(server) != nil {
			return c.unknown("the index of fonts for %s cannot be made", server)
		}
	}
	c.m.note("%s: not made; only an X server reads it, and the image has none", c.name)
	return 0
}

// hardlink joins two files of the same contents.
func hardlink(c *call) int {
	o, args := c.parse("cvf", nil)
	if !o.has('c') || len(args) != 2 {
		return c.unknown("only -c with two files is known")
	}
	var e [2]*pathEntry
	for i, a := range args {
		real, x, err := c.m.walk(c.path(a), false)
		if err != nil || x == nil || x.Type != pkgindex.TypeFile {
			return 0 // as the program, which walks over what it finds
		}
		e[i] = &pathEntry{real, string(c.m.data(x)), x.Mode}
	}
	if e[0].path == e[1].path || e[0].data != e[1].data || e[0].mode != e[1].mode {
		return 0
	}
	c.m.drop(e[1].path)
	if err := c.m.link(e[0].path, e[1].path); err != nil {
		return c.errorf("%v", err)
	}
	return 0
}

type pathEntry struct {
	path, data string
	mode       uint32
}

// refused are programs that no image can run while it is built, with the reason. A script that looks whether they are there
// gets the true answer.
var refused = map[string]string{
	"create-certdb.sh":            "it seals a database with a random password, and an image must hold no secret of its build; make it where the image runs, or skip it",
	"certutil":                    "it makes a database with random keys",
	"modutil":                     "it opens a database of keys",
	"shlibsign":                   "it signs with a random key",
	"openssl":                     "it makes keys and certificates at random, or of the day; mount them where the image runs, or add them with files",
	"ssh-keygen":                  "it makes keys at random; make them where the image runs, or add them with files",
	"gpg":                         "it writes a key ring with facts of the machine; rpm does not need it, and others can have the key by files",
	"gpg2":                        "it writes a key ring with facts of the machine; rpm does not need it, and others can have the key by files",
	"iscsi-iname":                 "it makes a random name, which must differ from machine to machine",
	"uuidgen":                     "it makes a random name, which must differ from machine to machine",
	"dbus-uuidgen":                "it makes a random name, which must differ from machine to machine",
	"curl":                        "there is no network while an image is built",
	"wget":                        "there is no network while an image is built",
	"make":                        "nothing is compiled here",
	"gcc":                         "nothing is compiled here",
	"update-mime-database":        "run it in a container once and add what it makes with files; programs that tell the type of a file need it",
	"xmlcatalog":                  "its catalogs cannot be changed here; only tools for DocBook read them",
	"dot":                         "its list of plugins comes from loading each of them; run dot -c in a container and add the file with files",
	"gdk-pixbuf-query-loaders":    queried,
	"gdk-pixbuf-query-loaders-32": queried,
	"gdk-pixbuf-query-loaders-64": queried,
	"gtk-query-immodules-2.0":     queried,
	"gtk-query-immodules-2.0-32":  queried,
	"gtk-query-immodules-2.0-64":  queried,
	"gtk-query-immodules-3.0":     queried,
	"gtk-query-immodules-3.0-32":  queried,
	"gtk-query-immodules-3.0-64":  queried,
	"pango-querymodules":          queried,
	"pango-querymodules-32":       queried,
	"pango-querymodules-64":       queried,
}

const queried = "its list comes from loading each module into a process; run it in a container once and add the file with files"

// instanceMetadata is the address of the metadata of a virtual machine: nothing answers anywhere but in one.
const instanceMetadata = "169.254.169.254"

// noNetwork is curl(1) and wget(1).
func noNetwork(c *call) int {
	for _, a := range c.args {
		if strings.Contains(a, "://"+instanceMetadata+"/") {
			c.m.note("%s: no virtual machine answers while an image is built", c.name)
			return map[string]int{"curl": 7, "wget": 4}[path.Base(c.name)] // failed to connect
		}
	}
	return c.unknown("%s", refused[c.name])
}

// tzdataUpdate is a program of old glibc packages: it renews the copy of a time zone that /etc/sysconfig/clock names.
func tzdataUpdate(c *call) int {
	if data, err := c.m.read("/etc/sysconfig/clock"); err == nil && strings.Contains(string(data), "ZONE=") {
		return c.unknown("copies of time zones are not known; use timezone")
	}
	return 0
}

// shadowsAgree is pwconv(8) and grpconv(8): the four files of accounts always agree here.
func shadowsAgree(c *call) int { return 0 }

// rpmDatabase is rpmdb(8); the image gets its database when all packages are in place.
func rpmDatabase(c *call) int {
	if len(c.args) == 1 && (c.args[0] == "--initdb" || c.args[0] == "--rebuilddb") {
		c.m.note("rpmdb: the image gets its database at the end")
		return 0
	}
	return c.unknown("only --initdb and --rebuilddb are known")
}
