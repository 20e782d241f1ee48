package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/build"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
)

const (
	maxDataFile    = 16 << 20
	reportFile     = "dropped.txt"
	filesystemName = "12" // version of debrpm-filesystem: the Debian release it belongs to
)

// builder makes the RPMs of one architecture.
type builder struct {
	*build.Builder
	filesystem build.Filesystem
}

func (r *release) builder(arch, work string, signer *build.Signer) (*builder, error) {
	text, err := readFile(filepath.Join(r.data, "filesystem.txt"))
	if err != nil {
		return nil, err
	}
	filesystem, err := build.ParseFilesystem(string(text), triplets[arch])
	if err != nil {
		return nil, err
	}
	key, err := readFile(filepath.Join(r.data, "keys", publicKey))
	if err != nil {
		return nil, err
	}
	b := &build.Builder{Mapping: r.mapping, Shared: filesystem.Shared(), Work: filepath.Join(work, arch), Signer: signer,
		Extra: map[string][]mapping.File{"debrpm-release": {{Path: "/etc/pki/rpm-gpg/" + publicKey, Content: string(key)}}}}
	if err := b.Prepare(); err != nil {
		return nil, err
	}
	return &builder{b, filesystem}, nil
}

// make builds one unit and puts it into the cache; a cache directory appears complete or not at all.
func (b *builder) make(u *unit) error {
	cache := filepath.Dir(u.dir)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	var res build.Result
	var err error
	if u.deb == nil {
		res.RPM, err = b.Filesystem(b.filesystem, filesystemName, u.arch)
	} else {
		res, err = b.Repack(filepath.Join(filepath.Dir(cache), "debs", u.deb.SHA256+".deb"), u.arch)
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return err
	}
	if err := os.Rename(res.RPM, filepath.Join(dir, filepath.Base(res.RPM))); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, reportFile), []byte(strings.Join(res.Dropped, "\n")), 0o644); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if err := os.Rename(dir, u.dir); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Dir(res.RPM)); err != nil {
		return err
	}
	if !u.load() {
		return fmt.Errorf("cache directory %s is not complete", u.dir)
	}
	return nil
}

// load finds the RPM of a unit in the cache.
func (u *unit) load() bool {
	found, err := filepath.Glob(filepath.Join(u.dir, "*.rpm"))
	if err != nil || len(found) != 1 {
		return false
	}
	report, err := readFile(filepath.Join(u.dir, reportFile))
	if err != nil {
		return false
	}
	u.rpm, u.dropped = found[0], strings.Split(string(report), "\n")
	return true
}

// assemble makes the result beside its final place and moves it there in one step.
func (r *release) assemble(units []*unit, signer *build.Signer) error {
	for _, u := range units {
		if u.rpm == "" {
			return nil // repack has said why
		}
	}
	if err := os.MkdirAll(filepath.Dir(r.out), 0o755); err != nil {
		return err
	}
	next, err := os.MkdirTemp(filepath.Dir(r.out), "."+filepath.Base(r.out)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(next)
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	errs := make(chan error, len(triplets))
	for arch := range triplets {
		go func() { errs <- r.repository(filepath.Join(next, "repo", arch), arch, units, signer) }()
	}
	for range triplets {
		if e := <-errs; e != nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	files := map[string]string{
		"BUILD.bazel": "# Made by third_party/debrpm/prepare.\nexports_files([\"rpms.lock.json\"])\n",
		"report.txt":  report(units),
		keyFile:       r.key + "\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(next, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return r.publish(next)
}

// repository fills, checks and indexes the repository of one architecture.
func (r *release) repository(dir, arch string, units []*unit, signer *build.Signer) error {
	packages := filepath.Join(dir, "Packages")
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return err
	}
	var files []string
	for _, u := range units {
		for _, repo := range u.repos {
			if repo == arch {
				files = append(files, u.rpm)
			}
		}
	}
	headers, err := build.ReadHeaders(files)
	if err != nil {
		return err
	}
	if missing := build.Unresolved(headers); len(missing) > 0 {
		return fmt.Errorf("nothing for %s provides:\n  %s\nadd the package, or cut the requirement in mapping.yaml with a reason",
			arch, strings.Join(missing, "\n  "))
	}
	newest := int64(0)
	for _, h := range headers {
		// createrepo_c writes file times into primary.xml.
		built := time.Unix(h.BuildTime, 0)
		if err := os.Chtimes(h.File, built, built); err != nil {
			return err
		}
		if err := build.Place(h.File, filepath.Join(packages, filepath.Base(h.File))); err != nil {
			return fmt.Errorf("two packages of one name: %w", err)
		}
		newest = max(newest, h.BuildTime)
	}
	r.say("indexing %d packages for %s", len(headers), arch)
	return build.IndexRepository(dir, newest, signer)
}

// report lists what maintainer scripts and relations lost, by package.
func report(units []*unit) string {
	seen := map[string]bool{}
	for _, u := range units {
		for _, line := range u.dropped {
			if line != "" {
				seen[u.deb.Name+"\t"+line] = true
			}
		}
	}
	lines := make([]string, 0, len(seen))
	for line := range seen {
		lines = append(lines, line)
	}
	sort.Strings(lines)
	return "# What was left out of each package, and why.\n" + strings.Join(lines, "\n") + "\n"
}

// publish exchanges the result with the new directory.
func (r *release) publish(next string) error {
	if _, err := os.Lstat(r.out); os.IsNotExist(err) {
		return os.Rename(next, r.out)
	}
	const atFDCWD, renameExchange = -100, 2 // renameat2(2)
	from, err := syscall.BytePtrFromString(next)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(r.out)
	if err != nil {
		return err
	}
	fd := atFDCWD
	_, _, e := syscall.Syscall6(sysRenameat2, uintptr(fd), uintptr(unsafe.Pointer(from)), uintptr(fd), uintptr(unsafe.Pointer(to)), renameExchange, 0)
	if e != 0 {
		return fmt.Errorf("exchanging %s with the new release: %w", r.out, e)
	}
	return nil
}

// finish writes the lock and then the keys that mark the result as complete.
func (r *release) finish() error {
	c := exec.Command(r.rpmlock, "lock", "--manifest="+filepath.Join(r.source, manifestPath), "--lock="+filepath.Join(r.out, "rpms.lock.json"))
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("locking the release: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return os.WriteFile(filepath.Join(r.out, keyFile), []byte(r.key+"\n"+r.lockKey), 0o644)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDataFile+1))
	if err == nil && len(data) > maxDataFile {
		err = fmt.Errorf("reading %s: larger than %d bytes", name, maxDataFile)
	}
	return data, err
}

// hashFS writes the names and contents of the wanted files.
func hashFS(w io.Writer, files fs.FS, want func(name string) bool) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !want(name) {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s %d\n%s\n", name, len(data), data)
		return err
	})
}
