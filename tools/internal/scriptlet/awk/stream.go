package awk

import (
	"fmt"
	"strings"
)

// stream is text that is read record by record.
type stream struct {
	data string
	pos  int
}

// read returns the next record by RS.
func (in *interp) read(s *stream) (string, bool) {
	rest := s.data[s.pos:]
	rs := in.get("RS")
	if rs == "" { // paragraphs
		trimmed := strings.TrimLeft(rest, "\n")
		s.pos += len(rest) - len(trimmed)
		rest = trimmed
	}
	if rest == "" {
		return "", false
	}
	in.h.Step(1)
	record, used := rest, len(rest)
	switch {
	case rs == "":
		if i := strings.Index(rest, "\n\n"); i >= 0 {
			record, used = rest[:i], i+2
		} else {
			record = strings.TrimSuffix(rest, "\n")
		}
	case len(rs) == 1:
		if i := strings.Index(rest, rs); i >= 0 {
			record, used = rest[:i], i+1
		}
	default:
		if f := in.find(in.compiled(rs), rest); f != nil && f[1] > f[0] {
			record, used = rest[:f[0]], f[1]
		}
	}
	s.pos += used
	return record, true
}

// nextMain reads the next record of the operands into $0.
func (in *interp) nextMain() bool {
	for {
		if in.main == nil && !in.nextFile() {
			return false
		}
		if r, ok := in.read(in.main); ok {
			in.nr++
			in.fnr++
			in.setRecord(r)
			return true
		}
		in.main = nil
	}
}

// nextFile opens the next operand; assignments among them are made when their turn comes.
func (in *interp) nextFile() bool {
	argv := in.globals["ARGV"].array
	for {
		n := in.argAt
		if float64(n) >= in.variable(&varRef{"ARGC", -1}).number() {
			break
		}
		in.argAt++
		v := argv.at[num(float64(n)).text("")]
		if v == nil || in.text(*v) == "" {
			continue
		}
		name := in.text(*v)
		if in.assignOperand(name) {
			continue
		}
		in.started = true
		in.fnr = 0
		in.set("FILENAME", str(name))
		data, err := in.open(name)
		if err != nil {
			fmt.Fprintf(in.h.Stderr, "awk: cannot open %q: %v\n", name, err)
			in.exit = 2
			continue
		}
		in.main = &stream{data: data}
		return true
	}
	if in.started {
		return false
	}
	in.started = true
	in.main = &stream{data: string(in.h.Stdin())}
	return true
}

func (in *interp) open(name string) (string, error) {
	if name == "-" || name == "/dev/stdin" {
		return string(in.h.Stdin()), nil
	}
	data, err := in.h.Open(name)
	return string(data), err
}

// assignOperand makes the assignment that an operand is, if it is one.
func (in *interp) assignOperand(a string) bool {
	name, v, ok := strings.Cut(a, "=")
	if !ok || name == "" || !isLetter(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isLetter(name[i]) && !isDigit(name[i]) {
			return false
		}
	}
	in.store(&varRef{name, -1}, field(unescape(v)))
	return true
}

// getline reads a record from where it says, and returns 1, 0 at the end, or -1. Only the input counts in NR, as for all awks.
func (in *interp) getline(g *getline) value {
	var s *stream
	switch g.kind {
	case "":
		for {
			if in.main == nil && !in.nextFile() {
				return num(0)
			}
			r, ok := in.read(in.main)
			if !ok {
				in.main = nil
				continue
			}
			in.nr++
			in.fnr++
			in.got(g.to, r)
			return num(1)
		}
	case "<":
		name := in.text(in.eval(g.from))
		key := "<" + name
		if s = in.streams[key]; s == nil {
			data, err := in.open(name)
			if err != nil {
				return num(-1)
			}
			s = &stream{data: data}
			in.streams[key] = s
		}
	case "|":
		command := in.text(in.eval(g.from))
		key := "|" + command
		if s = in.streams[key]; s == nil {
			out, _ := in.h.Command(command, nil)
			s = &stream{data: string(out)}
			in.streams[key] = s
		}
	}
	r, ok := in.read(s)
	if !ok {
		return num(0)
	}
	in.got(g.to, r)
	return num(1)
}

// got stores what getline read.
func (in *interp) got(to expr, record string) {
	if to == nil {
		in.setRecord(record)
		return
	}
	in.bound(record)
	in.store(to, field(record))
}

// output is an open file or pipe that is written to.
type output struct {
	command string // of a pipe, whose text is kept until it is closed
	file    string
	text    []byte
	begun   bool
	append  bool
}

func (in *interp) print(s string) {
	in.h.Step(1 + len(s)>>8)
	_, _ = in.h.Stdout.Write([]byte(s))
}

func (in *interp) printStmt(s *printing) {
	var text string
	if s.format {
		args := make([]value, len(s.args))
		for i, e := range s.args {
			args[i] = in.eval(e)
		}
		out, err := sprintf(in.text(args[0]), args[1:], in.get("CONVFMT"))
		if err != nil {
			panic(err)
		}
		text = out
	} else {
		parts := make([]string, len(s.args))
		for i, e := range s.args {
			parts[i] = in.eval(e).text(in.get("OFMT"))
		}
		if len(s.args) == 0 {
			parts = []string{in.text0()}
		}
		text = strings.Join(parts, in.get("OFS")) + in.get("ORS")
	}
	in.bound(text)
	if s.redir == "" {
		in.print(text)
		return
	}
	in.redirect(s.redir, in.text(in.eval(s.to)), text)
}

func (in *interp) redirect(kind, name, text string) {
	switch {
	case kind != "|" && (name == "/dev/stdout" || name == "-"):
		in.print(text)
		return
	case kind != "|" && name == "/dev/stderr":
		_, _ = in.h.Stderr.Write([]byte(text))
		return
	case name == "":
		panic(runtimeError("output to a file without a name"))
	}
	key := kind[:1] + name
	o := in.outputs[key]
	if o == nil {
		o = &output{file: name, append: kind == ">>"}
		if kind == "|" {
			o = &output{command: name}
		}
		in.outputs[key] = o
		in.order = append(in.order, key)
	}
	if o.command != "" {
		if o.text = append(o.text, text...); len(o.text) > maxString {
			panic(runtimeError("more than %d bytes into a pipe", maxString))
		}
		in.h.Step(1 + len(text)>>6)
		return
	}
	if err := in.h.Write(o.file, []byte(text), o.append || o.begun); err != nil {
		panic(runtimeError("cannot write to %q: %v", o.file, err))
	}
	o.begun = true
}

// close ends a stream; a command that is written to runs now.
func (in *interp) close(name string) int {
	status := -1
	for _, key := range []string{"<" + name, "|" + name} {
		if in.streams[key] != nil {
			delete(in.streams, key)
			status = 0
		}
	}
	for i := 0; i < len(in.order); i++ {
		key := in.order[i]
		if key[1:] != name {
			continue
		}
		in.order = append(in.order[:i:i], in.order[i+1:]...)
		status = in.end(key)
		i--
	}
	return status
}

func (in *interp) end(key string) int {
	o := in.outputs[key]
	delete(in.outputs, key)
	if o.command == "" {
		return 0
	}
	return in.h.Run(o.command, o.text)
}

// closeAll ends all streams, in the order in which they were opened.
func (in *interp) closeAll() {
	for _, key := range in.order {
		in.end(key)
	}
	in.order = nil
}
