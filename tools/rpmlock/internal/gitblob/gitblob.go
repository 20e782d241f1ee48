// Package gitblob reads one file as it was at a revision of the git repository it lies in, without git: objects are found loose,
// in packs (index version 2, deltas) and in alternates. It knows the revisions that people type: branches, tags, remote
// branches, HEAD, full and short object names, each with ~N and ^N.
//
// A library would do more and cost more: go-git brings 30 modules, of which reading a blob needs none. Formats:
// gitformat-pack(5), gitrepository-layout(5), gitrevisions(7). Not read: object names of SHA-256, reftables, partial clones that
// lack the object; each is an error that says so.
package gitblob

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// repository is a git directory.
type repository struct {
	dir     string // .git, or that of a linked worktree
	common  string // where objects and shared refs are
	root    string // of the worktree
	objects []string
	packs   []*pack
}

// Read returns the file at a path, as it was at a revision; limit bounds its size.
func Read(path, revision string, limit int64) ([]byte, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
		abs = filepath.Join(dir, filepath.Base(abs))
	}
	r, err := open(filepath.Dir(abs))
	if err != nil {
		return nil, err
	}
	inside, err := filepath.Rel(r.root, abs)
	if err != nil {
		return nil, err
	}
	commit, err := r.resolve(revision)
	if err != nil {
		return nil, err
	}
	return r.file(commit, filepath.ToSlash(inside), limit)
}

// open finds the repository of a folder.
func open(dir string) (*repository, error) {
	for at := dir; ; at = filepath.Dir(at) {
		git := filepath.Join(at, ".git")
		info, err := os.Stat(git)
		if err == nil && !info.IsDir() {
			if git, err = linked(git); err != nil {
				return nil, err
			}
		}
		if err == nil {
			return newRepository(git, at)
		}
		if filepath.Dir(at) == at {
			return nil, fmt.Errorf("%s is in no git repository", dir)
		}
	}
}

// linked reads the file .git of a worktree or submodule.
func linked(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s does not name a git directory", file)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(file), target)
	}
	return target, nil
}

func newRepository(git, root string) (*repository, error) {
	r := &repository{dir: git, common: git, root: root}
	if data, err := os.ReadFile(filepath.Join(git, "commondir")); err == nil {
		r.common = strings.TrimSpace(string(data))
		if !filepath.IsAbs(r.common) {
			r.common = filepath.Join(git, r.common)
		}
	}
	config, err := os.ReadFile(filepath.Join(r.common, "config"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(strings.ToLower(string(config))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key == "objectformat" && value != "sha1" || key == "refstorage" && value != "files" {
			return nil, fmt.Errorf("the git repository has %s %s, which this program does not read", key, value)
		}
	}
	return r, r.findObjects(filepath.Join(r.common, "objects"), 0)
}

// maxAlternates bounds how deep repositories may borrow objects from others, as git does.
const maxAlternates = 5

func (r *repository) findObjects(dir string, depth int) error {
	r.objects = append(r.objects, dir)
	if err := r.findPacks(dir); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, "info", "alternates"))
	if err != nil || depth >= maxAlternates {
		return nil // there are none, or git would not follow them either
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(dir, line)
		}
		if err := r.findObjects(line, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// file walks from a commit to a file.
func (r *repository) file(commit id, path string, limit int64) ([]byte, error) {
	at, err := r.header(commit, "commit", "tree")
	if err != nil {
		return nil, err
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		data, err := r.object(at, "tree", maxObject)
		if err != nil {
			return nil, err
		}
		entry, mode, ok, err := inTree(data, part)
		if err != nil {
			return nil, fmt.Errorf("object %s: %w", at, err)
		}
		if !ok {
			return nil, fmt.Errorf("commit %.12s has no file %s", commit, path)
		}
		if folder := i < len(parts)-1; folder != (mode == "40000") {
			return nil, fmt.Errorf("commit %.12s: %s is not what was expected, it has mode %s", commit, strings.Join(parts[:i+1], "/"), mode)
		}
		at = entry
	}
	return r.object(at, "blob", limit)
}

// inTree finds a name in a tree object: "mode name\0" and 20 bytes for each.
func inTree(data []byte, name string) (entry id, mode string, ok bool, err error) {
	for len(data) > 0 {
		space, zero := bytes.IndexByte(data, ' '), bytes.IndexByte(data, 0)
		if space < 0 || zero < space || len(data) < zero+1+len(entry) {
			return entry, "", false, errors.New("malformed tree")
		}
		if string(data[space+1:zero]) == name {
			copy(entry[:], data[zero+1:])
			return entry, string(data[:space]), true, nil
		}
		data = data[zero+1+len(entry):]
	}
	return entry, "", false, nil
}

// header returns the object that a line at the top of a commit or tag names.
func (r *repository) header(object id, kind, key string) (id, error) {
	list, err := r.headers(object, kind, key)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("object %s names no %s", object, key)
	}
	if err != nil {
		return id{}, err
	}
	return list[0], nil
}

func (r *repository) headers(object id, kind, key string) ([]id, error) {
	data, err := r.object(object, kind, maxObject)
	if err != nil {
		return nil, err
	}
	top, _, _ := strings.Cut(string(data), "\n\n")
	var out []id
	for line := range strings.Lines(top) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			to, err := parseID(strings.TrimSpace(value))
			if err != nil {
				return nil, err
			}
			out = append(out, to)
		}
	}
	return out, nil
}

// resolve finds the commit of a revision.
func (r *repository) resolve(revision string) (id, error) {
	base := revision
	if i := strings.IndexAny(revision, "~^"); i >= 0 {
		base = revision[:i]
	}
	at, err := r.named(base)
	if err != nil {
		return at, err
	}
	if at, err = r.peel(at); err != nil {
		return at, err
	}
	for rest := revision[len(base):]; rest != ""; {
		sign := rest[0]
		digits := len(rest[1:]) - len(strings.TrimLeft(rest[1:], "0123456789"))
		n := 1
		if digits > 0 {
			if n, err = strconv.Atoi(rest[1 : 1+digits]); err != nil || n > 1<<20 {
				return at, fmt.Errorf("revision %q: %q is no number of commits", revision, rest[1:1+digits])
			}
		}
		if rest = rest[1+digits:]; rest != "" && rest[0] != '~' && rest[0] != '^' {
			return at, fmt.Errorf("revision %q: only ~N and ^N are understood behind a name", revision)
		}
		if at, err = r.ancestor(at, sign, n); err != nil {
			return at, fmt.Errorf("revision %q: %w", revision, err)
		}
	}
	return at, nil
}

func (r *repository) ancestor(at id, sign byte, n int) (id, error) {
	steps, parent := n, 1
	if sign == '^' {
		steps, parent = min(n, 1), n
	}
	for range steps {
		parents, err := r.headers(at, "commit", "parent")
		if err != nil {
			return at, err
		}
		if parent > len(parents) {
			return at, fmt.Errorf("commit %.12s has %d parents", at, len(parents))
		}
		at = parents[parent-1]
	}
	return at, nil
}

// peel follows annotated tags.
func (r *repository) peel(at id) (id, error) {
	for range 16 {
		kind, err := r.kind(at)
		if err != nil || kind != "tag" {
			return at, err
		}
		if at, err = r.header(at, "tag", "object"); err != nil {
			return at, err
		}
	}
	return at, errors.New("a tag of tags without end")
}

// maxSymbolic bounds chains of symbolic refs.
const maxSymbolic = 8

// named finds the object of a ref or object name.
func (r *repository) named(name string) (id, error) {
	if name == "@" {
		name = "HEAD"
	}
	for _, prefix := range []string{"", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"} {
		if at, ok, err := r.ref(prefix+name, 0); ok || err != nil {
			return at, err
		}
	}
	if at, ok, err := r.ref("refs/remotes/"+name+"/HEAD", 0); ok || err != nil {
		return at, err
	}
	return r.abbreviated(name)
}

// ref reads a ref, loose or packed.
func (r *repository) ref(name string, depth int) (at id, ok bool, err error) {
	if depth > maxSymbolic {
		return at, false, fmt.Errorf("ref %s: symbolic refs without end", name)
	}
	if name == "" || strings.Contains(name, "..") || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\:?*[\x00") {
		return at, false, nil
	}
	for _, dir := range []string{r.dir, r.common} {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue
		}
		text := strings.TrimSpace(string(data))
		if target, ok := strings.CutPrefix(text, "ref: "); ok {
			return r.ref(target, depth+1)
		}
		if at, err := parseID(text); err == nil {
			return at, true, nil
		}
	}
	data, err := os.ReadFile(filepath.Join(r.common, "packed-refs"))
	if err != nil {
		return at, false, nil
	}
	for line := range strings.Lines(string(data)) {
		if hex, ref, ok := strings.Cut(strings.TrimSpace(line), " "); ok && ref == name {
			at, err := parseID(hex)
			return at, err == nil, err
		}
	}
	return at, false, nil
}
