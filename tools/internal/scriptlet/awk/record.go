package awk

import (
	"strings"
)

// text0 returns the record.
func (in *interp) text0() string {
	if in.stale {
		parts := make([]string, len(in.fields))
		for i, f := range in.fields {
			parts[i] = in.text(f)
		}
		in.record, in.stale = in.bound(strings.Join(parts, in.get("OFS"))), false
	}
	return in.record
}

// setRecord makes text the record.
func (in *interp) setRecord(s string) {
	in.record, in.split, in.stale, in.fields = in.bound(s), false, false, nil
}

// splitRecord makes the fields of the record, when somebody first asks.
func (in *interp) splitRecord() {
	if in.split {
		return
	}
	in.split = true
	in.fields = nil
	for _, s := range in.cut(in.record, in.get("FS"), nil) {
		in.fields = append(in.fields, field(s))
	}
}

// cut splits text by a separator: FS, or the third argument of split, which may be a literal expression.
func (in *interp) cut(s, separator string, rx *regex) []string {
	in.h.Step(1 + len(s)>>4)
	if s == "" {
		return nil
	}
	var out []string
	switch {
	case rx == nil && separator == " ":
		out = strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
	case rx == nil && separator == "":
		for i := range len(s) {
			out = append(out, s[i:i+1])
		}
	case rx == nil && len(separator) == 1 && separator != `\`:
		if in.get("RS") == "" {
			out = strings.Split(strings.ReplaceAll(s, "\n", separator), separator)
		} else {
			out = strings.Split(s, separator)
		}
	default:
		if rx == nil {
			if in.get("RS") == "" {
				separator = "(" + separator + ")|\n"
			}
			rx = in.compiled(separator)
		}
		at := 0
		for _, f := range in.findAll(rx, s) {
			if f[1] == f[0] {
				continue // nothing separates nothing
			}
			out = append(out, s[at:f[0]])
			at = f[1]
		}
		out = append(out, s[at:])
	}
	in.h.Step(len(out))
	if len(out) > maxFields {
		panic(runtimeError("more than %d fields", maxFields))
	}
	return out
}

func (in *interp) fieldIndex(e *fieldRef) int {
	n := in.eval(e.index).number()
	if n < 0 || n != n {
		panic(runtimeError("field %s", formatNumber(n, "%.6g")))
	}
	if n > maxFields {
		panic(runtimeError("more than %d fields", maxFields))
	}
	return int(n)
}

func (in *interp) field(i int) value {
	if i == 0 {
		return field(in.text0())
	}
	in.splitRecord()
	if i > len(in.fields) {
		return value{}
	}
	return in.fields[i-1]
}

func (in *interp) setField(i int, v value) {
	if i == 0 {
		in.setRecord(in.text(v))
		return
	}
	in.splitRecord()
	for len(in.fields) < i {
		in.h.Step(1)
		in.fields = append(in.fields, value{})
	}
	if v.kind == number {
		v = value{kind: input, s: in.text(v)}
	}
	in.fields[i-1], in.stale = v, true
}

func (in *interp) setNF(n float64) {
	if n < 0 || n > maxFields || n != n {
		panic(runtimeError("NF set to %s", formatNumber(n, "%.6g")))
	}
	in.splitRecord()
	for len(in.fields) < int(n) {
		in.h.Step(1)
		in.fields = append(in.fields, field(""))
	}
	in.fields, in.stale = in.fields[:int(n)], true
}
