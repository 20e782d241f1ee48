package scriptlet

import (
	"slices"
	"strings"
)

// options are the options of a command line: letters, and values by letter in order.
type options struct {
	set    map[byte]bool
	values map[byte][]string
}

func (o options) has(letter byte) bool { return o.set[letter] }

// value returns the last value of an option.
func (o options) value(letter byte) string {
	if v := o.values[letter]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// parse reads options as getopt_long(3) does: spec lists letters, with ":" behind those that take a value; long maps long
// names to letters. What is in neither ends the script.
func (c *call) parse(spec string, long map[string]byte) (options, []string) {
	o := options{map[byte]bool{}, map[byte][]string{}}
	takes := func(letter byte) bool {
		i := strings.IndexByte(spec, letter)
		return i >= 0 && i+1 < len(spec) && spec[i+1] == ':'
	}
	var operands []string
	args := c.args
	for len(args) > 0 {
		a := args[0]
		args = args[1:]
		switch {
		case a == "--":
			return o, append(operands, args...)
		case a == "-" || !strings.HasPrefix(a, "-"):
			operands = append(operands, a)
		case strings.HasPrefix(a, "--"):
			name, value, inline := strings.Cut(a[2:], "=")
			letter, ok := long[name]
			if !ok {
				c.option(a)
			}
			o.set[letter] = true
			if takes(letter) {
				if !inline {
					if len(args) == 0 {
						c.unknown("option %s needs a value", a)
					}
					value, args = args[0], args[1:]
				}
				o.values[letter] = append(o.values[letter], value)
			} else if inline {
				o.values[letter] = append(o.values[letter], value)
			}
		default:
			args = c.letters(a, spec, takes, o, args)
		}
	}
	return o, operands
}

// letters reads a word of short options and returns the arguments that are left.
func (c *call) letters(word, spec string, takes func(byte) bool, o options, args []string) []string {
	for i := 1; i < len(word); i++ {
		letter := word[i]
		if letter == ':' || strings.IndexByte(spec, letter) < 0 {
			c.option("-" + string(letter))
		}
		o.set[letter] = true
		if !takes(letter) {
			continue
		}
		value := word[i+1:]
		if value == "" {
			if len(args) == 0 {
				c.unknown("option -%c needs a value", letter)
			}
			value, args = args[0], args[1:]
		}
		o.values[letter] = append(o.values[letter], value)
		break
	}
	return args
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
