package scriptlet

import (
	"fmt"
	"regexp"
	"strings"
)

// maxRegex bounds an expression; matching is linear in it, so that bounds the work of a line too.
const maxRegex = 4 << 10

// compileRegex translates a basic or extended regular expression of POSIX, with GNU's additions, for Go's regexp. Back
// references have no equivalent there and are an error.
func compileRegex(expr string, extended, fold bool) (*regexp.Regexp, error) {
	if len(expr) > maxRegex {
		return nil, fmt.Errorf("a regular expression of %d bytes", len(expr))
	}
	t := &regexTranslator{in: expr, extended: extended}
	if err := t.run(); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", shorten(expr), err)
	}
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	rx, err := regexp.Compile(flags + t.out.String())
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", shorten(expr), err)
	}
	rx.Longest()
	return rx, nil
}

type regexTranslator struct {
	in       string
	pos      int
	extended bool
	depth    int
	out      strings.Builder
	start    bool // at the start of an expression, where "^" is an anchor and "*" is itself
}

func (t *regexTranslator) run() error {
	t.start = true
	for t.pos < len(t.in) {
		ch := t.in[t.pos]
		t.pos++
		switch {
		case ch == '\\':
			if err := t.escape(); err != nil {
				return err
			}
			continue
		case ch == '[':
			if err := t.bracket(); err != nil {
				return err
			}
		case ch == '.':
			t.out.WriteByte('.')
		case ch == '^' && (t.extended || t.start):
			t.out.WriteByte('^')
			continue // still at the start
		case ch == '$' && (t.extended || t.atEnd()):
			t.out.WriteByte('$')
		case ch == '*':
			if t.start {
				t.literal('*')
			} else {
				t.repeat("*")
			}
		case t.extended && strings.IndexByte("(){}+?|", ch) >= 0:
			if err := t.special(ch); err != nil {
				return err
			}
			continue
		default:
			t.literal(ch)
		}
		t.start = false
	}
	if t.depth != 0 {
		return fmt.Errorf("a bracket is not closed")
	}
	return nil
}

// repeat writes an operator; of several one after the other only the first counts to Go, so the rest makes a group.
func (t *regexTranslator) repeat(op string) {
	s := t.out.String()
	if s != "" && strings.IndexByte("*+?}", s[len(s)-1]) >= 0 && !strings.HasSuffix(s, `\`+s[len(s)-1:]) {
		return // a** is a*
	}
	t.out.WriteString(op)
}

func (t *regexTranslator) literal(ch byte) {
	if ch < 0x80 {
		t.out.WriteString(regexp.QuoteMeta(string(rune(ch))))
		return
	}
	t.out.WriteByte(ch)
}

func (t *regexTranslator) atEnd() bool {
	rest := t.in[t.pos:]
	return rest == "" || strings.HasPrefix(rest, `\)`) || strings.HasPrefix(rest, `\|`)
}

// special is an operator: bare in extended expressions, behind a backslash in basic ones.
func (t *regexTranslator) special(ch byte) error {
	t.start = false
	switch ch {
	case '(':
		t.depth++
		t.out.WriteByte('(')
		t.start = true
	case ')':
		if t.depth == 0 {
			if t.extended {
				t.literal(ch)
				return nil
			}
			return fmt.Errorf("a bracket that nothing opens")
		}
		t.depth--
		t.out.WriteByte(')')
	case '|':
		t.out.WriteByte('|')
		t.start = true
	case '{':
		end := strings.IndexByte(t.in[t.pos:], '}')
		if end < 0 {
			if t.extended {
				t.literal(ch)
				return nil
			}
			return fmt.Errorf("a brace is not closed")
		}
		text := strings.TrimSuffix(t.in[t.pos:t.pos+end], `\`)
		t.pos += end + 1
		if strings.Trim(text, "0123456789,") != "" || text == "" {
			return fmt.Errorf("bad repetition {%s}", text)
		}
		if strings.HasPrefix(text, ",") {
			text = "0" + text
		}
		t.out.WriteString("{" + text + "}")
	case '}':
		t.literal(ch)
	default:
		t.repeat(string(ch))
	}
	return nil
}

func (t *regexTranslator) escape() error {
	if t.pos >= len(t.in) {
		return fmt.Errorf("a backslash at the end")
	}
	ch := t.in[t.pos]
	t.pos++
	start := t.start
	t.start = false
	switch {
	case !t.extended && strings.IndexByte("(){}|", ch) >= 0:
		return t.special(ch)
	case !t.extended && strings.IndexByte("+?", ch) >= 0:
		if start {
			t.literal(ch)
		} else {
			t.repeat(string(ch))
		}
	case ch >= '1' && ch <= '9':
		return fmt.Errorf("back references are not known")
	case strings.IndexByte("wWsSbB", ch) >= 0:
		t.out.WriteString(`\` + string(ch))
	case ch == '<' || ch == '>':
		t.out.WriteString(`\b`)
	case ch == '`':
		t.out.WriteString(`\A`)
	case ch == '\'':
		t.out.WriteString(`\z`)
	case ch == 'n':
		t.out.WriteString(`\n`)
	case ch == 't':
		t.out.WriteString(`\t`)
	default:
		t.literal(ch)
	}
	return nil
}

// bracket translates [...], in which a backslash is itself.
func (t *regexTranslator) bracket() error {
	t.out.WriteByte('[')
	if strings.HasPrefix(t.in[t.pos:], "^") {
		t.out.WriteByte('^')
		t.pos++
	}
	first := true
	for t.pos < len(t.in) {
		ch := t.in[t.pos]
		rest := t.in[t.pos:]
		switch {
		case ch == ']' && !first:
			t.pos++
			t.out.WriteByte(']')
			return nil
		case strings.HasPrefix(rest, "[:"):
			end := strings.Index(rest, ":]")
			if end < 0 {
				return fmt.Errorf("a class is not closed")
			}
			t.out.WriteString(rest[:end+2])
			t.pos += end + 2
		case strings.HasPrefix(rest, "[.") || strings.HasPrefix(rest, "[="):
			return fmt.Errorf("collating elements are not known")
		case ch == '\\' && len(rest) > 1 && (rest[1] == 'n' || rest[1] == 't'): // GNU sed
			t.out.WriteString(rest[:2])
			t.pos += 2
		case strings.IndexByte(`\[]&~^`, ch) >= 0:
			t.out.WriteString(`\` + string(ch))
			t.pos++
		default:
			t.out.WriteByte(ch)
			t.pos++
		}
		first = false
	}
	return fmt.Errorf("a bracket is not closed")
}
