package scriptlet

import (
	"strings"
)

func (c *call) sedOptions() (o sedOptions, status int) {
	args := c.args
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		value := func() string {
			if len(args) == 0 {
				c.unknown("option %s needs a value", a)
			}
			v := args[0]
			args = args[1:]
			return v
		}
		switch {
		case a == "--":
			o.files = append(o.files, args...)
			args = nil
		case a == "-" || !strings.HasPrefix(a, "-"):
			o.files = append(o.files, a)
		case a == "--quiet" || a == "--silent":
			o.quiet = true
		case a == "--regexp-extended":
			o.extended = true
		case a == "--posix" || a == "--unbuffered":
		case a == "--separate":
			o.separate = true
		case a == "--null-data":
			o.null = true
		case a == "--follow-symlinks":
			o.follow = true
		case strings.HasPrefix(a, "--expression="):
			o.script = append(o.script, strings.TrimPrefix(a, "--expression="))
		case a == "--expression":
			o.script = append(o.script, value())
		case a == "--in-place" || strings.HasPrefix(a, "--in-place="):
			o.inPlace, o.suffix = true, strings.TrimPrefix(strings.TrimPrefix(a, "--in-place"), "=")
		case strings.HasPrefix(a, "--"):
			return o, c.option(a)
		default:
			if status := c.sedLetters(a[1:], &o, value); status != 0 {
				return o, status
			}
		}
	}
	if o.script == nil {
		if len(o.files) == 0 {
			return o, c.errorf("no script")
		}
		o.script, o.files = o.files[:1], o.files[1:]
	}
	return o, 0
}

func (c *call) sedLetters(letters string, o *sedOptions, value func() string) int {
	for i := 0; i < len(letters); i++ {
		rest := letters[i+1:]
		switch letters[i] {
		case 'n':
			o.quiet = true
		case 'E', 'r':
			o.extended = true
		case 's':
			o.separate = true
		case 'u', 'c':
		case 'z':
			o.null = true
		case 'i':
			o.inPlace, o.suffix = true, rest
			return 0
		case 'e', 'f':
			if rest == "" {
				rest = value()
			}
			if letters[i] == 'f' {
				data, err := c.input(rest)
				if err != nil {
					return c.errorf("couldn't open file %s: %v", rest, err)
				}
				rest = strings.TrimSuffix(string(data), "\n")
			}
			o.script = append(o.script, rest)
			return 0
		default:
			return c.option("-" + string(letters[i]))
		}
	}
	return 0
}
