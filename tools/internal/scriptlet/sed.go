package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// sed is one run of sed(1).
type sed struct {
	c        *call
	commands []*sedCommand
	labels   map[string]int
	quiet    bool
	sep      byte

	input    []sedLine
	next     int
	out      io.Writer
	pattern  string
	hold     string
	missing  bool // the last line lacks its separator
	replaced bool
	last     *regexp.Regexp
	appended []string
	number   int
	quit     bool
	status   int
	files    map[string]bool // opened by w
}

type sedLine struct {
	text    string
	open    bool // without separator at its end
	newFile bool
	file    string
}

// sedOptions are those of the command line.
type sedOptions struct {
	quiet, extended, separate, null bool
	inPlace                         bool
	suffix                          string
	follow                          bool
	script                          []string
	files                           []string
}

func sedCommandLine(c *call) int {
	o, status := c.sedOptions()
	if status != 0 {
		return status
	}
	commands, err := parseSed(strings.Join(o.script, "\n"), o.extended)
	if err != nil {
		return c.unknown("sed: %v", err)
	}
	s := &sed{c: c, commands: commands, quiet: o.quiet, sep: '\n', out: c.out, labels: map[string]int{}, files: map[string]bool{}}
	if o.null {
		s.sep = 0
	}
	for i, cmd := range commands {
		if cmd.name == ':' {
			s.labels[cmd.text] = i
		}
	}
	for _, cmd := range commands {
		if strings.IndexByte("btT", cmd.name) >= 0 && cmd.text != "" {
			if _, ok := s.labels[cmd.text]; !ok {
				return c.errorf("can't find label for jump to `%s'", cmd.text)
			}
		}
	}
	if o.inPlace {
		return s.inPlace(o)
	}
	if len(o.files) == 0 {
		o.files = []string{"-"}
	}
	for _, name := range o.files {
		data, err := c.input(name)
		if err != nil {
			c.errorf("can't read %s: %v", name, err)
			s.status = 2
			continue
		}
		s.feed(name, data, o.separate)
	}
	s.runAll()
	return s.status
}

// feed splits a file into lines.
func (s *sed) feed(name string, data []byte, separate bool) {
	first := true
	for len(data) > 0 {
		line, rest, ok := bytes.Cut(data, []byte{s.sep})
		s.input = append(s.input, sedLine{text: string(line), open: !ok, newFile: first && separate, file: name})
		data, first = rest, false
	}
	s.c.m.step(1 + len(s.input)/8)
}

// inPlace edits each file as a script of its own.
func (s *sed) inPlace(o sedOptions) int {
	status := 0
	for _, name := range o.files {
		p := s.c.path(name)
		data, err := s.c.m.read(p)
		if err != nil {
			s.c.errorf("can't read %s: %v", name, err)
			status = 4
			continue
		}
		var buf bytes.Buffer
		run := &sed{c: s.c, commands: s.commands, quiet: s.quiet, sep: s.sep, labels: s.labels, out: &counted{s.c.m, &buf}, files: s.files}
		for _, cmd := range run.commands {
			cmd.active = false
		}
		run.feed(name, data, false)
		run.runAll()
		if o.suffix != "" {
			backup := p + o.suffix
			if strings.Contains(o.suffix, "*") {
				return s.c.option("-i" + o.suffix)
			}
			if e := s.c.m.stat(p); e != nil {
				_ = s.c.m.replace(backup, data, e.Mode)
			}
		}
		if err := s.c.m.overwrite(p, buf.Bytes(), o.follow); err != nil {
			return s.c.errorf("couldn't edit %s: %v", name, err)
		}
		if run.status != 0 {
			status = run.status
		}
		if run.quit {
			break
		}
	}
	return status
}

func (s *sed) runAll() {
	for s.next < len(s.input) && !s.quit {
		s.load()
		s.cycle()
	}
}

// load makes the next line the pattern space.
func (s *sed) load() {
	l := s.input[s.next]
	s.next++
	if l.newFile {
		s.number = 0
	}
	s.number++
	s.pattern, s.missing = l.text, l.open
	s.c.m.step(1 + len(l.text)>>6)
}

func (s *sed) isLast() bool {
	return s.next >= len(s.input) || s.input[s.next].newFile
}

func (s *sed) print(text string) {
	io.WriteString(s.out, text)
	if !s.missing {
		s.out.Write([]byte{s.sep})
	}
}

// flush prints what a, r and R left for the end of the cycle.
func (s *sed) flush() {
	if len(s.appended) > 0 && s.missing {
		s.out.Write([]byte{s.sep})
		s.missing = false
	}
	for _, t := range s.appended {
		io.WriteString(s.out, t)
	}
	s.appended = nil
}

func (s *sed) endCycle() {
	if !s.quiet {
		s.print(s.pattern)
	}
	s.flush()
}

// cycle runs the script on one pattern space.
func (s *sed) cycle() {
	s.replaced = false
	for pc := 0; pc < len(s.commands); pc++ {
		s.c.m.step(1)
		cmd := s.commands[pc]
		if s.selects(cmd) == cmd.not {
			if cmd.name == '{' {
				pc = cmd.block
			}
			continue
		}
		switch cmd.name {
		case 'b', 't', 'T':
			jump := cmd.name == 'b' || s.replaced == (cmd.name == 't')
			if cmd.name != 'b' {
				s.replaced = false
			}
			if jump {
				if cmd.text == "" {
					pc = len(s.commands)
				} else {
					pc = s.labels[cmd.text]
				}
			}
		case 'd':
			s.flush()
			return
		case 'D':
			if _, rest, ok := strings.Cut(s.pattern, "\n"); ok {
				s.flush()
				s.pattern = rest
				pc = -1
				continue
			}
			s.flush()
			return
		case 'c':
			if cmd.to == nil || !cmd.active || cmd.not {
				io.WriteString(s.out, cmd.text)
			}
			s.flush()
			return
		case 'q', 'Q':
			if cmd.name == 'q' {
				s.endCycle()
			}
			s.quit, s.status = true, cmd.number
			return
		case 'n', 'N':
			if !s.nextLine(cmd.name) {
				return
			}
		default:
			s.do(cmd)
		}
	}
	s.endCycle()
}

// nextLine is n and N; at the end of the input GNU prints the pattern space and stops.
func (s *sed) nextLine(name byte) bool {
	if s.next >= len(s.input) {
		s.endCycle()
		s.quit = true
		return false
	}
	before := s.pattern
	if name == 'n' {
		s.endCycle()
	} else {
		s.flush()
	}
	s.load()
	if name == 'N' {
		s.pattern = s.bound(before + "\n" + s.pattern)
	}
	return true
}

func (s *sed) bound(text string) string {
	const largest = 4 << 20
	if len(text) > largest {
		s.c.unknown("a pattern space of more than %d bytes", largest)
	}
	s.c.m.step(1 + len(text)>>8)
	return text
}

func (s *sed) do(cmd *sedCommand) {
	switch cmd.name {
	case '{', '}', ':':
	case '=':
		fmt.Fprintf(s.out, "%d\n", s.number)
	case 'a':
		s.appended = append(s.appended, cmd.text)
	case 'i':
		io.WriteString(s.out, cmd.text)
	case 'g':
		s.pattern = s.hold
	case 'G':
		s.pattern = s.bound(s.pattern + "\n" + s.hold)
	case 'h':
		s.hold = s.pattern
	case 'H':
		s.hold = s.bound(s.hold + "\n" + s.pattern)
	case 'x':
		s.pattern, s.hold = s.hold, s.pattern
	case 'z':
		s.pattern = ""
	case 'p':
		s.print(s.pattern)
	case 'P':
		first, _, _ := strings.Cut(s.pattern, "\n")
		fmt.Fprintf(s.out, "%s\n", first)
	case 'F':
		fmt.Fprintf(s.out, "%s\n", s.input[s.next-1].file)
	case 'l':
		fmt.Fprintf(s.out, "%s$\n", strings.Trim(strconv.QuoteToASCII(s.pattern), `"`))
	case 'r':
		if data, err := s.c.input(cmd.text); err == nil {
			s.appended = append(s.appended, string(data))
		}
	case 'w':
		s.writeFile(cmd.text)
	case 's':
		s.substitute(cmd)
	case 'y':
		s.pattern = strings.Map(func(r rune) rune {
			if to, ok := cmd.table[r]; ok {
				return to
			}
			return r
		}, s.pattern)
	default:
		s.c.unknown("sed: command %c is not known", cmd.name)
	}
}

// writeFile is w: the file is emptied once, when the run first needs it.
func (s *sed) writeFile(name string) {
	if n, ok := standard(name); ok && n > 0 {
		fmt.Fprintf(map[int]io.Writer{1: s.out, 2: s.c.err}[n], "%s\n", s.pattern)
		return
	}
	f, err := s.c.m.open(s.c.path(name), s.files[name], 0o666&^s.c.s.umask, s.c.s)
	if err != nil {
		s.status = s.c.errorf("couldn't open file %s: %v", name, err)
		return
	}
	s.files[name] = true
	fmt.Fprintf(f.w, "%s\n", s.pattern)
}
