package scriptlet

import (
	"bytes"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// readLine takes one line off a stream; ok is false at the end.
func readLine(r *bytes.Reader, delim byte) (line string, ok bool) {
	var buf []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return string(buf), false
		}
		if b == delim {
			return string(buf), true
		}
		buf = append(buf, b)
	}
}

func readCommand(c *call) int {
	raw, delim, args := false, byte('\n'), c.args
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-r":
			raw = true
		case "-s", "-e":
		case "-d":
			if len(args) < 2 {
				return c.option("-d")
			}
			delim = 0
			if args[1] != "" {
				delim = args[1][0]
			}
			args = args[1:]
		case "-p", "-t":
			if len(args) < 2 {
				return c.option(args[0])
			}
			args = args[1:]
		default:
			return c.option(args[0])
		}
		args = args[1:]
	}
	line, ok := readLine(c.in, delim)
	for ok && !raw && strings.HasSuffix(line, `\`) {
		var more string
		more, ok = readLine(c.in, delim)
		line = line[:len(line)-1] + more
	}
	c.m.step(1 + len(line)>>6)
	if len(args) == 0 {
		c.s.set("REPLY", line)
		return boolStatus(ok)
	}
	values := expand.ReadFields(c.s.config(), line, len(args), raw)
	for i, name := range args {
		v := ""
		if i < len(values) {
			v = values[i]
		}
		c.s.set(name, v)
	}
	return boolStatus(ok)
}
