package awk

import (
	"math"
	"strings"
)

// arity says how many arguments a function takes. refused is why it is not to be had.
type arity struct {
	least, most int
	refused     string
}

const random = "its result differs from run to run"

var builtins = map[string]*arity{
	"length": {0, 1, ""}, "substr": {2, 3, ""}, "index": {2, 2, ""}, "split": {2, 3, ""}, "sub": {2, 3, ""}, "gsub": {2, 3, ""}, "match": {2, 2, ""},
	"sprintf": {1, math.MaxInt, ""}, "sin": {1, 1, ""}, "cos": {1, 1, ""}, "atan2": {2, 2, ""}, "exp": {1, 1, ""}, "log": {1, 1, ""}, "sqrt": {1, 1, ""},
	"int": {1, 1, ""}, "tolower": {1, 1, ""}, "toupper": {1, 1, ""}, "system": {1, 1, ""}, "close": {1, 1, ""}, "fflush": {0, 1, ""},
	"rand": {0, 0, random}, "srand": {0, 1, random}, "systime": {0, 0, random}, "strftime": {0, 3, random},
}

func (in *interp) builtin(e *builtinCall) value {
	a := e.args
	number := func(i int) float64 { return in.eval(a[i]).number() }
	text := func(i int) string { return in.text(in.eval(a[i])) }
	switch e.name {
	case "length":
		return in.length(a)
	case "substr":
		return in.substr(a)
	case "index":
		s, find := text(0), text(1)
		in.h.Step(1 + len(s)>>4)
		return num(float64(strings.Index(s, find) + 1))
	case "split":
		return in.splitInto(a)
	case "sub", "gsub":
		return in.substitute(e.name == "gsub", a)
	case "match":
		return in.matchAt(text(0), in.regexOf(a[1]))
	case "sprintf":
		args := make([]value, len(a))
		for i := range a {
			args[i] = in.eval(a[i])
		}
		s, err := sprintf(in.text(args[0]), args[1:], in.get("CONVFMT"))
		if err != nil {
			panic(err)
		}
		return str(in.bound(s))
	case "sin":
		return num(math.Sin(number(0)))
	case "cos":
		return num(math.Cos(number(0)))
	case "atan2":
		y := number(0)
		return num(math.Atan2(y, number(1)))
	case "exp":
		return num(math.Exp(number(0)))
	case "log":
		return num(math.Log(number(0)))
	case "sqrt":
		return num(math.Sqrt(number(0)))
	case "int":
		return num(math.Trunc(number(0)))
	case "tolower":
		return str(in.bound(mapASCII(text(0), 'A', 'Z')))
	case "toupper":
		return str(in.bound(mapASCII(text(0), 'a', 'z')))
	case "system":
		return num(float64(in.h.Run(text(0), nil)))
	case "close":
		return num(float64(in.close(text(0))))
	case "fflush":
		if len(a) > 0 {
			in.eval(a[0])
		}
		return num(0)
	}
	panic(runtimeError("%s: %s", e.name, builtins[e.name].refused))
}

// mapASCII changes the case of the letters between from and to.
func mapASCII(s string, from, to byte) string {
	out := []byte(s)
	for i, ch := range out {
		if ch >= from && ch <= to {
			out[i] = ch ^ 0x20
		}
	}
	return string(out)
}

func (in *interp) length(a []expr) value {
	if len(a) == 0 {
		return num(float64(len(in.text0())))
	}
	if v, ok := a[0].(*varRef); ok && !(v.local < 0 && special[v.name]) {
		if c := in.cell(v); c.array != nil {
			return num(float64(len(c.array.at)))
		}
	}
	return num(float64(len(in.text(in.eval(a[0])))))
}

func (in *interp) substr(a []expr) value {
	s := in.text(in.eval(a[0]))
	from := math.Max(math.RoundToEven(in.eval(a[1]).number()), 1) // the length counts from there, as for gawk and Kernighan's
	to := float64(len(s)) + 1
	if len(a) > 2 {
		n := math.RoundToEven(in.eval(a[2]).number())
		if math.IsNaN(n) {
			return str("")
		}
		to = math.Min(to, from+n)
	}
	if !(from < to) { // also what is no number
		return str("")
	}
	return str(s[int(from)-1 : int(to)-1])
}

func (in *interp) splitInto(a []expr) value {
	s := in.text(in.eval(a[0]))
	separator := in.get("FS")
	var rx *regex
	if len(a) > 2 {
		if l, ok := a[2].(*regexLit); ok {
			rx = l.rx
		} else {
			separator = in.text(in.eval(a[2]))
		}
	}
	parts := in.cut(s, separator, rx)
	to := in.array(a[1].(*varRef))
	to.clear()
	for i, p := range parts {
		*to.get(num(float64(i + 1)).text("")) = field(p)
	}
	return num(float64(len(parts)))
}

func (in *interp) matchAt(s string, rx *regex) value {
	start, length := 0, -1
	if f := in.find(rx, s); f != nil {
		start, length = f[0]+1, f[1]-f[0]
	}
	in.set("RSTART", num(float64(start)))
	in.set("RLENGTH", num(float64(length)))
	return num(float64(start))
}

// substitute is sub and gsub.
func (in *interp) substitute(all bool, a []expr) value {
	rx := in.regexOf(a[0])
	with := in.text(in.eval(a[1]))
	var to expr = &fieldRef{&numLit{0}}
	if len(a) > 2 {
		to = a[2]
	}
	s := in.text(in.eval(to))
	var found [][]int
	if all {
		found = in.findAll(rx, s)
	} else if f := in.find(rx, s); f != nil {
		found = [][]int{f}
	}
	if len(found) == 0 {
		return num(0)
	}
	var out strings.Builder
	at := 0
	for _, f := range found {
		out.WriteString(s[at:f[0]])
		replacement(&out, with, s[f[0]:f[1]])
		at = f[1]
		in.h.Step(1 + len(with)>>6)
		if out.Len() > maxString {
			panic(runtimeError("a string of more than %d bytes", maxString))
		}
	}
	out.WriteString(s[at:])
	in.store(to, str(in.bound(out.String())))
	return num(float64(len(found)))
}

// replacement writes what stands for a match: "&" is the match, "\&" the character.
func replacement(out *strings.Builder, with, match string) {
	for i := 0; i < len(with); i++ {
		switch {
		case with[i] == '\\' && i+1 < len(with) && (with[i+1] == '&' || with[i+1] == '\\'):
			i++
			out.WriteByte(with[i])
		case with[i] == '&':
			out.WriteString(match)
		default:
			out.WriteByte(with[i])
		}
	}
}
