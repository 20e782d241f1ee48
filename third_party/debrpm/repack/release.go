package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/apt"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/build"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

// triplets are Debian's names of the library directories, by RPM architecture.
var triplets = map[string]string{"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}

const (
	keyFile      = ".key" // in the result: what repositories and lock were made of
	publicKey    = "RPM-GPG-KEY-debrpm"
	privateKey   = "PRIVATE-TEST-KEY-debrpm.asc"
	manifestPath = "variants/releases/debrpm/rpms.yaml"
)

// release is one run.
type release struct {
	options
	data    string // third_party/debrpm in the source tree
	mapping *mapping.Mapping
	roots   []string
	root    *apt.Root
	tools   string // fingerprint of the programs that decide the bytes of an RPM
	key     string // fingerprint of everything that decides the repositories
	lockKey string // the same for the lock
}

// unit is one RPM to make. An architecture independent package is made once.
type unit struct {
	deb     *debian.Package // nil: debrpm-filesystem
	arch    string          // RPM architecture that it is built for
	repos   []string        // architectures whose repository holds it
	dir     string          // in the cache, holds the RPM and its report
	rpm     string
	dropped []string
}

func prepare(o options) error {
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(o.cache, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	r, err := open(o)
	if err != nil {
		return err
	}
	repositories, all := r.upToDate()
	if all {
		return nil
	}
	if !repositories {
		if err := r.make(); err != nil {
			return err
		}
	}
	return r.finish()
}

// lock waits until no other run uses the cache.
func lock(name string) (func(), error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

// open reads the data files, makes sure that there are package lists, and computes the keys.
func open(o options) (*release, error) {
	r := &release{options: o, data: filepath.Join(o.source, "third_party/debrpm")}
	var err error
	if r.mapping, err = mapping.Read(filepath.Join(r.data, "mapping.yaml")); err != nil {
		return nil, err
	}
	sections, err := mapping.ReadList(filepath.Join(r.data, "packages.txt"))
	if err != nil {
		return nil, err
	}
	var with []string
	if o.with != "" {
		with = strings.Split(o.with, ",")
	}
	if r.roots, err = mapping.Roots(sections, with); err != nil {
		return nil, err
	}
	if r.root, err = apt.Open(filepath.Join(o.cache, "apt"), o.machine, o.suite); err != nil {
		return nil, err
	}
	if err := r.lists(); err != nil {
		return nil, err
	}
	return r, r.keys()
}

// lists downloads the package lists when asked to or when there are none.
func (r *release) lists() error {
	marker := filepath.Join(r.cache, "apt", "complete-"+r.suite)
	if _, err := os.Stat(marker); err == nil && !r.update {
		return nil
	}
	r.say("refreshing the package lists of %s", r.suite)
	if !r.root.Security {
		r.say("note: the machine's apt configuration has no source for security updates; the release lacks them")
	}
	if err := r.root.Update(); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte(time.Now().UTC().Format(time.RFC3339Nano)), 0o644)
}

// keys computes what the RPMs and the whole result depend on.
func (r *release) keys() error {
	h := sha256.New()
	for _, code := range []fs.FS{build.Code, debian.Code, mapping.Code, rpmspec.Code} {
		if err := hashFS(h, code, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }); err != nil {
			return err
		}
	}
	version, err := exec.Command("rpm", "--version").Output()
	if err != nil {
		return fmt.Errorf("asking rpm for its version: %w", err)
	}
	h.Write(version)
	data := os.DirFS(r.data)
	if err := hashFS(h, data, func(name string) bool {
		return name == "filesystem.txt" || name == "keys/"+publicKey || name == "keys/"+privateKey
	}); err != nil {
		return err
	}
	r.tools = hex.EncodeToString(h.Sum(nil))
	marker, err := os.ReadFile(filepath.Join(r.cache, "apt", "complete-"+r.suite))
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "lists %s\nwith %s\n", marker, r.with)
	if err := hashFS(h, data, func(name string) bool { return name == "packages.txt" || name == "mapping.yaml" }); err != nil {
		return err
	}
	r.key = hex.EncodeToString(h.Sum(nil))
	for _, name := range []string{filepath.Join(r.source, manifestPath), r.rpmlock} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%x\n", sha256.Sum256(content))
	}
	r.lockKey = hex.EncodeToString(h.Sum(nil))
	return nil
}

// upToDate reports whether the repositories, and the lock too, were made of the same inputs.
func (r *release) upToDate() (repositories, all bool) {
	made, err := os.ReadFile(filepath.Join(r.out, keyFile))
	key, lockKey, _ := strings.Cut(string(made), "\n")
	return err == nil && key == r.key, err == nil && key == r.key && lockKey == r.lockKey
}

// plan computes the closure for each architecture and what there is to make.
func (r *release) plan() ([]*unit, error) {
	lists, err := r.root.Lists()
	if err != nil {
		return nil, err
	}
	var units []*unit
	shared := map[string]*unit{}
	for _, architecture := range apt.Architectures {
		arch := build.RPMArch[architecture]
		index, err := apt.Index(architecture, lists[architecture])
		if err != nil {
			return nil, err
		}
		packages, err := index.Closure(r.roots, build.Closure(r.mapping))
		if err != nil {
			return nil, err
		}
		units = append(units, &unit{arch: arch, repos: []string{arch}})
		for _, p := range packages {
			if p.Architecture != "all" {
				units = append(units, &unit{deb: p, arch: arch, repos: []string{arch}})
			} else if u := shared[p.SHA256]; u != nil {
				u.repos = append(u.repos, arch)
			} else {
				u = &unit{deb: p, arch: arch, repos: []string{arch}}
				shared[p.SHA256] = u
				units = append(units, u)
			}
		}
	}
	for _, u := range units {
		sum, fingerprint := "filesystem "+u.arch, ""
		if u.deb != nil {
			sum, fingerprint = u.deb.SHA256, r.mapping.Fingerprint(u.deb.Name)
		}
		u.dir = filepath.Join(r.cache, "rpms", build.Key(r.tools, sum, fingerprint))
	}
	return units, nil
}

// make does the work, into a directory beside the result.
func (r *release) make() error {
	units, err := r.plan()
	if err != nil {
		return err
	}
	var debs []*debian.Package
	var bytes int64
	for _, u := range units {
		if u.deb != nil {
			debs = append(debs, u.deb)
			bytes += u.deb.SizeBytes
		}
	}
	r.say("%d packages, %d MB; downloading what is missing", len(debs), bytes/1e6)
	if err := r.root.Download(debs, filepath.Join(r.cache, "debs")); err != nil {
		return err
	}
	signer, err := build.NewSigner(filepath.Join(r.data, "keys", privateKey))
	if err != nil {
		return err
	}
	if err := errors.Join(r.repack(units, signer), r.assemble(units, signer)); err != nil {
		return errors.Join(err, signer.Close())
	}
	return signer.Close()
}

// repack makes the RPMs that the cache lacks. All failures are reported, not only the first.
func (r *release) repack(units []*unit, signer *build.Signer) error {
	work, err := os.MkdirTemp(r.cache, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	builders := map[string]*builder{}
	for arch := range triplets {
		if builders[arch], err = r.builder(arch, work, signer); err != nil {
			return err
		}
	}
	var todo []*unit
	for _, u := range units {
		if !u.load() {
			todo = append(todo, u)
		}
	}
	// The large ones first, so that no long one is left alone at the end.
	sort.SliceStable(todo, func(i, j int) bool { return todo[i].size() > todo[j].size() })
	r.say("repacking %d packages, %d are in the cache", len(todo), len(units)-len(todo))
	queue, failures := make(chan *unit), make(chan error, len(todo))
	var workers sync.WaitGroup
	for range r.jobs {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for u := range queue {
				if err := builders[u.arch].make(u); err != nil {
					failures <- err
				}
			}
		}()
	}
	for _, u := range todo {
		queue <- u
	}
	close(queue)
	workers.Wait()
	close(failures)
	var all []string
	var first error
	for err := range failures {
		all, first = append(all, err.Error()), err
	}
	if len(all) < 2 {
		return first
	}
	sort.Strings(all)
	return fmt.Errorf("%d packages: %w", len(all), errors.New(strings.Join(all, "\n")))
}

func (u *unit) size() int64 {
	if u.deb == nil {
		return 0
	}
	return u.deb.SizeBytes
}

func (r *release) say(format string, args ...any) {
	fmt.Fprintf(r.verbose, "debrpm: "+format+"\n", args...)
}
