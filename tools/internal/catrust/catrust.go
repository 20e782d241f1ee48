// Package catrust makes the stores of trusted certificate authorities that images need: a PEM bundle and a directory that
// OpenSSL searches by hash of the subject.
//
// Sources are PEM files (Debian's ca-certificates), and p11-kit's persistence format (Red Hat's ca-certificates). The hash of
// a subject is OpenSSL's since 1.0.0: SHA-1 over the canonical form of the name (X509_NAME_hash). Certificates are not
// validated: what a package ships as trusted is trusted.
package catrust

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// Limits; Mozilla's list has 140 certificates in 220 KB.
const (
	maxFileBytes    = 16 << 20
	maxCertificates = 1 << 14
)

// ParsePEM returns the certificates of a file, in order. Text between them is skipped; other PEM blocks are errors, so that a
// private key does not slip into an image.
func ParsePEM(data []byte) ([][]byte, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	var out [][]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block of type %q among certificates", block.Type)
		}
		if _, err := subject(block.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		if out = append(out, block.Bytes); len(out) > maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no PEM certificate in it")
	}
	return out, nil
}

// EncodePEM returns one certificate as OpenSSL writes it.
func EncodePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// attribute is an AttributeTypeAndValue of a name.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// subject returns the DER of the subject's name.
func subject(der []byte) ([]byte, error) {
	name, _, err := subjectAndKey(der)
	return name, err
}

// subjectAndKey returns the DER of the subject's name and of its public key (RFC 5280, 4.1).
func subjectAndKey(der []byte) (name, key []byte, err error) {
	var outer struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, nil, fmt.Errorf("reading certificate: %w", err)
	} else if len(rest) > 0 {
		return nil, nil, fmt.Errorf("reading certificate: %d bytes follow it", len(rest))
	}
	// By hand, because the version is optional and serial numbers may be of forms that encoding/asn1 refuses.
	fields := outer.TBS.Bytes
	var v asn1.RawValue
	for want := 0; ; {
		rest, err := asn1.Unmarshal(fields, &v)
		if err != nil {
			return nil, nil, fmt.Errorf("reading certificate: %w", err)
		}
		fields = rest
		if want == 0 && v.Class == asn1.ClassContextSpecific && v.Tag == 0 {
			continue
		}
		// serial, algorithm, issuer, validity, subject, public key
		if want++; want < 5 {
			continue
		}
		if v.Tag != asn1.TagSequence || v.Class != asn1.ClassUniversal {
			return nil, nil, fmt.Errorf("reading certificate: its subject or public key is no sequence")
		}
		if want == 5 {
			name = v.FullBytes
			continue
		}
		return name, v.FullBytes, nil
	}
}

// SubjectHash returns OpenSSL's hash of the subject, which names links in a certificate directory.
func SubjectHash(der []byte) (uint32, error) {
	name, err := subject(der)
	if err != nil {
		return 0, err
	}
	canonical, err := canonicalName(name)
	if err != nil {
		return 0, fmt.Errorf("reading subject of certificate: %w", err)
	}
	sum := sha1.Sum(canonical)
	return binary.LittleEndian.Uint32(sum[:4]), nil
}

// canonicalName is the encoding of X509_NAME_cmp: the sets of attributes one after the other without the outer sequence,
// strings as UTF8String in lower case with blanks folded.
func canonicalName(der []byte) ([]byte, error) {
	var sets []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &sets); err != nil {
		return nil, err
	}
	var out []byte
	for _, set := range sets {
		var parts [][]byte
		for rest := set.Bytes; len(rest) > 0; {
			var a attribute
			var err error
			if rest, err = asn1.Unmarshal(rest, &a); err != nil {
				return nil, err
			}
			if a.Value, err = canonicalValue(a.Value); err != nil {
				return nil, err
			}
			part, err := asn1.Marshal(a)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		slices.SortFunc(parts, bytes.Compare) // DER of SET OF
		raw, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(parts, nil)})
		if err != nil {
			return nil, err
		}
		out = append(out, raw...)
	}
	return out, nil
}

func canonicalValue(v asn1.RawValue) (asn1.RawValue, error) {
	const tagUniversalString, tagVisibleString = 28, 26
	if v.Class != asn1.ClassUniversal {
		return v, nil
	}
	var text []byte
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString:
		text = v.Bytes
	case asn1.TagT61String: // OpenSSL reads it as Latin-1
		for _, b := range v.Bytes {
			text = append(text, string(rune(b))...)
		}
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return v, fmt.Errorf("BMPString of %d bytes", len(v.Bytes))
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		text = []byte(string(utf16.Decode(units)))
	case tagUniversalString:
		if len(v.Bytes)%4 != 0 {
			return v, fmt.Errorf("UniversalString of %d bytes", len(v.Bytes))
		}
		for i := 0; i < len(v.Bytes); i += 4 {
			text = append(text, string(rune(binary.BigEndian.Uint32(v.Bytes[i:])))...)
		}
	default:
		return v, nil
	}
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: fold(text)}, nil
}

// fold trims blanks, makes one of several, and lowers ASCII letters; bytes of other characters stay.
func fold(text []byte) []byte {
	const blanks = " \t\n\v\f\r"
	out := make([]byte, 0, len(text))
	for _, b := range bytes.Trim(text, blanks) {
		switch {
		case strings.IndexByte(blanks, b) >= 0:
			if out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
		case b >= 'A' && b <= 'Z':
			out = append(out, b+'a'-'A')
		default:
			out = append(out, b)
		}
	}
	return out
}

// HashLink is a link of a certificate directory: HASH.N to a file.
type HashLink struct{ Name, Target string }

// HashLinks returns the links that `openssl rehash` makes for files of one certificate each, by file name. Equal certificates
// get one link.
func HashLinks(files map[string][]byte) ([]HashLink, error) {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	count := map[uint32]int{}
	seen := map[string]bool{}
	var out []HashLink
	for _, name := range names {
		der := files[name]
		if seen[string(der)] {
			continue
		}
		seen[string(der)] = true
		hash, err := SubjectHash(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, HashLink{fmt.Sprintf("%08x.%d", hash, count[hash]), name})
		count[hash]++
	}
	slices.SortFunc(out, func(a, b HashLink) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// DebianName returns the name under which update-ca-certificates(8) puts a certificate file into /etc/ssl/certs.
func DebianName(file string) string {
	name := strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".crt")
	return strings.NewReplacer(" ", "_", "(", "=", ")", "=", ",", "_").Replace(name) + ".pem"
}

// ParseDebianConf reads ca-certificates.conf: names below /usr/share/ca-certificates, "!" before those that are not trusted.
func ParseDebianConf(text string) (trusted []string) {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && line[0] != '!' {
			trusted = append(trusted, line)
		}
	}
	return trusted
}
