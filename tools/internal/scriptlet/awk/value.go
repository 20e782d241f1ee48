package awk

import (
	"math"
	"strconv"
	"strings"
)

// kind tells what a value is. Input is text from outside, which is a number where it looks like one.
type kind uint8

const (
	unset kind = iota
	number
	text
	input
)

type value struct {
	kind kind
	n    float64
	s    string
}

func num(n float64) value { return value{kind: number, n: n} }
func str(s string) value  { return value{kind: text, s: s} }
func field(s string) value {
	return value{kind: input, s: s}
}
func truth(b bool) value {
	if b {
		return num(1)
	}
	return num(0)
}

// number returns the value as a number: of text, what stands at its start.
func (v value) number() float64 {
	switch v.kind {
	case number:
		return v.n
	case unset:
		return 0
	}
	s := strings.TrimLeft(v.s, blanks)
	n := numberPrefix(s)
	if n == 0 {
		return 0
	}
	f, _ := strconv.ParseFloat(s[:n], 64) // infinite where it is out of range
	return f
}

const blanks = " \t\n\v\f\r"

// numeric reports whether a comparison takes the value as a number.
func (v value) numeric() bool {
	switch v.kind {
	case number, unset:
		return true
	case input:
		s := strings.Trim(v.s, blanks)
		return s != "" && numberPrefix(s) == len(s)
	}
	return false
}

func (v value) bool() bool {
	switch v.kind {
	case unset:
		return false
	case number:
		return v.n != 0
	case input:
		if v.numeric() {
			return v.number() != 0
		}
	}
	return v.s != ""
}

// text returns the value as text; format is CONVFMT or OFMT, for numbers with a fraction.
func (v value) text(format string) string {
	if v.kind != number {
		return v.s
	}
	return formatNumber(v.n, format)
}

// largestPlain is where numbers without a fraction are no longer written digit by digit.
const largestPlain = 1e18

func formatNumber(n float64, format string) string {
	switch {
	case math.IsNaN(n):
		if math.Signbit(n) {
			return "-nan"
		}
		return "nan"
	case math.IsInf(n, 1):
		return "inf"
	case math.IsInf(n, -1):
		return "-inf"
	case n == math.Trunc(n) && math.Abs(n) < largestPlain:
		return strconv.FormatInt(int64(n), 10)
	}
	out, err := sprintf(format, []value{num(n)}, "%.6g")
	if err != nil {
		return strconv.FormatFloat(n, 'g', 6, 64)
	}
	return out
}

// numberPrefix returns how many bytes at the start of s are a decimal number.
func numberPrefix(s string) int {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	digits := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		digits++
	}
	if i < len(s) && s[i] == '.' {
		j := i + 1
		for ; j < len(s) && isDigit(s[j]); j++ {
			digits++
		}
		if digits > 0 {
			i = j
		}
	}
	if digits == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			i = j
		}
	}
	return i
}

// array is an associative array that remembers the order in which its elements were made.
type array struct {
	at   map[string]*value
	made []element // with some that were deleted since
}

type element struct {
	key string
	v   *value
}

func newArray() *array { return &array{at: map[string]*value{}} }

// get returns an element, which it makes where it is missing.
func (a *array) get(key string) *value {
	v := a.at[key]
	if v == nil {
		v = &value{}
		a.at[key] = v
		a.made = append(a.made, element{key, v})
	}
	return v
}

func (a *array) delete(key string) {
	delete(a.at, key)
	const spare = 16
	if len(a.made) > 2*len(a.at)+spare {
		var left []element
		for _, e := range a.made {
			if a.at[e.key] == e.v {
				left = append(left, e)
			}
		}
		a.made = left
	}
}

// order returns the keys in the order in which they were made.
func (a *array) order() []string {
	out := make([]string, 0, len(a.at))
	for _, e := range a.made {
		if a.at[e.key] == e.v {
			out = append(out, e.key)
		}
	}
	return out
}

func (a *array) clear() { a.at, a.made = map[string]*value{}, nil }
