package compose

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/localearchive"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

const localeArchive = "/usr/lib/locale/locale-archive"

// writeLocaleArchive does what build-locale-archive does in a scriptlet of a C library: of the template with all locales, the
// archive gets those that the policies keep, and the template becomes empty.
func (c *composer) writeLocaleArchive() error {
	template := c.fs.Stat(localeArchive + ".tmpl")
	if !c.scripts.localeArchive || template == nil || template.Type != pkgindex.TypeFile || template.Layer != c.layer || template.SizeBytes == 0 {
		return nil
	}
	data, err := c.readEntry(template)
	if err != nil {
		return err
	}
	all, err := localearchive.Read(data)
	if err != nil {
		return fmt.Errorf("reading %s (%s): %w", template.Path, strings.Join(template.Owners, ", "), err)
	}
	kept := localearchive.Filter(all, c.spec.Policies.keepsLocale)
	if err := c.rewrite(template.Path, nil, &rootfs.Entry{Mode: 0o644}, "locales"); err != nil {
		return err
	}
	c.report.Notes = append(c.report.Notes, fmt.Sprintf("%s: %d of %d locales, by the policy locales", localeArchive, len(kept), len(all)))
	if len(kept) == 0 {
		return nil
	}
	if data, err = localearchive.Write(kept); err != nil {
		return err
	}
	return c.rewrite(localeArchive, data, &rootfs.Entry{Mode: 0o644}, "locales")
}

// keepsLocale tells whether a locale such as "de_DE" stays: one that is wanted by its own name or by its language's, or from which a
// wanted one inherits.
func (p *Policies) keepsLocale(name string) bool {
	for _, want := range p.Locales {
		if want == "*" || want == name || strings.HasPrefix(name, want+"_") || name != "" && strings.HasPrefix(want, name+"_") {
			return true
		}
	}
	return false
}
