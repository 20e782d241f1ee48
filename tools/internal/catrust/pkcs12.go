package catrust

import (
	"encoding/asn1"
	"fmt"
	"unicode/utf16"
)

// Object identifiers of PKCS #12 (RFC 7292), and Java's own mark of a trusted entry.
var (
	oidData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidCertBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509Bag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidJavaTrustUsage = asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
)

// contentInfo is used for every level of the format.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue // [0] EXPLICIT
}

func explicit(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: der}
}

type safeBag struct {
	ID         asn1.ObjectIdentifier
	Value      asn1.RawValue  `asn1:"explicit,tag:0"`
	Attributes []bagAttribute `asn1:"set"`
}

type bagAttribute struct {
	ID     asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// PKCS12 returns a keystore of trusted certificates that Java opens without a password, or with any: neither encrypted nor
// sealed, because both need random bytes and the certificates are public.
func PKCS12(certs []Certificate) ([]byte, error) {
	names := newAliases()
	bags := []safeBag{}
	for i := range certs {
		bag, err := certificateBag(names.of(&certs[i]), certs[i].DER)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", certs[i].Label, err)
		}
		bags = append(bags, bag)
	}
	contents, err := asn1.Marshal(bags)
	if err != nil {
		return nil, err
	}
	info, err := dataInfo(contents)
	if err != nil {
		return nil, err
	}
	safe, err := asn1.Marshal([]contentInfo{info})
	if err != nil {
		return nil, err
	}
	if info, err = dataInfo(safe); err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Version int
		Safe    contentInfo
	}{3, info})
}

func dataInfo(data []byte) (contentInfo, error) {
	raw, err := asn1.Marshal(data)
	return contentInfo{Type: oidData, Content: explicit(raw)}, err
}

func certificateBag(alias string, der []byte) (safeBag, error) {
	octets, err := asn1.Marshal(der)
	if err != nil {
		return safeBag{}, err
	}
	cert, err := asn1.Marshal(contentInfo{Type: oidX509Bag, Content: explicit(octets)})
	if err != nil {
		return safeBag{}, err
	}
	var name []byte
	for _, unit := range utf16.Encode([]rune(alias)) {
		name = append(name, byte(unit>>8), byte(unit))
	}
	usage, err := asn1.Marshal(parseOID(oidAnyUsage))
	if err != nil {
		return safeBag{}, err
	}
	return safeBag{ID: oidCertBag, Value: explicit(cert), Attributes: []bagAttribute{
		{oidFriendlyName, []asn1.RawValue{{Tag: asn1.TagBMPString, Bytes: name}}},
		{oidJavaTrustUsage, []asn1.RawValue{{FullBytes: usage}}},
	}}, nil
}
