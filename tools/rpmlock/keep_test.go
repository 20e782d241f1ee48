package main

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

// randomState is one state of a repository: each package in one or two versions, with requirements on names and versions that
// every state can meet.
func randomState(rnd *rand.Rand, names, state int) []rpmtest.Package {
	var out []rpmtest.Package
	for i := range names {
		for version := 1; version <= state; version++ {
			if version < state && rnd.Intn(3) == 0 {
				continue // gone from the metadata; its file stays
			}
			p := rpmtest.Package{Name: fmt.Sprintf("p%02d", i), Version: fmt.Sprint(version), Arch: "x86_64", BuildTime: 1700000000}
			var requires []string
			local := rand.New(rand.NewSource(int64(i*100 + version))) // a version has the same requirements in each state
			for j := i + 1; j < names && len(requires) < 3; j++ {
				if local.Intn(4) == 0 {
					requires = append(requires, fmt.Sprintf("p%02d%s", j, []string{"", fmt.Sprintf(" >= %d", 1+local.Intn(version))}[local.Intn(2)]))
				}
			}
			p.Requires = rpmtest.Require(requires...)
			out = append(out, p)
		}
	}
	return out
}

func versionsOf(l *lockfile.Lock) map[string]string {
	out := map[string]string{}
	for i := range l.Architectures["x86_64"].Packages {
		p := &l.Architectures["x86_64"].Packages[i]
		out[p.Name] = p.NEVRA + " " + p.SHA256
	}
	return out
}

// needs are the packages that a package leads to in a lock, itself included.
func needs(l *lockfile.Lock, name string) []string {
	out := []string{name}
	for i := 0; i < len(out); i++ {
		if p := l.Architectures["x86_64"].Package(out[i]); p != nil {
			for _, to := range p.Requires {
				if !slices.Contains(out, to) {
					out = append(out, to)
				}
			}
		}
	}
	return out
}

// TestLocksKeep goes through random histories of repositories: the same command again gives the same bytes, a lock of the same
// manifest never changes, a new root changes no version that can stay, and an update of one package moves it and what it needs only.
func TestLocksKeep(t *testing.T) {
	stdout := os.Stdout
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stdout = null
		defer func() { os.Stdout = stdout; null.Close() }()
	}
	const names = 12
	moved := 0
	for seed := range 12 {
		rnd := rand.New(rand.NewSource(int64(seed)))
		w := newWorkspace(t)
		manifest := func(install string) {
			w.manifest("repo", install)
			w.write("rpms.yaml", strings.Replace(w.read("rpms.yaml"), ", aarch64]", "]", 1))
		}
		manifest("p00, p01")
		repotest.Write(t, w.path("repo"), repotest.Options{}, randomState(rnd, names, 1)...)
		w.lock()
		for state := 2; state <= 3; state++ {
			repotest.Write(t, w.path("repo"), repotest.Options{Revision: fmt.Sprint(1700000000 + state)}, randomState(rnd, names, state)...)
			text := w.read("rpms.lock.json")
			before := w.lock()
			if w.read("rpms.lock.json") != text {
				t.Fatalf("seed %d: a repository that moved on changed the lock of the same manifest", seed)
			}
			name := before.Architectures["x86_64"].Packages[rnd.Intn(len(before.Architectures["x86_64"].Packages))].Name
			if text := w.run("update", "--only="+name); text != "" {
				t.Fatalf("seed %d: %s", seed, text)
			}
			text = w.read("rpms.lock.json")
			after := w.lock()
			if w.read("rpms.lock.json") != text {
				t.Errorf("seed %d: lock after update changed the lock", seed)
			}
			w.run("update", "--only="+name)
			if w.read("rpms.lock.json") != text {
				t.Errorf("seed %d: the same update again changed the lock", seed)
			}
			allowed := needs(after, name)
			old := versionsOf(before)
			for pkg, version := range versionsOf(after) {
				if old[pkg] != version {
					moved++
					if !slices.Contains(allowed, pkg) {
						t.Errorf("seed %d: update --only=%s changed %s, which it does not need: %s -> %s", seed, name, pkg, old[pkg], version)
					}
				}
			}
		}
		before := w.lock()
		manifest("p00, p01, p05")
		old := versionsOf(before)
		for pkg, version := range versionsOf(w.lock()) {
			if old[pkg] != "" && old[pkg] != version {
				// p05 in its newest version may need a newer one; then it must be among what p05 needs
				if !slices.Contains(needs(w.lock(), "p05"), pkg) {
					t.Errorf("seed %d: a new root changed %s, which it does not need", seed, pkg)
				}
			}
		}
	}
	if moved < 12 {
		t.Errorf("only %d packages moved: the test sees too little", moved)
	}
	t.Logf("%d packages moved", moved)
}
