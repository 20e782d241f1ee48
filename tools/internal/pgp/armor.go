package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxInput bounds keyrings and detached signatures. A key with a thousand certifications has some 100 kB.
const maxInput = 16 << 20

// Kinds of armor that are read.
const (
	armorKey       = "PGP PUBLIC KEY BLOCK"
	armorSignature = "PGP SIGNATURE"
)

// Dearmor returns the packets of data, which is binary or holds one or more armored blocks of the given kind, with any text
// around them.
func dearmor(data []byte, kind string) ([]byte, error) {
	if len(data) > maxInput {
		return nil, fmt.Errorf("%d bytes, allowed are %d", len(data), maxInput)
	}
	if len(data) > 0 && data[0]&0x80 != 0 { // every packet starts so, no text does
		return data, nil
	}
	begin, end := "-----BEGIN "+kind+"-----", "-----END "+kind+"-----"
	var out []byte
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if strings.HasPrefix(line, "-----BEGIN PGP ") && line != begin {
			return nil, fmt.Errorf("armor %q, wanted %q", line, begin)
		}
		if line != begin {
			continue
		}
		body := i + 1
		for i = body; i < len(lines) && strings.TrimSpace(lines[i]) != end; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("armor does not end with %q", end)
		}
		block, err := dearmorBlock(lines[body:i])
		if err != nil {
			return nil, err
		}
		out = append(out, block...)
	}
	if out == nil {
		return nil, fmt.Errorf("neither OpenPGP packets nor %q", begin)
	}
	return out, nil
}

// dearmorBlock decodes the lines between begin and end: headers, an empty line, base64, and perhaps a checksum.
func dearmorBlock(lines []string) ([]byte, error) {
	for len(lines) > 0 && strings.Contains(lines[0], ":") {
		lines = lines[1:]
	}
	var text strings.Builder
	checksum := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case checksum != "":
			return nil, errors.New("armor has text after its checksum")
		case len(line) == 5 && line[0] == '=':
			checksum = line[1:]
		default:
			text.WriteString(line)
		}
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text.String())
	if err != nil {
		return nil, fmt.Errorf("armor is not base64: %w", err)
	}
	if len(data) == 0 {
		return nil, errors.New("armor is empty")
	}
	if checksum != "" {
		want, err := base64.StdEncoding.DecodeString(checksum)
		crc := crc24(data)
		if err != nil || !bytes.Equal(want, []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}) {
			return nil, fmt.Errorf("armor checksum mismatch: =%s is not that of the data", checksum)
		}
	}
	return data, nil
}

// crc24 is the checksum of RFC 4880 section 6.1.
func crc24(data []byte) uint32 {
	crc := uint32(0xb704ce)
	for _, c := range data {
		crc ^= uint32(c) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	return crc & 0xffffff
}
