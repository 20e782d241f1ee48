package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/check"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

var rootcheckEntries = []entry{
	{name: "rootcheck: kind, the largest variant", target: "<= 500 ms", ours: rootcheckKind, why: "no peer checks a root filesystem without running it"},
	{name: "rootcheck: 200 packages made up", target: "<= 500 ms", ours: rootcheckLarge, why: "no peer checks a root filesystem without running it"},
}

// kindPackages are what //variants:kind asks for beside imagePackages, with everything they require.
var kindPackages = []string{
	"bash", "containerd", "coreutils", "curl", "dash", "dbus", "debianutils", "ethtool", "findutils", "hostname", "iproute2", "jq", "nfs-common", "pigz",
	"procps", "rsync", "runc", "socat", "sudo", "systemd", "systemd-sysv", "tar", "udev", "util-linux",
}

// requires returns the packages that edges of requirements and libraries reach from names.
func (l *lock) requires(names []string) []lockedPackage {
	return l.reach(names, func(p lockedPackage) []string { return slices.Concat(p.Requires, p.ELF) })
}

// rootcheckKind composes the image once and checks its tree.
func rootcheckKind(e *env) (figure, error) {
	tree := filepath.Join(e.scratch, "kind.tree.json")
	if _, err := os.Stat(tree); err != nil {
		l, dir, _, err := e.start()
		if err != nil {
			return figure{}, err
		}
		defer os.RemoveAll(dir)
		names := slices.Concat(imagePackages, kindPackages)
		packages := l.requires(names)
		if _, err := e.extractAll(dir, packages); err != nil {
			return figure{}, err
		}
		if _, err := e.composeImage(dir, l, packages, names); err != nil {
			return figure{}, err
		}
		if err := os.Rename(filepath.Join(dir, "tree.json"), tree); err != nil {
			return figure{}, err
		}
	}
	return e.rootcheck(tree)
}

// Sizes of the tree that is made up: each package has libraries, each of which needs some of the packages before it, programs
// that need them, links and data.
const (
	largePackages  = 200
	largeLibraries = 5
	largePrograms  = 5
	largeData      = 90
)

// rootcheckLarge checks a tree without a finding, so that nothing of it is cut short.
func rootcheckLarge(e *env) (figure, error) {
	name := filepath.Join(e.scratch, "large.tree.json")
	if _, err := os.Stat(name); err != nil {
		f, err := os.Create(name)
		if err != nil {
			return figure{}, err
		}
		if err := errors.Join(rootfs.Write(f, largeTree()), f.Close()); err != nil {
			return figure{}, err
		}
	}
	return e.rootcheck(name)
}

func largeTree() *rootfs.Tree {
	t := &rootfs.Tree{Schema: rootfs.Schema, Label: "//bench:large", Release: "bench", Arch: arch, Layers: 1}
	owner := ""
	add := func(path, kind string, mode uint32) *rootfs.Entry {
		e := &rootfs.Entry{Path: path, Type: kind, Mode: mode}
		if owner != "" {
			e.Owners = []string{owner}
		}
		t.Entries = append(t.Entries, e)
		return e
	}
	for _, dir := range []string{"/etc", "/usr", "/usr/bin", "/usr/lib64", "/usr/share"} {
		add(dir, pkgindex.TypeDir, 0o755)
	}
	add("/lib64", pkgindex.TypeSymlink, 0o777).Link = "usr/lib64"
	for name, text := range map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n", "/etc/group": "root:x:0:\n"} {
		e := add(name, pkgindex.TypeFile, 0o644)
		e.Text, e.SizeBytes = text, int64(len(text))
	}
	elf := func(path, soname string, needed []string) {
		e := add(path, pkgindex.TypeFile, 0o755)
		e.SizeBytes = 100_000
		e.ELF = &pkgindex.ELF{Class: 64, Machine: arch, Type: "dyn", PIE: soname == "", Soname: soname, Needed: needed, VerDef: []string{soname, "V_1"}}
		for _, name := range needed {
			e.ELF.VerNeed = append(e.ELF.VerNeed, pkgindex.VersionNeed{Soname: name, Versions: []string{"V_1"}})
		}
		if soname == "" {
			e.ELF.Interp, e.ELF.VerDef = "/lib64/ld-linux-x86-64.so.2", nil
		}
	}
	elf("/usr/lib64/ld-linux-x86-64.so.2", "ld-linux-x86-64.so.2", nil)
	elf("/usr/lib64/libc.so.6", "libc.so.6", []string{"ld-linux-x86-64.so.2"})
	for p := range largePackages {
		owner = fmt.Sprintf("package%03d-1-1.%s", p, arch)
		t.Packages = append(t.Packages, rootfs.Package{Name: fmt.Sprintf("package%03d", p), NEVRA: owner, Arch: arch})
		needed := []string{"libc.so.6"}
		for _, part := range []int{2, 3, 5, 7} { // so that a program loads some 50 libraries, as those of a desktop do
			if low := p / part; low < p {
				needed = append(needed, fmt.Sprintf("lib%03d-%d.so.1", low, part%largeLibraries))
			}
		}
		for i := range largeLibraries {
			soname := fmt.Sprintf("lib%03d-%d.so.1", p, i)
			elf("/usr/lib64/"+soname+".0.0", soname, needed)
			add("/usr/lib64/"+soname, pkgindex.TypeSymlink, 0o777).Link = soname + ".0.0"
		}
		for i := range largePrograms {
			elf(fmt.Sprintf("/usr/bin/program%03d-%d", p, i), "", append(needed, fmt.Sprintf("lib%03d-%d.so.1", p, i)))
		}
		dir := fmt.Sprintf("/usr/share/package%03d", p)
		add(dir, pkgindex.TypeDir, 0o755)
		for i := range largeData {
			e := add(fmt.Sprintf("%s/data%02d", dir, i), pkgindex.TypeFile, 0o644)
			e.SizeBytes, e.SHA256 = 1000, strings.Repeat("0", 64)
		}
	}
	rootfs.SortEntries(t.Entries)
	return t
}

// rootcheck measures the program on a tree, whatever it finds.
func (e *env) rootcheck(tree string) (figure, error) {
	spec, out := filepath.Join(e.scratch, "rootcheck.spec"), tree+".findings"
	if err := write(spec, check.Spec{Schema: check.Schema, Label: "//bench:rootcheck", Shell: true}); err != nil {
		return figure{}, err
	}
	cmd := exec.Command(filepath.Join(e.tools, "rootcheck"), "--spec="+spec, "--tree="+tree, "--out="+out)
	start := time.Now()
	text, err := cmd.CombinedOutput()
	f := figure{wall: time.Since(start)}
	findings, readErr := os.ReadFile(out)
	if _, refused := errors.AsType[*exec.ExitError](err); err != nil && (!refused || readErr != nil) {
		return f, fmt.Errorf("running rootcheck: %w\n%s", err, text)
	}
	f.add(cmd.ProcessState)
	f.note, err = describeTree(tree, strings.Count(string(findings), "\n"))
	return f, err
}

func describeTree(name string, findings int) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	t, err := rootfs.Read(f, name)
	if err != nil {
		return "", err
	}
	elfs := 0
	for _, e := range t.Entries {
		if e.ELF != nil {
			elfs++
		}
	}
	return fmt.Sprintf("%d packages, %d paths, %d ELF files, %d findings", len(t.Packages), len(t.Entries), elfs, findings), nil
}
