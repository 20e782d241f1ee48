package fetch

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
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
	// Vars are the values of variables that the URLs inside of a mirror list may hold.
	Vars map[string]string
}

// Mirrors is where a repository lies.
type Mirrors struct {
	Bases []string // base URLs in the order to try, each ending in "/"
	// Index lists the versions of repomd.xml that the metalink knows, the current one first; empty without a metalink.
	Index []IndexFile
}

// IndexFile is a version of repomd.xml that a metalink knows.
type IndexFile struct {
	Timestamp int64    // seconds, 0 when the metalink does not say
	Digests   []Digest // sha256 and stronger ones, at least one; all must be right
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

// Mirrors returns where a source lies.
func (c *Client) Mirrors(ctx context.Context, s Source) (*Mirrors, error) {
	out := &Mirrors{}
	bases := s.BaseURLs
	var err error
	switch {
	case s.MirrorList != "":
		err = c.mirrors(ctx, s.MirrorList, func(data []byte) (err error) {
			bases, err = parseMirrorList(data)
			return err
		})
	case s.MetaLink != "":
		err = c.mirrors(ctx, s.MetaLink, func(data []byte) (err error) {
			bases, out.Index, err = parseMetaLink(data)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	listed := s.MirrorList != "" || s.MetaLink != ""
	for _, base := range bases {
		if listed && strings.Contains(base, "$") {
			if base, err = Expand(base, s.Vars); err != nil {
				return nil, fmt.Errorf("reading the mirror list %s: %w", redacted(cmp.Or(s.MirrorList, s.MetaLink)), err)
			}
		}
		if scheme, _, ok := strings.Cut(base, "://"); ok && scheme != "http" && scheme != "https" && scheme != "file" {
			if listed {
				continue // ftp and rsync mirrors
			}
			return nil, fmt.Errorf("reading URL %q: the scheme is not one of http, https and file", base)
		}
		if !strings.HasSuffix(base, "/") {
			base += "/"
		}
		if !slices.Contains(out.Bases, base) && len(out.Bases) < maxMirrors {
			out.Bases = append(out.Bases, base)
		}
	}
	if len(out.Bases) == 0 {
		return nil, fmt.Errorf("no usable mirror in %s", redacted(cmp.Or(s.MirrorList, s.MetaLink, "baseurl")))
	}
	return out, nil
}

// mirrors reads a mirror list; one on this machine has no scheme, or file://.
func (c *Client) mirrors(ctx context.Context, list string, parse func([]byte) error) error {
	err := c.retry(ctx, maxRetryAfter, func() error {
		data, err := c.read(ctx, list, maxMirrorList)
		if err == nil {
			err = parse(data)
		}
		return err
	})
	if err != nil {
		return c.advise(fmt.Errorf("fetching the mirror list %s: %w", redacted(list), err))
	}
	return nil
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
