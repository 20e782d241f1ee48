package build

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

// tree is an unpacked package that is being changed. All new files carry one time.
type tree struct {
	root  string
	files map[string]rpmspec.File
	time  time.Time
	// remove is Mapping.Remove.
	remove map[string]string
}

func newTree(root string, files []rpmspec.File, newest int64) *tree {
	t := &tree{root: root, files: map[string]rpmspec.File{}, time: time.Unix(newest, 0)}
	for _, f := range files {
		t.files[f.Path] = f
	}
	return t
}

// list returns the files, sorted by path.
func (t *tree) list() []rpmspec.File {
	out := make([]rpmspec.File, 0, len(t.files))
	for _, f := range t.files {
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// on is the path on the host. Packages are unpacked into an empty directory of our own and path.Clean has resolved "..".
func (t *tree) on(p string) string {
	return filepath.Join(t.root, filepath.FromSlash(path.Clean("/"+p)))
}

// apply makes the changes that mapping.yaml asks for. An entry that matches nothing is an error: the data is then out of date.
func (t *tree) apply(p mapping.Package) error {
	for _, step := range []func(mapping.Package) error{t.filter, t.copies, t.texts, t.symlinks, t.attrs, t.flags} {
		if err := step(p); err != nil {
			return err
		}
	}
	return nil
}

// matches reports whether a pattern covers a path: path.Match, or a whole tree with "/**".
func matches(pattern, p string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/**"); ok {
		return p == dir || strings.HasPrefix(p, dir+"/")
	}
	ok, err := path.Match(pattern, p)
	return ok && err == nil
}

func (t *tree) filter(p mapping.Package) error {
	used := map[string]bool{}
	for _, f := range t.list() {
		keep := len(p.Keep) == 0
		for pattern := range t.remove {
			if matches(pattern, f.Path) {
				keep = false
			}
		}
		for _, pattern := range p.Keep {
			if matches(pattern, f.Path) {
				keep, used[pattern] = true, true
			}
		}
		for _, pattern := range p.Remove {
			if matches(pattern, f.Path) {
				keep, used[pattern] = false, true
			}
		}
		if !keep {
			delete(t.files, f.Path)
			if f.Kind != rpmspec.Directory {
				if err := os.Remove(t.on(f.Path)); err != nil {
					return err
				}
			}
		}
	}
	for _, pattern := range append(append([]string(nil), p.Keep...), p.Remove...) {
		if !used[pattern] {
			return fmt.Errorf("mapping.yaml: pattern %s matches no file", pattern)
		}
	}
	return nil
}

func (t *tree) copies(p mapping.Package) error {
	for _, c := range p.Copies {
		if c.List {
			if err := t.listing(c); err != nil {
				return err
			}
			continue
		}
		from, ok := t.files[c.From]
		if !ok || from.Kind != rpmspec.Regular {
			return fmt.Errorf("mapping.yaml: copy from %s: no such file in the package", c.From)
		}
		data, err := os.ReadFile(t.on(c.From))
		if err != nil {
			return err
		}
		if err := t.write(mapping.File{Path: c.To, Content: string(data), Config: c.Config}); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) listing(c mapping.Copy) error {
	var text bytes.Buffer
	for _, f := range t.list() {
		if rel, ok := strings.CutPrefix(f.Path, c.From); ok && f.Kind == rpmspec.Regular {
			fmt.Fprintln(&text, rel)
		}
	}
	if text.Len() == 0 {
		return fmt.Errorf("mapping.yaml: listing of %s: no files", c.From)
	}
	return t.write(mapping.File{Path: c.To, Content: text.String(), Config: c.Config})
}

func (t *tree) texts(p mapping.Package) error {
	for _, f := range p.Files {
		if err := t.write(f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) write(f mapping.File) error {
	if _, ok := t.files[f.Path]; ok {
		return fmt.Errorf("mapping.yaml: %s is in the package already", f.Path)
	}
	name := t.on(f.Path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(f.Content), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(name, 0o644); err != nil { // whatever the umask
		return err
	}
	t.files[f.Path] = rpmspec.File{Path: f.Path, Kind: rpmspec.Regular, Mode: 0o644, User: "root", Group: "root", Config: f.Config}
	return os.Chtimes(name, t.time, t.time)
}

func (t *tree) symlinks(p mapping.Package) error {
	var paths []string
	for link := range p.Symlinks {
		paths = append(paths, link)
	}
	sort.Strings(paths)
	for _, link := range paths {
		if err := t.link(link, p.Symlinks[link], false); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) link(link, target string, ghost bool) error {
	if _, ok := t.files[link]; ok {
		return fmt.Errorf("symbolic link %s: the path is in the package already", link)
	}
	if err := os.MkdirAll(filepath.Dir(t.on(link)), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(target, t.on(link)); err != nil {
		return err
	}
	t.files[link] = rpmspec.File{Path: link, Kind: rpmspec.Symlink, User: "root", Group: "root", Target: target, Ghost: ghost}
	return setLinkTime(t.on(link), t.time)
}

func (t *tree) attrs(p mapping.Package) error {
	for _, a := range p.Attrs {
		mode, err := strconv.ParseUint(a.Mode, 8, 12)
		if err != nil {
			return fmt.Errorf("mapping.yaml: mode of %s: %w", a.Path, err)
		}
		f, ok := t.files[a.Path]
		if !ok && a.Dir {
			if err := os.MkdirAll(t.on(a.Path), 0o755); err != nil {
				return err
			}
			f = rpmspec.File{Path: a.Path, Kind: rpmspec.Directory}
		} else if !ok {
			return fmt.Errorf("mapping.yaml: attrs of %s: no such file in the package", a.Path)
		}
		f.Mode, f.User, f.Group = uint32(mode), a.User, a.Group
		t.files[a.Path] = f
		if err := syscall.Chmod(t.on(a.Path), uint32(mode)); err != nil {
			return fmt.Errorf("mode of %s: %w", a.Path, err)
		}
		if err := os.Chtimes(t.on(a.Path), t.time, t.time); err != nil {
			return err
		}
	}
	return nil
}

// flags marks capabilities and ghosts.
func (t *tree) flags(p mapping.Package) error {
	for name, caps := range p.Caps {
		f, ok := t.files[name]
		if !ok {
			return fmt.Errorf("mapping.yaml: caps of %s: no such file in the package", name)
		}
		f.Caps = caps
		t.files[name] = f
	}
	for _, name := range p.Ghosts {
		if err := t.write(mapping.File{Path: name}); err != nil {
			return err
		}
		f := t.files[name]
		f.Ghost = true
		t.files[name] = f
	}
	return nil
}

// configFiles marks the conffiles that are there; a symbolic link or a directory cannot be one.
func (t *tree) configFiles(conffiles map[string]bool) {
	for name := range conffiles {
		if f, ok := t.files[name]; ok && f.Kind == rpmspec.Regular {
			f.Config = true
			t.files[name] = f
		}
	}
}

// alternatives adds the links that update-alternatives makes, so that the package answers for them. Links of manual pages are
// left out: most images have none.
func (t *tree) alternatives(list []rpmspec.Alternative) error {
	for _, a := range list {
		for i, link := range a.Links {
			if strings.HasPrefix(link, "/usr/share/man/") {
				continue
			}
			if f, ok := t.files[link]; ok && f.Ghost {
				continue // offered by two alternatives of one package
			}
			if err := t.link(link, "/etc/alternatives/"+a.Names[i], true); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutShared leaves out the directories that debrpm-filesystem owns, and the paths that are links there.
func (t *tree) withoutShared(shared map[string]bool) {
	for name, f := range t.files {
		if f.Kind == rpmspec.Directory && shared[name] {
			delete(t.files, name)
		}
	}
}

// read returns a file of the tree, or "" if it is not there.
func (t *tree) read(name string) (string, error) {
	f, err := os.Open(t.on(name))
	if os.IsNotExist(err) || err != nil && t.files[name].Kind != rpmspec.Regular {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeType != 0 {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxControlFile))
	return string(data), err
}

// setLinkTime sets the time of a symbolic link itself, which package os cannot do.
func setLinkTime(name string, when time.Time) error {
	p, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	const atFDCWD, atSymlinkNofollow = -100, 0x100 // fcntl.h
	ts := [2]syscall.Timespec{syscall.NsecToTimespec(when.UnixNano()), syscall.NsecToTimespec(when.UnixNano())}
	fd := atFDCWD
	_, _, e := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(fd), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(&ts[0])), atSymlinkNofollow, 0, 0)
	if e != 0 {
		return fmt.Errorf("time of %s: %w", name, e)
	}
	return nil
}
