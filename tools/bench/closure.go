package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// candidateCount is how many packages the closure is chosen from.
const candidateCount = 200

var closureEntries = []entry{
	{name: fmt.Sprintf("closure: elfresolve, %d candidate packages", candidateCount), target: "<= 150 ms, 64 MiB", ours: resolveClosure,
		why: "no peer reads indexes"},
}

// resolveClosure lets elfresolve choose from indexes, which are made first, and counts what it selected.
func resolveClosure(e *env) (figure, error) {
	dir := filepath.Join(e.scratch, "closure")
	args, err := e.closureArgs(dir)
	if err != nil {
		return figure{}, err
	}
	var f figure
	if err := f.measure(exec.Command(filepath.Join(e.tools, "elfresolve"), args...)); err != nil {
		return f, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "selection"))
	if err != nil {
		return f, err
	}
	var s selection.Selection
	if err := json.Unmarshal(data, &s); err != nil {
		return f, fmt.Errorf("reading the selection: %w", err)
	}
	if len(s.Packages) < len(imagePackages) {
		return f, fmt.Errorf("%d packages selected, %d requested", len(s.Packages), len(imagePackages))
	}
	f.note = fmt.Sprintf("%d packages selected", len(s.Packages))
	return f, nil
}

// closureArgs are the arguments of elfresolve; the first call extracts the packages.
func (e *env) closureArgs(dir string) ([]string, error) {
	l, err := e.lock()
	if err != nil {
		return nil, err
	}
	packages := l.closure()
	for _, p := range l.Architectures[arch].Packages {
		if !slices.ContainsFunc(packages, func(q lockedPackage) bool { return q.Name == p.Name }) {
			packages = append(packages, p)
		}
	}
	if len(packages) < candidateCount {
		return nil, skip(fmt.Sprintf("the release has %d packages", len(packages)))
	}
	packages = packages[:candidateCount]
	args := []string{"--spec=" + dir + "/spec", "--graph=" + dir + "/graph", "--out=" + dir + "/selection"}
	graph := selection.Graph{Schema: selection.Schema, Packages: map[string]selection.GraphNode{}, Executables: map[string]string{}}
	for _, p := range packages {
		graph.Packages[p.Name] = selection.GraphNode{ELF: p.ELF, Requires: p.Requires}
		args = append(args, "--index="+filepath.Join(dir, p.Name+".json"))
	}
	if _, err := os.Stat(dir); err == nil {
		return args, nil
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := write(dir+"/graph", graph); err != nil {
		return nil, err
	}
	spec := selection.Spec{Schema: selection.Schema, Label: "//bench:closure", Release: "debrpm", Arch: arch,
		Requests: []selection.Request{{Label: "//bench:closure", Kind: selection.KindPackage, Packages: imagePackages, Deps: selection.DepsELF}}}
	if err := write(dir+"/spec", spec); err != nil {
		return nil, err
	}
	_, err = e.extractAll(dir, packages)
	return args, err
}
