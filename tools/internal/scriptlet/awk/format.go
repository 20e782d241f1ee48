package awk

import (
	"math"
	"strconv"
	"strings"
)

// widest bounds widths and precisions of formats.
const widest = 1 << 16

// sprintf formats as printf of awk does.
func sprintf(format string, args []value, convfmt string) (string, error) {
	var out strings.Builder
	take := func() value {
		if len(args) == 0 {
			return value{}
		}
		v := args[0]
		args = args[1:]
		return v
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(format[i])
			continue
		}
		if i+1 < len(format) && format[i+1] == '%' {
			out.WriteByte('%')
			i++
			continue
		}
		spec := conversion{precision: -1}
		n, err := spec.parse(format[i+1:], take)
		if err != nil {
			return "", err
		}
		if n == 0 { // an incomplete one is itself
			out.WriteString(format[i:])
			break
		}
		i += n
		text, err := spec.format(take(), convfmt)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		if out.Len() > maxString {
			return "", runtimeError("a string of more than %d bytes", maxString)
		}
	}
	return out.String(), nil
}

// conversion is one %... of a format.
type conversion struct {
	minus, plus, space, alt, zero bool
	width, precision              int
	verb                          byte
}

// parse reads what follows the percent sign and returns its length, 0 where it is incomplete.
func (c *conversion) parse(s string, take func() value) (int, error) {
	i := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '-':
			c.minus = true
		case '+':
			c.plus = true
		case ' ':
			c.space = true
		case '#':
			c.alt = true
		case '0':
			c.zero = true
		default:
			goto width
		}
	}
width:
	size := func() (int, error) {
		n, start := 0, i
		if i < len(s) && s[i] == '*' {
			i++
			n = int(math.Max(-widest-1, math.Min(widest+1, take().number())))
		} else {
			for i < len(s) && isDigit(s[i]) {
				i++
			}
			if i > start {
				var err error
				if n, err = strconv.Atoi(s[start:i]); err != nil {
					n = widest + 1
				}
			}
		}
		if n > widest || n < -widest {
			return 0, runtimeError("a width or precision of more than %d", widest)
		}
		return n, nil
	}
	var err error
	if c.width, err = size(); err != nil {
		return 0, err
	}
	if c.width < 0 {
		c.minus, c.width = true, -c.width
	}
	if i < len(s) && s[i] == '.' {
		i++
		if c.precision, err = size(); err != nil {
			return 0, err
		}
	}
	for i < len(s) && strings.IndexByte("hlLqjzt", s[i]) >= 0 {
		i++
	}
	if i >= len(s) {
		return 0, nil
	}
	c.verb = s[i]
	return i + 1, nil
}

func (c *conversion) format(v value, convfmt string) (string, error) {
	switch c.verb {
	case 's':
		return c.pad(c.cut(v.text(convfmt))), nil
	case 'c':
		if v.numeric() && v.kind == number {
			return c.pad(string([]byte{byte(int64(v.n))})), nil
		}
		s := v.text(convfmt)
		return c.pad(s[:min(1, len(s))]), nil
	case 'd', 'i':
		return c.integer(v.number()), nil
	case 'o', 'x', 'X', 'u':
		return c.unsigned(v.number()), nil
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return c.float(v.number()), nil
	}
	return "", runtimeError("format %%%c is not known", c.verb)
}

func (c *conversion) cut(s string) string {
	if c.precision >= 0 && c.precision < len(s) {
		return s[:c.precision]
	}
	return s
}

func (c *conversion) pad(s string) string {
	if n := c.width - len(s); n > 0 {
		if c.minus {
			return s + strings.Repeat(" ", n)
		}
		return strings.Repeat(" ", n) + s
	}
	return s
}

// sign puts a sign in front of digits and fills up to the width.
func (c *conversion) sign(negative bool, digits string, zeros bool) string {
	sign := ""
	switch {
	case negative:
		sign = "-"
	case c.plus:
		sign = "+"
	case c.space:
		sign = " "
	}
	if n := c.width - len(sign) - len(digits); zeros && c.zero && !c.minus && n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	return c.pad(sign + digits)
}

func (c *conversion) integer(n float64) string {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return c.sign(math.Signbit(n), strings.TrimPrefix(formatNumber(n, ""), "-"), false)
	case math.Abs(n) >= math.MaxInt64:
		return c.sign(n < 0, strconv.FormatFloat(math.Abs(math.Trunc(n)), 'f', 0, 64), c.precision < 0)
	}
	i := int64(n)
	digits := strings.TrimPrefix(strconv.FormatInt(i, 10), "-")
	return c.sign(i < 0, c.least(digits), c.precision < 0)
}

// least fills digits up to the precision.
func (c *conversion) least(digits string) string {
	if c.precision == 0 && digits == "0" {
		return ""
	}
	if n := c.precision - len(digits); n > 0 {
		return strings.Repeat("0", n) + digits
	}
	return digits
}

func (c *conversion) unsigned(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return c.pad(formatNumber(n, ""))
	}
	var u uint64
	switch {
	case n < 0:
		u = uint64(int64(math.Max(n, math.MinInt64)))
	case n >= math.MaxUint64:
		u = math.MaxUint64
	default:
		u = uint64(n)
	}
	base := map[byte]int{'o': 8, 'x': 16, 'X': 16, 'u': 10}[c.verb]
	digits := strconv.FormatUint(u, base)
	if c.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	digits = c.least(digits)
	prefix := ""
	if c.alt && u != 0 {
		switch c.verb {
		case 'o':
			prefix = "0"
		case 'x', 'X':
			prefix = "0" + string(c.verb)
		}
	}
	if n := c.width - len(prefix) - len(digits); c.zero && !c.minus && c.precision < 0 && n > 0 {
		digits = strings.Repeat("0", n) + digits
	}
	return c.pad(prefix + digits)
}

func (c *conversion) float(n float64) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return c.sign(math.Signbit(n), strings.TrimPrefix(formatNumber(n, ""), "-"), false)
	}
	precision := c.precision
	if precision < 0 {
		precision = 6
	}
	abs := math.Abs(n)
	var digits string
	switch c.verb {
	case 'f', 'F':
		digits = strconv.FormatFloat(abs, 'f', precision, 64)
	case 'e', 'E':
		digits = strconv.FormatFloat(abs, 'e', precision, 64)
	default:
		digits = general(abs, max(precision, 1), c.alt)
	}
	if c.alt && precision == 0 && !strings.Contains(digits, ".") {
		digits += "."
	}
	if c.verb == 'E' || c.verb == 'G' {
		digits = strings.ToUpper(digits)
	}
	return c.sign(math.Signbit(n), digits, true)
}

// general is %g of C: the shorter of %e and %f with so many significant digits, without zeros at the end.
func general(n float64, precision int, keep bool) string {
	e := strconv.FormatFloat(n, 'e', precision-1, 64)
	exponent, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	trim := func(s string) string {
		if keep || !strings.Contains(s, ".") {
			return s
		}
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if exponent < -4 || exponent >= precision {
		mantissa, power, _ := strings.Cut(e, "e")
		return trim(mantissa) + "e" + power
	}
	return trim(strconv.FormatFloat(n, 'f', precision-1-exponent, 64))
}
