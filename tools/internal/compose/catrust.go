package compose

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/catrust"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Directories of the two ways in which distributions keep their authorities.
const (
	debianCerts  = "/usr/share/ca-certificates"
	debianLocal  = "/usr/local/share/ca-certificates"
	debianStore  = "/etc/ssl/certs"
	p11kitVendor = "/usr/share/pki/ca-trust-source"
	p11kitLocal  = "/etc/pki/ca-trust/source"
	p11kitStore  = "/etc/pki/ca-trust/extracted/pem"
)

// authority is one trusted certificate.
type authority struct {
	label string // p11-kit: its name
	path  string // Debian: file that it comes from
	data  []byte // Debian: contents of the file
	der   []byte
}

// settleCATrust makes the stores that the packages' own update-ca-certificates or update-ca-trust would make.
func (c *composer) settleCATrust() error {
	if c.spec.CATrust == nil {
		return nil
	}
	debian := c.fs.Stat(debianCerts) != nil || c.fs.Stat("/etc/debian_version") != nil
	vendor, local := p11kitVendor, p11kitLocal
	if debian {
		vendor, local = debianCerts, debianLocal
	}
	if len(c.spec.CATrust.Anchors) == 0 && !c.isNew(vendor) && !c.isNew(local) {
		return nil // the base has made them
	}
	step := c.p11kitTrust
	if debian {
		step = c.debianTrust
	}
	if err := step(); err != nil {
		return fmt.Errorf("ca_trust: %w", err)
	}
	return nil
}

// isNew reports whether this layer has something in dir.
func (c *composer) isNew(dir string) bool {
	for _, e := range c.fs.Under(dir) {
		if e.Layer == c.layer && e.Type != pkgindex.TypeDir {
			return true
		}
	}
	return false
}

func (c *composer) anchors() ([]authority, error) {
	var out []authority
	for _, a := range c.spec.CATrust.Anchors {
		data := []byte(a.Text)
		if a.Source != "" {
			var err error
			if data, err = os.ReadFile(a.Source); err != nil {
				return nil, fmt.Errorf("anchor %s: %w", a.Name, err)
			}
		}
		certs, err := catrust.ParsePEM(data)
		if err != nil {
			return nil, fmt.Errorf("anchor %s: %w", a.Name, err)
		}
		for i, der := range certs {
			name := a.Name
			if len(certs) > 1 {
				name = fmt.Sprintf("%s-%d", a.Name, i+1)
			}
			out = append(out, authority{label: name, path: debianLocal + "/" + name + ".crt", data: catrust.EncodePEM(der), der: der})
		}
	}
	return out, nil
}

// readStore reads a certificate file; those of the base are not at hand.
func (c *composer) readStore(e *rootfs.Entry) ([]byte, error) {
	data, err := c.readEntry(e)
	if err != nil {
		return nil, cli.Hint(err, "give ca_trust to the rootfs that ships the certificates, not to one based on it")
	}
	return data, nil
}

// debianTrust is update-ca-certificates(8): one link per certificate, links by hash, and the bundle in the order of
// ca-certificates.conf (without it, of the file names), local ones last.
func (c *composer) debianTrust() error {
	list, err := c.debianAuthorities()
	if err != nil {
		return err
	}
	extra, err := c.anchors()
	if err != nil {
		return err
	}
	for _, a := range extra {
		e := &rootfs.Entry{Path: a.path, Mode: 0o644, ModTime: c.spec.SourceDateEpoch, Owners: []string{c.spec.Label}}
		setData(e, a.data)
		if err := c.put(e); err != nil {
			return err
		}
	}
	var bundle bytes.Buffer
	files := map[string][]byte{}
	for _, a := range append(list, extra...) {
		bundle.Write(a.data)
		if !bytes.HasSuffix(a.data, []byte("\n")) {
			bundle.WriteByte('\n')
		}
		name := catrust.DebianName(a.path)
		files[name] = a.der
		if err := c.putLink(debianStore+"/"+name, a.path, "ca_trust"); err != nil {
			return err
		}
	}
	if err := c.putHashLinks(debianStore, files); err != nil {
		return err
	}
	return c.rewrite(debianStore+"/ca-certificates.crt", bundle.Bytes(), &rootfs.Entry{Mode: 0o644}, "ca_trust")
}

func (c *composer) debianAuthorities() ([]authority, error) {
	var paths []string
	if conf := c.fs.Stat("/etc/ca-certificates.conf"); conf != nil && conf.Type == pkgindex.TypeFile {
		text, err := c.readEntry(conf)
		if err != nil {
			return nil, err
		}
		for _, name := range catrust.ParseDebianConf(string(text)) {
			paths = append(paths, debianCerts+"/"+name)
		}
	} else {
		for _, e := range c.fs.Under(debianCerts) {
			if strings.HasSuffix(e.Path, ".crt") {
				paths = append(paths, e.Path)
			}
		}
	}
	for _, e := range c.fs.Under(debianLocal) {
		if strings.HasSuffix(e.Path, ".crt") {
			paths = append(paths, e.Path)
		}
	}
	var out []authority
	for _, path := range paths {
		e := c.fs.Stat(path)
		if e == nil || e.Type != pkgindex.TypeFile {
			continue // update-ca-certificates warns and goes on
		}
		data, err := c.readStore(e)
		if err != nil {
			return nil, err
		}
		certs, err := catrust.ParsePEM(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, authority{path: path, data: data, der: certs[0]})
	}
	return out, nil
}

// p11kitTrust makes what `update-ca-trust extract` puts below extracted/pem: tls-ca-bundle.pem, and the directory that is
// searched by hash. Sources: anchors directories, p11-kit files, and the blocklists of both.
func (c *composer) p11kitTrust() error {
	list, err := c.p11kitAuthorities()
	if err != nil {
		return err
	}
	extra, err := c.anchors()
	if err != nil {
		return err
	}
	for _, a := range extra {
		e := &rootfs.Entry{Path: p11kitLocal + "/anchors/" + a.label + ".pem", Mode: 0o644, ModTime: c.spec.SourceDateEpoch, Owners: []string{c.spec.Label}}
		setData(e, a.data)
		if err := c.put(e); err != nil {
			return err
		}
	}
	var bundle bytes.Buffer
	files := map[string][]byte{}
	for _, a := range append(list, extra...) {
		if bundle.Len() > 0 {
			bundle.WriteByte('\n')
		}
		if a.label != "" {
			fmt.Fprintf(&bundle, "# %s\n", a.label)
		}
		bundle.Write(catrust.EncodePEM(a.der))
		name := strings.NewReplacer("/", "_", " ", "_").Replace(a.label)
		for n := 1; name == "" || files[name+".pem"] != nil; n++ {
			name = fmt.Sprintf("%s.%d", strings.NewReplacer("/", "_", " ", "_").Replace(a.label), n)
		}
		files[name+".pem"] = a.der
	}
	hashDir := p11kitStore + "/directory-hash"
	for _, name := range sortedKeys(files) {
		if err := c.rewrite(hashDir+"/"+name, catrust.EncodePEM(files[name]), &rootfs.Entry{Mode: 0o444}, "ca_trust"); err != nil {
			return err
		}
	}
	if err := c.putHashLinks(hashDir, files); err != nil {
		return err
	}
	return c.rewrite(p11kitStore+"/tls-ca-bundle.pem", bundle.Bytes(), &rootfs.Entry{Mode: 0o444}, "ca_trust")
}

// putHashLinks makes the links by which OpenSSL finds the certificates of dir; files are their DER encodings by name.
func (c *composer) putHashLinks(dir string, files map[string][]byte) error {
	links, err := catrust.HashLinks(files)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := c.putLink(dir+"/"+l.Name, l.Target, "ca_trust"); err != nil {
			return err
		}
	}
	return nil
}

func (c *composer) p11kitAuthorities() ([]authority, error) {
	blocked, err := c.blockedAuthorities()
	if err != nil {
		return nil, err
	}
	var out []authority
	seen := map[string]bool{}
	add := func(label string, der []byte) {
		if !blocked[string(der)] && !seen[string(der)] {
			seen[string(der)] = true
			out = append(out, authority{label: label, der: der})
		}
	}
	for _, root := range []string{p11kitVendor, p11kitLocal} {
		for _, e := range c.fs.List(root) {
			if e.Type != pkgindex.TypeFile || !strings.HasSuffix(e.Path, ".p11-kit") {
				continue
			}
			data, err := c.readStore(e)
			if err != nil {
				return nil, err
			}
			objects, err := catrust.ParseP11Kit(data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Path, err)
			}
			if objects, err = catrust.ServerAnchors(objects); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Path, err)
			}
			for i := range objects {
				add(objects[i].Label(), objects[i].Certificate)
			}
		}
		if err := c.eachCertificate(root+"/anchors", add); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *composer) blockedAuthorities() (map[string]bool, error) {
	blocked := map[string]bool{}
	for _, root := range []string{p11kitVendor, p11kitLocal} {
		for _, dir := range []string{"/blacklist", "/blocklist"} {
			if err := c.eachCertificate(root+dir, func(_ string, der []byte) { blocked[string(der)] = true }); err != nil {
				return nil, err
			}
		}
	}
	return blocked, nil
}

// eachCertificate reads the PEM files of a directory; the label is the file's name.
func (c *composer) eachCertificate(dir string, do func(label string, der []byte)) error {
	for _, e := range c.fs.List(dir) {
		target := c.fs.Stat(e.Path)
		if target == nil || target.Type != pkgindex.TypeFile {
			continue
		}
		data, err := c.readStore(target)
		if err != nil {
			return err
		}
		certs, err := catrust.ParsePEM(data)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		name, _, _ := strings.Cut(rootfs.Base(e.Path), ".")
		for _, der := range certs {
			do(name, der)
		}
	}
	return nil
}
