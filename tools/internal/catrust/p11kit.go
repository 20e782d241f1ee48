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
	if b.Type != "CERTIFICATE" {
		return nil // public keys and the like
	}
	if _, err := subject(b.Bytes); err != nil {
		return err
	}
	o.Certificate = b.Bytes
	return nil
}

// Anchor reports whether the object is a certificate authority that may vouch for servers: trusted, and not distrusted.
func (o *Object) Anchor() bool {
	return o.Certificate != nil && o.Attributes["trusted"] == "true" && o.Attributes["x-distrusted"] != "true"
}

// Label returns the label of the object without quotes, or "".
func (o *Object) Label() string { return strings.Trim(o.Attributes["label"], `"`) }
