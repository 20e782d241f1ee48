package awk

import (
	"math"
	"strings"
)

func (in *interp) eval(e expr) value {
	in.h.Step(1)
	switch e := e.(type) {
	case *numLit:
		return num(e.n)
	case *strLit:
		return str(e.s)
	case *regexLit:
		return truth(in.matches(e, in.text0()))
	case *group:
		return in.eval(e.e)
	case *varRef:
		return in.variable(e)
	case *indexRef:
		key := in.subscript(e.subs)
		in.h.Step(1)
		return *in.array(e.array).get(key)
	case *fieldRef:
		return in.field(in.fieldIndex(e))
	case *assign:
		return in.assign(e)
	case *ternary:
		if in.eval(e.cond).bool() {
			return in.eval(e.yes)
		}
		return in.eval(e.no)
	case *binary:
		return in.binary(e)
	case *unary:
		return in.unary(e)
	case *step:
		old := in.eval(e.to).number()
		in.store(e.to, num(old+e.by))
		if e.before {
			return num(old + e.by)
		}
		return num(old)
	case *member:
		key := in.subscript(e.subs)
		return truth(in.array(e.array).at[key] != nil)
	case *call:
		return in.call(e)
	case *builtinCall:
		return in.builtin(e)
	case *getline:
		return in.getline(e)
	}
	panic(runtimeError("expression %T", e))
}

func (in *interp) variable(v *varRef) value {
	if v.local < 0 {
		switch v.name {
		case "NF":
			in.splitRecord()
			return num(float64(len(in.fields)))
		case "NR":
			return num(in.nr)
		case "FNR":
			return num(in.fnr)
		}
	}
	c := in.cell(v)
	if c.array != nil {
		panic(runtimeError("%s is an array", v.name))
	}
	return c.v
}

// store assigns to a variable, an element or a field.
func (in *interp) store(to expr, v value) {
	switch to := to.(type) {
	case *group:
		in.store(to.e, v)
	case *varRef:
		if to.local < 0 {
			switch to.name {
			case "NF":
				in.setNF(v.number())
				return
			case "NR":
				in.nr = v.number()
				return
			case "FNR":
				in.fnr = v.number()
				return
			}
		}
		c := in.cell(to)
		if c.array != nil {
			panic(runtimeError("%s is an array", to.name))
		}
		c.v = v
	case *indexRef:
		key := in.subscript(to.subs)
		in.h.Step(1)
		*in.array(to.array).get(key) = v
	case *fieldRef:
		in.setField(in.fieldIndex(to), v)
	default:
		panic(runtimeError("assignment to %T", to))
	}
}

func (in *interp) assign(e *assign) value {
	if e.op == "=" {
		v := in.eval(e.from)
		if v.kind == text || v.kind == input {
			in.bound(v.s)
		}
		in.store(e.to, v)
		return v
	}
	right := in.eval(e.from).number()
	v := num(arithmetic(e.op, in.eval(e.to).number(), right))
	in.store(e.to, v)
	return v
}

func arithmetic(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		if b == 0 {
			panic(runtimeError("division by zero"))
		}
		return a / b
	case "%":
		if b == 0 {
			panic(runtimeError("division by zero in %%"))
		}
		return math.Mod(a, b)
	}
	return math.Pow(a, b)
}

func (in *interp) binary(e *binary) value {
	switch e.op {
	case "||":
		return truth(in.eval(e.left).bool() || in.eval(e.right).bool())
	case "&&":
		return truth(in.eval(e.left).bool() && in.eval(e.right).bool())
	case "~", "!~":
		s := in.text(in.eval(e.left))
		return truth(in.matches(e.right, s) == (e.op == "~"))
	case "":
		return str(in.concat(e))
	}
	a := in.eval(e.left)
	b := in.eval(e.right)
	switch e.op {
	case "<", "<=", "==", "!=", ">", ">=":
		return truth(in.compare(e.op, a, b))
	}
	return num(arithmetic(e.op, a.number(), b.number()))
}

// concat joins a row of operands at once.
func (in *interp) concat(e *binary) string {
	var parts []expr
	var left expr = e
	for {
		b, ok := left.(*binary)
		if !ok || b.op != "" {
			break
		}
		parts = append(parts, b.right)
		left = b.left
	}
	var out strings.Builder
	out.WriteString(in.text(in.eval(left)))
	for i := len(parts) - 1; i >= 0; i-- {
		out.WriteString(in.text(in.eval(parts[i])))
		if out.Len() > maxString {
			panic(runtimeError("a string of more than %d bytes", maxString))
		}
	}
	return in.bound(out.String())
}

func (in *interp) matches(e expr, s string) bool {
	return in.matchString(in.regexOf(e), s)
}

// compare takes both as numbers where both are, and else as text.
func (in *interp) compare(op string, a, b value) bool {
	d := 0
	if a.numeric() && b.numeric() {
		x, y := a.number(), b.number()
		switch {
		case x < y:
			d = -1
		case x > y:
			d = 1
		case x != y: // not a number
			return op == "!="
		}
	} else {
		x, y := in.text(a), in.text(b)
		in.h.Step(1 + min(len(x), len(y))>>6)
		d = strings.Compare(x, y)
	}
	switch op {
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case "==":
		return d == 0
	case "!=":
		return d != 0
	case ">":
		return d > 0
	}
	return d >= 0
}

func (in *interp) unary(e *unary) value {
	v := in.eval(e.e)
	switch e.op {
	case "!":
		return truth(!v.bool())
	case "-":
		return num(-v.number())
	}
	return num(v.number())
}

// call runs a function of the program: values are copied, arrays shared.
func (in *interp) call(e *call) value {
	f := in.prog.functions[e.name]
	frame := make([]*cell, len(f.params))
	for i := range frame {
		frame[i] = &cell{}
		if i >= len(e.args) {
			continue
		}
		if v, ok := e.args[i].(*varRef); ok && (v.local >= 0 || !special[v.name]) {
			from := in.cell(v)
			switch {
			case from.array != nil:
				frame[i].array = from.array
			case from.v.kind == unset:
				frame[i].origin = from
			default:
				frame[i].v = from.v
			}
			continue
		}
		frame[i].v = in.eval(e.args[i])
	}
	if in.depth++; in.depth > maxDepth {
		panic(runtimeError("functions deeper than %d within each other", maxDepth))
	}
	in.h.Step(5 + len(frame))
	in.frames = append(in.frames, frame)
	c := in.block(f.body)
	in.frames = in.frames[:len(in.frames)-1]
	in.depth--
	v := in.ret
	in.ret = value{}
	switch c {
	case returning:
		return v
	case goOn:
		return value{}
	}
	panic(leave{c})
}

// leave unwinds expressions when a function ends the record or the program.
type leave struct{ c control }
