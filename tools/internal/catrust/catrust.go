// Package catrust makes the stores of trusted certificate authorities that images need, as the distributions' own programs
// do: update-ca-certificates(8) of Debian, and update-ca-trust(8) of Red Hat, which calls p11-kit's trust(1).
//
// Load reads the sources of the latter (p11-kit files, anchors, blocklists) with the purposes each certificate is trusted for;
// the encoders make bundles of PEM and of OpenSSL's trusted certificates, Java keystores, the signature list of EDK2, and
// directories that OpenSSL searches by hash; Update does what the program of the image would do. The hash of a subject is
// OpenSSL's since 1.0.0: SHA-1 over the canonical form of the name (X509_NAME_hash).
//
// Certificates are not validated: what a package ships as trusted is trusted. Nothing depends on the clock.
package catrust

import (
	"bytes"
	"crypto/md5"
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
		if _, err := readFields(block.Bytes); err != nil {
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

// SubjectHash returns OpenSSL's hash of the subject, which names links in a certificate directory.
func SubjectHash(der []byte) (uint32, error) {
	f, err := readFields(der)
	if err != nil {
		return 0, err
	}
	canonical, err := canonicalName(f.subject)
	if err != nil {
		return 0, fmt.Errorf("reading subject of certificate: %w", err)
	}
	sum := sha1.Sum(canonical)
	return binary.LittleEndian.Uint32(sum[:4]), nil
}

// OldSubjectHash is the hash of OpenSSL before 1.0.0, by MD5; p11-kit makes links by both.
func OldSubjectHash(der []byte) (uint32, error) {
	f, err := readFields(der)
	if err != nil {
		return 0, err
	}
	sum := md5.Sum(f.subject)
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
	text, ok, err := directoryString(v)
	if err != nil || !ok {
		return v, err
	}
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: fold(text)}, nil
}

// directoryString returns a string of any of the types of names as UTF-8; ok is false for other values.
func directoryString(v asn1.RawValue) (text []byte, ok bool, err error) {
	const tagUniversalString, tagVisibleString = 28, 26
	if v.Class != asn1.ClassUniversal {
		return nil, false, nil
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisibleString:
		text = v.Bytes
	case asn1.TagT61String: // OpenSSL reads it as Latin-1
		for _, b := range v.Bytes {
			text = append(text, string(rune(b))...)
		}
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return nil, false, fmt.Errorf("BMPString of %d bytes", len(v.Bytes))
		}
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		text = []byte(string(utf16.Decode(units)))
	case tagUniversalString:
		if len(v.Bytes)%4 != 0 {
			return nil, false, fmt.Errorf("UniversalString of %d bytes", len(v.Bytes))
		}
		for i := 0; i < len(v.Bytes); i += 4 {
			text = append(text, string(rune(binary.BigEndian.Uint32(v.Bytes[i:])))...)
		}
	default:
		return nil, false, nil
	}
	return text, true, nil
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
