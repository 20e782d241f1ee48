package fetch

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// metaLink is the form of MirrorManager: metalink 3.0 with an extension that tells of older versions of the file.
type metaLink struct {
	XMLName xml.Name `xml:"metalink"`
	Files   []struct {
		Name string `xml:"name,attr"`
		metaVersion
		Alternates []metaVersion `xml:"alternates>alternate"`
		URLs       []metaURL     `xml:"resources>url"`
	} `xml:"files>file"`
}

type metaVersion struct {
	Timestamp string `xml:"timestamp"`
	Size      string `xml:"size"`
	Hashes    []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"verification>hash"`
}

type metaURL struct {
	Preference int    `xml:"preference,attr"`
	Text       string `xml:",chardata"`
}

// parseMetaLink reads the mirrors of repomd.xml, the preferred ones first, and what repomd.xml must be.
func parseMetaLink(data []byte) (bases []string, versions []IndexFile, err error) {
	var doc metaLink
	if err := xml.Unmarshal(data, &doc); err != nil {
		return nil, nil, fmt.Errorf("reading metalink: %w", err)
	}
	for _, file := range doc.Files {
		if file.Name != "repomd.xml" {
			continue
		}
		slices.SortStableFunc(file.URLs, func(a, b metaURL) int { return b.Preference - a.Preference })
		for _, u := range file.URLs {
			if base, ok := strings.CutSuffix(strings.TrimSpace(u.Text), "repodata/repomd.xml"); ok {
				bases = append(bases, base)
			}
		}
		for i, v := range slices.Concat([]metaVersion{file.metaVersion}, file.Alternates) {
			version, err := v.index()
			if err != nil && i == 0 {
				return nil, nil, fmt.Errorf("reading metalink: %w", err)
			}
			if err == nil { // an old version that cannot be checked is none that is accepted
				versions = append(versions, version)
			}
		}
		slices.SortStableFunc(versions[1:], func(a, b IndexFile) int {
			return int(max(-1, min(1, b.Timestamp-a.Timestamp)))
		})
		return bases, versions, nil
	}
	return nil, nil, errors.New("reading metalink: it does not name repomd.xml")
}

func (v *metaVersion) index() (out IndexFile, err error) {
	size := int64(-1)
	if text := strings.TrimSpace(v.Size); text != "" {
		if size, err = strconv.ParseInt(text, 10, 64); err != nil || size < 0 {
			return out, fmt.Errorf("%.40q is not a size", text)
		}
	}
	if text := strings.TrimSpace(v.Timestamp); text != "" {
		if out.Timestamp, err = strconv.ParseInt(text, 10, 64); err != nil || out.Timestamp < 0 {
			return out, fmt.Errorf("%.40q is not a time", text)
		}
	}
	for _, hash := range v.Hashes {
		d := Digest{Type: strings.ToLower(hash.Type), Hex: strings.ToLower(strings.TrimSpace(hash.Text)), SizeBytes: size}
		if !slices.Contains([]string{"sha256", "sha384", "sha512"}, d.Type) {
			continue // md5 and sha1 say nothing
		}
		if _, err := d.hash(); err != nil {
			return out, fmt.Errorf("repomd.xml: %w", err)
		}
		out.Digests = append(out.Digests, d)
	}
	if len(out.Digests) == 0 {
		return out, errors.New("it has no sha256 or sha512 of repomd.xml")
	}
	return out, nil
}

// Rank tells which version of the metalink a repomd.xml is: 0 for the current one, more for older ones. Without a metalink
// every repomd.xml is current. The error says how it differs from the current version when it is none of them.
func (m *Mirrors) Rank(data []byte) (int, error) {
	if len(m.Index) == 0 {
		return 0, nil
	}
	var first error
	for i, version := range m.Index {
		var err error
		for _, d := range version.Digests {
			if err == nil {
				err = d.check(strings.NewReader(string(data)), io.Discard)
			}
		}
		if err == nil {
			return i, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, fmt.Errorf("repomd.xml is none of the %d that the metalink knows: %w", len(m.Index), first)
}
