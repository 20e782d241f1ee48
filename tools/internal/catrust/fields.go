package catrust

import (
	"bytes"
	"encoding/asn1"
	"fmt"
)

// fields are the parts of a certificate (RFC 5280, 4.1) that decide about trust, as DER.
type fields struct {
	version        int // 1, 2 or 3
	serial, issuer []byte
	subject, key   []byte
	extensions     map[string][]byte // contents by OID
}

// readFields takes a certificate apart. By hand, because crypto/x509 and encoding/asn1 refuse forms that roots in use have,
// such as negative serial numbers.
func readFields(der []byte) (*fields, error) {
	f, err := parseFields(der)
	if err != nil {
		return nil, fmt.Errorf("reading certificate: %w", err)
	}
	return f, nil
}

func parseFields(der []byte) (*fields, error) {
	var outer struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil {
		return nil, err
	} else if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow it", len(rest))
	}
	f := &fields{version: 1, extensions: map[string][]byte{}}
	rest := outer.TBS.Bytes
	var v asn1.RawValue
	for want := 0; want < 6; {
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, err
		}
		if want == 0 && v.Class == asn1.ClassContextSpecific && v.Tag == 0 {
			if bytes.Equal(v.Bytes, []byte{2, 1, 1}) || bytes.Equal(v.Bytes, []byte{2, 1, 2}) {
				f.version = int(v.Bytes[2]) + 1
			}
			continue
		}
		// serial, algorithm, issuer, validity, subject, public key
		if want++; want > 1 && (v.Tag != asn1.TagSequence || v.Class != asn1.ClassUniversal) {
			return nil, fmt.Errorf("its field %d is no sequence", want)
		}
		switch want {
		case 1:
			f.serial = v.FullBytes
		case 3:
			f.issuer = v.FullBytes
		case 5:
			f.subject = v.FullBytes
		case 6:
			f.key = v.FullBytes
		}
	}
	for len(rest) > 0 {
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, err
		}
		if v.Class == asn1.ClassContextSpecific && v.Tag == 3 {
			if err := f.addExtensions(v.Bytes); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func (f *fields) addExtensions(der []byte) error {
	var list []asn1.RawValue
	if _, err := asn1.Unmarshal(der, &list); err != nil {
		return fmt.Errorf("extensions: %w", err)
	}
	for _, raw := range list {
		oid, value, err := readExtension(raw.FullBytes)
		if err != nil {
			return fmt.Errorf("extensions: %w", err)
		}
		f.extensions[oid] = value
	}
	return nil
}

// readExtension returns OID and contents of an Extension.
func readExtension(der []byte) (oid string, value []byte, err error) {
	var x struct {
		ID       asn1.ObjectIdentifier
		Critical bool `asn1:"optional"`
		Value    []byte
	}
	if _, err := asn1.Unmarshal(der, &x); err != nil {
		return "", nil, err
	}
	return x.ID.String(), x.Value, nil
}

// isAuthority reports whether basic constraints say so; a self-signed certificate of version 1, which cannot have any, counts
// as an authority too.
func (f *fields) isAuthority(constraints []byte) bool {
	if constraints == nil {
		constraints = f.extensions[oidBasicConstraints]
	}
	if constraints == nil {
		return f.version == 1 && bytes.Equal(f.subject, f.issuer)
	}
	var x struct {
		CA         bool `asn1:"optional"`
		PathLength int  `asn1:"optional"`
	}
	_, err := asn1.Unmarshal(constraints, &x)
	return err == nil && x.CA
}

// Object identifiers of extensions and of purposes (RFC 5280, 4.2.1).
const (
	oidBasicConstraints = "2.5.29.19"
	oidExtendedKeyUsage = "2.5.29.37"
	oidSubjectKeyID     = "2.5.29.14"
	oidOpenSSLReject    = "1.3.6.1.4.1.3319.6.10.1" // p11-kit's, for what OpenSSL rejects

	oidAnyUsage = "2.5.29.37.0"
	ServerAuth  = "1.3.6.1.5.5.7.3.1"
	ClientAuth  = "1.3.6.1.5.5.7.3.2"
	CodeSigning = "1.3.6.1.5.5.7.3.3"
	Email       = "1.3.6.1.5.5.7.3.4"
)

// everyPurpose is what a distrusted certificate is rejected for, in p11-kit's order.
var everyPurpose = []string{ServerAuth, ClientAuth, CodeSigning, Email, "1.3.6.1.5.5.7.3.5", "1.3.6.1.5.5.7.3.6", "1.3.6.1.5.5.7.3.7", "1.3.6.1.5.5.7.3.8"}

// readPurposes decodes an extended key usage.
func readPurposes(der []byte) ([]string, error) {
	var ids []asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(der, &ids); err != nil {
		return nil, fmt.Errorf("purposes: %w", err)
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out, nil
}
