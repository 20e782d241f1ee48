// Package repomd reads the metadata of RPM repositories as createrepo_c writes it: repomd.xml, primary.xml, filelists.xml
// and updateinfo.xml; modules.yaml is read by the package modulemd.
//
// There is no formal specification; the sources are createrepo_c's output and the schemas of openSUSE's libzypp. primary.xml
// is read by a byte scanner, because encoding/xml takes ten times as long, which a user of a 100 MB document notices. The
// scanner takes XML as the tools of the field write it: UTF-8, no DTD, and no CDATA nor comments inside a package.
//
// Nothing here trusts its input: every length and count has a bound and everything that is not understood is an error.
// Verification of signatures and checksums is the caller's, before parsing.
//
// Non-goals: the sqlite and zchunk forms of the same data; writing.
package repomd

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// MaxIndexBytes bounds repomd.xml, which lists about a dozen files.
const MaxIndexBytes = 4 << 20

const maxRecords = 1000

// Index is repomd.xml.
type Index struct {
	Revision string
	Records  []Record
}

// Record describes one metadata file.
type Record struct {
	Type         string
	Location     string // relative to the repository
	ChecksumType string // lower case: sha256, sha512, sha1, md5
	Checksum     string // lower-case hex
	SizeBytes    int64  // -1 when the index does not say
	OpenBytes    int64  // uncompressed size, -1 when the index does not say
	Timestamp    int64
}

// Strong reports whether the checksum of a file is one that nobody can forge.
func (r *Record) Strong() bool {
	return (r.ChecksumType == "sha256" || r.ChecksumType == "sha384" || r.ChecksumType == "sha512") && len(r.Checksum) >= 64
}

// Find returns the record of a type, nil when there is none.
func (x *Index) Find(kind string) *Record {
	for i := range x.Records {
		if x.Records[i].Type == kind {
			return &x.Records[i]
		}
	}
	return nil
}

// Time is when the repository was last changed: the newest timestamp of its files, or else the revision, which createrepo_c
// makes of the time; 0 when there is neither.
func (x *Index) Time() int64 {
	newest := int64(0)
	for _, r := range x.Records {
		newest = max(newest, r.Timestamp)
	}
	if newest == 0 {
		newest, _ = strconv.ParseInt(x.Revision, 10, 64)
	}
	return newest
}

type xmlIndex struct {
	XMLName  xml.Name    `xml:"repomd"`
	Revision string      `xml:"revision"`
	Data     []xmlRecord `xml:"data"`
}

type xmlRecord struct {
	Type     string `xml:"type,attr"`
	Checksum struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"checksum"`
	Location struct {
		Href string `xml:"href,attr"`
		Base string `xml:"base,attr"`
	} `xml:"location"`
	Timestamp string `xml:"timestamp"`
	Size      string `xml:"size"`
	OpenSize  string `xml:"open-size"`
}

// ParseIndex reads repomd.xml.
func ParseIndex(data []byte) (*Index, error) {
	x, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("reading repomd.xml: %w", err)
	}
	return x, nil
}

func parseIndex(data []byte) (*Index, error) {
	if len(data) > MaxIndexBytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxIndexBytes)
	}
	var doc xmlIndex
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.Strict = true
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("no <repomd> element")
		}
		return nil, err
	}
	if len(doc.Data) > maxRecords {
		return nil, fmt.Errorf("more than %d files", maxRecords)
	}
	out := &Index{Revision: strings.TrimSpace(doc.Revision)}
	for _, d := range doc.Data {
		rec := Record{
			Type:         d.Type,
			Location:     d.Location.Href,
			ChecksumType: strings.ToLower(d.Checksum.Type),
			Checksum:     strings.ToLower(strings.TrimSpace(d.Checksum.Text)),
		}
		if rec.ChecksumType == "sha" {
			rec.ChecksumType = "sha1" // createrepo's old name
		}
		if err := rec.check(d); err != nil {
			return nil, fmt.Errorf("file of type %q: %w", d.Type, err)
		}
		out.Records = append(out.Records, rec)
	}
	return out, nil
}

func (r *Record) check(d xmlRecord) (err error) {
	if r.Type == "" {
		return errors.New("the type is empty")
	}
	if d.Location.Base != "" {
		return errors.New("xml:base is not supported for metadata")
	}
	if err := CheckLocation(r.Location); err != nil {
		return err
	}
	if _, err := hex.DecodeString(r.Checksum); err != nil || r.Checksum == "" {
		return fmt.Errorf("the checksum %.140q is not hexadecimal", r.Checksum)
	}
	if r.SizeBytes, err = size(d.Size); err != nil {
		return err
	}
	if r.OpenBytes, err = size(d.OpenSize); err != nil {
		return err
	}
	r.Timestamp, err = size(strings.SplitN(d.Timestamp, ".", 2)[0]) // some writers give fractions
	return err
}

// size reads a byte count; -1 for an empty text.
func size(text string) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return -1, nil
	}
	var n int64
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || n > 1<<50 {
			return 0, fmt.Errorf("%.40q is not a size", text)
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}
