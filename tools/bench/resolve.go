package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// resolveEntries measure with one large repository, see largeRepository.
var resolveEntries = []entry{
	{name: "resolve: cold, parse, index, solve, against dnf makecache and install", target: "<= 1.5 s, 0.1x dnf, 200 MiB", ours: resolveCold, peer: dnfCold},
	{name: "resolve: the same, against only parsing with encoding/xml as bazeldnf does", target: "no demand", ours: resolveCold, peer: parseXML},
	{name: "resolve: warm, our stored tables against dnf's", target: "<= 0.3 s, 0.5x dnf", ours: resolveWarm, peer: dnfWarm},
	{name: "resolve: two architectures at once, against one", target: "<= 1.3x", ours: resolveTwo, peer: resolveCold},
	{name: "resolve: 600 random sets of roots in one repository", target: "<= 10 ms median, 80 ms worst", ours: resolveSets, why: "see the tests for agreement", once: true},
}

// largeRepo is a repository with the graph of Debian's packages when the index of apt is here, else a made-up one.
type largeRepo struct {
	dir, primary, stored string
	program              string
	roots                string // that can be installed, separated by commas
}

// newLargeRepo makes the repository once a run.
func (e *env) newLargeRepo() func() (*largeRepo, error) {
	return sync.OnceValues(func() (*largeRepo, error) {
		r := &largeRepo{dir: filepath.Join(e.scratch, "largerepo"), program: filepath.Join(e.tools, "resolverepo")}
		build := exec.Command("go", "build", "-o", e.tools, "./tools/bench/resolverepo", "./tools/bench/largerepotest")
		build.Dir = e.workspace
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building tools/bench/resolverepo: %w\n%s", err, out)
		}
		generate := exec.Command(filepath.Join(e.tools, "largerepotest"), "--out="+r.dir)
		const helper = "/usr/lib/apt/apt-helper"
		lists, err := filepath.Glob("/var/lib/apt/lists/*_main_binary-amd64_Packages*")
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(helper); err == nil && len(lists) > 0 {
			// as a pipe, since our own peak memory would count as that of what we run later
			index := exec.Command(helper, append([]string{"cat-file"}, lists...)...)
			if generate.Stdin, err = index.StdoutPipe(); err != nil {
				return nil, err
			}
			if err := index.Start(); err != nil {
				return nil, fmt.Errorf("reading the index of apt: %w", err)
			}
			defer index.Wait()
			generate.Args = append(generate.Args, "--debian=/dev/stdin")
		}
		if out, err := generate.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("making the large repository: %w\n%s", err, out)
		}
		found, err := filepath.Glob(filepath.Join(r.dir, "repodata", "*primary.xml*"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("finding primary.xml of the large repository: %v, %w", found, err)
		}
		r.primary, r.stored = found[0], filepath.Join(e.scratch, "largerepo.stored")
		roots, err := exec.Command(r.program, "--primary="+r.primary, "--store="+r.stored, "--find-roots").Output()
		if err != nil {
			return nil, fmt.Errorf("finding roots in the large repository: %w", err)
		}
		r.roots = string(roots)
		return r, nil
	})
}

// resolveWith runs our program on the repository; its line of output is the note.
func (e *env) resolveWith(args func(*largeRepo) []string) (figure, error) {
	r, err := e.largeRepository()
	if err != nil {
		return figure{}, err
	}
	note, f, err := output(exec.Command(r.program, args(r)...))
	f.note = string(note)
	return f, err
}

func resolveCold(e *env) (figure, error) {
	return e.resolveWith(func(r *largeRepo) []string { return []string{"--primary=" + r.primary, "--roots=" + r.roots} })
}

func resolveTwo(e *env) (figure, error) {
	return e.resolveWith(func(r *largeRepo) []string {
		return []string{"--primary=" + r.primary, "--roots=" + r.roots, "--copies=2"}
	})
}

func resolveWarm(e *env) (figure, error) {
	return e.resolveWith(func(r *largeRepo) []string { return []string{"--stored=" + r.stored, "--roots=" + r.roots} })
}

func resolveSets(e *env) (figure, error) {
	return e.resolveWith(func(r *largeRepo) []string { return []string{"--stored=" + r.stored, "--sets=600"} })
}

func parseXML(e *env) (figure, error) {
	return e.resolveWith(func(r *largeRepo) []string { return []string{"--primary=" + r.primary, "--xml"} })
}

func dnfCold(e *env) (figure, error) {
	if err := os.RemoveAll(filepath.Join(e.scratch, "dnf")); err != nil {
		return figure{}, err
	}
	return e.dnf()
}

// dnfWarm uses the cache that it fills the first time.
func dnfWarm(e *env) (figure, error) {
	if _, err := os.Stat(filepath.Join(e.scratch, "dnf", "cache")); err != nil {
		if _, err := e.dnf(); err != nil {
			return figure{}, err
		}
	}
	return e.dnf("--cacheonly")
}

// dnf resolves in an empty root and answers no to the question that follows.
func (e *env) dnf(options ...string) (figure, error) {
	if _, err := exec.LookPath("dnf"); err != nil {
		return figure{}, skip("no dnf here")
	}
	r, err := e.largeRepository()
	if err != nil {
		return figure{}, err
	}
	dir := filepath.Join(e.scratch, "dnf")
	config := filepath.Join(e.scratch, "dnf.conf")
	if err := os.WriteFile(config, []byte("[main]\n"), 0o644); err != nil {
		return figure{}, err
	}
	args := append([]string{"--config=" + config, "--noplugins", "--installroot=" + filepath.Join(dir, "root"), "--setopt=cachedir=" + filepath.Join(dir, "cache"),
		"--setopt=reposdir=/dev/null", "--setopt=logdir=" + dir, "--setopt=install_weak_deps=False", "--releasever=9", "--forcearch=x86_64",
		"--repofrompath=bench,file://" + r.dir, "--repo=bench", "--nogpgcheck", "--assumeno"}, options...)
	cmd := exec.Command("dnf", append(append(args, "install"), strings.Split(r.roots, ",")...)...)
	debug.FreeOSMemory()
	start := time.Now()
	out, err := cmd.CombinedOutput()
	f := figure{wall: time.Since(start), note: "install --assumeno"}
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		return f, err
	}
	if !failed || exit.ExitCode() != 1 || !strings.Contains(string(out), "Operation aborted") {
		return f, fmt.Errorf("running dnf: %v\n%s", err, out)
	}
	f.add(cmd.ProcessState)
	return f, nil
}
