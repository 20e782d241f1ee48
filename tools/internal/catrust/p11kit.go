package catrust

import (
	"bufio"
	"bytes"
	"encoding/hex"
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

// magicLine starts every object of a p11-kit file.
const magicLine = "[p11-kit-object-v1]"

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
		case line == magicLine:
			if out = append(out, Object{Attributes: map[string]string{}}); len(out) > 4*maxCertificates {
				return nil, fmt.Errorf("more than %d objects", 4*maxCertificates)
			}
		case len(out) == 0:
			return nil, fmt.Errorf("line %d: before the first %s", n, magicLine)
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
	if _, err := readFields(b.Bytes); err != nil {
		return err
	}
	o.Certificate = b.Bytes
	return nil
}

// Label returns the label of the object without quotes, or "".
func (o *Object) Label() string { return string(o.value("label")) }

// value decodes an attribute: a string in quotes with bytes as %XX, or a word. It is nil where there is none, or a damaged one.
func (o *Object) value(name string) []byte {
	text, ok := o.Attributes[name]
	if !ok {
		return nil
	}
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out = append(out, text[i])
			continue
		}
		b, err := hex.DecodeString(text[i+1 : min(i+3, len(text))])
		if err != nil || len(b) != 1 {
			return nil
		}
		out = append(out, b[0])
		i += 2
	}
	return out
}

func (o *Object) isTrue(name string) bool { return o.Attributes[name] == "true" }
