package extract

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// describe reads everything the index says that comes from the header alone.
func describe(p *rpm.Package) (*pkgindex.Index, []rpm.File, error) {
	if err := p.CheckExtractable(); err != nil {
		return nil, nil, err
	}
	id, err := p.Main.NEVRA()
	if err != nil {
		return nil, nil, err
	}
	x := &pkgindex.Index{
		Schema: pkgindex.Schema, NEVRA: id.String(), Name: id.Name, Epoch: id.Epoch, Version: id.Version, Release: id.Release,
		Arch: id.Arch,
	}
	if err := texts(p.Main, x); err != nil {
		return nil, nil, err
	}
	requires, err := rpm.Dependencies(p.Main)
	if err != nil {
		return nil, nil, err
	}
	if err := rpm.CheckFeatures(requires); err != nil {
		return nil, nil, err
	}
	if x.Provides, err = rpm.Provides(p.Main); err != nil {
		return nil, nil, err
	}
	if x.Scriptlets, err = rpm.Scriptlets(p.Main); err != nil {
		return nil, nil, err
	}
	files, err := rpm.Files(p.Main)
	if err != nil {
		return nil, nil, err
	}
	attributeRequires(requires, files)
	if err := signatures(p, files); err != nil {
		return nil, nil, err
	}
	if err := checkFiles(files); err != nil {
		return nil, nil, err
	}
	return x, files, checkParents(files)
}

// attributeRequires notes at every script what only scripts of the package require.
func attributeRequires(requires []rpm.Dependency, files []rpm.File) {
	for i := range requires {
		d := &requires[i]
		if !d.ScriptsOnly || d.ScriptletOnly() || d.RPMLib() {
			continue
		}
		for _, file := range d.Files {
			if f := &files[file]; !slices.Contains(f.Requires, d.Name) {
				f.Requires = append(f.Requires, d.Name)
			}
		}
	}
}

// checkParents refuses files below something that can hold none. Symbolic links may lead to a directory.
func checkParents(files []rpm.File) error {
	kinds := map[string]string{}
	for i := range files {
		if f := &files[i]; !f.Ghost() && f.Type != pkgindex.TypeDir && f.Type != pkgindex.TypeSymlink {
			kinds[f.Path] = f.Type
		}
	}
	checked := map[string]bool{}
	for i := range files {
		for dir := path.Dir(files[i].Path); !checked[dir] && !files[i].Ghost(); dir = path.Dir(dir) {
			if kind := kinds[dir]; kind != "" {
				return fmt.Errorf("%q: lies below %q, which is a %s", files[i].Path, dir, kind)
			}
			checked[dir] = true
		}
	}
	return nil
}

// signatures adds IMA signatures to the files that rpm's plugin would sign: mutable files would lose them at the first change.
func signatures(p *rpm.Package, files []rpm.File) error {
	list, err := p.IMASignatures(len(files))
	if err != nil || list == nil {
		return err
	}
	for i := range files {
		f := &files[i]
		if f.Type != pkgindex.TypeFile || f.Ghost() || f.Flags&pkgindex.FlagConfig != 0 && f.Mode&0o111 == 0 {
			continue
		}
		f.IMA = strings.ToLower(list[i])
	}
	return nil
}

func texts(h *rpm.Header, x *pkgindex.Index) error {
	for _, t := range []struct {
		tag rpm.Tag
		to  *string
	}{
		{rpm.TagSourceRPM, &x.SourceRPM}, {rpm.TagLicense, &x.License}, {rpm.TagSummary, &x.Summary},
		{rpm.TagVendor, &x.Vendor}, {rpm.TagURL, &x.URL},
	} {
		v, _, err := h.String(t.tag)
		if err != nil {
			return err
		}
		*t.to = v
	}
	built, _, err := h.Uint32(rpm.TagBuildTime)
	if err != nil {
		return err
	}
	x.BuildTime = int64(built)
	size, _, err := h.SizeAny(rpm.TagSize, rpm.TagLongSize)
	if err != nil {
		return err
	}
	if size > 1<<62 {
		return fmt.Errorf("installed size %d", size)
	}
	x.InstalledBytes = int64(size)
	return nil
}

// checkFiles refuses what the index and the tar cannot hold.
func checkFiles(files []rpm.File) error {
	var errs []error
	for i := range files {
		f := &files[i]
		if f.User == "" || f.Group == "" {
			errs = append(errs, fmt.Errorf("%q: owner %q, group %q: neither may be empty", f.Path, f.User, f.Group))
		}
		if f.Ghost() {
			continue
		}
		if f.Caps != "" {
			if _, err := rpm.Capability(f.Caps); err != nil {
				errs = append(errs, fmt.Errorf("%q: %w", f.Path, err))
			}
		}
		if len(errs) > 20 {
			break
		}
	}
	return errors.Join(errs...)
}
