package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/konflux"
)

// export writes the lock as rpms.lock.yaml, to stdout or --out.
func export(_ context.Context, c *command) error {
	l, err := c.locked()
	if err != nil {
		return err
	}
	urls := map[[2]string]string{}
	for _, r := range l.Repositories {
		urls[[2]string{r.ID, r.Arch}] = r.URLs[0]
	}
	out := &konflux.Lock{Version: konflux.Version, Vendor: konflux.Vendor, Arches: []konflux.Arch{}}
	for _, arch := range slices.Sorted(maps.Keys(l.Architectures)) {
		section := konflux.Arch{Arch: arch, Packages: []konflux.Package{}, Source: []konflux.Package{}, Modules: []konflux.Package{}}
		for i := range l.Architectures[arch].Packages {
			p := &l.Architectures[arch].Packages[i]
			base := urls[[2]string{p.Repository, arch}]
			if fetch.IsLocal(base) {
				return cli.Hint(fmt.Errorf("package %s lies in the local repository %s, and rpms.lock.yaml holds URLs only", p.NEVRA, base),
					"serve the repository over http, and name that URL in the manifest")
			}
			url, err := fetch.Join(base, p.Path)
			if err != nil {
				return err
			}
			section.Packages = append(section.Packages, konflux.Package{
				URL: url, RepoID: p.Repository, Size: p.SizeBytes, Checksum: "sha256:" + p.SHA256, Name: p.Name, EVR: p.EVR(), SourceRPM: p.SourceRPM,
			})
		}
		out.Arches = append(out.Arches, section)
	}
	var text bytes.Buffer
	if err := konflux.Write(&text, out); err != nil {
		return err
	}
	if c.outPath == "" {
		_, err = c.out.Write(text.Bytes())
		return err
	}
	return replaceFile(atCaller(c.outPath), text.Bytes())
}
