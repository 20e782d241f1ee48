package awk

import (
	"strings"
)

// cell returns the variable of a name.
func (in *interp) cell(v *varRef) *cell {
	if v.local >= 0 {
		return in.frames[len(in.frames)-1][v.local]
	}
	c := in.globals[v.name]
	if c == nil {
		in.h.Step(1)
		c = &cell{}
		in.globals[v.name] = c
	}
	return c
}

// array returns a variable as an array, which one without a value becomes.
func (in *interp) array(v *varRef) *array {
	c := in.cell(v)
	if c.array == nil {
		if c.v.kind != unset {
			panic(runtimeError("%s is no array", v.name))
		}
		if special[v.name] && v.local < 0 {
			panic(runtimeError("%s is no array", v.name))
		}
		made := newArray()
		for o := c.origin; o != nil; o = o.origin {
			if o.array != nil {
				made = o.array
				break
			}
		}
		for o := c; o != nil && o.array == nil; o = o.origin {
			o.array = made
		}
	}
	return c.array
}

// special are the variables with a meaning; those whose value is kept elsewhere are read and written by get and set.
var special = map[string]bool{"NF": true, "NR": true, "FNR": true, "FS": true, "OFS": true, "ORS": true, "RS": true, "FILENAME": true, "SUBSEP": true,
	"CONVFMT": true, "OFMT": true, "RSTART": true, "RLENGTH": true}

// get returns a global variable as text.
func (in *interp) get(name string) string {
	if c := in.globals[name]; c != nil {
		if c.v.kind == number {
			return formatNumber(c.v.n, "%.6g")
		}
		return c.v.s
	}
	return ""
}

func (in *interp) set(name string, v value) {
	if c := in.globals[name]; c != nil {
		c.v = v
	} else {
		in.globals[name] = &cell{v: v}
	}
}

// text is a value as text, bounded.
func (in *interp) text(v value) string {
	if v.kind == number {
		return v.text(in.get("CONVFMT"))
	}
	return v.s
}

func (in *interp) subscript(subs []expr) string {
	if len(subs) == 1 {
		return in.text(in.eval(subs[0]))
	}
	var parts []string
	for _, e := range subs {
		parts = append(parts, in.text(in.eval(e)))
	}
	return in.bound(strings.Join(parts, in.get("SUBSEP")))
}

// bound counts the work that a text is, and ends the program at one that is too long.
func (in *interp) bound(s string) string {
	if len(s) > maxString {
		panic(runtimeError("a string of more than %d bytes", maxString))
	}
	in.h.Step(1 + len(s)>>6)
	return s
}

// regex returns an expression for ~, split and their like: a literal, or text.
func (in *interp) regexOf(e expr) *regex {
	if l, ok := e.(*regexLit); ok {
		return l.rx
	}
	return in.compiled(in.text(in.eval(e)))
}

func (in *interp) compiled(source string) *regex {
	if rx := in.regexes[source]; rx != nil {
		return rx
	}
	rx, err := compile(source)
	if err != nil {
		panic(err)
	}
	in.h.Step(10 + len(source))
	if len(in.regexes) >= maxCached {
		clear(in.regexes)
	}
	in.regexes[source] = rx
	return rx
}
