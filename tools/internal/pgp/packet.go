package pgp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// Packet tags (RFC 9580 section 5).
const (
	packetSignature     = 2
	packetPublicKey     = 6
	packetMarker        = 10
	packetTrust         = 12
	packetUserID        = 13
	packetPublicSubkey  = 14
	packetUserAttribute = 17
	packetPadding       = 21
)

const (
	maxPackets = 100_000
	maxMPIBits = 16384
)

type packet struct {
	tag  int
	body []byte
}

// splitPackets cuts data into packets. Streaming lengths (partial, indeterminate) never occur in keys and signatures.
func splitPackets(data []byte) ([]packet, error) {
	var out []packet
	for at := 0; at < len(data); {
		p, n, err := nextPacket(data[at:])
		if err != nil {
			return nil, fmt.Errorf("packet at offset %d: %w", at, err)
		}
		if len(out) == maxPackets {
			return nil, fmt.Errorf("more than %d packets", maxPackets)
		}
		out = append(out, p)
		at += n
	}
	return out, nil
}

var errCut = errors.New("ends too early")

func nextPacket(b []byte) (p packet, n int, err error) {
	if b[0]&0x80 == 0 {
		return p, 0, fmt.Errorf("starts with %#02x", b[0])
	}
	r := &reader{b: b[1:]}
	var size uint32
	if b[0]&0x40 != 0 {
		p.tag = int(b[0] & 0x3f)
		size = r.newLength(true)
	} else {
		p.tag = int(b[0] >> 2 & 15)
		switch b[0] & 3 {
		case 0:
			size = uint32(r.byte())
		case 1:
			size = uint32(r.uint16())
		case 2:
			size = r.uint32()
		default:
			return p, 0, errors.New("has no length")
		}
	}
	p.body = r.bytes(int64(size))
	if r.err != nil {
		return p, 0, r.err
	}
	return p, len(b) - len(r.b), nil
}

// reader reads fields; the first error sticks and later reads give zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) bytes(n int64) []byte {
	if r.err == nil && n > int64(len(r.b)) {
		r.err = errCut
	}
	if r.err != nil {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// newLength reads the length of a packet in the new format, or of a subpacket, which knows no partial ones.
func (r *reader) newLength(isPacket bool) uint32 {
	first := r.byte()
	switch {
	case first < 192:
		return uint32(first)
	case first == 255:
		return r.uint32()
	case isPacket && first >= 224:
		if r.err == nil {
			r.err = errors.New("has a partial length")
		}
		return 0
	}
	return (uint32(first)-192)<<8 + uint32(r.byte()) + 192
}

// mpi reads a multiprecision integer.
func (r *reader) mpi() *big.Int {
	bits := r.uint16()
	if bits > maxMPIBits && r.err == nil {
		r.err = fmt.Errorf("number of %d bits, allowed are %d", bits, maxMPIBits)
	}
	return new(big.Int).SetBytes(r.bytes((int64(bits) + 7) / 8))
}

// end reports an error if something is left.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("has %d bytes too many", len(r.b))
	}
	return r.err
}
