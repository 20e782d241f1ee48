package importer

import (
	"errors"
	"fmt"
	"strings"
)

// Tokens of Starlark, as far as calls with literal arguments need them.
const (
	endOfFile = iota
	word
	text
	sign
)

type token struct {
	kind int
	text string
}

// scanner cuts a file into tokens.
type scanner struct {
	rest     string
	line     int
	last     string
	previous string // the token before the last one
}

func (s *scanner) next() (token, error) {
	t, err := s.scan()
	if err != nil {
		err = fmt.Errorf("line %d: %w", s.line, err)
	}
	s.previous, s.last = s.last, t.text
	return t, err
}

func (s *scanner) scan() (token, error) {
	s.skip()
	if s.rest == "" {
		return token{}, nil
	}
	prefix := 0
	for prefix < 2 && prefix < len(s.rest) && strings.ContainsRune("rRbB", rune(s.rest[prefix])) {
		prefix++
	}
	if prefix < len(s.rest) && (s.rest[prefix] == '"' || s.rest[prefix] == '\'') {
		raw := strings.ContainsAny(s.rest[:prefix], "rR")
		s.rest = s.rest[prefix:]
		return s.quoted(raw)
	}
	n := 0
	for n < len(s.rest) && isWord(s.rest[n]) {
		n++
	}
	kind := word
	if n == 0 {
		n, kind = 1, sign
	}
	t := token{kind, s.rest[:n]}
	s.rest = s.rest[n:]
	return t, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// skip steps over white space, comments and joined lines.
func (s *scanner) skip() {
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == '\n':
			s.line++
		case c == '#':
			end := strings.IndexByte(s.rest, '\n')
			if end < 0 {
				end = len(s.rest)
			}
			s.rest = s.rest[end:]
			continue
		case c != ' ' && c != '\t' && c != '\r' && c != '\\':
			return
		}
		s.rest = s.rest[1:]
	}
}

// quoted reads a string literal.
func (s *scanner) quoted(raw bool) (token, error) {
	mark := s.rest[:1]
	if strings.HasPrefix(s.rest, mark+mark+mark) {
		mark = s.rest[:3]
	}
	s.rest = s.rest[len(mark):]
	var out strings.Builder
	for {
		switch {
		case s.rest == "" || len(mark) == 1 && s.rest[0] == '\n':
			return token{}, errors.New("a string without end")
		case strings.HasPrefix(s.rest, mark):
			s.rest = s.rest[len(mark):]
			return token{text, out.String()}, nil
		case s.rest[0] == '\\' && len(s.rest) > 1:
			out.WriteString(unescape(s.rest[1], raw))
			if s.rest[1] == '\n' {
				s.line++
			}
			s.rest = s.rest[2:]
		default:
			if s.rest[0] == '\n' {
				s.line++
			}
			out.WriteByte(s.rest[0])
			s.rest = s.rest[1:]
		}
	}
}

func unescape(c byte, raw bool) string {
	if raw {
		return `\` + string(c)
	}
	switch c {
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case '\n':
		return ""
	case '\\', '"', '\'':
		return string(c)
	}
	return `\` + string(c)
}

// value is an argument: a string, a list of strings, or something else, which is not literal.
type value struct {
	text    string
	list    []string
	literal bool
}

// call reads arguments up to the closing parenthesis.
func (s *scanner) call() (map[string]value, error) {
	args := map[string]value{}
	for {
		name, err := s.next()
		if err != nil {
			return nil, err
		}
		if name.kind == sign && name.text == ")" {
			return args, nil
		}
		equals, err := s.next()
		if err != nil {
			return nil, err
		}
		if name.kind != word || equals.text != "=" {
			return nil, fmt.Errorf("%q is no argument of the form name = value", name.text)
		}
		v, last, err := s.value()
		if err != nil {
			return nil, err
		}
		args[name.text] = v
		if last {
			return args, nil
		}
	}
}

// value reads one argument and the comma or parenthesis behind it.
func (s *scanner) value() (v value, last bool, err error) {
	depth := 0
	v.literal = true
	for {
		t, err := s.next()
		if err != nil {
			return v, false, err
		}
		switch {
		case t.kind == endOfFile:
			return v, false, errors.New("the call has no end")
		case t.kind == text && depth == 0:
			v.text += t.text
		case t.kind == text && depth == 1:
			v.list = append(v.list, t.text)
		case t.kind == sign && t.text == "[":
			depth++
		case t.kind == sign && t.text == "]" && depth > 0:
			depth--
		case t.kind == sign && t.text == "(":
			depth, v.literal = depth+1, false
		case t.kind == sign && t.text == ")" && depth == 0:
			return v, true, nil
		case t.kind == sign && t.text == ")":
			depth--
		case t.kind == sign && t.text == "," && depth == 0:
			return v, false, nil
		case t.kind == sign && t.text == ",":
		default:
			v.literal = false
		}
	}
}
