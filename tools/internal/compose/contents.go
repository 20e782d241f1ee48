package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// maxRead bounds the files that are read into memory: accounts, certificates, libc, the template of all locales.
const maxRead = 256 << 20

// setData makes e a regular file with these bytes.
func setData(e *rootfs.Entry, data []byte) {
	sum := sha256.Sum256(data)
	e.Type, e.SizeBytes, e.SHA256 = pkgindex.TypeFile, int64(len(data)), hex.EncodeToString(sum[:])
	e.Content = rootfs.Content{Data: data}
	e.Text = ""
	if rootfs.KeepsText(e.Path, e.SizeBytes) {
		e.Text = string(data)
	}
}

// readEntry returns the bytes of a regular file; of the base's files from its layers, where tree.json does not keep the text.
func (c *composer) readEntry(e *rootfs.Entry) ([]byte, error) {
	if e.HardLink != "" {
		if first := c.fs.Get(e.HardLink); first != nil {
			e = first
		}
	}
	if e.SizeBytes > maxRead {
		return nil, fmt.Errorf("reading %s: larger than %d bytes", e.Path, maxRead)
	}
	if e.Content.Source == "" {
		if int64(len(e.Content.Data)) != e.SizeBytes {
			return c.readLower(e)
		}
		return e.Content.Data, nil
	}
	f, err := os.Open(e.Content.Source)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Path, err)
	}
	defer f.Close()
	data := make([]byte, e.SizeBytes)
	if _, err := f.ReadAt(data, e.Content.Offset); err != nil && (err != io.EOF || e.SizeBytes > 0) {
		return nil, fmt.Errorf("reading %s from %s: %w", e.Path, e.Content.Source, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, fmt.Errorf("reading %s from %s: contents do not match the index", e.Path, e.Content.Source)
	}
	return data, nil
}

// readLower reads a file of the base in the layer that holds it.
func (c *composer) readLower(e *rootfs.Entry) ([]byte, error) {
	if e.Layer >= len(c.in.BaseLayers) {
		return nil, fmt.Errorf("reading %s: its contents are in layer %d of the base, which no --base-layer gives", e.Path, e.Layer)
	}
	layer := c.lower[e.Layer]
	if layer == nil {
		var err error
		if layer, err = rootfs.OpenLayer(c.in.BaseLayers[e.Layer]); err != nil {
			return nil, fmt.Errorf("reading %s of the base: %w", e.Path, err)
		}
		c.lower[e.Layer] = layer
	}
	data, err := layer.ReadFile(e.Path, maxRead)
	if err != nil {
		return nil, fmt.Errorf("reading %s of the base: %w", e.Path, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, fmt.Errorf("reading %s of the base: %s does not belong to its tree", e.Path, c.in.BaseLayers[e.Layer])
	}
	return data, nil
}

func (c *composer) closeLayers() {
	for _, layer := range c.lower {
		layer.Close()
	}
}

// addContents puts the directories, files and links of the spec into the tree. They win over packages.
func (c *composer) addContents() error {
	seen := map[string]bool{}
	once := func(path string) (string, error) {
		real, err := c.fs.Canonical(path)
		if err != nil {
			return "", err
		}
		if seen[real] {
			return "", fmt.Errorf("%s: given twice", real)
		}
		seen[real] = true
		return real, nil
	}
	for i := range c.spec.Dirs {
		if err := c.addDir(&c.spec.Dirs[i], once); err != nil {
			return fmt.Errorf("dirs: %w", err)
		}
	}
	for i := range c.spec.Symlinks {
		if err := c.addSymlink(&c.spec.Symlinks[i], once); err != nil {
			return fmt.Errorf("symlinks: %w", err)
		}
	}
	for i := range c.spec.Files {
		if err := c.addFile(&c.spec.Files[i], once); err != nil {
			return fmt.Errorf("files: %w", err)
		}
	}
	return nil
}

func (c *composer) addDir(d *Dir, once func(string) (string, error)) error {
	path, err := once(d.Path)
	if err != nil {
		return err
	}
	e := &rootfs.Entry{Path: path, Type: pkgindex.TypeDir, ModTime: c.spec.SourceDateEpoch, Owners: []string{c.spec.Label}}
	if e.Mode, err = parseMode(d.Mode, 0o755); err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	if e.UID, e.GID, err = c.owner(d.User, d.Group); err != nil {
		return fmt.Errorf("%s: %w", d.Path, err)
	}
	if old := c.fs.Get(path); old != nil {
		if old.Type != pkgindex.TypeDir {
			return fmt.Errorf("%s: it is a %s (%s)", d.Path, old.Type, strings.Join(old.Owners, ", "))
		}
		e.Owners = append(e.Owners, old.Owners...)
		e.ModTime = old.ModTime
	}
	return c.put(e)
}

func (c *composer) addSymlink(l *Symlink, once func(string) (string, error)) error {
	path, err := once(l.Path)
	if err != nil {
		return err
	}
	e := &rootfs.Entry{Path: path, Type: pkgindex.TypeSymlink, Mode: 0o777, Link: l.Target, ModTime: c.spec.SourceDateEpoch,
		Owners: []string{c.spec.Label}}
	if old := c.fs.Get(path); old != nil {
		if old.Type == pkgindex.TypeSymlink && old.Link == l.Target {
			return nil
		}
		e.Owners = append(e.Owners, old.Owners...)
		if old.Type == pkgindex.TypeDir {
			return fmt.Errorf("%s: it is a directory (%s)", l.Path, strings.Join(old.Owners, ", "))
		}
	}
	return c.put(e)
}

// accountFiles may not come as files: they would silently undo the accounts of packages.
var accountFiles = map[string]bool{"/etc/passwd": true, "/etc/group": true, "/etc/shadow": true, "/etc/gshadow": true}

func (c *composer) addFile(f *File, once func(string) (string, error)) error {
	path, err := once(f.Path)
	if err != nil {
		return err
	}
	if accountFiles[path] {
		return cli.Hint(fmt.Errorf("%s: made from the accounts of the image", f.Path), "use the accounts attribute; replace = True drops what packages bring")
	}
	e := &rootfs.Entry{Path: path, ModTime: c.spec.SourceDateEpoch, Owners: []string{c.spec.Label}}
	if e.Mode, err = parseMode(f.Mode, 0o644); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if e.UID, e.GID, err = c.owner(f.User, f.Group); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if f.Source == "" {
		setData(e, []byte(f.Text))
	} else if err := setSource(e, f.Source); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if err := inspect(e); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if old := c.fs.Get(path); old != nil {
		if old.Type == pkgindex.TypeDir {
			return fmt.Errorf("%s: it is a directory (%s)", f.Path, strings.Join(old.Owners, ", "))
		}
		e.Owners = append(e.Owners, old.Owners...)
	}
	return c.put(e)
}

func (c *composer) owner(user, group string) (uid, gid int, err error) {
	uid, ok := c.uid(orDefault(user, "0"))
	if !ok {
		return 0, 0, cli.Hint(fmt.Errorf("unknown user %s", user), "add it to the accounts attribute")
	}
	gid, ok = c.gid(orDefault(group, "0"))
	if !ok {
		return 0, 0, cli.Hint(fmt.Errorf("unknown group %s", group), "add it to the accounts attribute")
	}
	return uid, gid, nil
}

// setSource makes e a regular file with the bytes of a host file, whose mode and times do not matter.
func setSource(e *rootfs.Entry, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return err
	} else if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", source)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return fmt.Errorf("reading %s: %w", source, err)
	}
	e.Type, e.SizeBytes, e.SHA256 = pkgindex.TypeFile, n, hex.EncodeToString(sum.Sum(nil))
	e.Content = rootfs.Content{Source: source}
	return nil
}

// removeMatches takes out what the globs of the spec match. It runs twice: packages' files go before their certificates,
// libraries and account files have an effect, and what steps made goes at the end.
func (c *composer) removeMatches() error {
	for _, pattern := range c.spec.Remove {
		g, err := pathglob.Parse(pattern)
		if err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		if g, err = c.canonicalGlob(g); err != nil {
			return fmt.Errorf("remove: %s: %w", pattern, err)
		}
		var paths []string
		for _, e := range c.fs.Entries() {
			if g.Match(e.Path) {
				paths = append(paths, e.Path)
			}
		}
		for _, path := range paths {
			c.fs.Remove(path)
			c.report.Removed = append(c.report.Removed, path)
		}
		c.hits[pattern] += len(paths)
	}
	return nil
}

// canonicalGlob resolves the links in the literal start of a glob, so that /bin/* also works where /bin is a link.
func (c *composer) canonicalGlob(g pathglob.Glob) (pathglob.Glob, error) {
	literal := 0
	for literal < len(g)-1 && !strings.ContainsAny(g[literal], `*?[\`) {
		literal++
	}
	if literal == 0 {
		return g, nil
	}
	dir, err := c.fs.Follow("/" + strings.Join(g[:literal], "/"))
	if err != nil {
		return nil, err
	}
	if dir == "/" {
		return g[literal:], nil
	}
	return append(pathglob.Glob(strings.Split(dir[1:], "/")), g[literal:]...), nil
}

func (c *composer) checkRemovals() error {
	var none []string
	for _, pattern := range c.spec.Remove {
		if c.hits[pattern] == 0 {
			none = append(none, pattern)
		}
	}
	if len(none) == 0 {
		return nil
	}
	return cli.Hint(fmt.Errorf("remove: nothing matches %s", strings.Join(none, ", ")), "take the globs out of remove, or correct them")
}
