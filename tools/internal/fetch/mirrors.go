package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxMirrorList bounds mirror lists and metalinks.
const maxMirrorList = 4 << 20

// maxMirrors is how many mirrors are used of a list.
const maxMirrors = 8

// Source says where a repository lies; one of the three kinds is set. Variables are expanded already.
type Source struct {
	BaseURLs   []string
	MirrorList string
	MetaLink   string
}

// Expand replaces $name and ${name} by the values of vars. An unknown variable is an error.
func Expand(text string, vars map[string]string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '$' {
			out.WriteByte(text[i])
			i++
			continue
		}
		start, end := i+1, i+1
		braced := start < len(text) && text[start] == '{'
		if braced {
			start, end = start+1, start+1
		}
		for end < len(text) && (text[end] == '_' || text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' ||
			text[end] >= '0' && text[end] <= '9') {
			end++
		}
		name := text[start:end]
		value, ok := vars[name]
		if !ok {
			known := make([]string, 0, len(vars))
			for k := range vars {
				known = append(known, "$"+k)
			}
			slices.Sort(known)
			return "", fmt.Errorf("expanding %q: unknown variable $%s (known: %s)", text, name, strings.Join(known, ", "))
		}
		if braced {
			if end >= len(text) || text[end] != '}' {
				return "", fmt.Errorf("expanding %q: a closing brace is missing", text)
			}
			end++
		}
		out.WriteString(value)
		i = end
	}
	return out.String(), nil
}

// Bases returns the base URLs of a source in the order to try, each ending in "/".
func (c *Client) Bases(ctx context.Context, s Source) ([]string, error) {
	bases := s.BaseURLs
	var err error
	switch {
	case s.MirrorList != "":
		bases, err = c.mirrors(ctx, s.MirrorList, parseMirrorList)
	case s.MetaLink != "":
		bases, err = c.mirrors(ctx, s.MetaLink, parseMetaLink)
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, base := range bases {
		if scheme, _, ok := strings.Cut(base, "://"); ok && scheme != "http" && scheme != "https" && scheme != "file" {
			if s.MirrorList != "" || s.MetaLink != "" {
				continue // ftp and rsync mirrors
			}
			return nil, fmt.Errorf("reading URL %q: the scheme is not one of http, https and file", base)
		}
		if !strings.HasSuffix(base, "/") {
			base += "/"
		}
		if !slices.Contains(out, base) && len(out) < maxMirrors {
			out = append(out, base)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no usable mirror in %s", cmp.Or(s.MirrorList, s.MetaLink, "baseurl"))
	}
	return out, nil
}

func (c *Client) mirrors(ctx context.Context, list string, parse func([]byte) ([]string, error)) ([]string, error) {
	var out []string
	err := c.retry(ctx, func() error {
		data, err := c.read(ctx, list, maxMirrorList)
		if err == nil {
			out, err = parse(data)
		}
		return err
	})
	if err != nil {
		return nil, c.advise(fmt.Errorf("fetching the mirror list %s: %w", redacted(list), err))
	}
	return out, nil
}

// parseMirrorList reads one URL a line; Amazon's lists are of this form, too.
func parseMirrorList(data []byte) ([]string, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return nil, errors.New("it is XML; a metalink goes under metalink, not under mirrorlist")
	}
	var out []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !strings.Contains(line, "://") {
			return nil, fmt.Errorf("%.80q is not a URL", line)
		}
		out = append(out, line)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

type metaLink struct {
	XMLName xml.Name `xml:"metalink"`
	Files   []struct {
		Name string `xml:"name,attr"`
		URLs []struct {
			Preference int    `xml:"preference,attr"`
			Text       string `xml:",chardata"`
		} `xml:"resources>url"`
	} `xml:"files>file"`
}

// parseMetaLink reads the mirrors of repomd.xml, the preferred ones first. Its digests are not used: the repository's own
// signatures and checksums are what is believed.
func parseMetaLink(data []byte) ([]string, error) {
	var doc metaLink
	if err := xml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading metalink: %w", err)
	}
	for _, file := range doc.Files {
		if file.Name != "repomd.xml" {
			continue
		}
		urls := file.URLs
		slices.SortStableFunc(urls, func(a, b struct {
			Preference int    `xml:"preference,attr"`
			Text       string `xml:",chardata"`
		}) int {
			return b.Preference - a.Preference
		})
		var out []string
		for _, u := range urls {
			if base, ok := strings.CutSuffix(strings.TrimSpace(u.Text), "repodata/repomd.xml"); ok {
				out = append(out, base)
			}
		}
		return out, nil
	}
	return nil, errors.New("reading metalink: it does not name repomd.xml")
}
