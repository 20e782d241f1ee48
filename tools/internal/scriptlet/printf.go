package scriptlet

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// unescape replaces the escapes of echo -e and printf %b; stop is set by \c.
func unescape(text string) (out string, stop bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 >= len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		if text[i] == 'c' {
			return b.String(), true
		}
		n, ch := escape(text[i:])
		b.WriteString(ch)
		i += n - 1
	}
	return b.String(), false
}

// escape reads one escape behind its backslash and returns its length.
func escape(s string) (int, string) {
	simple := map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\\': "\\", 'e': "\x1b"}
	if v, ok := simple[s[0]]; ok {
		return 1, v
	}
	digits := func(from, most, base int) (int, string) {
		end := from
		for end < len(s) && end < from+most {
			if _, err := strconv.ParseUint(s[end:end+1], base, 8); err != nil {
				break
			}
			end++
		}
		n, err := strconv.ParseUint(s[from:end], base, 16)
		if err != nil {
			return 0, ""
		}
		return end, string([]byte{byte(n)})
	}
	switch {
	case s[0] == '0':
		if n, v := digits(1, 3, 8); n > 0 {
			return n, v
		}
		return 1, "\x00"
	case s[0] >= '1' && s[0] <= '7':
		if n, v := digits(0, 3, 8); n > 0 {
			return n, v
		}
	case s[0] == 'x':
		if n, v := digits(1, 2, 16); n > 0 {
			return n, v
		}
	}
	return 1, "\\" + s[:1]
}

// printf is printf(1).
func printf(c *call) int {
	args := c.args
	if len(args) > 1 && args[0] == "-v" {
		return c.option("-v")
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		c.errorf("missing operand")
		return 2
	}
	format, args := args[0], args[1:]
	status := 0
	for {
		text, used, stop, err := formatOnce(format, args)
		if err != nil {
			if text == "" {
				return c.unknown("%v", err)
			}
			status = c.errorf("%v", err)
		}
		io.WriteString(c.out, text)
		c.m.step(1)
		if args = args[used:]; used == 0 || len(args) == 0 || stop {
			return status
		}
	}
}

// formatOnce applies a format to the first of args, as many as it wants.
func formatOnce(format string, args []string) (text string, used int, stop bool, err error) {
	var b strings.Builder
	next := func() string {
		if used < len(args) {
			used++
			return args[used-1]
		}
		return ""
	}
	for i := 0; i < len(format); i++ {
		switch ch := format[i]; {
		case ch == '\\' && i+1 < len(format):
			if format[i+1] == 'c' {
				return b.String(), used, true, err
			}
			n, v := escape(format[i+1:])
			b.WriteString(v)
			i += n
		case ch == '%' && strings.HasPrefix(format[i:], "%%"):
			b.WriteByte('%')
			i++
		case ch == '%':
			end := i + 1
			for end < len(format) && strings.IndexByte("-+ #0123456789.*", format[end]) >= 0 {
				end++
			}
			if end >= len(format) {
				return "", used, true, fmt.Errorf("format %q is not known", format)
			}
			flags := format[i+1 : end]
			for strings.Contains(flags, "*") {
				flags = strings.Replace(flags, "*", next(), 1)
			}
			v, e := formatValue(flags, format[end], next)
			if e != nil && v == "" {
				return "", used, true, e
			} else if e != nil {
				err = e
			}
			b.WriteString(v)
			i = end
		default:
			b.WriteByte(ch)
		}
	}
	return b.String(), used, false, err
}

func formatValue(flags string, verb byte, next func() string) (string, error) {
	for _, n := range strings.FieldsFunc(flags, func(r rune) bool { return r < '0' || r > '9' }) {
		const widest = 4
		if len(strings.TrimLeft(n, "0")) > widest {
			return "", fmt.Errorf("width %s", n)
		}
	}
	switch verb {
	case 's':
		return fmt.Sprintf("%"+flags+"s", next()), nil
	case 'b':
		v, _ := unescape(next())
		return fmt.Sprintf("%"+flags+"s", v), nil
	case 'c':
		v := next()
		return fmt.Sprintf("%"+flags+"s", v[:min(1, len(v))]), nil
	case 'q':
		return "'" + strings.ReplaceAll(next(), "'", `'\''`) + "'", nil
	case 'd', 'i', 'u', 'x', 'X', 'o':
		arg := next()
		n, err := strconv.ParseInt(arg, 0, 64)
		if arg == "" {
			err = nil
		} else if len(arg) > 1 && (arg[0] == '\'' || arg[0] == '"') {
			n, err = int64(arg[1]), nil
		}
		if err != nil {
			err = fmt.Errorf("%s: invalid number", arg)
		}
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		return fmt.Sprintf("%"+flags+string(verb), n), err
	}
	return "", fmt.Errorf("format %%%s%c is not known", flags, verb)
}
