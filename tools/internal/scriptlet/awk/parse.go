// Package awk is an interpreter of awk for scriptlets: the language of POSIX, and of gawk the operators ** and **=, length of
// arrays, nextfile, delete of whole arrays, and regular expressions as RS. Text is bytes, as in the locale C.
//
// It touches nothing but what its Host gives it, counts its work there, and leaves out what would differ from run to run: rand,
// srand and the clock.
package awk

import (
	"fmt"
	"strings"
)

// Bounds of a program.
const (
	maxProgram = 256 << 10
	maxNesting = 400
)

// SyntaxError is a program that cannot be understood.
type SyntaxError struct{ text string }

func (e *SyntaxError) Error() string { return e.text }

func syntaxError(format string, args ...any) error {
	return &SyntaxError{fmt.Sprintf(format, args...)}
}

type parser struct {
	lex    lexer
	tok    token
	prog   *Program
	params map[string]int // of the function that is parsed
	calls  map[string]int // functions that are called, with the largest number of arguments
	nested int
	noGt   bool // a ">" is that of print
	loops  int
}

// Parse reads a program.
func Parse(src string) (p *Program, err error) {
	if len(src) > maxProgram {
		return nil, syntaxError("a program of %d bytes; the limit is %d", len(src), maxProgram)
	}
	ps := &parser{lex: lexer{src: src}, prog: &Program{functions: map[string]*function{}}, calls: map[string]int{}}
	defer func() {
		if e, ok := recover().(*SyntaxError); ok {
			line := 1 + strings.Count(src[:min(ps.lex.pos, len(src))], "\n")
			p, err = nil, syntaxError("line %d of the awk program: %s", line, e.text)
		} else if e != nil {
			panic(e)
		}
	}()
	ps.next()
	ps.program()
	for _, name := range sortedKeys(ps.calls) {
		f := ps.prog.functions[name]
		if f == nil {
			ps.fail("function %s is not known", name)
		}
		if ps.calls[name] > len(f.params) {
			ps.fail("function %s takes %d arguments", name, len(f.params))
		}
	}
	return ps.prog, nil
}

func (p *parser) fail(format string, args ...any) {
	panic(syntaxError(format, args...))
}

func (p *parser) next() {
	t, err := p.lex.next()
	if err != nil {
		panic(err)
	}
	p.tok = t
}

func (p *parser) is(kinds ...string) bool {
	for _, k := range kinds {
		if p.tok.kind == k {
			return true
		}
	}
	return false
}

func (p *parser) accept(kind string) bool {
	if p.tok.kind != kind {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(kind string) {
	if !p.accept(kind) {
		p.fail("%s where %s should be", describe(p.tok), kind)
	}
}

func describe(t token) string {
	if t.text != "" {
		return fmt.Sprintf("%s %q", t.kind, shorten(t.text))
	}
	return t.kind
}

func (p *parser) newlines() {
	for p.is(tokNewline) {
		p.next()
	}
}

// terminators skips what ends statements.
func (p *parser) terminators() {
	for p.is(tokNewline, ";") {
		p.next()
	}
}

// deeper bounds how far expressions and statements nest.
func (p *parser) deeper() func() {
	if p.nested++; p.nested > maxNesting {
		p.fail("deeper than %d within each other", maxNesting)
	}
	return func() { p.nested-- }
}

// program reads rules and functions.
func (p *parser) program() {
	for p.terminators(); !p.is(tokEOF); p.terminators() {
		switch {
		case p.accept("function"):
			p.function()
		case p.accept("BEGIN"):
			p.prog.begin = append(p.prog.begin, p.action())
		case p.accept("END"):
			p.prog.end = append(p.prog.end, p.action())
		default:
			p.rule()
		}
		if !p.is(tokEOF, tokNewline, ";", "function", "BEGIN", "END") && p.tok.kind == "" {
			p.fail("%s behind a rule", describe(p.tok))
		}
	}
}

func (p *parser) rule() {
	r := &rule{}
	if !p.is("{") {
		r.pattern = append(r.pattern, p.expr())
		if p.accept(",") {
			p.newlines()
			r.pattern = append(r.pattern, p.expr())
		}
	}
	if p.is("{") {
		r.action = p.action()
	} else {
		r.print = true
		if !p.is(tokEOF, tokNewline, ";") {
			p.fail("%s behind a pattern", describe(p.tok))
		}
	}
	p.prog.rules = append(p.prog.rules, r)
}

func (p *parser) action() block {
	p.expect("{")
	b := p.statements()
	p.expect("}")
	return b
}

func (p *parser) function() {
	if !p.is(tokName, tokCall) {
		p.fail("%s where the name of a function should be", describe(p.tok))
	}
	f := &function{name: p.tok.text}
	if p.prog.functions[f.name] != nil {
		p.fail("function %s is there twice", f.name)
	}
	p.prog.functions[f.name] = f
	p.next()
	p.expect("(")
	p.params = map[string]int{}
	for !p.is(")") {
		if !p.is(tokName) {
			p.fail("%s among parameters", describe(p.tok))
		}
		if _, twice := p.params[p.tok.text]; twice {
			p.fail("parameter %s is there twice", p.tok.text)
		}
		p.params[p.tok.text] = len(f.params)
		f.params = append(f.params, p.tok.text)
		p.next()
		if !p.accept(",") {
			break
		}
		p.newlines()
	}
	p.expect(")")
	p.newlines()
	loops := p.loops
	p.loops = 0
	f.body = p.action()
	p.loops = loops
	p.params = nil
}

// statements reads up to a closing brace.
func (p *parser) statements() block {
	var out block
	for p.terminators(); !p.is("}", tokEOF); p.terminators() {
		out = append(out, p.statement())
	}
	return out
}

// body is the statement of a loop or condition.
func (p *parser) body() block {
	p.newlines()
	if p.accept(";") {
		return nil
	}
	return block{p.statement()}
}

func (p *parser) statement() stmt {
	defer p.deeper()()
	switch {
	case p.is("{"):
		b := p.action()
		return &blockStmt{b}
	case p.accept("if"):
		return p.ifStatement()
	case p.accept("while"):
		p.expect("(")
		s := &whileStmt{cond: p.expr()}
		p.expect(")")
		s.body = p.loop()
		return s
	case p.accept("do"):
		s := &whileStmt{first: true, body: p.loop()}
		p.terminators()
		p.expect("while")
		p.expect("(")
		s.cond = p.expr()
		p.expect(")")
		p.end()
		return s
	case p.accept("for"):
		return p.forStatement()
	}
	s := p.simple()
	p.end()
	return s
}

// end is where a simple statement ends.
func (p *parser) end() {
	if !p.is("}", tokEOF) && !p.accept(";") && !p.accept(tokNewline) {
		p.fail("%s behind a statement", describe(p.tok))
	}
}

func (p *parser) loop() block {
	p.loops++
	b := p.body()
	p.loops--
	return b
}

func (p *parser) ifStatement() stmt {
	p.expect("(")
	s := &ifStmt{cond: p.expr()}
	p.expect(")")
	s.yes = p.body()
	saved, tok := p.lex, p.tok
	p.terminators()
	if p.accept("else") {
		s.no = p.body()
	} else {
		p.lex, p.tok = saved, tok
	}
	return s
}

func (p *parser) forStatement() stmt {
	p.expect("(")
	if p.is(tokName) {
		saved, tok := p.lex, p.tok
		name := p.name()
		if p.accept("in") && p.is(tokName) {
			array := p.name()
			if p.accept(")") {
				return &forIn{name, array, p.loop()}
			}
		}
		p.lex, p.tok = saved, tok
	}
	s := &forStmt{}
	if !p.is(";") {
		s.init = p.simple()
	}
	p.expect(";")
	p.newlines()
	if !p.is(";") {
		s.cond = p.expr()
	}
	p.expect(";")
	p.newlines()
	if !p.is(")") {
		s.post = p.simple()
	}
	p.expect(")")
	s.body = p.loop()
	return s
}

// simple is a statement without others in it.
func (p *parser) simple() stmt {
	switch kind := p.tok.kind; kind {
	case "print", "printf":
		p.next()
		return p.printing(kind == "printf")
	case "delete":
		p.next()
		if !p.is(tokName) {
			p.fail("%s where an array should be", describe(p.tok))
		}
		s := &deleteStmt{array: p.name()}
		if p.accept("[") {
			s.subs = p.list("]")
		}
		return s
	case "break", "continue":
		p.next()
		if p.loops == 0 {
			p.fail("%s outside of a loop", kind)
		}
		return &jump{kind: kind}
	case "next", "nextfile":
		p.next()
		return &jump{kind: kind}
	case "exit", "return":
		p.next()
		if kind == "return" && p.params == nil {
			p.fail("return outside of a function")
		}
		s := &jump{kind: kind}
		if !p.is(";", tokNewline, "}", tokEOF) {
			s.e = p.expr()
		}
		return s
	}
	return &exprStmt{p.expr()}
}

// printing is print or printf with its redirection.
func (p *parser) printing(format bool) stmt {
	s := &printing{format: format}
	atEnd := func() bool { return p.is(";", tokNewline, "}", tokEOF, ">", ">>", "|") }
	done := false
	if p.is("(") { // the brackets may hold the whole list, or begin its first expression
		saved, tok := p.lex, p.tok
		p.next()
		gt := p.noGt
		p.noGt = false
		list := p.list(")")
		p.noGt = gt
		if done = atEnd(); done {
			s.args = list
		} else {
			p.lex, p.tok = saved, tok
		}
	}
	gt := p.noGt
	p.noGt = true
	for !done && !atEnd() {
		s.args = append(s.args, p.expr())
		if !p.accept(",") {
			break
		}
		p.newlines()
	}
	p.noGt = gt
	if format && len(s.args) == 0 {
		p.fail("printf without a format")
	}
	if p.is(">", ">>", "|") {
		s.redir = p.tok.kind
		p.next()
		gt := p.noGt
		p.noGt = true
		s.to = p.concatenation()
		p.noGt = gt
	}
	return s
}
