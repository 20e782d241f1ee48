package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// whyNot says, for each package that a word may mean, why the roots of the manifest do not bring it in.
func whyNot(ctx context.Context, c *command) error {
	m, _, err := c.manifest()
	if err != nil {
		return err
	}
	archs, err := c.archs(m.Architectures)
	if err != nil {
		return err
	}
	var errs []error
	for _, arch := range archs {
		repos, err := c.load(ctx, m, arch)
		if err != nil {
			return err
		}
		u := universe(m, arch, repos)
		options := resolve.Options{Weak: m.Weak, Files: addFiles(ctx, u, repos)}
		for _, root := range m.For(arch) {
			options.Roots = append(options.Roots, root.Name)
		}
		for _, word := range c.words {
			list, err := u.WhyNot(word, options)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			for i := range list {
				fmt.Fprintf(c.out, "%s: %s\n", arch, list[i].String())
			}
		}
	}
	c.progress.done()
	return errors.Join(errs...)
}
