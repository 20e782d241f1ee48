package awk

import (
	"strconv"
	"strings"
)

// token is one word of a program. kind is the word itself for operators and keywords.
type token struct {
	kind string
	text string
	num  float64
}

// Kinds of tokens that are no words of their own.
const (
	tokEOF     = "end of program"
	tokNewline = "newline"
	tokNumber  = "number"
	tokString  = "string"
	tokName    = "name"
	tokCall    = "function name" // a name with "(" right behind it
	tokBuiltin = "built-in function"
)

var keywords = map[string]bool{"BEGIN": true, "END": true, "function": true, "func": true, "if": true, "else": true, "while": true, "for": true, "do": true,
	"break": true, "continue": true, "next": true, "nextfile": true, "exit": true, "return": true, "delete": true, "in": true, "getline": true,
	"print": true, "printf": true}

// operators, longest first.
var operators = []string{"**=", "&&", "||", "==", "!=", "<=", ">=", ">>", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**",
	"{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "="}

type lexer struct {
	src string
	pos int
}

func (l *lexer) rest() string { return l.src[l.pos:] }

// next returns the next token. A slash is always an operator; the parser calls regex where it expects an operand.
func (l *lexer) next() (token, error) {
	l.space()
	rest := l.rest()
	if rest == "" {
		return token{kind: tokEOF}, nil
	}
	ch := rest[0]
	switch {
	case ch == '\n':
		l.pos++
		return token{kind: tokNewline}, nil
	case isDigit(ch) || ch == '.' && len(rest) > 1 && isDigit(rest[1]):
		n := numberPrefix(rest)
		l.pos += n
		v, _ := strconv.ParseFloat(rest[:n], 64) // infinite where it is out of range
		return token{kind: tokNumber, num: v}, nil
	case isLetter(ch):
		return l.word(), nil
	case ch == '"':
		l.pos++
		text, err := l.quoted('"')
		return token{kind: tokString, text: unescape(text)}, err
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.pos += len(op)
			switch op {
			case "**":
				op = "^"
			case "**=":
				op = "^="
			}
			return token{kind: op}, nil
		}
	}
	return token{}, syntaxError("character %q", ch)
}

// space skips blanks, comments and continued lines.
func (l *lexer) space() {
	for l.pos < len(l.src) {
		rest := l.rest()
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			l.pos++
		case strings.HasPrefix(rest, "\\\n"):
			l.pos += 2
		case strings.HasPrefix(rest, "\\\r\n"):
			l.pos += 3
		case rest[0] == '#':
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		default:
			return
		}
	}
}

func (l *lexer) word() token {
	start := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		l.pos++
	}
	text := l.src[start:l.pos]
	switch {
	case text == "func":
		return token{kind: "function"}
	case keywords[text]:
		return token{kind: text}
	case builtins[text] != nil:
		return token{kind: tokBuiltin, text: text}
	case strings.HasPrefix(l.rest(), "("):
		return token{kind: tokCall, text: text}
	}
	return token{kind: tokName, text: text}
}

// quoted reads up to the closing character and returns the text with its escapes.
func (l *lexer) quoted(end byte) (string, error) {
	var out strings.Builder
	inClass := false
	for l.pos < len(l.src) {
		ch := l.src[l.pos]
		l.pos++
		switch {
		case ch == '\n':
			return "", syntaxError("a line break within %c...%c", end, end)
		case ch == '\\' && l.pos < len(l.src):
			if l.src[l.pos] == '\n' {
				l.pos++ // a continued line
				continue
			}
			if end == '/' && l.src[l.pos] == '/' {
				out.WriteByte('/')
			} else {
				out.WriteString(l.src[l.pos-1 : l.pos+1])
			}
			l.pos++
			continue
		case end == '/' && ch == '[' && !inClass:
			inClass = true
			out.WriteByte(ch)
			for _, first := range []string{"^", "]"} { // in which they are themselves
				if strings.HasPrefix(l.rest(), first) {
					out.WriteString(first)
					l.pos++
				}
			}
			continue
		case end == '/' && inClass && ch == '[' && strings.HasPrefix(l.rest(), ":"):
			if close := strings.Index(l.rest(), ":]"); close > 0 {
				out.WriteString(l.src[l.pos-1 : l.pos+close+2])
				l.pos += close + 2
				continue
			}
		case end == '/' && ch == ']':
			inClass = false
		case ch == end && !inClass:
			return out.String(), nil
		}
		out.WriteByte(ch)
	}
	return "", syntaxError("%c is not closed", end)
}

// unescape replaces the escapes of a string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`ntr\"/abfv`, s[i]); at >= 0 {
			out.WriteByte("\n\t\r\\\"/\a\b\f\v"[at])
			continue
		}
		if s[i] >= '0' && s[i] <= '7' {
			n, end := 0, i
			for end < len(s) && end < i+3 && s[end] >= '0' && s[end] <= '7' {
				n = n*8 + int(s[end]-'0')
				end++
			}
			out.WriteByte(byte(n))
			i = end - 1
			continue
		}
		out.WriteByte('\\')
		out.WriteByte(s[i])
	}
	return out.String()
}

func isDigit(ch byte) bool { return ch >= '0' && ch <= '9' }

func isLetter(ch byte) bool { return ch == '_' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' }
