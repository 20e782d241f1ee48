package pgp

import (
	"fmt"
	"strings"
	"time"
)

// Certificate is a public key as it is passed on, unchecked: what `rpm --import` keeps of it.
type Certificate struct {
	Raw     []byte // all packets
	Version int    // of the primary key
	KeyID   uint64
	Created time.Time
	UserID  string   // the first
	Subkeys []Subkey // that may sign, in order
}

// Subkey is a key of a certificate besides the primary one.
type Subkey struct {
	KeyID   uint64
	Created time.Time
}

// Certificates cuts armored or binary public keys into certificates. Signatures are
// looked at only to tell which subkeys may sign.
func Certificates(data []byte) ([]Certificate, error) {
	out, err := certificates(data)
	if err != nil {
		return nil, fmt.Errorf("reading public keys: %w", err)
	}
	return out, nil
}

func certificates(data []byte) ([]Certificate, error) {
	raw, err := dearmor(data, armorKey)
	if err != nil {
		return nil, err
	}
	var out []Certificate
	var packets []packet // of the last one
	for at := 0; at < len(raw); {
		p, n, err := nextPacket(raw[at:])
		if err != nil {
			return nil, fmt.Errorf("packet at offset %d: %w", at, err)
		}
		if p.tag != packetPublicKey && len(out) == 0 {
			return nil, fmt.Errorf("they start with a packet of type %d, not with a key", p.tag)
		}
		switch p.tag {
		case packetPublicKey:
			k, err := parseKey(p.body)
			if err != nil {
				return nil, fmt.Errorf("packet at offset %d: %w", at, err)
			}
			addSubkeys(out, packets)
			out, packets = append(out, Certificate{Version: int(k.version), KeyID: k.id, Created: k.created}), nil
		case packetUserID:
			if last := &out[len(out)-1]; last.UserID == "" {
				last.UserID = strings.ReplaceAll(string(p.body), "\x00", "")
			}
		}
		last := &out[len(out)-1]
		last.Raw, packets = append(last.Raw, raw[at:at+n]...), append(packets, p)
		at += n
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("they are empty")
	}
	addSubkeys(out, packets)
	return out, nil
}

// addSubkeys lists the subkeys that may sign of the last certificate, which has these packets.
func addSubkeys(list []Certificate, packets []packet) {
	if len(list) == 0 {
		return
	}
	c, err := readCert(packets)
	if err != nil {
		return // its own signatures are wrong: nothing says that the subkeys are its
	}
	for _, k := range c.subkeys {
		if k.mayntUse == nil {
			list[len(list)-1].Subkeys = append(list[len(list)-1].Subkeys, Subkey{k.id, k.created})
		}
	}
}

// Checksum is that of an armor around data (RFC 4880 section 6.1), 24 bits.
func Checksum(data []byte) uint32 { return crc24(data) }
