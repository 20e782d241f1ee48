package compose

import "strings"

// shellCommand is one simple command of a shell script: its words with quotes removed and variables of the script replaced.
type shellCommand struct {
	words []string
	// unclear says that a word depends on something that is not known here: a command substitution, a glob, a parameter.
	unclear bool
}

func (c shellCommand) String() string { return strings.Join(c.words, " ") }

// maxShellBytes bounds a scriptlet; the largest of real distributions has 20 KB.
const maxShellBytes = 1 << 20

// parseShell splits a script into simple commands. It looks through lists, pipes, groups and "if": every command is returned,
// whatever condition it stands under. compound tells that the script has loops, cases or functions, so that a reader must
// not believe that each command runs once. It is a reader of package scripts, not a shell.
func parseShell(script string) (commands []shellCommand, compound bool) {
	if len(script) > maxShellBytes {
		return nil, true
	}
	p := shellParser{text: script, vars: map[string]string{"1": "1"}}
	p.run()
	return p.commands, p.compound
}

type shellParser struct {
	text     string
	pos      int
	vars     map[string]string
	commands []shellCommand
	compound bool

	current  shellCommand
	word     strings.Builder
	inWord   bool
	unclear  bool // the word so far
	skipWord bool // the word is the target of a redirection
	header   bool // in the first line of a loop or case
	heredocs []string
}

func (p *shellParser) run() {
	for p.pos < len(p.text) {
		ch := p.text[p.pos]
		p.pos++
		switch {
		case ch == '\\':
			p.escape()
		case ch == '\'':
			p.single()
		case ch == '"':
			p.double()
		case ch == '$' || ch == '`':
			p.expand(ch)
		case ch == '#' && !p.inWord:
			p.skipLine()
		case ch == ' ' || ch == '\t' || ch == '\r':
			p.endWord()
		case ch == '\n':
			p.endCommand()
			p.skipHeredocs()
		case strings.IndexByte(";&|()", ch) >= 0:
			p.endCommand()
		case ch == '<' || ch == '>':
			p.redirect(ch)
		default:
			if strings.IndexByte("*?[~", ch) >= 0 && p.text[p.pos-1:min(p.pos+1, len(p.text))] != "[ " {
				p.unclear = true
			}
			p.word.WriteByte(ch)
			p.inWord = true
		}
	}
	p.endCommand()
}

func (p *shellParser) escape() {
	if p.pos >= len(p.text) {
		return
	}
	if ch := p.text[p.pos]; ch != '\n' {
		p.word.WriteByte(ch)
		p.inWord = true
	}
	p.pos++
}

func (p *shellParser) single() {
	p.inWord = true
	end := strings.IndexByte(p.text[p.pos:], '\'')
	if end < 0 {
		p.unclear, p.pos = true, len(p.text)
		return
	}
	p.word.WriteString(p.text[p.pos : p.pos+end])
	p.pos += end + 1
}

func (p *shellParser) double() {
	p.inWord = true
	for p.pos < len(p.text) {
		ch := p.text[p.pos]
		p.pos++
		switch ch {
		case '"':
			return
		case '\\':
			p.escape()
		case '$', '`':
			p.expand(ch)
		default:
			p.word.WriteByte(ch)
		}
	}
	p.unclear = true
}

// expand replaces variables that the script has set to plain text; everything else makes the word unclear.
func (p *shellParser) expand(ch byte) {
	p.inWord = true
	rest := p.text[p.pos:]
	name := ""
	switch {
	case ch == '`' || strings.HasPrefix(rest, "("):
		p.unclear = true
		p.skipSubstitution(ch)
		return
	case strings.HasPrefix(rest, "{"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			p.unclear, p.pos = true, len(p.text)
			return
		}
		name, p.pos = rest[1:end], p.pos+end+1
	default:
		n := 0
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		if n == 0 && rest != "" && strings.IndexByte("?$!#@*-", rest[0]) >= 0 {
			n = 1
		}
		name, p.pos = rest[:n], p.pos+n
	}
	if value, ok := p.vars[name]; ok {
		p.word.WriteString(value)
		return
	}
	p.unclear = true
}

func (p *shellParser) skipSubstitution(ch byte) {
	depth := 0
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch {
		case ch == '`' && c == '`':
			return
		case ch == '$' && c == '(':
			depth++
		case ch == '$' && c == ')':
			if depth--; depth == 0 {
				return
			}
		}
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *shellParser) skipLine() {
	if end := strings.IndexByte(p.text[p.pos:], '\n'); end >= 0 {
		p.pos += end
	} else {
		p.pos = len(p.text)
	}
}

func (p *shellParser) redirect(ch byte) {
	if p.inWord && strings.Trim(p.word.String(), "0123456789") == "" {
		p.word.Reset() // the number of a file descriptor
		p.inWord = false
	}
	p.endWord()
	rest := p.text[p.pos:]
	if ch == '<' && strings.HasPrefix(rest, "<") {
		rest = strings.TrimLeft(strings.TrimPrefix(rest[1:], "-"), " \t")
		end := strings.IndexAny(rest, " \t\n;&|)")
		if end < 0 {
			end = len(rest)
		}
		p.heredocs = append(p.heredocs, strings.Trim(rest[:end], `'"\`))
		p.pos = len(p.text) - len(rest) + end
		return
	}
	for p.pos < len(p.text) && strings.IndexByte(">&|", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.skipWord = true
	for p.pos < len(p.text) && (p.text[p.pos] == ' ' || p.text[p.pos] == '\t') {
		p.pos++
	}
}

func (p *shellParser) skipHeredocs() {
	for _, end := range p.heredocs {
		for p.pos < len(p.text) {
			line, rest, _ := strings.Cut(p.text[p.pos:], "\n")
			p.pos = len(p.text) - len(rest)
			if strings.TrimLeft(line, "\t") == end {
				break
			}
		}
	}
	p.heredocs = nil
}

// endWord finishes a word. Keywords start a new command; assignments set variables.
func (p *shellParser) endWord() {
	word, unclear, skip := p.word.String(), p.unclear, p.skipWord
	had := p.inWord
	p.word.Reset()
	p.inWord, p.unclear = false, false
	if !had {
		return
	}
	p.skipWord = false
	if skip {
		return
	}
	if len(p.current.words) == 0 {
		switch word {
		case "if", "then", "elif", "else", "fi", "!", "{", "}":
			return
		case "while", "until", "do", "done", "esac":
			p.compound = true
			return
		case "for", "case", "function", "select":
			p.compound, p.header = true, true // the words up to the end of the command are no command
		}
		if p.header {
			return
		}
		if name, value, ok := strings.Cut(word, "="); ok && name != "" && strings.IndexFunc(name, func(r rune) bool { return r > 127 || !isNameByte(byte(r)) }) < 0 {
			if unclear {
				delete(p.vars, name)
			} else {
				p.vars[name] = value
			}
			return
		}
	}
	p.current.words = append(p.current.words, word)
	p.current.unclear = p.current.unclear || unclear
}

func (p *shellParser) endCommand() {
	p.endWord()
	p.skipWord, p.header = false, false
	if len(p.current.words) > 0 {
		p.commands = append(p.commands, p.current)
	}
	p.current = shellCommand{}
}
