package catrust

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
)

// Object is one object of a p11-kit file: attributes by name, and the certificate it holds, if any.
type Object struct {
	Attributes  map[string]string // quotes kept, as values are typed by them
	Certificate []byte            // DER
	PublicKey   []byte            // DER; of extensions that are stapled to every certificate with this key
}

// ParseP11Kit reads p11-kit's persistence format (p11-kit: trust/persist.c): sections that start with
// "[p11-kit-object-v1]", "name: value" lines, and PEM blocks as values.
func ParseP11Kit(data []byte) ([]Object, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	var out []Object
	var block *bytes.Buffer
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		switch {
		case block != nil:
			block.WriteString(line + "\n")
			if strings.HasPrefix(line, "-----END ") {
				if err := out[len(out)-1].add(block.Bytes()); err != nil {
					return nil, fmt.Errorf("line %d: %w", n, err)
				}
				block = nil
			}
		case line == "" || line[0] == '#':
		case line == "[p11-kit-object-v1]":
			if out = append(out, Object{Attributes: map[string]string{}}); len(out) > 4*maxCertificates {
				return nil, fmt.Errorf("more than %d objects", 4*maxCertificates)
			}
		case len(out) == 0:
			return nil, fmt.Errorf("line %d: before the first [p11-kit-object-v1]", n)
		case strings.HasPrefix(line, "-----BEGIN "):
			block = bytes.NewBufferString(line + "\n")
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("line %d: neither attribute nor PEM", n)
			}
			out[len(out)-1].Attributes[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if block != nil {
		return nil, fmt.Errorf("PEM block does not end")
	}
	return out, nil
}

func (o *Object) add(text []byte) error {
	b, _ := pem.Decode(text)
	if b == nil {
		return fmt.Errorf("damaged PEM block")
	}
	if b.Type == "PUBLIC KEY" {
		o.PublicKey = b.Bytes
		return nil
	}
	if b.Type != "CERTIFICATE" {
		return nil
	}
	if _, err := subject(b.Bytes); err != nil {
		return err
	}
	o.Certificate = b.Bytes
	return nil
}

// Extended key usages, DER of the OIDs (RFC 5280, 4.2.1.12), as p11-kit writes bytes: percent signs before what is no
// plain character.
const (
	serverAuth = "%06%08%2b%06%01%05%05%07%03%01"
	anyUsage   = "%06%04U%1d%25%00"
)

// ServerAnchors returns the certificate authorities among objects that may vouch for servers: trusted, not distrusted, and
// without a stapled extended key usage that leaves servers out.
func ServerAnchors(objects []Object) ([]Object, error) {
	others := map[string]bool{} // public keys that are good for other purposes only
	for i := range objects {
		o := &objects[i]
		if o.Attributes["object-id"] == "2.5.29.37" && o.PublicKey != nil {
			value := o.Attributes["value"]
			others[string(o.PublicKey)] = !strings.Contains(value, serverAuth) && !strings.Contains(value, anyUsage)
		}
	}
	var out []Object
	for _, o := range objects {
		if o.Certificate == nil || o.Attributes["trusted"] != "true" || o.Attributes["x-distrusted"] == "true" {
			continue
		}
		_, key, err := subjectAndKey(o.Certificate)
		if err != nil {
			return nil, err
		}
		if !others[string(key)] {
			out = append(out, o)
		}
	}
	return out, nil
}

// Label returns the label of the object without quotes, or "".
func (o *Object) Label() string { return strings.Trim(o.Attributes["label"], `"`) }
