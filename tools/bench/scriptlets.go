package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// scriptletEntries measure the scriptlets of all packages of debrpm, more than any variant has: the time of an installation
// with them, less that of one without.
var scriptletEntries = []entry{
	{name: "scriptlets: all of debrpm, against rpm --root -i", target: "<= 0.3 s", ours: scriptletsOurs, peer: scriptletsRPM, once: true},
}

func (e *env) releaseRPMs() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(e.release, "repo", arch, "Packages", "*.rpm"))
	if err == nil && len(files) == 0 {
		err = skip("no packages")
	}
	return files, err
}

func scriptletsOurs(e *env) (figure, error) {
	files, err := e.releaseRPMs()
	if err != nil {
		return figure{}, err
	}
	dir, err := os.MkdirTemp(e.scratch, "scriptlets-")
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	in := &compose.Input{Selection: &selection.Selection{Schema: selection.Schema, Release: "debrpm", Arch: arch},
		Spec: &compose.Spec{Schema: compose.SpecSchema, Label: "//bench:scriptlets", Release: "debrpm", Arch: arch}}
	count := 0
	for i, name := range files {
		p, err := e.extractOne(name, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return figure{}, err
		}
		count += len(p.Index.Scriptlets)
		in.Packages = append(in.Packages, p)
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Index.Name, NEVRA: p.Index.NEVRA})
	}
	// What scriptlets ask to be done for the whole image is not theirs: the accounts are given, ld.so.cache and CA stores left out.
	in.Spec.Accounts.Users, in.Spec.Accounts.Groups, err = accountsOf(in)
	if err != nil {
		return figure{}, err
	}
	with, err := composeTime(in)
	if err != nil {
		return figure{}, err
	}
	for i := range in.Packages {
		in.Packages[i].Index.Scriptlets = nil
	}
	without, err := composeTime(in)
	f := figure{wall: max(0, with.wall-without.wall), cpu: max(0, with.cpu-without.cpu),
		note: fmt.Sprintf("%d packages, %d scriptlets; %.2f s with them, CA stores included", len(files), count, with.wall.Seconds())}
	return f, err
}

func (e *env) extractOne(name, base string) (compose.Package, error) {
	p := compose.Package{Payload: base + ".tar", Header: base + ".hdr"}
	cmd := exec.Command(filepath.Join(e.tools, "rpmextract"), "--rpm="+name, "--payload="+p.Payload, "--index="+base+".json", "--header="+p.Header)
	if text, err := cmd.CombinedOutput(); err != nil {
		return p, fmt.Errorf("extracting %s: %w\n%s", name, err, text)
	}
	f, err := os.Open(base + ".json")
	if err != nil {
		return p, err
	}
	defer f.Close()
	p.Index, err = pkgindex.Read(f, name)
	return p, err
}

// accountsOf returns the accounts that the scriptlets make, for a composition without them.
func accountsOf(in *compose.Input) (users []compose.User, groups []compose.Group, err error) {
	r, err := compose.Compose(in)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range r.Report.Accounts {
		if a.Kind == "group" {
			groups = append(groups, compose.Group{Name: a.Name, GID: a.ID})
		}
	}
	for _, a := range r.Report.Accounts {
		if a.Kind != "user" {
			continue
		}
		users = append(users, compose.User{Name: a.Name, UID: a.ID, GID: a.ID})
		if !slices.ContainsFunc(groups, func(g compose.Group) bool { return g.GID == a.ID }) {
			users[len(users)-1].GID = 0
		}
	}
	return users, groups, nil
}

// composeTime takes the best of three.
func composeTime(in *compose.Input) (figure, error) {
	best := figure{wall: time.Hour}
	for range 3 {
		cpu, start := processTime(), time.Now()
		if _, err := compose.Compose(in); err != nil {
			return best, err
		}
		if wall := time.Since(start); wall < best.wall {
			best.wall, best.cpu = wall, processTime()-cpu
		}
	}
	return best, nil
}

func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// scriptletsRPM lets rpm install the same packages into new roots, with and without scriptlets.
func scriptletsRPM(e *env) (figure, error) {
	files, err := e.releaseRPMs()
	if err != nil {
		return figure{}, err
	}
	if _, err := exec.LookPath("rpm"); err != nil || os.Geteuid() != 0 {
		return figure{}, skip("no rpm, or not root")
	}
	// In turns, and the best of each: the files that it writes cost more than the scriptlets, and differently each time.
	with, without := figure{wall: time.Hour, cpu: time.Hour}, figure{wall: time.Hour, cpu: time.Hour}
	for range 2 {
		a, errWithout := e.installRPM(files, "--noscripts", "--notriggers")
		b, errWith := e.installRPM(files)
		if err := errors.Join(errWithout, errWith); err != nil {
			return figure{}, err
		}
		without.wall, without.cpu = min(without.wall, a.wall), min(without.cpu, a.cpu)
		with.wall, with.cpu, with.peakKiB = min(with.wall, b.wall), min(with.cpu, b.cpu), max(with.peakKiB, b.peakKiB)
	}
	return figure{wall: max(0, with.wall-without.wall), cpu: max(0, with.cpu-without.cpu), peakKiB: with.peakKiB,
		note: fmt.Sprintf("%.2f s with them", with.wall.Seconds())}, nil
}

func (e *env) installRPM(files []string, options ...string) (figure, error) {
	var f figure
	root, err := os.MkdirTemp(e.scratch, "rpm-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(root)
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o755); err != nil {
		return f, err
	}
	const null = 1<<8 | 3
	if err := syscall.Mknod(filepath.Join(root, "dev", "null"), syscall.S_IFCHR|0o666, null); err != nil {
		return f, skip("no device can be made here")
	}
	args := append([]string{"--root", root, "--nodeps", "--nosignature", "--ignoresize", "--ignorearch", "--define", "_pkgverify_level none", "-i"}, options...)
	return f, f.measure(exec.Command("rpm", append(args, files...)...))
}
