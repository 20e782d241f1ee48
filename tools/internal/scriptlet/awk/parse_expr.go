package awk

import "strings"

// list reads expressions up to a closing bracket.
func (p *parser) list(end string) []expr {
	var out []expr
	gt := p.noGt
	p.noGt = false
	p.newlines()
	for !p.is(end) {
		out = append(out, p.expr())
		p.newlines()
		if !p.accept(",") {
			break
		}
		p.newlines()
	}
	p.noGt = gt
	p.expect(end)
	return out
}

// expr reads an expression of any kind.
func (p *parser) expr() expr {
	defer p.deeper()()
	cond := p.or()
	if !p.accept("?") {
		return cond
	}
	p.newlines()
	yes := p.expr()
	p.newlines()
	p.expect(":")
	p.newlines()
	return &ternary{cond, yes, p.expr()}
}

func (p *parser) or() expr {
	e := p.and()
	for p.accept("||") {
		p.newlines()
		e = &binary{"||", e, p.and()}
	}
	return e
}

func (p *parser) and() expr {
	e := p.in()
	for p.accept("&&") {
		p.newlines()
		e = &binary{"&&", e, p.in()}
	}
	return e
}

func (p *parser) in() expr {
	e := p.match()
	for p.accept("in") {
		subs := []expr{e}
		e = &member{subs, p.arrayName()}
	}
	return e
}

func (p *parser) arrayName() *varRef {
	if !p.is(tokName) {
		p.fail("%s where an array should be", describe(p.tok))
	}
	return p.name()
}

func (p *parser) match() expr {
	e := p.comparison()
	for p.is("~", "!~") {
		op := p.tok.kind
		p.next()
		e = &binary{op, e, p.comparison()}
	}
	return e
}

func (p *parser) comparison() expr {
	e := p.concatenation()
	if p.is("<", "<=", "==", "!=", ">=") || p.is(">") && !p.noGt {
		op := p.tok.kind
		p.next()
		return &binary{op, e, p.concatenation()}
	}
	return e
}

// concatenation joins operands that stand side by side; what getline reads from a command comes behind it.
func (p *parser) concatenation() expr {
	e := p.additive()
	for {
		switch {
		case p.is(tokNumber, tokString, tokName, tokCall, tokBuiltin, "$", "(", "!", "-", "+", "++", "--"):
			e = &binary{"", e, p.additive()}
		case p.is("|"):
			saved, tok := p.lex, p.tok
			p.next()
			if !p.is("getline") {
				p.lex, p.tok = saved, tok
				return e
			}
			p.next()
			e = &getline{kind: "|", from: e, to: p.optionalLvalue()}
		default:
			return e
		}
	}
}

func (p *parser) additive() expr {
	e := p.multiplicative()
	for p.is("+", "-") {
		op := p.tok.kind
		p.next()
		e = &binary{op, e, p.multiplicative()}
	}
	return e
}

func (p *parser) multiplicative() expr {
	e := p.unary()
	for p.is("*", "/", "%") {
		op := p.tok.kind
		p.next()
		e = &binary{op, e, p.unary()}
	}
	return e
}

func (p *parser) unary() expr {
	if p.is("!", "-", "+") {
		defer p.deeper()()
		op := p.tok.kind
		p.next()
		return &unary{op, p.unary()}
	}
	return p.power()
}

func (p *parser) power() expr {
	e := p.postfix()
	if p.accept("^") {
		defer p.deeper()()
		var right expr
		if p.is("!", "-", "+") {
			right = p.unary()
		} else {
			right = p.power()
		}
		return &binary{"^", e, right}
	}
	return e
}

func isLvalue(e expr) bool {
	switch e.(type) {
	case *varRef, *indexRef, *fieldRef:
		return true
	}
	return false
}

// postfix reads an operand with ++ or -- behind it, or an assignment to it.
func (p *parser) postfix() expr {
	e := p.primary()
	if !isLvalue(e) {
		return e
	}
	switch {
	case p.accept("++"):
		return &step{e, 1, false}
	case p.accept("--"):
		return &step{e, -1, false}
	case p.is("=", "+=", "-=", "*=", "/=", "%=", "^="):
		op := strings.TrimSuffix(p.tok.kind, "=")
		p.next()
		p.newlines()
		if op == "" {
			op = "="
		}
		return &assign{op, e, p.expr()}
	}
	return e
}

func (p *parser) primary() expr {
	defer p.deeper()()
	t := p.tok
	switch t.kind {
	case tokNumber:
		p.next()
		return &numLit{t.num}
	case tokString:
		p.next()
		return &strLit{t.text}
	case "/", "/=":
		return p.regex(strings.TrimPrefix(t.kind, "/"))
	case "(":
		return p.grouping()
	case "$":
		p.next()
		if p.is("++", "--") {
			return &fieldRef{p.primary()}
		}
		if p.is("-", "+", "!") {
			op := p.tok.kind
			p.next()
			return &fieldRef{&unary{op, p.primary()}}
		}
		return &fieldRef{p.primary()}
	case "++", "--":
		p.next()
		e := p.primary()
		if !isLvalue(e) {
			p.fail("%s before something that is no variable", t.kind)
		}
		by := 1.0
		if t.kind == "--" {
			by = -1
		}
		return &step{e, by, true}
	case tokName:
		return p.variable()
	case tokCall:
		p.next()
		p.expect("(")
		c := &call{t.text, p.list(")")}
		p.calls[t.text] = max(p.calls[t.text], len(c.args))
		return c
	case tokBuiltin:
		return p.builtin()
	case "getline":
		p.next()
		g := &getline{to: p.optionalLvalue()}
		if p.accept("<") {
			g.kind, g.from = "<", p.operand()
		}
		return g
	}
	p.fail("%s where an expression should be", describe(t))
	return nil
}

// operand is a primary with ++ or --, without assignment: the file of getline.
func (p *parser) operand() expr {
	e := p.primary()
	if isLvalue(e) {
		if p.accept("++") {
			return &step{e, 1, false}
		}
		if p.accept("--") {
			return &step{e, -1, false}
		}
	}
	return e
}

// regex reads the rest of a regular expression; first is what of it was taken for an operator.
func (p *parser) regex(first string) expr {
	text, err := p.lex.quoted('/')
	if err != nil {
		panic(err)
	}
	rx, err := compile(first + text)
	if err != nil {
		panic(err)
	}
	p.next()
	return &regexLit{rx}
}

// grouping is (e), or (i, j) in array.
func (p *parser) grouping() expr {
	p.next()
	list := p.list(")")
	switch {
	case len(list) == 1:
		return &group{list[0]}
	case len(list) > 1 && p.accept("in"):
		return &member{list, p.arrayName()}
	}
	p.fail("%d expressions in brackets", len(list))
	return nil
}

// name reads a name of a variable or an array.
func (p *parser) name() *varRef {
	v := &varRef{p.tok.text, -1}
	if i, ok := p.params[v.name]; ok {
		v.local = i
	}
	if p.prog.functions[v.name] != nil && v.local < 0 {
		p.fail("%s is a function", v.name)
	}
	p.next()
	return v
}

func (p *parser) variable() expr {
	v := p.name()
	if p.accept("[") {
		subs := p.list("]")
		if len(subs) == 0 {
			p.fail("an index is missing")
		}
		return &indexRef{v, subs}
	}
	return v
}

func (p *parser) optionalLvalue() expr {
	switch p.tok.kind {
	case tokName:
		return p.variable()
	case "$":
		return p.primary()
	}
	return nil
}

func (p *parser) builtin() expr {
	c := &builtinCall{name: p.tok.text}
	b := builtins[c.name]
	if b.refused != "" {
		p.fail("%s: %s", c.name, b.refused)
	}
	p.next()
	if p.is("(") {
		p.next()
		c.args = p.list(")")
	} else if c.name != "length" {
		p.fail("%s without brackets", c.name)
	}
	if len(c.args) < b.least || len(c.args) > b.most {
		p.fail("%s with %d arguments", c.name, len(c.args))
	}
	for i, a := range c.args {
		g, grouped := a.(*group)
		_, isVar := a.(*varRef)
		switch {
		case c.name == "split" && i == 1 && !isVar:
			p.fail("split needs an array")
		case i == 2 && (c.name == "sub" || c.name == "gsub") && !isLvalue(a):
			if !grouped || !isLvalue(g.e) {
				p.fail("%s needs a variable", c.name)
			}
			c.args[i] = g.e
		}
	}
	return c
}
