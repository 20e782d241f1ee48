package rpmdb

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// keyVersion is the rpm that stored keys claim to be imported by. Those up to 4.20 make the same header and read it; rpm 6 makes
// one with a longer version, and reads this one too.
const keyVersion = "4.18.0"

const (
	armorWidth           = 64
	senseEqual           = 1 << 3
	headerIntro          = "\x8e\xad\xe8\x01\x00\x00\x00\x00"
	publicKeyTag         = "gpg-pubkey"
	tagPubkeys   rpm.Tag = 266
	regionSize           = 16
)

// PublicKeyNEVRA is what the entry of a public key is called.
func PublicKeyNEVRA(c *pgp.Certificate) string {
	return fmt.Sprintf("%s-%08x-%08x.(none)", publicKeyTag, uint32(c.KeyID), uint32(c.Created.Unix()))
}

// PublicKey makes the stored header of a public key, as `rpm --import` does at the given time: packages whose signatures are
// checked against the database need it.
func PublicKey(c *pgp.Certificate, time uint32) ([]byte, error) {
	created := c.Created.Unix()
	if created < 0 || created > math.MaxUint32 {
		return nil, fmt.Errorf("key %016x was made at %d, which is no time of rpm's", c.KeyID, created)
	}
	if c.UserID == "" {
		return nil, fmt.Errorf("key %016x has no user id", c.KeyID)
	}
	version := func(id uint64, created int64) string { return fmt.Sprintf("%d:%016x-%08x", c.Version, id, created) }
	provides, versions := []string{"gpg(" + c.UserID + ")"}, []string{version(c.KeyID, created)}
	for _, k := range append([]pgp.Subkey{{KeyID: c.KeyID, Created: c.Created}}, c.Subkeys...) {
		provides = append(provides, fmt.Sprintf("gpg(%08x)", uint32(k.KeyID)), fmt.Sprintf("gpg(%016x)", k.KeyID))
		versions = append(versions, version(k.KeyID, k.Created.Unix()), version(k.KeyID, k.Created.Unix()))
	}
	h := &headerBuilder{}
	h.text(tagPubkeys, rpm.TypeStringArray, wrapped(c.Raw))
	h.text(rpm.TagName, rpm.TypeString, publicKeyTag)
	h.text(rpm.TagVersion, rpm.TypeString, fmt.Sprintf("%08x", uint32(c.KeyID)))
	h.text(rpm.TagRelease, rpm.TypeString, fmt.Sprintf("%08x", created))
	h.text(rpm.TagSummary, rpm.TypeI18NString, c.UserID+" public key")
	h.text(rpm.TagDescription, rpm.TypeI18NString, armored(c.Raw))
	h.numbers(rpm.TagBuildTime, uint32(created))
	h.text(rpm.TagBuildHost, rpm.TypeString, "localhost")
	h.numbers(rpm.TagSize, 0)
	h.text(rpm.TagLicense, rpm.TypeString, "pubkey")
	h.text(rpm.TagPackager, rpm.TypeString, c.UserID)
	h.text(rpm.TagGroup, rpm.TypeI18NString, "Public Keys")
	h.text(rpm.TagSourceRPM, rpm.TypeString, "(none)")
	h.text(rpm.TagProvideName, rpm.TypeStringArray, provides...)
	h.text(rpm.TagRPMVersion, rpm.TypeString, keyVersion)
	flags := make([]uint32, len(provides))
	for i := range flags {
		flags[i] = senseKeyring | senseEqual
	}
	h.numbers(rpm.TagProvideFlags, flags...)
	h.text(rpm.TagProvideVersion, rpm.TypeStringArray, versions...)
	h.close()

	region := h.bytes()
	one := sha1.Sum(append([]byte(headerIntro), region...))
	two := sha256.Sum256(append([]byte(headerIntro), region...))
	h.text(rpm.SigSHA1Header, rpm.TypeString, hex.EncodeToString(one[:]))
	h.text(rpm.SigSHA256Header, rpm.TypeString, hex.EncodeToString(two[:]))
	h.numbers(rpm.TagInstallTime, time)
	h.numbers(rpm.TagInstallTID, time)
	return h.bytes(), nil
}

// wrapped is base64 in lines.
func wrapped(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var out strings.Builder
	for len(text) > 0 {
		n := min(len(text), armorWidth)
		out.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return out.String()
}

func armored(data []byte) string {
	sum := pgp.Checksum(data)
	crc := base64.StdEncoding.EncodeToString([]byte{byte(sum >> 16), byte(sum >> 8), byte(sum)})
	return "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: rpm-" + keyVersion + "\n\n" + wrapped(data) + "=" + crc +
		"\n-----END PGP PUBLIC KEY BLOCK-----\n"
}

// headerBuilder makes a header: entries in the order of their tags, then, after close, additions behind the region.
type headerBuilder struct {
	index, data []byte
	region      []byte // its entry in the index
}

func (h *headerBuilder) entry(tag rpm.Tag, typ rpm.Type, count int) {
	for uint64(len(h.data)) != alignUp(uint64(len(h.data)), typ) {
		h.data = append(h.data, 0)
	}
	h.index = appendEntry(h.index, tag, typ, uint32(len(h.data)), count)
}

func appendEntry(dst []byte, tag rpm.Tag, typ rpm.Type, offset uint32, count int) []byte {
	for _, v := range [...]uint32{uint32(tag), uint32(typ), offset, uint32(count)} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

func (h *headerBuilder) text(tag rpm.Tag, typ rpm.Type, values ...string) {
	h.entry(tag, typ, len(values))
	for _, v := range values {
		h.data = append(append(h.data, v...), 0)
	}
}

func (h *headerBuilder) numbers(tag rpm.Tag, values ...uint32) {
	h.entry(tag, rpm.TypeInt32, len(values))
	for _, v := range values {
		h.data = binary.BigEndian.AppendUint32(h.data, v)
	}
}

// close ends the region: its entry stands first in the index and refers to its trailer, which refers back.
func (h *headerBuilder) close() {
	h.region = appendEntry(nil, rpm.TagHeaderImmutable, rpm.TypeBin, uint32(len(h.data)), regionSize)
	h.data = appendEntry(h.data, rpm.TagHeaderImmutable, rpm.TypeBin, -uint32(len(h.region)+len(h.index)), regionSize)
}

func (h *headerBuilder) bytes() []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(h.region)+len(h.index))/entrySize)
	out = binary.BigEndian.AppendUint32(out, uint32(len(h.data)))
	return append(append(append(out, h.region...), h.index...), h.data...)
}
