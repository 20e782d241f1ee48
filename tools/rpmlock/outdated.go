package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
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
	if err != nil {
		return err
	}
	if c.releasever != "" {
		m.ReleaseVer = c.releasever
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
	due := slices.ContainsFunc(list, func(s stale) bool { return !s.Churn })
	if err := writeOutdated(c.out, c.format, m.Release, list, due); err != nil {
		return err
	}
	if due {
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
		if len(s.Advisories) > 0 {
			if s.Severity = strings.ToLower(s.Advisories[0].Severity); s.Severity == "none" {
				s.Severity = ""
			}
		}
		list = addStale(list, s)
	}
	return list, nil
}

// addStale joins what is the same for several architectures.
func addStale(list []stale, s stale) []stale {
	for i := range list {
		if o := &list[i]; o.Name == s.Name && o.Locked == s.Locked && o.Available == s.Available && o.Repository == s.Repository {
			o.Architectures = append(o.Architectures, s.Architectures...)
			return list
		}
	}
	return append(list, s)
}

func writeOutdated(w io.Writer, format, release string, list []stale, due bool) error {
	if format == "json" {
		return table.JSON(w, struct {
			Release  string  `json:"release"`
			Due      bool    `json:"due"`
			Packages []stale `json:"packages"`
		}{release, due, list})
	}
	var out strings.Builder
	rows := [][]string{{"package", "locked", "available", "architectures", "repository", "severity", "advisories"}}
	var folded []string
	for _, s := range list {
		if s.Churn {
			folded = append(folded, fmt.Sprintf("%s %s -> %s", s.Name, s.Locked, s.Available))
			continue
		}
		rows = append(rows, []string{s.Name, s.Locked, s.Available, strings.Join(s.Architectures, " "), s.Repository, orDash(s.Severity), orDash(differ.Words(s.Advisories))})
	}
	markdown := format == "markdown"
	if markdown {
		fmt.Fprintf(&out, "### Updates for %s\n\n", table.Cell(release))
	}
	switch {
	case len(list) == 0:
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
	_, err := io.WriteString(w, out.String())
	return err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
