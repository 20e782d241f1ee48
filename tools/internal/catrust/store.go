package catrust

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// PEMBundle returns certificates one after the other, each with its label as a comment if asked for.
func PEMBundle(certs []Certificate, comments bool) []byte {
	var out bytes.Buffer
	for i := range certs {
		if comments {
			writeComment(&out, &certs[i])
		}
		out.Write(EncodePEM(certs[i].DER))
	}
	return out.Bytes()
}

func writeComment(out *bytes.Buffer, c *Certificate) {
	if out.Len() > 0 {
		out.WriteByte('\n')
	}
	label := c.Label
	if label == "" {
		label = "certificate"
	}
	out.WriteString("# " + label + "\n")
}

// OpenSSLBundle returns "TRUSTED CERTIFICATE" blocks: each certificate with the purposes it is trusted and rejected for, its
// label and its key identifier.
func OpenSSLBundle(certs []Certificate) ([]byte, error) {
	var out bytes.Buffer
	for i := range certs {
		c := &certs[i]
		aux, err := c.encodeAux()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Label, err)
		}
		writeComment(&out, c)
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(bytes.Clone(c.DER), aux...)}))
	}
	return out.Bytes(), nil
}

func (c *Certificate) encodeAux() ([]byte, error) {
	var reject, trust []string
	var err error
	if der := c.stapled[oidOpenSSLReject]; der != nil {
		if reject, err = readPurposes(der); err != nil {
			return nil, err
		}
	}
	der := c.stapled[oidExtendedKeyUsage]
	hasTrust := !c.Trusted && !c.Distrusted // an empty list: trusted for nothing
	switch {
	case c.Distrusted:
		reject = append(reject, everyPurpose...)
	case c.Trusted && der != nil:
		hasTrust = true
		if trust, err = readPurposes(der); err != nil {
			return nil, err
		}
	}
	var body []byte
	add := func(tag asn1.RawValue) error {
		der, err := asn1.Marshal(tag)
		body = append(body, der...)
		return err
	}
	if hasTrust {
		list, err := encodePurposes(trust)
		if err != nil {
			return nil, err
		}
		if err := add(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: list}); err != nil {
			return nil, err
		}
	}
	if reject != nil {
		list, err := encodePurposes(reject)
		if err != nil {
			return nil, err
		}
		if err := add(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: list}); err != nil {
			return nil, err
		}
	}
	if err := add(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(c.Label)}); err != nil {
		return nil, err
	}
	if id := c.stapled[oidSubjectKeyID]; id != nil {
		if err := add(asn1.RawValue{Tag: asn1.TagOctetString, Bytes: id}); err != nil {
			return nil, err
		}
	}
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
}

func encodePurposes(oids []string) ([]byte, error) {
	var out []byte
	for _, oid := range oids {
		der, err := asn1.Marshal(parseOID(oid))
		if err != nil {
			return nil, err
		}
		out = append(out, der...)
	}
	return out, nil
}

func parseOID(s string) asn1.ObjectIdentifier {
	var out asn1.ObjectIdentifier
	for _, part := range strings.Split(s, ".") {
		n, _ := strconv.Atoi(part) // only of what ObjectIdentifier.String made
		out = append(out, n)
	}
	return out
}

// StorePassword is the password of the keystores that distributions ship: it keeps nothing secret, it is part of a checksum.
const StorePassword = "changeit"

// JKS returns a Java keystore with certificates as trusted entries, sealed with StorePassword. time, in seconds since 1970, is
// when they are said to have been added. (JDK: sun/security/provider/JavaKeyStore.java)
func JKS(certs []Certificate, time int64) ([]byte, error) {
	be := binary.BigEndian
	out := be.AppendUint32(nil, 0xfeedfeed)
	out = be.AppendUint32(out, 2)
	out = be.AppendUint32(out, uint32(len(certs)))
	aliases := newAliases()
	for i := range certs {
		out = be.AppendUint32(out, 2) // a trusted certificate
		alias := aliases.of(&certs[i])
		if len(alias) > 1<<15-1 {
			return nil, fmt.Errorf("label %.40q... is too long for a Java keystore", alias)
		}
		out = append(be.AppendUint16(out, uint16(len(alias))), alias...)
		out = be.AppendUint64(out, uint64(time)*1000)
		out = append(be.AppendUint16(out, 5), "X.509"...)
		out = append(be.AppendUint32(out, uint32(len(certs[i].DER))), certs[i].DER...)
	}
	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune(StorePassword)) {
		sum.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	sum.Write([]byte("Mighty Aphrodite"))
	sum.Write(out)
	return sum.Sum(out), nil
}

// aliases gives each certificate a name of its own that a Java keystore takes: without blanks, in lower case, ASCII.
type aliases map[string]bool

func newAliases() aliases { return aliases{} }

func (a aliases) of(c *Certificate) string {
	label := c.Label
	if label == "" {
		label = "unlabeled"
	}
	var base []byte
	for _, b := range []byte(label) {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b < 0x80 && strings.IndexByte(" \t\n\v\f\r", b) < 0 {
			base = append(base, b)
		}
	}
	name := string(base)
	for n := 1; a[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	a[name] = true
	return name
}

// Identifiers of the signature list of UEFI (UEFI specification, 32.4.1), and p11-kit's own as the owner of each entry.
var (
	efiCertX509 = []byte{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}
	efiOwner    = []byte{0x50, 0x3b, 0xdd, 0xdc, 0x05, 0xf4, 0xfd, 0x43, 0x96, 0xbe, 0xbd, 0x33, 0xb1, 0x73, 0x47, 0x76}
)

// EDK2 returns the signature list that EDK2 firmware takes for HTTPS boot: one list per certificate.
func EDK2(certs []Certificate) []byte {
	le := binary.LittleEndian
	var out []byte
	for i := range certs {
		der := certs[i].DER
		out = append(out, efiCertX509...)
		out = le.AppendUint32(out, uint32(len(der)+len(efiOwner)+28))
		out = le.AppendUint32(out, 0)
		out = le.AppendUint32(out, uint32(len(der)+len(efiOwner)))
		out = append(append(out, efiOwner...), der...)
	}
	return out
}

// HashDirectory returns the files of a directory dir that OpenSSL can search: one file per certificate, named by its label, and
// links to it by both hashes of its subject.
func HashDirectory(dir string, certs []Certificate) ([]File, error) {
	taken := map[string]bool{}
	unique := func(base, suffix string) string {
		name := base + suffix
		for n := 1; taken[name]; n++ {
			if suffix == ".0" {
				name = fmt.Sprintf("%s.%d", base, n)
			} else {
				name = fmt.Sprintf("%s.%d%s", base, n, suffix)
			}
		}
		taken[name] = true
		return name
	}
	var out []File
	for i := range certs {
		c := &certs[i]
		name := unique(fileName(c.Label), ".pem")
		out = append(out, File{Path: dir + "/" + name, Data: EncodePEM(c.DER), Mode: 0o444})
		for _, hash := range []func([]byte) (uint32, error){SubjectHash, OldSubjectHash} {
			h, err := hash(c.DER)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Label, err)
			}
			out = append(out, File{Path: dir + "/" + unique(fmt.Sprintf("%08x", h), ".0"), Link: name})
		}
	}
	return out, nil
}

// fileName replaces every byte that is no ASCII letter, digit, dot, hyphen or underscore.
func fileName(label string) string {
	if label == "" {
		label = "certificate"
	}
	out := []byte(label)
	for i, b := range out {
		if !(b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '.' || b == '-' || b == '_') {
			out[i] = '_'
		}
	}
	return string(out)
}
