package scriptlet

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// sedAddress selects lines.
type sedAddress struct {
	line  int // 0: not by number
	last  bool
	step  int // FIRST~STEP, or ADDR,~STEP
	plus  int // ADDR,+N; -1: not that
	rx    *regexp.Regexp
	empty bool // "//": the last expression used
	zero  bool // 0,/regex/
}

// sedCommand is one command of a sed script.
type sedCommand struct {
	from, to *sedAddress
	not      bool
	name     byte
	text     string // a, i, c: text; b, t, T, ':': label; r, w: file
	number   int    // q: exit status
	block    int    // '{': index of its '}'
	rx       *regexp.Regexp
	empty    bool // s//: the last expression used
	with     string
	global   bool
	print    bool
	nth      int
	file     string
	table    map[rune]rune // y

	active bool // within from,to
	end    int  // of a range by numbers
}

type sedParser struct {
	in       string
	pos      int
	extended bool
	commands []*sedCommand
	open     []int
}

// parseSed reads a script.
func parseSed(script string, extended bool) ([]*sedCommand, error) {
	p := &sedParser{in: script, extended: extended}
	const most = 4096
	for {
		p.skip(" \t\n;")
		if p.pos >= len(p.in) {
			break
		}
		c, err := p.command()
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		if p.commands = append(p.commands, c); len(p.commands) > most {
			return nil, fmt.Errorf("more than %d commands", most)
		}
	}
	if len(p.open) > 0 {
		return nil, fmt.Errorf("unmatched `{'")
	}
	return p.commands, nil
}

func (p *sedParser) skip(set string) {
	for p.pos < len(p.in) && strings.IndexByte(set, p.in[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *sedParser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

func (p *sedParser) command() (*sedCommand, error) {
	c := &sedCommand{}
	var err error
	if c.from, err = p.address(); err != nil {
		return nil, err
	}
	p.skip(" \t")
	if c.from != nil && p.peek() == ',' {
		p.pos++
		p.skip(" \t")
		if c.to, err = p.address(); err != nil {
			return nil, err
		}
		if c.to == nil {
			return nil, fmt.Errorf("unexpected `,'")
		}
	}
	p.skip(" \t")
	for p.peek() == '!' {
		c.not = true
		p.pos++
		p.skip(" \t")
	}
	c.name = p.peek()
	p.pos++
	if c.name == '#' {
		p.line()
		return nil, nil
	}
	return c, p.arguments(c)
}

func (p *sedParser) arguments(c *sedCommand) error {
	switch c.name {
	case '{':
		p.open = append(p.open, len(p.commands))
		return nil
	case '}':
		if len(p.open) == 0 {
			return fmt.Errorf("unexpected `}'")
		}
		p.commands[p.open[len(p.open)-1]].block = len(p.commands)
		p.open = p.open[:len(p.open)-1]
	case 'a', 'i', 'c':
		c.text = p.text()
		return nil
	case ':', 'b', 't', 'T':
		p.skip(" \t")
		end := strings.IndexAny(p.in[p.pos:], ";\n}")
		if c.name == ':' {
			end = strings.IndexAny(p.in[p.pos:], ";\n")
		}
		if end < 0 {
			end = len(p.in) - p.pos
		}
		c.text = strings.TrimSpace(p.in[p.pos : p.pos+end])
		p.pos += end
		return nil
	case 'r', 'w', 'R', 'W':
		p.skip(" \t")
		c.text = p.line()
		return nil
	case 's':
		return p.substitute(c)
	case 'y':
		return p.transliterate(c)
	case 'q', 'Q', 'l', 'L':
		p.skip(" \t")
		c.number = p.number()
	case '=', 'd', 'D', 'g', 'G', 'h', 'H', 'n', 'N', 'p', 'P', 'x', 'z', 'F':
	case 0:
		return fmt.Errorf("missing command")
	default:
		return fmt.Errorf("command %q is not known", c.name)
	}
	return p.endCommand()
}

func (p *sedParser) endCommand() error {
	p.skip(" \t")
	switch p.peek() {
	case 0, ';', '\n', '}', '#':
		return nil
	}
	return fmt.Errorf("extra characters after command")
}

func (p *sedParser) line() string {
	rest := p.in[p.pos:]
	text, _, _ := strings.Cut(rest, "\n")
	p.pos += len(text)
	return text
}

func (p *sedParser) number() int {
	start := p.pos
	p.skip("0123456789")
	n, _ := strconv.Atoi(p.in[start:p.pos])
	return n
}

// text is the operand of a, i and c: the next lines, as long as they end in a backslash; GNU takes it on the same line too.
func (p *sedParser) text() string {
	p.skip(" \t")
	if strings.HasPrefix(p.in[p.pos:], "\\") {
		after := strings.TrimLeft(p.in[p.pos+1:], " \t")
		if strings.HasPrefix(after, "\n") {
			p.pos = len(p.in) - len(after) + 1
		} else {
			p.pos++ // keeps the blanks that follow
		}
	}
	var out strings.Builder
	for p.pos < len(p.in) {
		ch := p.in[p.pos]
		p.pos++
		if ch == '\n' {
			break
		}
		if ch == '\\' && p.pos < len(p.in) {
			ch = p.in[p.pos]
			p.pos++
			if ch == 't' {
				ch = '\t'
			}
			// GNU sed also makes a line break of \n in the one-line form.
			if ch == 'n' {
				ch = '\n'
			}
		}
		out.WriteByte(ch)
	}
	return out.String() + "\n"
}

func (p *sedParser) address() (*sedAddress, error) {
	a := &sedAddress{plus: -1}
	switch ch := p.peek(); {
	case ch >= '0' && ch <= '9':
		a.line = p.number()
		a.zero = a.line == 0
		if p.peek() == '~' {
			p.pos++
			a.step, a.zero = p.number(), false
		}
	case ch == '$':
		p.pos++
		a.last = true
	case ch == '+':
		p.pos++
		a.plus = p.number()
	case ch == '~':
		p.pos++
		a.step = p.number()
	case ch == '/' || ch == '\\':
		if ch == '\\' {
			p.pos++
		}
		delim := p.peek()
		p.pos++
		expr, err := p.delimited(delim, true)
		if err != nil {
			return nil, err
		}
		fold := false
		for p.peek() == 'I' || p.peek() == 'M' {
			if p.peek() == 'M' {
				return nil, fmt.Errorf("flag M is not known")
			}
			fold = true
			p.pos++
		}
		if expr == "" {
			a.empty = true
			return a, nil
		}
		a.rx, err = compileRegex(expr, p.extended, fold)
		return a, err
	default:
		return nil, nil
	}
	return a, nil
}

// delimited reads up to the delimiter. In expressions an escaped delimiter is the plain character.
func (p *sedParser) delimited(delim byte, regex bool) (string, error) {
	var out strings.Builder
	class := false
	for p.pos < len(p.in) {
		ch := p.in[p.pos]
		p.pos++
		switch {
		case ch == '\\' && p.pos < len(p.in):
			next := p.in[p.pos]
			p.pos++
			if next != delim || (regex && strings.IndexByte(`.*[]^$+?(){}|`, delim) >= 0) {
				out.WriteByte('\\')
			}
			out.WriteByte(next)
			continue
		case ch == delim && !class:
			return out.String(), nil
		case regex && ch == '[' && !class:
			class = true
			rest := p.in[p.pos:]
			if strings.HasPrefix(rest, "^") {
				out.WriteByte(ch)
				ch = '^'
				p.pos++
				rest = rest[1:]
			}
			if strings.HasPrefix(rest, "]") {
				out.WriteByte(ch)
				ch = ']'
				p.pos++
			}
		case class && ch == '[' && p.pos < len(p.in) && p.in[p.pos] == ':':
			if end := strings.Index(p.in[p.pos:], ":]"); end >= 0 {
				out.WriteString(p.in[p.pos-1 : p.pos+end+2])
				p.pos += end + 2
				continue
			}
		case class && ch == ']':
			class = false
		}
		out.WriteByte(ch)
	}
	return "", fmt.Errorf("unterminated command")
}

func (p *sedParser) substitute(c *sedCommand) error {
	delim := p.peek()
	p.pos++
	if delim == 0 || delim == '\n' || delim == '\\' {
		return fmt.Errorf("unterminated `s' command")
	}
	expr, err := p.delimited(delim, true)
	if err != nil {
		return err
	}
	if c.with, err = p.delimited(delim, false); err != nil {
		return err
	}
	fold := false
	for {
		switch ch := p.peek(); {
		case ch == 'g':
			c.global = true
		case ch == 'p':
			c.print = true
		case ch == 'i' || ch == 'I':
			fold = true
		case ch >= '1' && ch <= '9':
			c.nth = p.number()
			p.pos--
		case ch == 'w':
			p.pos++
			p.skip(" \t")
			c.file = p.line()
			p.pos--
		case ch == 'e' || ch == 'm' || ch == 'M':
			return fmt.Errorf("flag %c of s is not known", ch)
		default:
			if expr == "" {
				c.empty = true
			} else if c.rx, err = compileRegex(expr, p.extended, fold); err != nil {
				return err
			}
			if err := checkReplacement(c.with); err != nil {
				return err
			}
			return p.endCommand()
		}
		p.pos++
	}
}

func checkReplacement(with string) error {
	for i := 0; i+1 < len(with); i++ {
		if with[i] == '\\' {
			i++
			if strings.IndexByte("lLuUE", with[i]) >= 0 {
				return fmt.Errorf("\\%c in a replacement is not known", with[i])
			}
		}
	}
	return nil
}

func (p *sedParser) transliterate(c *sedCommand) error {
	delim := p.peek()
	p.pos++
	from, err := p.delimited(delim, false)
	if err != nil {
		return err
	}
	to, err := p.delimited(delim, false)
	if err != nil {
		return err
	}
	clean := strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t")
	a, b := []rune(clean.Replace(from)), []rune(clean.Replace(to))
	if len(a) != len(b) {
		return fmt.Errorf("strings for `y' command are different lengths")
	}
	c.table = map[rune]rune{}
	for i, r := range a {
		if _, ok := c.table[r]; !ok {
			c.table[r] = b[i]
		}
	}
	return p.endCommand()
}
