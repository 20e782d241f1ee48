package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

const arch = "x86_64"

// imagePackages are what //variants:iptables asks for, base and glibc included.
var imagePackages = []string{
	"ca-certificates", "debrpm-filesystem", "debrpm-release", "media-types", "netbase", "tzdata",
	"libc-bin", "libc6", "libgcc-s1", "libselinux1", "libstdc++6",
	"arptables", "conntrack", "ebtables", "ipset", "iptables", "kmod", "nftables",
}

// lock is the part of rpms.lock.json that the measurements need.
type lock struct {
	SourceDateEpoch int64 `json:"source_date_epoch"`
	Architectures   map[string]struct {
		Packages []lockedPackage `json:"packages"`
	} `json:"architectures"`
}

type lockedPackage struct {
	Name     string   `json:"name"`
	Path     string   `json:"path"`
	SHA256   string   `json:"sha256"`
	ELF      []string `json:"elf"`
	Requires []string `json:"requires"`
}

func (e *env) lock() (*lock, error) {
	data, err := os.ReadFile(filepath.Join(e.release, "rpms.lock.json"))
	if err != nil {
		return nil, err
	}
	var l lock
	return &l, json.Unmarshal(data, &l)
}

// closure returns the packages that edges of libraries reach from the image's packages.
func (l *lock) closure() []lockedPackage {
	return l.reach(imagePackages, func(p lockedPackage) []string { return p.ELF })
}

// reach returns the packages that edges reach from names.
func (l *lock) reach(names []string, edges func(lockedPackage) []string) []lockedPackage {
	byName := map[string]lockedPackage{}
	for _, p := range l.Architectures[arch].Packages {
		byName[p.Name] = p
	}
	seen := map[string]bool{}
	var out []lockedPackage
	todo := slices.Clone(names)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		p, ok := byName[name]
		if seen[name] || !ok {
			continue
		}
		seen[name] = true
		out = append(out, p)
		todo = append(todo, edges(p)...)
	}
	return out
}

func (e *env) file(p lockedPackage) string { return filepath.Join(e.release, "repo", arch, p.Path) }

// extractAll runs rpmextract for every package, two at a time, as Bazel would on two cores.
func (e *env) extractAll(dir string, packages []lockedPackage) (figure, error) {
	var f figure
	var mu sync.Mutex
	var errs []error
	start := time.Now()
	work := make(chan lockedPackage)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for p := range work {
				out := filepath.Join(dir, p.Name)
				cmd := exec.Command(filepath.Join(e.tools, "rpmextract"), "--rpm="+e.file(p), "--sha256="+p.SHA256,
					"--payload="+out+".tar", "--index="+out+".json", "--header="+out+".hdr")
				text, err := cmd.CombinedOutput()
				mu.Lock()
				if err != nil {
					errs = append(errs, fmt.Errorf("extracting %s: %w\n%s", p.Name, err, text))
				} else {
					f.add(cmd.ProcessState)
				}
				mu.Unlock()
			}
		})
	}
	for _, p := range packages {
		work <- p
	}
	close(work)
	workers.Wait()
	f.wall = time.Since(start)
	return f, errors.Join(errs...)
}

// composeImage runs elfresolve and rootfs on extracted packages, of which names are asked for.
func (e *env) composeImage(dir string, l *lock, packages []lockedPackage, names []string) (figure, error) {
	var f figure
	graph := selection.Graph{Schema: selection.Schema, Packages: map[string]selection.GraphNode{}, Executables: map[string]string{}}
	elf := []string{"--spec=" + dir + "/elf.spec", "--graph=" + dir + "/graph", "--out=" + dir + "/selection"}
	root := []string{"--spec=" + dir + "/root.spec", "--selection=" + dir + "/selection",
		"--layer=" + dir + "/layer.tar", "--tree=" + dir + "/tree.json", "--report=" + dir + "/report.json"}
	for _, p := range packages {
		graph.Packages[p.Name] = selection.GraphNode{ELF: p.ELF, Requires: p.Requires}
		base := filepath.Join(dir, p.Name)
		elf = append(elf, "--index="+base+".json")
		root = append(root, "--index="+base+".json", "--payload="+base+".tar", "--header="+base+".hdr")
	}
	err := errors.Join(
		write(dir+"/graph", graph),
		write(dir+"/elf.spec", selection.Spec{Schema: selection.Schema, Label: "//bench:iptables", Release: "debrpm", Arch: arch,
			Requests: []selection.Request{{Label: "//bench:iptables", Kind: selection.KindPackage, Packages: names, Deps: selection.DepsELF}}}),
		write(dir+"/root.spec", compose.Spec{Schema: compose.SpecSchema, Label: "//bench:iptables", Release: "debrpm", Arch: arch,
			SourceDateEpoch: l.SourceDateEpoch, RPMDB: &compose.RPMDB{Backend: "sqlite", Path: "/var/lib/rpm"},
			CATrust: &compose.CATrust{}, LDSOCache: true,
			Accounts: compose.Accounts{Users: []compose.User{{Name: "root", Home: "/root"}},
				Groups: []compose.Group{{Name: "root"}, {Name: "mail", GID: 8}, {Name: "staff", GID: 50}, {Name: "nogroup", GID: 65534}, {Name: "messagebus", GID: 997}}}}),
	)
	if err != nil {
		return f, err
	}
	if err := f.measure(exec.Command(filepath.Join(e.tools, "elfresolve"), elf...)); err != nil {
		return f, err
	}
	return f, f.measure(exec.Command(filepath.Join(e.tools, "rootfs"), root...))
}

func write(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

func imageFromRPMs(e *env) (figure, error) {
	l, dir, packages, err := e.start()
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	extract, err := e.extractAll(dir, packages)
	if err != nil {
		return figure{}, err
	}
	f, err := e.composeImage(dir, l, packages, imagePackages)
	f.wall += extract.wall
	f.cpu += extract.cpu
	f.peakKiB = max(f.peakKiB, extract.peakKiB)
	return f.sized(filepath.Join(dir, "layer.tar")), err
}

func imageFromIndexes(e *env) (figure, error) {
	l, dir, packages, err := e.start()
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	if _, err := e.extractAll(dir, packages); err != nil {
		return figure{}, err
	}
	f, err := e.composeImage(dir, l, packages, imagePackages)
	return f.sized(filepath.Join(dir, "layer.tar")), err
}

func (e *env) start() (*lock, string, []lockedPackage, error) {
	l, err := e.lock()
	if err != nil {
		return nil, "", nil, err
	}
	dir, err := os.MkdirTemp(e.scratch, "image-")
	return l, dir, l.closure(), err
}

func (f figure) sized(path string) figure {
	if info, err := os.Stat(path); err == nil {
		f.note = fmt.Sprintf("%.1f MiB tar", float64(info.Size())/(1<<20))
	}
	return f
}

// dnfInstallRoot does what Dockerfiles do: dnf --installroot, then tar. It runs in the root of bazelw, which has dnf.
func dnfInstallRoot(e *env) (figure, error) {
	var f figure
	dir, err := os.MkdirTemp(e.scratch, "dnf-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	args := []string{"--exec", "dnf", "-q", "-y", "--installroot=" + dir + "/root", "--releasever=12", "--setopt=reposdir=/nonexistent",
		"--setopt=install_weak_deps=False", "--setopt=tsflags=nodocs", "--setopt=cachedir=" + dir + "/cache", "--setopt=persistdir=" + dir + "/persist",
		"--repofrompath=debrpm,file://" + filepath.Join(e.release, "repo", arch), "--nogpgcheck", "install"}
	if err := f.measure(exec.Command(e.bazelw, append(args, imagePackages...)...)); err != nil {
		return f, err
	}
	if err := f.measure(exec.Command("tar", "-C", dir+"/root", "-cf", dir+"/layer.tar", ".")); err != nil {
		return f, err
	}
	f = f.sized(dir + "/layer.tar")
	f.note += ", all requirements"
	return f, nil
}
