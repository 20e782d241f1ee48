package awk

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxRegex bounds an expression; matching is linear in it.
const maxRegex = 4 << 10

// regex is a compiled expression; size is how many places of it a byte of a text may have to be held against.
type regex struct {
	rx   *regexp.Regexp
	size int
}

// search counts the work of holding a text against an expression.
func (in *interp) search(r *regex, s string) {
	in.h.Step(1 + (1+len(s)>>3)*(1+r.size>>5))
}

func (in *interp) matchString(r *regex, s string) bool {
	in.search(r, s)
	return r.rx.MatchString(latin1(s))
}

// compile translates an extended regular expression of awk, in which a backslash escapes within brackets too, for Go's regexp.
// Text is bytes, as in the locale C: each is one character.
func compile(expr string) (*regex, error) {
	if len(expr) > maxRegex {
		return nil, syntaxError("a regular expression of %d bytes", len(expr))
	}
	var out strings.Builder
	out.WriteString("(?s)")
	start, depth := true, 0
	for i := 0; i < len(expr); i++ {
		ch := expr[i]
		switch {
		case ch == '\\':
			b, n := escaped(expr[i+1:])
			i += n
			out.WriteString(regexp.QuoteMeta(latin1(string(b))))
		case ch == '[':
			n, err := bracket(&out, expr[i:])
			if err != nil {
				return nil, err
			}
			i += n - 1
		case ch == '(':
			depth++
			out.WriteByte(ch)
			start = true
			continue
		case ch == ')':
			if depth == 0 {
				out.WriteString(`\)`)
				break
			}
			depth--
			out.WriteByte(ch)
		case ch == '|':
			out.WriteByte(ch)
			start = true
			continue
		case ch == '^':
			out.WriteString(`\A`)
			continue
		case ch == '$':
			out.WriteString(`\z`)
		case ch == '*' || ch == '+' || ch == '?':
			switch {
			case start:
				out.WriteString(regexp.QuoteMeta(string(ch)))
			case i > 0 && strings.IndexByte("*+?", expr[i-1]) >= 0 && (i < 2 || expr[i-2] != '\\'):
				// a** is a*
			default:
				out.WriteByte(ch)
				continue
			}
		case ch == '{':
			n := interval(expr[i:])
			if n == 0 || start {
				out.WriteString(`\{`)
				break
			}
			text := expr[i+1 : i+n-1]
			if strings.HasPrefix(text, ",") {
				text = "0" + text
			}
			out.WriteString("{" + text + "}")
			i += n - 1
		case ch == '.':
			out.WriteByte(ch)
		default:
			out.WriteString(regexp.QuoteMeta(latin1(string([]byte{ch}))))
		}
		start = false
	}
	rx, err := regexp.Compile(out.String())
	if err != nil {
		return nil, syntaxError("regular expression /%s/: %v", shorten(expr), err)
	}
	rx.Longest()
	tree, err := syntax.Parse(out.String(), syntax.Perl)
	if err != nil {
		return nil, syntaxError("regular expression /%s/: %v", shorten(expr), err)
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, syntaxError("regular expression /%s/: %v", shorten(expr), err)
	}
	return &regex{rx, len(program.Inst)}, nil
}

// interval returns the length of {n}, {n,} or {n,m} at the start of s, or 0.
func interval(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 2 || strings.Trim(s[1:end], "0123456789,") != "" || strings.Count(s[1:end], ",") > 1 || s[1:end] == "," {
		return 0
	}
	return end + 1
}

// escaped returns the byte that stands behind a backslash, and how many bytes it takes there.
func escaped(s string) (byte, int) {
	if s == "" {
		return '\\', 0
	}
	if at := strings.IndexByte(`ntrabfv`, s[0]); at >= 0 {
		return "\n\t\r\a\b\f\v"[at], 1
	}
	n, i := 0, 0
	for ; i < len(s) && i < 3 && s[i] >= '0' && s[i] <= '7'; i++ {
		n = n*8 + int(s[i]-'0')
	}
	if i > 0 {
		return byte(n), i
	}
	return s[0], 1
}

// bracket translates [...] at the start of s and returns its length.
func bracket(out *strings.Builder, s string) (int, error) {
	out.WriteByte('[')
	i := 1
	if strings.HasPrefix(s[i:], "^") {
		out.WriteByte('^')
		i++
	}
	for first := true; i < len(s); first = false {
		rest := s[i:]
		switch {
		case rest[0] == ']' && !first:
			out.WriteByte(']')
			return i + 1, nil
		case strings.HasPrefix(rest, "[:") && strings.Contains(rest, ":]"):
			end := strings.Index(rest, ":]") + 2
			out.WriteString(rest[:end])
			i += end
		case strings.HasPrefix(rest, "[.") || strings.HasPrefix(rest, "[="):
			return 0, syntaxError("collating elements are not known")
		case rest[0] == '\\':
			b, n := escaped(rest[1:])
			i += 1 + n
			classByte(out, b)
		case rest[0] == '-':
			if first || strings.HasPrefix(rest, "-]") {
				out.WriteString(`\-`)
			} else {
				out.WriteByte('-')
			}
			i++
		default:
			classByte(out, rest[0])
			i++
		}
	}
	return 0, syntaxError("a bracket is not closed")
}

func classByte(out *strings.Builder, b byte) {
	if b < utf8.RuneSelf {
		out.WriteString(regexp.QuoteMeta(string(rune(b))))
		if b == '-' || b == '&' || b == '~' {
			s := out.String()
			if !strings.HasSuffix(s, `\`+string(rune(b))) {
				out.Reset()
				out.WriteString(s[:len(s)-1] + `\` + string(rune(b)))
			}
		}
		return
	}
	out.WriteRune(rune(b))
}

// latin1 gives each byte a character of its own.
func latin1(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		plain = plain && s[i] < utf8.RuneSelf
	}
	if plain {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		out.WriteRune(rune(s[i]))
	}
	return out.String()
}

// find returns where an expression first matches s, in bytes, or nil.
func (in *interp) find(r *regex, s string) []int {
	in.search(r, s)
	wide := latin1(s)
	at := r.rx.FindStringIndex(wide)
	if at == nil || len(wide) == len(s) {
		return at
	}
	return []int{utf8.RuneCountInString(wide[:at[0]]), utf8.RuneCountInString(wide[:at[1]])}
}

// findAll returns all places, in bytes, that do not overlap.
func (in *interp) findAll(r *regex, s string) [][]int {
	in.search(r, s)
	wide := latin1(s)
	all := r.rx.FindAllStringIndex(wide, -1)
	if len(wide) == len(s) {
		return all
	}
	narrow := func(i int) int { return utf8.RuneCountInString(wide[:i]) }
	last, base := 0, 0 // counts go on from the last place, so that the work stays linear
	at := func(i int) int {
		if i < last {
			return narrow(i)
		}
		base += utf8.RuneCountInString(wide[last:i])
		last = i
		return base
	}
	for _, f := range all {
		f[0], f[1] = at(f[0]), at(f[1])
	}
	return all
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
