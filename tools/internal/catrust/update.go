package catrust

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Layouts of CA stores.
const (
	LayoutP11Kit = "p11-kit" // Red Hat's: /etc/pki/ca-trust, by update-ca-trust(8)
	LayoutDebian = "debian"  // /etc/ssl/certs, by update-ca-certificates(8)
)

// Formats of stores that Update can make. An empty list stands for those that the image's own program makes.
const (
	FormatPEM     = "pem"
	FormatOpenSSL = "openssl" // LayoutP11Kit only
	FormatJava    = "java"
	FormatPKCS12  = "pkcs12"
	FormatEDK2    = "edk2"
	FormatHash    = "directory-hash"
)

// AllFormats lists them.
var AllFormats = []string{FormatPEM, FormatOpenSSL, FormatHash, FormatJava, FormatPKCS12, FormatEDK2}

// Extra is a PEM file that the image's owner adds to the sources.
type Extra struct {
	Name string // file name without suffix
	Data []byte
}

// Options say what Update makes.
type Options struct {
	Layout     string // empty: told from the tree
	Formats    []string
	Anchors    []Extra // trusted besides what the tree has
	Distrusted []Extra // not to be trusted, whatever else says so
	Time       int64   // seconds since 1970, for the entries of Java keystores
}

// Result is what changes in the tree, besides parents of new files.
type Result struct {
	Layout  string
	Sources []File   // that keep the extra certificates, so that the real program would come to the same result
	Files   []File   // stores
	Remove  []string // what an earlier run made and this one would not
	Notes   []string
	Trusted int // authorities that may vouch for servers
}

// Layout tells which program fsys has, or would have, for its stores.
func Layout(fsys fs.FS) string {
	for _, sign := range []string{"usr/share/pki/ca-trust-source", "etc/pki/ca-trust"} {
		if _, err := fs.Stat(fsys, sign); err == nil {
			return LayoutP11Kit
		}
	}
	for _, sign := range []string{debianCerts[1:], "etc/debian_version", "usr/sbin/update-ca-certificates"} {
		if _, err := fs.Stat(fsys, sign); err == nil {
			return LayoutDebian
		}
	}
	return LayoutP11Kit
}

// Update does to the image what update-ca-trust or update-ca-certificates would do. fsys must resolve symbolic links inside the
// image.
func Update(fsys fs.FS, o Options) (*Result, error) {
	for _, format := range o.Formats {
		if !slices.Contains(AllFormats, format) {
			return nil, fmt.Errorf("format %q: must be one of %s", format, strings.Join(AllFormats, ", "))
		}
	}
	for _, list := range [][]Extra{o.Anchors, o.Distrusted} {
		for _, x := range list {
			if _, err := ParsePEM(x.Data); err != nil {
				return nil, fmt.Errorf("%s: %w", x.Name, err)
			}
		}
	}
	layout := o.Layout
	if layout == "" {
		layout = Layout(fsys)
	}
	switch layout {
	case LayoutDebian:
		return updateDebian(fsys, o)
	case LayoutP11Kit:
		return updateP11Kit(fsys, o)
	}
	return nil, fmt.Errorf("layout %q: must be %s or %s", layout, LayoutP11Kit, LayoutDebian)
}

// Directories of LayoutP11Kit.
const (
	p11Store   = "/etc/pki/ca-trust/extracted"
	p11HashDir = p11Store + "/pem/directory-hash"
	p11Program = "usr/bin/update-ca-trust"
)

// p11Links are where programs look; the ca-certificates package has them, and what has only anchors gets them from here.
var p11Links = []File{
	{Path: "/etc/pki/tls/cert.pem", Link: p11Store + "/pem/tls-ca-bundle.pem"},
	{Path: "/etc/pki/tls/certs/ca-bundle.crt", Link: p11Store + "/pem/tls-ca-bundle.pem"},
}

func updateP11Kit(fsys fs.FS, o Options) (*Result, error) {
	r := &Result{Layout: LayoutP11Kit}
	for _, x := range o.Anchors {
		r.Sources = append(r.Sources, File{Path: LocalSource + "/anchors/" + x.Name + ".pem", Data: x.Data, Mode: 0o644})
	}
	blocklist := "/blocklist/"
	if _, err := fs.Stat(fsys, VendorSource[1:]+"/blacklist"); err == nil {
		if _, err := fs.Stat(fsys, VendorSource[1:]+"/blocklist"); err != nil {
			blocklist = "/blacklist/" // p11-kit before 0.23.22 reads no other
		}
	}
	for _, x := range o.Distrusted {
		r.Sources = append(r.Sources, File{Path: LocalSource + blocklist + x.Name + ".pem", Data: x.Data, Mode: 0o644})
	}
	source, err := Load(fsys, []string{LocalSource, VendorSource}, r.Sources)
	if err != nil {
		return nil, err
	}
	for _, name := range source.Skipped {
		if path.Base(name) != "README" {
			r.Notes = append(r.Notes, name+": holds no certificate")
		}
	}
	formats := o.Formats
	if len(formats) == 0 {
		formats = p11Formats(fsys)
	}
	if err := r.p11Stores(source, formats, o.Time); err != nil {
		return nil, err
	}
	for _, link := range p11Links {
		if _, err := fs.Lstat(fsys, link.Path[1:]); err != nil {
			r.Files = append(r.Files, link)
		}
	}
	if slices.Contains(formats, FormatHash) {
		r.Remove = leftOver(fsys, p11HashDir, r.Files, func(fs.DirEntry) bool { return true })
	}
	return r, nil
}

// p11Formats reads from the script of the image what it makes; without one, from the directories that its package has.
func p11Formats(fsys fs.FS) []string {
	formats := []string{FormatPEM, FormatOpenSSL, FormatJava}
	script, err := fs.ReadFile(fsys, p11Program)
	for _, x := range []struct{ format, option, dir string }{
		{FormatEDK2, "edk2-cacerts", p11Store + "/edk2"}, {FormatHash, "pem-directory-hash", p11HashDir},
	} {
		_, dirErr := fs.Stat(fsys, x.dir[1:])
		if bytes.Contains(script, []byte(x.option)) || err != nil && dirErr == nil {
			formats = append(formats, x.format)
		}
	}
	return formats
}

func (r *Result) p11Stores(source *Source, formats []string, time int64) error {
	anchors := map[string][]Certificate{}
	for _, purpose := range []string{ServerAuth, Email, CodeSigning} {
		var err error
		if anchors[purpose], err = source.Anchors(purpose); err != nil {
			return err
		}
	}
	servers := anchors[ServerAuth]
	r.Trusted = len(servers)
	for _, format := range AllFormats {
		if !slices.Contains(formats, format) {
			continue
		}
		var err error
		var data []byte
		switch format {
		case FormatPEM:
			r.store("pem/tls-ca-bundle.pem", PEMBundle(servers, true))
			r.store("pem/email-ca-bundle.pem", PEMBundle(anchors[Email], true))
			r.store("pem/objsign-ca-bundle.pem", PEMBundle(anchors[CodeSigning], true))
		case FormatOpenSSL:
			if data, err = OpenSSLBundle(source.All()); err == nil {
				r.store("openssl/ca-bundle.trust.crt", data)
			}
		case FormatJava:
			if data, err = JKS(servers, time); err == nil {
				r.store("java/cacerts", data)
			}
		case FormatPKCS12:
			if data, err = PKCS12(servers); err == nil {
				r.store("java/cacerts.p12", data)
			}
		case FormatEDK2:
			r.store("edk2/cacerts.bin", EDK2(servers))
		case FormatHash:
			var files []File
			if files, err = HashDirectory(p11HashDir, servers); err == nil {
				r.Files = append(r.Files, files...)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) store(name string, data []byte) {
	r.Files = append(r.Files, File{Path: p11Store + "/" + name, Data: data, Mode: 0o444})
}

// leftOver lists what dir has, of its entries that stale accepts, and files does not.
func leftOver(fsys fs.FS, dir string, files []File, stale func(fs.DirEntry) bool) []string {
	entries, err := fs.ReadDir(fsys, dir[1:])
	if err != nil {
		return nil
	}
	keep := map[string]bool{}
	for _, f := range files {
		keep[f.Path] = true
	}
	var out []string
	for _, e := range entries {
		if name := path.Join(dir, e.Name()); !e.IsDir() && !keep[name] && stale(e) {
			out = append(out, name)
		}
	}
	return out
}
