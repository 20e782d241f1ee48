package compose

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// SpecSchema is the version of the rootfs spec.
const SpecSchema = 1

// maxSpecBytes bounds a spec; texts of files are part of it.
const maxSpecBytes = 64 << 20

// Spec is the input of rootfs that the rules write. Unknown fields are errors. All paths are absolute paths in the image
// unless said otherwise. Absent lists are empty; absent strings take the default their comment names.
type Spec struct {
	Schema          int    `json:"schema"`
	Label           string `json:"label"`   // of the target; owner of what the spec itself brings
	Release         string `json:"release"` // as in the lock
	Arch            string `json:"arch"`    // RPM architecture
	SourceDateEpoch int64  `json:"source_date_epoch"`

	RPMDB *RPMDB `json:"rpmdb,omitempty"` // absent: the image gets no package database

	Accounts     Accounts      `json:"accounts"`
	Dirs         []Dir         `json:"dirs,omitempty"`
	Files        []File        `json:"files,omitempty"`
	Symlinks     []Symlink     `json:"symlinks,omitempty"`
	Alternatives []Alternative `json:"alternatives,omitempty"`
	// AlternativesLayout is "dpkg" (/var/lib/dpkg/alternatives), "chkconfig" (/var/lib/alternatives), or empty: told from the tree.
	AlternativesLayout string `json:"alternatives_layout,omitempty"`
	// Remove lists globs (path.Match per component, "**" for any number of components). One that matches nothing is an error.
	Remove   []string `json:"remove,omitempty"`
	Policies Policies `json:"policies"`
	CATrust  *CATrust `json:"ca_trust,omitempty"` // absent: CA stores are left as packages ship them
	// OSRelease are fields of /etc/os-release to change, ID and VERSION_ID excepted; /usr/lib/os-release stays as packages ship it.
	OSRelease  map[string]string `json:"os_release,omitempty"`
	Timezone   string            `json:"timezone,omitempty"`    // such as "Europe/Berlin"; absent: /etc/localtime is left as it is
	LDSOCache  bool              `json:"ld_so_cache,omitempty"` // write /etc/ld.so.cache
	Scriptlets string            `json:"scriptlets,omitempty"`  // "error" (default) or "report": what to do about scriptlets not covered
	// ScriptletsSkip says of packages, or with "NAME:KIND" of single scriptlets, why they do not run; ScriptletsReplace has shell
	// scripts of the user's, paths on the host, that run in their place: that of a whole package once, in place of its %post.
	ScriptletsSkip    map[string]string `json:"scriptlets_skip,omitempty"`
	ScriptletsReplace map[string]string `json:"scriptlets_replace,omitempty"`
	// ScriptletsRun names packages of which only some files ship and whose scriptlets run all the same.
	ScriptletsRun []string `json:"scriptlets_run,omitempty"`
}

// RPMDB says where the package database goes.
type RPMDB struct {
	Backend string `json:"backend"` // "sqlite", "ndb" (SUSE) or "bdb" (RHEL 7 and 8, Amazon Linux 2)
	Path    string `json:"path"`    // such as /var/lib/rpm
	// Keys are files on the host with public keys, armored or not, that rpm shall check packages with: they become entries called
	// gpg-pubkey.
	Keys []string `json:"keys,omitempty"`
}

// Accounts are users and groups of the image. An entry whose name already exists replaces the existing one.
type Accounts struct {
	// Replace drops every account that packages or the base bring in /etc/passwd and /etc/group.
	Replace bool    `json:"replace,omitempty"`
	Users   []User  `json:"users,omitempty"`
	Groups  []Group `json:"groups,omitempty"`
	// IDs is the table of accounts.ParseIDs; absent: a number that a package leaves open depends on the name alone.
	IDs *IDFile `json:"ids,omitempty"`
}

// IDFile is a table of account numbers.
type IDFile struct {
	Name   string `json:"name"`             // as the user knows it, for messages
	Source string `json:"source,omitempty"` // path on the host
	Text   string `json:"text,omitempty"`
}

// User is a line of /etc/passwd. Its group must exist: in the spec, the base or a package.
type User struct {
	Name  string `json:"name"`
	UID   int    `json:"uid"`
	GID   int    `json:"gid"`
	Gecos string `json:"gecos,omitempty"`
	Home  string `json:"home,omitempty"`  // default /
	Shell string `json:"shell,omitempty"` // default /sbin/nologin
}

// Group is a line of /etc/group.
type Group struct {
	Name    string   `json:"name"`
	GID     int      `json:"gid"`
	Members []string `json:"members,omitempty"`
}

// Dir is a directory; an existing one gets the mode and owner given here.
type Dir struct {
	Path  string `json:"path"`
	Mode  string `json:"mode,omitempty"`  // octal; default 0755
	User  string `json:"user,omitempty"`  // name or number; default 0
	Group string `json:"group,omitempty"` // name or number; default 0
}

// File is a regular file; it replaces one that a package ships. Exactly one of Source and Text is used; Text may be empty.
type File struct {
	Path   string `json:"path"`
	Source string `json:"source,omitempty"` // path on the host, relative to the working directory
	Text   string `json:"text,omitempty"`
	Mode   string `json:"mode,omitempty"`  // octal; default 0644
	User   string `json:"user,omitempty"`  // name or number; default 0
	Group  string `json:"group,omitempty"` // name or number; default 0
}

// Symlink is a symbolic link; it replaces a file or link that a package ships, but never a directory.
type Symlink struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// Alternative is one command of update-alternatives: --install (Link is given), and with Set --set too; or one of --set, --auto
// and --remove, of what packages and the base registered.
type Alternative struct {
	Name     string  `json:"name"`
	Link     string  `json:"link,omitempty"`
	Path     string  `json:"path"`
	Priority int     `json:"priority,omitempty"`
	Slaves   []Slave `json:"slaves,omitempty"`
	Set      bool    `json:"set,omitempty"`    // choose Path by hand; with Link empty Path must be registered already
	Auto     bool    `json:"auto,omitempty"`   // choose by priority again; Path and the others are unused
	Remove   bool    `json:"remove,omitempty"` // take Path out of the group; Link, Priority and Slaves are unused
}

// Slave is a link that follows the choice of its master.
type Slave struct {
	Link string `json:"link"`
	Name string `json:"name"`
	Path string `json:"path"`
}

// Policies say which kinds of package files are left out. Files left out are "not installed" in the package database, as
// rpm's own options of this kind leave them; directories of a package that lost files so and have none left go too. A file
// with the flag %license is always kept.
type Policies struct {
	// Docs: "licenses" (default) keeps of %doc files and of the documentation directories only licence texts, see isLicence;
	// "rpm" drops every %doc file, as rpm's --excludedocs does, and nothing else; "keep" keeps all.
	Docs string `json:"docs,omitempty"`
	Man  string `json:"man,omitempty"`  // "drop" (default) or "keep": /usr/share/man
	Info string `json:"info,omitempty"` // "drop" (default) or "keep": /usr/share/info
	// Locales are languages to keep, exactly as rpm's %_install_langs: a file with %lang flags is kept if one of them is a
	// prefix of a name here, so "de_DE" keeps de and de_DE. "*" keeps all; the default keeps none.
	Locales []string `json:"locales,omitempty"`
	// LocaleDirs: "drop" (default) treats what lies in the directory of a locale as if it had that flag, C and POSIX excepted;
	// "keep" looks at flags only, as rpm does.
	LocaleDirs string `json:"locale_dirs,omitempty"`
	// Pyc: "drop" leaves out byte code that Python can make again: in __pycache__, or beside a source of the same package.
	Pyc     string `json:"pyc,omitempty"`      // "keep" (default) or "drop"
	BuildID string `json:"build_id,omitempty"` // "drop" (default) or "keep": links in /usr/lib/.build-id
	GDB     string `json:"gdb,omitempty"`      // "drop" (default) or "keep": /usr/share/gdb/auto-load, *-gdb.py beside libraries
	// Terminfo names the terminals whose descriptions are kept; what they are links to stays with them. Absent or with "*": all.
	Terminfo  []string `json:"terminfo,omitempty"`
	Artifacts string   `json:"artifacts,omitempty"` // "keep" (default) or "drop": files flagged %artifact, as rpm's --excludeartifacts
	// IMA: "keep" gives files the signatures of their packages as security.ima, which only a privileged engine can unpack; the
	// default is "drop".
	IMA string `json:"ima,omitempty"`
	// SetUID: "strip" takes the set-user-ID and set-group-ID bits from regular files of this layer, but for those that a glob of
	// SetUIDAllow matches. The default is "keep".
	SetUID      string   `json:"setuid,omitempty"`
	SetUIDAllow []string `json:"setuid_allow,omitempty"`
}

// CATrust asks for the CA stores that the image's ca-certificates package would generate.
type CATrust struct {
	Anchors  []Anchor `json:"anchors,omitempty"`  // trusted besides what packages ship
	Distrust []Anchor `json:"distrust,omitempty"` // not trusted, whatever packages say
	// Formats of catrust.AllFormats; absent: those that the program of the image makes.
	Formats []string `json:"formats,omitempty"`
	Layout  string   `json:"layout,omitempty"` // "p11-kit" or "debian"; absent: told from the tree
}

// Anchor is one PEM file of extra certificates.
type Anchor struct {
	Name   string `json:"name"`             // file name without suffix, such as "company-ca"
	Source string `json:"source,omitempty"` // path on the host
	Text   string `json:"text,omitempty"`
}

// ReadSpec decodes a spec strictly and checks it. name is used in errors.
func ReadSpec(r io.Reader, name string) (*Spec, error) {
	var s Spec
	if err := strictjson.Decode(r, maxSpecBytes, &s); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	return &s, nil
}

func (s *Spec) check() error {
	if s.Schema != SpecSchema {
		return fmt.Errorf("schema %d, this tool reads %d", s.Schema, SpecSchema)
	}
	if s.Label == "" || s.Release == "" {
		return fmt.Errorf("label and release must be set")
	}
	if s.Arch != "x86_64" && s.Arch != "aarch64" {
		return fmt.Errorf("arch %q: must be x86_64 or aarch64", s.Arch)
	}
	if s.SourceDateEpoch < 0 || s.SourceDateEpoch > 1<<32-1 {
		return fmt.Errorf("source_date_epoch %d: must fit 32 bits", s.SourceDateEpoch)
	}
	if s.RPMDB != nil {
		if err := checkPath(s.RPMDB.Path); err != nil {
			return fmt.Errorf("rpmdb: %w", err)
		}
	}
	if err := oneOf("scriptlets", s.Scriptlets, "report", "error"); err != nil {
		return err
	}
	for key, reason := range s.ScriptletsSkip {
		if reason == "" {
			return fmt.Errorf("scriptlets_skip: %s: a reason must be given", key)
		}
		if s.ScriptletsReplace[key] != "" {
			return fmt.Errorf("scriptlets_skip: %s: it is in scriptlets_replace too", key)
		}
	}
	if err := oneOf("alternatives_layout", s.AlternativesLayout, "dpkg", "chkconfig"); err != nil {
		return err
	}
	if err := s.Policies.check(); err != nil {
		return fmt.Errorf("policies: %w", err)
	}
	return s.checkContents()
}

// checkContents checks dirs, files, links and globs; that no two of them are the same path is checked on canonical paths later.
func (s *Spec) checkContents() error {
	for _, d := range s.Dirs {
		if err := checkPath(d.Path); err != nil {
			return fmt.Errorf("dirs: %w", err)
		}
		if _, err := parseMode(d.Mode, 0o755); err != nil {
			return fmt.Errorf("dirs: %s: %w", d.Path, err)
		}
	}
	for _, f := range s.Files {
		if err := checkPath(f.Path); err != nil {
			return fmt.Errorf("files: %w", err)
		}
		if _, err := parseMode(f.Mode, 0o644); err != nil {
			return fmt.Errorf("files: %s: %w", f.Path, err)
		}
		if f.Source != "" && f.Text != "" {
			return fmt.Errorf("files: %s: both source and text", f.Path)
		}
	}
	for _, l := range s.Symlinks {
		if err := checkPath(l.Path); err != nil {
			return fmt.Errorf("symlinks: %w", err)
		}
		if l.Target == "" || strings.ContainsRune(l.Target, 0) {
			return fmt.Errorf("symlinks: %s: target %q", l.Path, l.Target)
		}
	}
	for _, g := range s.Remove {
		if _, err := pathglob.Parse(g); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
	}
	if s.CATrust != nil {
		for _, a := range slices.Concat(s.CATrust.Anchors, s.CATrust.Distrust) {
			if a.Name == "" || a.Name != path.Base(a.Name) || strings.HasPrefix(a.Name, ".") || strings.ContainsAny(a.Name, "\x00\n") {
				return fmt.Errorf("ca_trust: certificate name %q: must be a plain file name", a.Name)
			}
			if (a.Source == "") == (a.Text == "") {
				return fmt.Errorf("ca_trust: certificate %s: exactly one of source and text must be set", a.Name)
			}
		}
	}
	return nil
}

func (p *Policies) check() error {
	for _, c := range []struct {
		field, value string
		allowed      []string
	}{
		{"docs", p.Docs, []string{"licenses", "rpm", "keep"}},
		{"man", p.Man, []string{"drop", "keep"}},
		{"info", p.Info, []string{"drop", "keep"}},
		{"locale_dirs", p.LocaleDirs, []string{"drop", "keep"}},
		{"pyc", p.Pyc, []string{"keep", "drop"}},
		{"build_id", p.BuildID, []string{"drop", "keep"}},
		{"gdb", p.GDB, []string{"drop", "keep"}},
		{"artifacts", p.Artifacts, []string{"keep", "drop"}},
		{"ima", p.IMA, []string{"drop", "keep"}},
		{"setuid", p.SetUID, []string{"keep", "strip"}},
	} {
		if err := oneOf(c.field, c.value, c.allowed...); err != nil {
			return err
		}
	}
	for _, g := range p.SetUIDAllow {
		if _, err := pathglob.Parse(g); err != nil {
			return fmt.Errorf("setuid_allow: %w", err)
		}
	}
	return nil
}

// oneOf accepts the empty string, which means the default.
func oneOf(field, value string, allowed ...string) error {
	if value == "" {
		return nil
	}
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s %q: must be one of %s", field, value, strings.Join(allowed, ", "))
}

// checkPath accepts absolute clean paths other than "/".
func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || p == "/" || path.Clean(p) != p || strings.ContainsRune(p, 0) {
		return fmt.Errorf("path %q: must be absolute and clean", p)
	}
	return nil
}

// parseMode reads an octal mode; empty means def.
func parseMode(s string, def uint32) (uint32, error) {
	if s == "" {
		return def, nil
	}
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil || m > 0o7777 {
		return 0, fmt.Errorf("mode %q: must be octal, at most 7777", s)
	}
	return uint32(m), nil
}
