package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/modulemd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// loadModules reads modules.yaml, which few repositories have.
func (r *repository) loadModules(ctx context.Context) error {
	if r.index.Find("modules") == nil {
		return nil
	}
	return r.unpack(ctx, "modules", func(content io.Reader) (err error) {
		r.streams, err = modulemd.Parse(content)
		return err
	})
}

// activateModules chooses the module streams whose packages are visible, over all repositories of an architecture.
func activateModules(m *lockfile.Manifest, arch string, repos []*repository) error {
	var indexes []*modulemd.Index
	for _, r := range repos {
		if r.streams != nil {
			indexes = append(indexes, r.streams)
		}
	}
	if len(indexes) == 0 && len(m.Modules) == 0 {
		return nil
	}
	active, err := modulemd.Activate(indexes, arch, m.ModuleStreams())
	if err != nil {
		return fmt.Errorf("modules for %s: %w", arch, adviseModules(err))
	}
	for _, r := range repos {
		r.modules, r.streams = active, nil
	}
	return nil
}

// adviseModules names what is near to an unknown module or stream.
func adviseModules(err error) error {
	var unknown *modulemd.UnknownError
	if !errors.As(err, &unknown) {
		return cli.Hint(err, "correct modules in the manifest; -name there keeps a module off")
	}
	word := unknown.Module
	if unknown.Stream != "" {
		word = unknown.Stream
	}
	if near := lockfile.NearMisses(word, unknown.Known, 3); len(near) > 0 {
		return cli.Hint(err, "did you mean %s?", strings.Join(near, ", "))
	}
	if len(unknown.Known) == 0 {
		return cli.Hint(err, "the repositories have no modules at all")
	}
	return cli.Hint(err, "there are %s", someWords(unknown.Known))
}

// someWords joins words, not too many of them.
func someWords(words []string) string {
	const limit = 20
	if len(words) <= limit {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:limit], ", "), len(words)-limit)
}

// hides is resolve.Repository.Hides.
func (r *repository) hides() func(*repomd.Package) string {
	if r.modules == nil {
		return nil
	}
	p := r.primary
	return func(pkg *repomd.Package) string {
		name, e := p.Text(pkg.Name), p.EVRs[pkg.EVR]
		nevra := name + "-" + strconv.FormatUint(uint64(e.Epoch), 10) + ":" + e.Version + "-" + e.Release + "." + p.Text(pkg.Arch)
		return r.modules.Hides(name, nevra, func(visit func(string)) {
			for _, dep := range p.Deps(pkg, repomd.Provides) {
				visit(p.Text(dep.Name))
			}
		})
	}
}
