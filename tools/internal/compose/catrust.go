package compose

import (
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/catrust"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// trustSources are where certificates come from; nothing new there means that the base's stores are right.
var trustSources = []string{"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", catrust.VendorSource, catrust.LocalSource}

// settleCATrust makes the stores that the packages' own update-ca-certificates or update-ca-trust would make.
func (c *composer) settleCATrust() error {
	want := c.spec.CATrust
	if want == nil && c.scripts.caTrust {
		want = &CATrust{}
	}
	if want == nil {
		return nil
	}
	if len(want.Anchors)+len(want.Distrust)+len(want.Formats) == 0 && !c.isNew(trustSources) {
		return nil // the base has made them
	}
	if err := c.updateCATrust(want); err != nil {
		return fmt.Errorf("ca_trust: %w", err)
	}
	return nil
}

// isNew reports whether this layer has something below one of the directories.
func (c *composer) isNew(dirs []string) bool {
	for _, dir := range dirs {
		for _, e := range c.fs.Under(dir) {
			if e.Layer == c.layer && e.Type != pkgindex.TypeDir {
				return true
			}
		}
	}
	return false
}

func (c *composer) updateCATrust(want *CATrust) error {
	o := catrust.Options{Layout: want.Layout, Formats: want.Formats, Time: c.spec.SourceDateEpoch}
	var err error
	if o.Anchors, err = readExtras(want.Anchors); err != nil {
		return err
	}
	if o.Distrusted, err = readExtras(want.Distrust); err != nil {
		return err
	}
	r, err := catrust.Update(c.view(), o)
	if err != nil {
		return err
	}
	if r.Trusted == 0 && c.spec.CATrust == nil {
		c.report.Notes = append(c.report.Notes, "ca_trust: scriptlets ask for the stores, but no authority is there")
		return nil
	}
	if r.Trusted == 0 {
		return cli.Hint(fmt.Errorf("no authority that may vouch for servers is left"), "add the package ca-certificates to the contents, or certificates to ca_anchors")
	}
	c.report.Notes = append(c.report.Notes, r.Notes...)
	for _, name := range r.Remove {
		if name, err := c.fs.Canonical(name); err == nil {
			c.fs.Remove(name)
		}
	}
	for _, f := range r.Sources {
		if err := c.ownFile(f.Path, f.Data, f.Mode); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		if f.Link != "" {
			err = c.putLink(f.Path, f.Link, "ca_trust")
		} else {
			err = c.rewrite(f.Path, f.Data, &rootfs.Entry{Mode: f.Mode}, "ca_trust")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// view is the tree as others read it.
func (c *composer) view() rootfs.View { return c.fs.View(c.readEntry) }

// ownFile places a file that the spec itself brings.
func (c *composer) ownFile(path string, data []byte, mode uint32) error {
	path, err := c.fs.Canonical(path)
	if err != nil {
		return err
	}
	e := &rootfs.Entry{Path: path, Mode: mode, ModTime: c.spec.SourceDateEpoch, Owners: []string{c.spec.Label}}
	if old := c.fs.Get(path); old != nil {
		e.Owners = append(e.Owners, old.Owners...)
	}
	setData(e, data)
	return c.put(e)
}

// readExtras reads the PEM files of the spec. One of several certificates becomes several files: programs that search by hash
// find only files of one.
func readExtras(anchors []Anchor) ([]catrust.Extra, error) {
	var out []catrust.Extra
	for _, a := range anchors {
		data := []byte(a.Text)
		if a.Source != "" {
			var err error
			if data, err = os.ReadFile(a.Source); err != nil {
				return nil, fmt.Errorf("certificate %s: %w", a.Name, err)
			}
		}
		certs, err := catrust.ParsePEM(data)
		if err != nil {
			return nil, cli.Hint(fmt.Errorf("certificate %s (%s): %w", a.Name, orDefault(a.Source, "text"), err),
				"give PEM: openssl x509 -inform der -in company.der -out company.pem")
		}
		for i, der := range certs {
			name := a.Name
			if len(certs) > 1 {
				name = fmt.Sprintf("%s-%d", a.Name, i+1)
			}
			out = append(out, catrust.Extra{Name: name, Data: catrust.EncodePEM(der)})
		}
	}
	return out, nil
}
