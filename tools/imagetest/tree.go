package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

func (t *tester) readTree() (*rootfs.Tree, error) {
	data, err := os.ReadFile(t.spec.Tree)
	if err != nil {
		return nil, fmt.Errorf("reading tree: %w", err)
	}
	var tree rootfs.Tree
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", t.spec.Tree, err)
	}
	return &tree, nil
}

// compareTree checks that the unpacked layers hold exactly what tree.json says, entry by entry.
func (t *tester) compareTree() error {
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	if len(tree.Entries) == 0 {
		return errors.New("tree.json has no entry")
	}
	want := map[string]string{}
	byPath := map[string]*rootfs.Entry{}
	for _, e := range tree.Entries {
		byPath[e.Path] = e
	}
	for _, e := range tree.Entries {
		if e.Path == "/" {
			continue
		}
		want[e.Path] = describeEntry(e, byPath)
	}
	got := map[string]string{}
	err = filepath.WalkDir(t.rootfs(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == t.rootfs() {
			return err
		}
		line, err := describeFile(path)
		got[strings.TrimPrefix(path, t.rootfs())] = line
		return err
	})
	if err != nil {
		return err
	}
	var diffs []string
	for path, w := range want {
		if g, ok := got[path]; !ok {
			diffs = append(diffs, fmt.Sprintf("%s: missing on disk, want %s", path, w))
		} else if g != w {
			diffs = append(diffs, fmt.Sprintf("%s: is %s, want %s", path, g, w))
		}
	}
	for path, g := range got {
		if _, ok := want[path]; !ok {
			diffs = append(diffs, fmt.Sprintf("%s: not in tree.json, is %s", path, g))
		}
	}
	slices.Sort(diffs)
	if len(diffs) > 0 {
		return fmt.Errorf("%d differences\n%s", len(diffs), strings.Join(diffs[:min(len(diffs), 40)], "\n"))
	}
	fmt.Printf("     %d paths\n", len(want))
	return nil
}

func describeEntry(e *rootfs.Entry, byPath map[string]*rootfs.Entry) string {
	size, digest := e.SizeBytes, e.SHA256
	if first := byPath[e.HardLink]; e.HardLink != "" && first != nil {
		size, digest = first.SizeBytes, first.SHA256
	}
	return describe(e.Type, e.Mode, e.UID, e.GID, e.ModTime, size, digest, e.Link)
}

func describe(kind string, mode uint32, uid, gid int, mtime, size int64, digest, link string) string {
	switch kind {
	case pkgindex.TypeFile:
		if size == 0 {
			digest = ""
		}
		return fmt.Sprintf("file %04o %d:%d @%d %d %s", mode, uid, gid, mtime, size, digest)
	case pkgindex.TypeSymlink:
		return fmt.Sprintf("symlink %d:%d -> %s", uid, gid, link)
	default:
		return fmt.Sprintf("%s %04o %d:%d", kind, mode, uid, gid)
	}
}

func describeFile(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	stat := info.Sys().(*syscall.Stat_t)
	kind, digest, link := pkgindex.TypeFile, "", ""
	switch info.Mode().Type() {
	case 0:
		if digest, err = fileDigest(path); err != nil {
			return "", err
		}
	case fs.ModeDir:
		kind = pkgindex.TypeDir
	case fs.ModeSymlink:
		kind = pkgindex.TypeSymlink
		if link, err = os.Readlink(path); err != nil {
			return "", err
		}
	case fs.ModeDevice | fs.ModeCharDevice:
		kind = pkgindex.TypeChar
	case fs.ModeDevice:
		kind = pkgindex.TypeBlock
	case fs.ModeNamedPipe:
		kind = pkgindex.TypeFIFO
	case fs.ModeSocket:
		kind = pkgindex.TypeSocket
	}
	return describe(kind, stat.Mode&0o7777, int(stat.Uid), int(stat.Gid), info.ModTime().Unix(), info.Size(), digest, link), nil
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (t *tester) rpm(args ...string) (string, error) {
	tree, err := t.readTree()
	if err != nil {
		return "", err
	}
	return output("rpm", append([]string{"--root", t.rootfs(), "--dbpath", tree.RPMDB.Path}, args...)...)
}

// rpmList compares the package database with tree.json, and both with the lock.
func (t *tester) rpmList() error {
	out, err := t.rpm("-qa", "--qf", `%{NEVRA}\n`)
	if err != nil {
		return err
	}
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	if err := t.compareList(tree, out); err != nil {
		return err
	}
	fmt.Printf("     %d packages\n", len(tree.Packages))
	return nil
}

// compareList compares NEVRAs that rpm printed with tree.json, and both with the lock.
func (t *tester) compareList(tree *rootfs.Tree, out string) error {
	got := strings.Fields(out)
	slices.Sort(got)
	var want []string
	for _, p := range tree.Packages {
		want = append(want, strings.TrimSuffix(p.NEVRA, ".(none)")) // of public keys in images of others
	}
	keys := 0
	got = slices.DeleteFunc(got, func(nevra string) bool {
		ours := strings.HasPrefix(nevra, "gpg-pubkey-") && !slices.Contains(want, nevra)
		if ours {
			keys++
		}
		return ours
	})
	if keys != len(tree.RPMDB.Keys) {
		return fmt.Errorf("rpm lists %d public keys, want %d", keys, len(tree.RPMDB.Keys))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("rpm lists %d packages\n%s\nwant %d\n%s", len(got), strings.Join(got, " "), len(want), strings.Join(want, " "))
	}
	if len(got) == 0 {
		return errors.New("rpm lists no package")
	}
	if t.spec.Lock == "" {
		return errors.New("spec names no lock")
	}
	locked, err := t.lockedPackages(tree.Arch)
	if err != nil {
		return err
	}
	for _, nevra := range got {
		if !locked[nevra] {
			return fmt.Errorf("%s is installed but not in the lock", nevra)
		}
	}
	return nil
}

func (t *tester) lockedPackages(arch string) (map[string]bool, error) {
	data, err := os.ReadFile(t.spec.Lock)
	if err != nil {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	var lock struct {
		Architectures map[string]struct {
			Packages []struct {
				NEVRA string `json:"nevra"`
			} `json:"packages"`
		} `json:"architectures"`
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, fmt.Errorf("reading lock %s: %w", t.spec.Lock, err)
	}
	out := map[string]bool{}
	for _, p := range lock.Architectures[arch].Packages {
		out[p.NEVRA] = true
	}
	return out, nil
}

func (t *tester) rpmVerify() error {
	// Dependencies are not verified: leaving out what no ELF file needs (a shell, for one) is the purpose of the image.
	out, err := t.rpm("-Va", "--nodeps")
	if err != nil {
		return err
	}
	if strings.TrimSpace(out) != "" {
		return fmt.Errorf("rpm -Va --nodeps is not silent:\n%s", out)
	}
	return t.verifyTree()
}

// verifyTree lets our own reader compare the database with tree.json, as a tool without rpm and without an unpacked image would.
func (t *tester) verifyTree() error {
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	view := rootfs.NewFS(tree.Entries).View(func(e *rootfs.Entry) ([]byte, error) { return os.ReadFile(filepath.Join(t.rootfs(), e.Path)) })
	installed, err := view.Installed()
	if err != nil {
		return err
	}
	for _, name := range rpmdb.MainFiles() {
		data, err := os.ReadFile(filepath.Join(t.rootfs(), tree.RPMDB.Path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))})
		if err != nil {
			return err
		}
		findings, err := rpmdb.Verify(records, installed)
		if len(findings) > 0 {
			err = fmt.Errorf("rpm -Va finds nothing, but our reader says of tree.json:\n%v", findings)
		}
		return err
	}
	return errors.New("the image has no package database")
}
