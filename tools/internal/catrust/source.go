package catrust

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Directories of p11-kit's trust module in Red Hat's distributions, in the order in which it reads them.
const (
	LocalSource  = "/etc/pki/ca-trust/source"
	VendorSource = "/usr/share/pki/ca-trust-source"
)

// Certificate is one certificate of a source, with what it is trusted for.
type Certificate struct {
	DER        []byte
	Label      string
	Trusted    bool // it may vouch for others
	Distrusted bool

	fields  *fields
	stapled map[string][]byte // extensions that the source adds or replaces: contents by OID
}

// Source is what the trust directories hold.
type Source struct {
	Certificates []Certificate
	Skipped      []string // files that hold nothing the real program understands

	blockedKeys, blockedSerials map[string]bool
}

// File is a file or a symbolic link that a program makes. Paths are absolute in the image.
type File struct {
	Path string
	Data []byte
	Link string // target of a symbolic link; Data and Mode are unused then
	Mode uint32
}

// readAll lists the files directly in dir that lead to regular ones, sorted, with those of extra that lie there.
func readAll(fsys fs.FS, dir string, extra []File) ([]File, error) {
	var out []File
	entries, err := fs.ReadDir(fsys, dir[1:])
	if err != nil {
		entries = nil // it does not exist
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if slices.ContainsFunc(extra, func(f File) bool { return f.Path == name }) {
			continue
		}
		info, err := fs.Stat(fsys, name[1:])
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > maxFileBytes {
			return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFileBytes)
		}
		data, err := fs.ReadFile(fsys, name[1:])
		if err != nil {
			return nil, err
		}
		out = append(out, File{Path: name, Data: data})
	}
	for _, f := range extra {
		if path.Dir(f.Path) == dir {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// Load reads trust directories, each with its anchors and blocklists, as p11-kit's trust module does; its order within one
// directory is that of the file system, ours that of the names. A blocklist counts under its old name, blacklist, too, whatever
// the p11-kit of the image calls it: distrust is better heard twice than not at all. extra are files that fsys does not have yet.
func Load(fsys fs.FS, dirs []string, extra []File) (*Source, error) {
	s := &Source{blockedKeys: map[string]bool{}, blockedSerials: map[string]bool{}}
	for _, dir := range dirs {
		first := len(s.Certificates)
		stapled := map[string]map[string][]byte{} // by public key
		for _, sub := range []struct {
			name             string
			anchor, distrust bool
		}{{"", false, false}, {"anchors", true, false}, {"blocklist", false, true}, {"blacklist", false, true}} {
			files, err := readAll(fsys, path.Join(dir, sub.name), extra)
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				if err := s.addFile(f, sub.anchor, sub.distrust, stapled); err != nil {
					return nil, fmt.Errorf("%s: %w", f.Path, err)
				}
			}
		}
		for i := range s.Certificates[first:] {
			c := &s.Certificates[first+i]
			c.stapled = stapled[string(c.fields.key)]
		}
	}
	for _, c := range s.Certificates {
		if c.Distrusted {
			s.block(c.fields.key, c.fields.issuer, c.fields.serial)
		}
	}
	return s, nil
}

func (s *Source) block(key, issuer, serial []byte) {
	if key != nil {
		s.blockedKeys[string(key)] = true
	}
	if issuer != nil && serial != nil {
		s.blockedSerials[string(issuer)+string(serial)] = true
	}
}

// addFile reads a file of any form that p11-kit takes: its own, PEM with OpenSSL's trusted certificates, or DER.
func (s *Source) addFile(f File, anchor, distrust bool, stapled map[string]map[string][]byte) error {
	if len(s.Certificates) > maxCertificates {
		return fmt.Errorf("more than %d certificates", maxCertificates)
	}
	if bytes.Contains(f.Data, []byte(magicLine)) {
		return s.addObjects(f.Data, anchor, distrust, stapled)
	}
	if fields, err := readFields(f.Data); err == nil {
		s.add(Certificate{DER: f.Data, Trusted: anchor && !distrust, Distrusted: distrust, fields: fields})
		return nil
	}
	found := false
	for rest := f.Data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		der, aux := block.Bytes, []byte(nil)
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
		case "TRUSTED CERTIFICATE":
			var cert asn1.RawValue
			var err error
			if aux, err = asn1.Unmarshal(der, &cert); err != nil {
				return fmt.Errorf("trusted certificate: %w", err)
			}
			der = cert.FullBytes
		default:
			if strings.HasSuffix(block.Type, "PRIVATE KEY") {
				return fmt.Errorf("a PEM block of type %q among certificates", block.Type)
			}
			continue
		}
		found = true
		fields, err := readFields(der)
		if err != nil {
			return err
		}
		c := Certificate{DER: der, Trusted: anchor && !distrust, Distrusted: distrust, fields: fields}
		if len(aux) > 0 {
			if err := c.addAux(aux, stapled); err != nil {
				return err
			}
		}
		s.add(c)
	}
	if !found {
		s.Skipped = append(s.Skipped, f.Path)
	}
	return nil
}

func (s *Source) add(c Certificate) {
	if c.Label == "" {
		c.Label = nameOf(c.fields.subject)
	}
	s.Certificates = append(s.Certificates, c)
}

func (s *Source) addObjects(data []byte, anchor, distrust bool, stapled map[string]map[string][]byte) error {
	objects, err := ParseP11Kit(data)
	if err != nil {
		return err
	}
	for i := range objects {
		o := &objects[i]
		distrusted := o.isTrue("x-distrusted") || distrust
		switch {
		case o.Certificate != nil:
			fields, err := readFields(o.Certificate)
			if err != nil {
				return err
			}
			s.add(Certificate{DER: o.Certificate, Label: o.Label(), Trusted: (o.isTrue("trusted") || anchor) && !distrusted, Distrusted: distrusted, fields: fields})
		case o.Attributes["class"] == "x-certificate-extension" && o.PublicKey != nil:
			oid, value, err := readExtension(o.value("value"))
			if err != nil {
				return fmt.Errorf("extension of %s: %w", o.Label(), err)
			}
			staple(stapled, o.PublicKey, oid, value)
		case distrusted:
			s.block(o.PublicKey, o.value("issuer"), o.value("serial-number"))
		}
	}
	return nil
}

func staple(stapled map[string]map[string][]byte, key []byte, oid string, value []byte) {
	if stapled[string(key)] == nil {
		stapled[string(key)] = map[string][]byte{}
	}
	stapled[string(key)][oid] = value
}

// certAux is OpenSSL's X509_CERT_AUX.
type certAux struct {
	Trust  []asn1.ObjectIdentifier `asn1:"optional"`
	Reject []asn1.ObjectIdentifier `asn1:"optional,tag:0"`
	Alias  string                  `asn1:"optional,utf8"`
	KeyID  []byte                  `asn1:"optional"`
}

// addAux staples what OpenSSL keeps after a trusted certificate.
func (c *Certificate) addAux(der []byte, stapled map[string]map[string][]byte) error {
	var aux certAux
	if _, err := asn1.Unmarshal(der, &aux); err != nil {
		return fmt.Errorf("trusted certificate: %w", err)
	}
	c.Label = aux.Alias
	if len(aux.Trust) == 0 && len(aux.Reject) > 0 {
		c.Trusted, c.Distrusted = false, true // OpenSSL has no other way to say so
	}
	for oid, list := range map[string][]asn1.ObjectIdentifier{oidExtendedKeyUsage: aux.Trust, oidOpenSSLReject: aux.Reject} {
		if len(list) == 0 {
			continue
		}
		value, err := asn1.Marshal(list)
		if err != nil {
			return err
		}
		staple(stapled, c.fields.key, oid, value)
	}
	return nil
}

// nameOf is how p11-kit calls a certificate without a label: its common name, or else unit or organization.
func nameOf(subject []byte) string {
	var sets []asn1.RawValue
	if _, err := asn1.Unmarshal(subject, &sets); err != nil {
		return ""
	}
	for _, want := range []string{"2.5.4.3", "2.5.4.11", "2.5.4.10"} {
		for _, set := range sets {
			for rest := set.Bytes; len(rest) > 0; {
				var a attribute
				var err error
				if rest, err = asn1.Unmarshal(rest, &a); err != nil {
					return ""
				}
				if text, ok, err := directoryString(a.Value); a.Type.String() == want && ok && err == nil {
					return string(text)
				}
			}
		}
	}
	return ""
}

// All returns every certificate once.
func (s *Source) All() []Certificate {
	return s.choose(func(*Certificate) bool { return true })
}

// Anchors returns the authorities that may vouch for a purpose, an OID: trusted, not distrusted anywhere by key or by issuer and
// serial number, and without a list of purposes that leaves it out. With an empty purpose any is right.
func (s *Source) Anchors(purpose string) ([]Certificate, error) {
	var failed error
	list := s.choose(func(c *Certificate) bool {
		if !c.Trusted || c.Distrusted || s.blockedKeys[string(c.fields.key)] || s.blockedSerials[string(c.fields.issuer)+string(c.fields.serial)] ||
			!c.fields.isAuthority(c.stapled[oidBasicConstraints]) {
			return false
		}
		usage := c.stapled[oidExtendedKeyUsage]
		if usage == nil {
			usage = c.fields.extensions[oidExtendedKeyUsage]
		}
		if usage == nil || purpose == "" {
			return true
		}
		purposes, err := readPurposes(usage)
		if err != nil {
			failed = fmt.Errorf("%s: %w", c.Label, err)
		}
		return slices.Contains(purposes, purpose) || slices.Contains(purposes, oidAnyUsage)
	})
	return list, failed
}

func (s *Source) choose(want func(*Certificate) bool) []Certificate {
	seen := map[string]bool{}
	var out []Certificate
	for i := range s.Certificates {
		if c := &s.Certificates[i]; !seen[string(c.DER)] && want(c) {
			seen[string(c.DER)] = true
			out = append(out, *c)
		}
	}
	return out
}
