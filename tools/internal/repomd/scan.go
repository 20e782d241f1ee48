package repomd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxPackageXML bounds the text of one <package> element; kernel source packages have filelists of some megabytes.
const maxPackageXML = 128 << 20

// chunker cuts a metadata document into the texts of its main elements, <package>…</package> in most, through a sliding window.
type chunker struct {
	r          io.Reader
	buf        []byte
	start, end int // unread part of buf
	eof        bool
	root       string
	element    string
	open       []byte // "<package"
	close      []byte // "</package>"
	opened     bool
	empty      bool // the root element has no content
}

func newChunker(r io.Reader, root, element string) *chunker {
	return &chunker{
		r: r, buf: make([]byte, 256<<10), root: root, element: element, open: []byte("<" + element), close: []byte("</" + element + ">"),
	}
}

// next returns the next element, valid until the following call; io.EOF after the root element was closed.
func (c *chunker) next() ([]byte, error) {
	if err := c.openRoot(); err != nil {
		return nil, err
	}
	begin, err := c.findOpen()
	if err == io.EOF {
		return nil, c.closeRoot()
	} else if err != nil {
		return nil, err
	}
	c.start += begin
	size, err := c.find(c.close, len(c.open))
	if err == io.EOF {
		return nil, fmt.Errorf("a <%s> element is cut off: %w", c.element, io.ErrUnexpectedEOF)
	} else if err != nil {
		return nil, err
	}
	size += len(c.close)
	chunk := c.buf[c.start : c.start+size]
	c.start += size
	return chunk, nil
}

// findOpen is find for the start tag of the main element, whose name may begin others (<update>, <updated>), outside of comments.
func (c *chunker) findOpen() (int, error) {
	for from := 0; ; {
		at, err := c.find([]byte("<"), from)
		if err != nil {
			return 0, err
		}
		if _, err := c.find(nil, at+len(c.open)+1); err != nil && err != io.EOF {
			return 0, err
		}
		tag := c.buf[c.start+at : c.end]
		from = at + 1
		switch {
		case bytes.HasPrefix(tag, []byte("<!--")):
			end, err := c.find([]byte("-->"), at+len("<!--"))
			if err != nil {
				return 0, err
			}
			from = end
		case bytes.HasPrefix(tag, c.open) && len(tag) > len(c.open) && (tag[len(c.open)] == '>' || isSpace(tag[len(c.open)])):
			return at, nil
		}
	}
}

// openRoot reads up to the root element and checks its name.
func (c *chunker) openRoot() error {
	if c.opened {
		return nil
	}
	for {
		at, err := c.find([]byte("<"), 0)
		if err == io.EOF {
			return fmt.Errorf("no <%s> element", c.root)
		} else if err != nil {
			return err
		}
		c.start += at
		size, err := c.find([]byte(">"), 1)
		if err == io.EOF {
			return fmt.Errorf("no <%s> element", c.root)
		} else if err != nil {
			return err
		}
		tag := c.buf[c.start : c.start+size+1]
		c.start += size + 1
		if tag[1] == '?' || tag[1] == '!' {
			continue
		}
		name, _, _ := cutTag(bytes.TrimSuffix(tag[1:len(tag)-1], []byte("/")))
		if string(name) != c.root {
			return fmt.Errorf("the root element is <%.40s>, not <%s>", name, c.root)
		}
		c.empty = bytes.HasSuffix(tag, []byte("/>"))
		c.opened = true
		return nil
	}
}

// closeRoot reports io.EOF when the rest of the document closes the root element.
func (c *chunker) closeRoot() error {
	if !c.empty && !bytes.Contains(c.buf[c.start:c.end], []byte("</"+c.root+">")) {
		return fmt.Errorf("the end tag </%s> is missing: %w", c.root, io.ErrUnexpectedEOF)
	}
	return io.EOF
}

// find returns the offset of needle from start, looking from start+from, and reads more input as needed.
func (c *chunker) find(needle []byte, from int) (int, error) {
	for {
		if have := c.end - c.start; have >= from {
			if i := bytes.Index(c.buf[c.start+from:c.end], needle); i >= 0 {
				return from + i, nil
			}
			from = max(from, have-len(needle)+1)
		}
		if c.eof {
			return 0, io.EOF
		}
		if c.end-c.start > maxPackageXML {
			return 0, fmt.Errorf("a <%s> element is longer than %d bytes", c.element, maxPackageXML)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// fill moves the unread part to the front and appends input, doubling the window when it is full.
func (c *chunker) fill() error {
	if c.start > 0 {
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	}
	if c.end == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for tries := 0; tries < 100; tries++ {
		n, err := c.r.Read(c.buf[c.end:])
		c.end += n
		if errors.Is(err, io.EOF) {
			c.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// tags walks over the tags of one package element.
type tags struct {
	rest  []byte
	name  []byte // of the current tag, without namespace prefix
	attrs []byte // of the current start tag
	end   bool   // the current tag is an end tag
	empty bool   // the current tag is an empty-element tag
	text  []byte // what follows the tag up to the next one, raw
	depth int
	err   error
	// skips passes over comments and CDATA sections, which then are no part of any text.
	skips bool
}

// maxDepth bounds the nesting of elements; createrepo's documents nest five deep.
const maxDepth = 32

// next steps to the next tag. It returns false at the end or on an error, which err then holds.
func (t *tags) next() bool {
	for {
		lt := bytes.IndexByte(t.rest, '<')
		if lt < 0 {
			if t.depth != 0 && t.err == nil {
				t.err = errors.New("unbalanced tags")
			}
			return false
		}
		t.rest = t.rest[lt+1:]
		if !t.skips || !t.skip("!--", "-->") && !t.skip("![CDATA[", "]]>") {
			break
		}
	}
	if len(t.rest) > 0 && (t.rest[0] == '!' || t.rest[0] == '?') {
		t.err = errors.New("comments, CDATA and processing instructions are not expected inside a package")
		return false
	}
	gt := tagEnd(t.rest)
	if gt < 0 {
		t.err = errors.New("a tag is not closed")
		return false
	}
	body := t.rest[:gt]
	t.rest = t.rest[gt+1:]
	t.end, t.empty = false, false
	if len(body) > 0 && body[0] == '/' {
		t.end, body = true, body[1:]
		t.depth--
	} else if len(body) > 0 && body[len(body)-1] == '/' {
		t.empty, body = true, body[:len(body)-1]
	} else {
		t.depth++
	}
	if t.depth < 0 || t.depth > maxDepth {
		t.err = errors.New("unbalanced tags")
		return false
	}
	var ok bool
	if t.name, t.attrs, ok = cutTag(body); !ok {
		t.err = errors.New("a tag has no name")
		return false
	}
	t.text = t.rest
	if lt := bytes.IndexByte(t.rest, '<'); lt >= 0 {
		t.text = t.rest[:lt]
	}
	return true
}

// skip steps over a comment or CDATA section whose "<" was read.
func (t *tags) skip(begin, end string) bool {
	if !bytes.HasPrefix(t.rest, []byte(begin)) {
		return false
	}
	i := bytes.Index(t.rest[len(begin):], []byte(end))
	if i >= 0 {
		t.rest = t.rest[len(begin)+i+len(end):]
	}
	return i >= 0
}

// tagEnd finds the ">" that ends a tag, stepping over quoted attribute values.
func tagEnd(b []byte) int {
	gt := bytes.IndexByte(b, '>')
	if gt < 0 {
		return gt
	}
	for at := 0; ; {
		quote := at
		for quote < gt && b[quote] != '"' && b[quote] != '\'' {
			quote++
		}
		if quote == gt {
			return gt
		}
		end := bytes.IndexByte(b[quote+1:], b[quote])
		if end < 0 {
			return -1
		}
		if at = quote + 1 + end + 1; at > gt {
			next := bytes.IndexByte(b[at:], '>')
			if next < 0 {
				return -1
			}
			gt = at + next
		}
	}
}

func cutTag(body []byte) (name, attrs []byte, ok bool) {
	name = body
	for i, c := range body {
		if isSpace(c) {
			name, attrs = body[:i], body[i:]
			break
		}
	}
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	return name, attrs, len(name) > 0
}

// cutAttr takes the first attribute off attrs. The value is raw; ok is false at the end of the list.
func cutAttr(attrs []byte) (name, value, rest []byte, ok bool, err error) {
	attrs = trimLeft(attrs)
	if len(attrs) == 0 {
		return nil, nil, nil, false, nil
	}
	eq := bytes.IndexByte(attrs, '=')
	if eq <= 0 {
		return nil, nil, nil, false, errors.New("an attribute has no value")
	}
	name, rest = attrs[:eq], trimLeft(attrs[eq+1:])
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return nil, nil, nil, false, fmt.Errorf("the attribute %.40s is not quoted", name)
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return nil, nil, nil, false, fmt.Errorf("the attribute %.40s is not closed", name)
	}
	return name, rest[1 : 1+end], rest[2+end:], true, nil
}

// trimLeft is bytes.TrimLeft for white space, which is most often one byte.
func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// unescape replaces entity and character references. Text without "&" is returned as it is; otherwise scratch is reused.
func unescape(raw, scratch []byte) ([]byte, error) {
	amp := bytes.IndexByte(raw, '&')
	if amp < 0 {
		return raw, nil
	}
	out := scratch[:0]
	for amp >= 0 {
		out = append(out, raw[:amp]...)
		semi := bytes.IndexByte(raw[amp:], ';')
		if semi < 0 {
			return nil, fmt.Errorf("unfinished entity reference in %.60q", raw)
		}
		var err error
		if out, err = appendEntity(out, raw[amp+1:amp+semi]); err != nil {
			return nil, err
		}
		raw = raw[amp+semi+1:]
		amp = bytes.IndexByte(raw, '&')
	}
	return append(out, raw...), nil
}

func appendEntity(out, name []byte) ([]byte, error) {
	switch string(name) {
	case "lt":
		return append(out, '<'), nil
	case "gt":
		return append(out, '>'), nil
	case "amp":
		return append(out, '&'), nil
	case "quot":
		return append(out, '"'), nil
	case "apos":
		return append(out, '\''), nil
	}
	if len(name) > 1 && name[0] == '#' && len(name) < 12 {
		digits, base := string(name[1:]), 10
		if digits[0] == 'x' {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n > 0 && n <= utf8.MaxRune {
			return utf8.AppendRune(out, rune(n)), nil
		}
	}
	return nil, fmt.Errorf("unknown entity reference &%.20s;", name)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
