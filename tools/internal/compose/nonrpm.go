package compose

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/content"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// NonRPM is one content as program content leaves it.
type NonRPM struct {
	Index   *content.Index
	Payload string // path on the host
}

// addNonRPM puts what is no RPM package into the tree. Unlike what the spec brings by files, it replaces nothing: that a package has the
// same path is an error, because then one of the two would be broken.
func (c *composer) addNonRPM() error {
	all := slices.Clone(c.in.NonRPM)
	sort.Slice(all, func(i, j int) bool { return all[i].Index.Content.Label < all[j].Index.Content.Label })
	for i := range all {
		x := &all[i].Index.Content
		if c.hasContent(x.Label) {
			return cli.Hint(fmt.Errorf("content %s: the image has it already", x.Label), "the base has it, or contents names it twice: leave it out here")
		}
		x.Layer = c.layer
		c.nonRPM = append(c.nonRPM, *x)
		var conflicts []error
		for k := range all[i].Index.Files {
			err := c.layNonRPM(&all[i], &all[i].Index.Files[k])
			if conflict, ok := err.(conflictOf); ok {
				conflicts = append(conflicts, conflict)
			} else if err != nil {
				return fmt.Errorf("content %s: %w", x.Label, err)
			}
		}
		if len(conflicts) > 0 {
			return nonRPMConflicts(conflicts)
		}
	}
	sort.Slice(c.nonRPM, func(i, j int) bool { return c.nonRPM[i].Label < c.nonRPM[j].Label })
	return nil
}

// conflictOf is a path that two want.
type conflictOf struct{ error }

func nonRPMConflicts(conflicts []error) error {
	if more := len(conflicts) - maxShownConflicts; more > 0 {
		conflicts = append(conflicts[:maxShownConflicts], fmt.Errorf("and %d more file conflicts", more))
	}
	var text []string
	for _, err := range conflicts {
		text = append(text, err.Error())
	}
	return cli.Hint(fmt.Errorf("%s", strings.Join(text, "\n")), "give the content another path or prefix, exclude the file from it, or take only the files you need of the package with rpm_binary")
}

// layNonRPM puts one file of a content into the tree.
func (c *composer) layNonRPM(n *NonRPM, f *pkgindex.File) error {
	label := n.Index.Content.Label
	path, err := c.fs.Canonical(f.Path)
	if err != nil {
		return err
	}
	e := &rootfs.Entry{Path: path, Type: f.Type, Mode: f.Mode, ModTime: c.spec.SourceDateEpoch, Link: f.LinkTarget, ELF: f.ELF,
		Interp: f.Interp, InterpArg: f.InterpArg, Owners: []string{label}}
	if accountFiles[path] {
		return cli.Hint(fmt.Errorf("%s: made from the accounts of the image", f.Path), "use the accounts attribute")
	}
	if e.UID, e.GID, err = c.owner(f.User, f.Group); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if f.Type == pkgindex.TypeFile {
		e.SizeBytes, e.SHA256 = f.SizeBytes, f.SHA256
		e.Content = rootfs.Content{Source: n.Payload, Offset: f.Offset}
		e.HardLink, err = c.firstOfSet(n.Index, f, path)
		if err != nil {
			return err
		}
	}
	old := c.fs.Get(path)
	switch {
	case old == nil:
		return c.put(e)
	case e.Type == pkgindex.TypeDir && c.isDir(path):
		old.Owners = append(old.Owners, label)
		return nil
	case old.Type == e.Type && differEntries(old, e) == "" && old.UID == e.UID && old.GID == e.GID && e.HardLink == "":
		old.Owners = append(old.Owners, label)
		return nil
	}
	diff := fmt.Sprintf("type %s against %s", e.Type, old.Type)
	if old.Type == e.Type {
		diff = differEntries(old, e)
		if diff == "" {
			diff = fmt.Sprintf("owner %d:%d against %d:%d", e.UID, e.GID, old.UID, old.GID)
		}
	}
	return conflictOf{fmt.Errorf("file conflict: %s: content %s (%s %s) and %s: %s", f.Path, label, n.Index.Content.Name, n.Index.Content.Version,
		strings.Join(old.Owners, ", "), diff)}
}

// firstOfSet returns the path of the first member of the set of hard links that f is of, or "" for the first itself.
func (c *composer) firstOfSet(x *content.Index, f *pkgindex.File, path string) (string, error) {
	if f.HardLinks == 0 {
		return "", nil
	}
	first := path
	for i := range x.Files {
		if other := &x.Files[i]; other.HardLinks == f.HardLinks {
			real, err := c.fs.Canonical(other.Path)
			if err != nil {
				return "", err
			}
			first = min(first, real)
		}
	}
	if first == path {
		return "", nil
	}
	return first, nil
}

// hasContent reports whether the owner is content of this image or of its base.
func (c *composer) hasContent(owner string) bool {
	return slices.ContainsFunc(c.nonRPM, func(n rootfs.NonRPM) bool { return n.Label == owner })
}

// countNonRPM counts what is left of each content in the finished image.
func (c *composer) countNonRPM(t *rootfs.Tree) {
	files, size := map[string]int{}, map[string]int64{}
	for _, e := range t.Entries {
		for _, owner := range e.Owners {
			files[owner]++
			if e.Type == pkgindex.TypeFile && e.HardLink == "" {
				size[owner] += e.SizeBytes
			}
		}
	}
	for _, n := range c.nonRPM {
		n.Files, n.SizeBytes = files[n.Label], size[n.Label]
		t.NonRPM = append(t.NonRPM, n)
	}
}
