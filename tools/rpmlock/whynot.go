package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// whyNot says, for each package that a word may mean, why the roots of the manifest do not bring it in.
func whyNot(ctx context.Context, c *command) error {
	var missing []error
	err := c.eachUniverse(ctx, func(m *lockfile.Manifest, arch string, u *resolve.Universe, repos []*repository) error {
		options := options(ctx, m, u, repos)
		for _, word := range c.words {
			list, err := u.WhyNot(word, options)
			if err != nil {
				missing = append(missing, err)
				continue
			}
			for i := range list {
				fmt.Fprintf(c.out, "%s: %s\n", arch, list[i].String())
			}
		}
		return nil
	})
	return errors.Join(append(missing, err)...)
}
