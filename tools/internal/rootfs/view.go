package rootfs

import (
	"bytes"
	"io"
	"io/fs"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// View is a tree as an fs.FS, for packages that know nothing of trees. Names are paths without the leading slash; symbolic
// links, absolute ones too, are followed inside the tree. It sees changes of the tree that are made while it is in use.
type View struct {
	fs   *FS
	read func(*Entry) ([]byte, error)
}

var (
	_ fs.ReadDirFS  = View{}
	_ fs.ReadFileFS = View{}
	_ fs.ReadLinkFS = View{}
	_ fs.StatFS     = View{}
)

// View returns a view of the tree; read returns the bytes of a regular file.
func (f *FS) View(read func(*Entry) ([]byte, error)) View { return View{f, read} }

// find returns the entry of a name, of the root an invented one.
func (v View) find(op, name string, follow bool) (*Entry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	resolve := v.fs.Canonical
	if follow {
		resolve = v.fs.Follow
	}
	path, err := resolve("/" + name)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	if e := v.fs.Get(path); e != nil {
		return e, nil
	}
	if path == "/" {
		return &Entry{Path: "/", Type: pkgindex.TypeDir, Mode: 0o755}, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open is fs.FS.
func (v View) Open(name string) (fs.File, error) {
	e, err := v.find("open", name, true)
	if err != nil {
		return nil, err
	}
	file := &viewFile{info: entryInfo{e}}
	if e.Type == pkgindex.TypeDir {
		file.entries, _ = v.ReadDir(name)
		return file, nil
	}
	data, err := v.ReadFile(name)
	file.Reader = bytes.NewReader(data)
	return file, err
}

// ReadFile is fs.ReadFileFS.
func (v View) ReadFile(name string) ([]byte, error) {
	e, err := v.find("read", name, true)
	if err != nil {
		return nil, err
	}
	if e.Type != pkgindex.TypeFile {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	data, err := v.read(e)
	return bytes.Clone(data), err // callers may change what they get
}

// ReadDir is fs.ReadDirFS.
func (v View) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := v.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if e.Type != pkgindex.TypeDir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	var out []fs.DirEntry
	for _, child := range v.fs.List(e.Path) {
		out = append(out, fs.FileInfoToDirEntry(entryInfo{child}))
	}
	return out, nil
}

// Stat is fs.StatFS.
func (v View) Stat(name string) (fs.FileInfo, error) {
	e, err := v.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return entryInfo{e}, nil
}

// Lstat is fs.ReadLinkFS.
func (v View) Lstat(name string) (fs.FileInfo, error) {
	e, err := v.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return entryInfo{e}, nil
}

// ReadLink is fs.ReadLinkFS.
func (v View) ReadLink(name string) (string, error) {
	e, err := v.find("readlink", name, false)
	if err == nil && e.Type != pkgindex.TypeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return e.Link, nil
}

// viewFile is an open file or directory.
type viewFile struct {
	*bytes.Reader
	info    entryInfo
	entries []fs.DirEntry
}

func (f *viewFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *viewFile) Close() error               { return nil }

func (f *viewFile) Read(p []byte) (int, error) {
	if f.Reader == nil {
		return 0, &fs.PathError{Op: "read", Path: f.info.Name(), Err: fs.ErrInvalid}
	}
	return f.Reader.Read(p)
}

// ReadDir is fs.ReadDirFile.
func (f *viewFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		out := f.entries
		f.entries = nil
		return out, nil
	}
	if len(f.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(f.entries))
	out := f.entries[:n]
	f.entries = f.entries[n:]
	return out, nil
}

// entryInfo is an entry as fs.FileInfo; Sys is the entry.
type entryInfo struct{ e *Entry }

func (i entryInfo) Name() string {
	if i.e.Path == "/" {
		return "."
	}
	return Base(i.e.Path)
}
func (i entryInfo) Size() int64        { return i.e.SizeBytes }
func (i entryInfo) ModTime() time.Time { return time.Unix(i.e.ModTime, 0) }
func (i entryInfo) IsDir() bool        { return i.e.Type == pkgindex.TypeDir }
func (i entryInfo) Sys() any           { return i.e }

func (i entryInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.e.Mode & 0o777)
	for bit, set := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if i.e.Mode&bit != 0 {
			mode |= set
		}
	}
	switch i.e.Type {
	case pkgindex.TypeDir:
		mode |= fs.ModeDir
	case pkgindex.TypeSymlink:
		mode |= fs.ModeSymlink
	case pkgindex.TypeChar:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case pkgindex.TypeBlock:
		mode |= fs.ModeDevice
	case pkgindex.TypeFIFO:
		mode |= fs.ModeNamedPipe
	case pkgindex.TypeSocket:
		mode |= fs.ModeSocket
	}
	return mode
}
