package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/imagechanges"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/table"
)

// statusOutdated is the exit status when an update is due.
const statusOutdated = 10

// stale is a locked package of which a newer version is offered.
type stale struct {
	Name          string                `json:"name"`
	Architectures []string              `json:"architectures"`
	Locked        string                `json:"locked"` // [epoch:]version-release
	Available     string                `json:"available"`
	Repository    string                `json:"repository"`
	Severity      string                `json:"severity,omitempty"` // of the most severe advisory
	Advisories    []advisories.Advisory `json:"advisories,omitempty"`
	Churn         bool                  `json:"release_metadata,omitempty"`
}

// outdated lists what the repositories have in newer versions than the lock.
func outdated(ctx context.Context, c *command) error {
	m, _, err := c.manifest()
	if err != nil {
		return err
	}
	l, err := c.locked()
	if errors.Is(err, os.ErrNotExist) {
		err = cli.Hint(err, "%s", c.lockCommand())
	}
	if err != nil {
		return err
	}
	if c.releasever != "" {
		m.ReleaseVer = c.releasever
	}
	images, err := c.imagesOf(l.Release)
	if err != nil {
		return err
	}
	var all []string
	for arch := range l.Architectures {
		all = append(all, arch)
	}
	archs, err := c.archs(all)
	if err != nil {
		return err
	}
	list := []stale{}
	for _, arch := range archs {
		if !slices.Contains(m.Architectures, arch) {
			continue // the manifest has dropped it
		}
		if list, err = c.outdatedFor(ctx, m, arch, l.Architectures[arch], list); err != nil {
			return err
		}
	}
	if c.security {
		list = slices.DeleteFunc(list, func(s stale) bool {
			return !slices.ContainsFunc(s.Advisories, func(a advisories.Advisory) bool { return a.Security() })
		})
	}
	slices.SortStableFunc(list, func(a, b stale) int { return cmp.Compare(a.Name, b.Name) })
	c.progress.done()
	o := &outdatedList{Release: m.Release, Packages: list, images: foreseen(images, changesOf(list))}
	if o.images != nil {
		o.Due, o.Images = o.images.Due(), o.images.Images
	} else {
		o.Due = slices.ContainsFunc(list, func(s stale) bool { return !s.Churn })
	}
	if err := o.write(c.out, c.format); err != nil {
		return err
	}
	if o.Due {
		return cli.Status(statusOutdated)
	}
	return nil
}

func (c *command) outdatedFor(ctx context.Context, m *lockfile.Manifest, arch string, section *lockfile.Architecture, list []stale) ([]stale, error) {
	repos, err := c.load(ctx, m, arch)
	if err != nil {
		return nil, err
	}
	index, err := indexAdvisories(ctx, repos)
	if err != nil {
		return nil, err
	}
	u, _ := universe(m, arch, repos)
	for i := range section.Packages {
		p := &section.Packages[i]
		newest := u.Newest(p.Name)
		if newest < 0 {
			continue
		}
		locked, err := evr.Parse(p.EVR())
		if err != nil {
			return nil, fmt.Errorf("package %s of the lock: %w", p.NEVRA, err)
		}
		available := u.EVR(newest)
		if evr.Compare(available, locked) <= 0 {
			continue
		}
		s := stale{
			Name: p.Name, Architectures: []string{arch}, Locked: p.EVR(), Available: available.String(),
			Repository: repos[u.Packages[newest].Repository].config.ID, Advisories: index.Between(p.Name, p.Arch, locked, available),
			Churn: differ.IsChurn(m.ChurnNames(), p.Name),
		}
		s.rate()
		list = addStale(list, s)
	}
	return list, nil
}

// rate takes the severity of the most severe advisory.
func (s *stale) rate() {
	if len(s.Advisories) > 0 {
		s.Severity = s.Advisories[0].Word()
	}
}

// addStale joins what is the same for several architectures.
func addStale(list []stale, s stale) []stale {
	for i := range list {
		if o := &list[i]; o.Name == s.Name && o.Locked == s.Locked && o.Available == s.Available && o.Repository == s.Repository {
			o.Architectures = append(o.Architectures, s.Architectures...)
			o.Advisories = append(o.Advisories, s.Advisories...)
			advisories.Sort(o.Advisories)
			o.Advisories = slices.CompactFunc(o.Advisories, func(a, b advisories.Advisory) bool { return a.ID == b.ID })
			o.rate()
			return list
		}
	}
	return append(list, s)
}

// outdatedList is what outdated has found.
type outdatedList struct {
	Release  string               `json:"release"`
	Due      bool                 `json:"due"`
	Packages []stale              `json:"packages"`
	Images   []imagechanges.Image `json:"images,omitempty"`

	images *imagechanges.Report // nil without --images
}

// changesOf are the changes that an update would bring, as far as versions tell.
func changesOf(list []stale) []differ.Change {
	var out []differ.Change
	for _, s := range list {
		out = append(out, differ.Change{
			Name: s.Name, Kind: differ.Updated, Architectures: s.Architectures, From: s.Locked, To: s.Available, Repository: s.Repository,
			Advisories: s.Advisories, Churn: s.Churn,
		})
	}
	return out
}

func (o *outdatedList) write(w io.Writer, format string) error {
	if format == "json" {
		return table.JSON(w, o)
	}
	var out strings.Builder
	rows, folded := o.rows()
	markdown := format == "markdown"
	if markdown {
		fmt.Fprintf(&out, "### Updates for %s\n\n", table.Cell(o.Release))
	}
	switch {
	case len(o.Packages) == 0:
		out.WriteString("nothing is outdated\n")
	case len(rows) > 1 && markdown:
		table.Markdown(&out, rows)
	case len(rows) > 1:
		table.Text(&out, rows)
	}
	if len(folded) > 0 {
		if markdown && len(rows) > 1 {
			out.WriteString("\n")
		}
		text := strings.Join(folded, ", ")
		if markdown {
			text = table.Cell(text)
		}
		fmt.Fprintf(&out, "release metadata: %s\n", text)
	}
	if _, err := io.WriteString(w, out.String()); err != nil || o.images == nil || len(o.Packages) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return o.images.Write(w, imagechanges.Options{Format: format})
}

// rows are the packages that are due, and folded is release metadata.
func (o *outdatedList) rows() (rows [][]string, folded []string) {
	rows = [][]string{{"package", "locked", "available", "architectures", "repository", "severity", "advisories"}}
	for _, s := range o.Packages {
		if s.Churn {
			folded = append(folded, fmt.Sprintf("%s %s -> %s", s.Name, s.Locked, s.Available))
			continue
		}
		rows = append(rows, []string{s.Name, s.Locked, s.Available, strings.Join(s.Architectures, " "), s.Repository, orDash(s.Severity), orDash(differ.Words(s.Advisories))})
	}
	return rows, folded
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
