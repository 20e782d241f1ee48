package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// dir is the root of a file system, "/" but in tests. Paths are absolute in it, and so are the links in it.
type dir string

// maxLinks is what Linux follows.
const maxLinks = 40

// maxFile bounds the files that are read: lists of tables, state of alternatives.
const maxFile = 1 << 20

// real returns the host path of p, its links followed; with last unset the last one is not.
func (d dir) real(p string, last bool) (string, error) {
	if d == "/" && !strings.HasPrefix(p, "/") {
		cwd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		p = path.Join(cwd, p)
	}
	done, todo := "/", strings.Split(p, "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, name)
		target, err := os.Readlink(filepath.Join(string(d), next))
		if err != nil || len(todo) == 0 && !last {
			done = next // no link, or nothing at all
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many links", p)
		}
		if strings.HasPrefix(target, "/") {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return filepath.Join(string(d), done), nil
}

func (d dir) isProgram(p string) bool {
	real, err := d.real(p, true)
	if err != nil {
		return false
	}
	st, err := os.Stat(real)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// same reports whether two paths are one file, also as a hard link or on another mount.
func (d dir) same(p, q string) bool {
	var stats [2]fs.FileInfo
	for i, name := range []string{p, q} {
		real, err := d.real(name, true)
		if err != nil {
			return false
		}
		if stats[i], err = os.Stat(real); err != nil {
			return false
		}
	}
	return os.SameFile(stats[0], stats[1])
}

func (d dir) read(p string) ([]byte, error) {
	real, err := d.real(p, true)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", p, maxFile)
	}
	return data, err
}

// target returns where a link leads.
func (d dir) target(p string) (string, error) {
	real, err := d.real(p, false)
	if err != nil {
		return "", err
	}
	return os.Readlink(real)
}

// link makes p a symbolic link, in place of one that is there. Anything else stays, and is an error.
func (d dir) link(p, target string) error {
	return d.replace(p, func(real, temporary string) error {
		st, err := os.Lstat(real)
		if err == nil && st.Mode().Type() != fs.ModeSymlink {
			return fmt.Errorf("%s: it is no symbolic link", p)
		}
		if have, err := os.Readlink(real); err == nil && have == target {
			return errSame
		}
		return os.Symlink(target, temporary)
	})
}

func (d dir) write(p string, data []byte) error {
	return d.replace(p, func(_, temporary string) error { return os.WriteFile(temporary, data, 0o644) })
}

var errSame = errors.New("nothing to do")

// replace makes a file beside p and renames it, so that whoever looks sees the old or the new one. The name is one that the programs of
// alternatives ignore.
func (d dir) replace(p string, write func(real, temporary string) error) error {
	real, err := d.real(p, false)
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d.dpkg-tmp", real, os.Getpid())
	os.Remove(temporary) // of a process that was killed and had the same number
	err = write(real, temporary)
	if err == errSame {
		return nil
	}
	if err == nil {
		err = os.Rename(temporary, real)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}

func (d dir) remove(p string) error {
	real, err := d.real(p, false)
	if err != nil {
		return err
	}
	if err := os.Remove(real); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock waits until no other process holds the directory, and returns what lets go of it. A directory that cannot be locked is none.
func (d dir) lock(p string) func() {
	real, err := d.real(p, true)
	if err != nil {
		return func() {}
	}
	f, err := os.Open(real) // closed by exec
	if err != nil {
		return func() {}
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return func() { f.Close() }
		}
	}
}
