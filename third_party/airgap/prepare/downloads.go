package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// Go modules which go.mod files name and Bazel never fetches: go_deps puts the Bazel module in place of the first
// and the protocol buffer modules are used by targets that we do not build.
var neverFetched = map[string]bool{
	"github.com/bazelbuild/rules_go": true,
	"github.com/golang/protobuf":     true,
	"google.golang.org/protobuf":     true,
}

// goyaccPath is the module with the parser generator: a module of gazelle's list is compiled with it, though no go.mod
// but that of rules_go names it.
const goyaccPath = "golang.org/x/tools"

// goMod is the part of `go mod edit -json` that matters here.
type goMod struct {
	Require []struct{ Path, Version string }
}

// download fetches what go_deps may ask for. It takes the highest version that any go.mod of the Bazel modules names;
// instead of repeating that choice, all named versions of the modules that we build from are fetched, which is a few
// small ones more.
func download(modcache, modules string, goMods []string) error {
	wantedBy := append([]string{filepath.Join(modules, "gazelle", "go.mod")}, goMods...)
	alsoNamedBy := []string{filepath.Join(modules, "rules_go", "go.mod")}
	wanted, err := requirements(modcache, wantedBy)
	if err != nil {
		return err
	}
	named, err := requirements(modcache, alsoNamedBy)
	if err != nil {
		return err
	}
	wanted[goyaccPath] = append(wanted[goyaccPath], named[goyaccPath]...)
	_, err = downloadModules(modcache, versionsToFetch(wanted, named))
	return err
}

// versionsToFetch gives "path@version" of every wanted module, with the versions that the others name, sorted.
func versionsToFetch(wanted, named map[string][]string) []string {
	set := map[string]bool{}
	for path, versions := range wanted {
		if neverFetched[path] {
			continue
		}
		for _, v := range append(append([]string{}, versions...), named[path]...) {
			set[path+"@"+v] = true
		}
	}
	list := make([]string, 0, len(set))
	for v := range set {
		list = append(list, v)
	}
	sort.Strings(list)
	return list
}

// requirements reads the versions that the go.mod files name, by module.
func requirements(modcache string, files []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("reading the Go modules of %s: %w", file, err)
		}
		out, err := goTool(filepath.Dir(file), modcache, "mod", "edit", "-json", filepath.Base(file))
		if err != nil {
			return nil, err
		}
		var m goMod
		if err := json.Unmarshal(out, &m); err != nil {
			return nil, fmt.Errorf("reading the Go modules of %s: %w", file, err)
		}
		for _, r := range m.Require {
			all[r.Path] = append(all[r.Path], r.Version)
		}
	}
	return all, nil
}
