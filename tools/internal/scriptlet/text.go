package scriptlet

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// input returns the contents of an operand; "-" is the standard input.
func (c *call) input(name string) ([]byte, error) {
	if n, ok := standard(name); name == "-" || ok && n == 0 {
		data, err := io.ReadAll(c.in)
		c.m.step(1 + len(data)>>8)
		return data, err
	}
	return c.m.read(c.path(name))
}

// inputs calls f with each operand, or with the standard input. It prints errors and returns the exit status.
func (c *call) inputs(names []string, f func(name string, data []byte)) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	status := 0
	for _, name := range names {
		data, err := c.input(name)
		if err != nil {
			status = c.errorf("%s: %v", name, err)
			continue
		}
		f(name, data)
	}
	return status
}

// splitLines splits text at line breaks; the last line may lack one.
func splitLines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func echo(c *call) int {
	newline, escapes, args := true, false, c.args
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		for _, o := range args[0][1:] {
			switch o {
			case 'n':
				newline = false
			case 'e':
				escapes = true
			case 'E':
				escapes = false
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		var stop bool
		if text, stop = unescape(text); stop {
			newline = false
		}
	}
	if newline {
		text += "\n"
	}
	io.WriteString(c.out, text)
	return 0
}

func cat(c *call) int {
	o, names := c.parse("nuvAbsETet", map[string]byte{"number": 'n'})
	n := 0
	return c.inputs(names, func(_ string, data []byte) {
		if !o.has('n') {
			c.out.Write(data)
			return
		}
		for _, l := range splitLines(data) {
			n++
			fmt.Fprintf(c.out, "%6d\t%s\n", n, l)
		}
	})
}

func head(c *call) int  { return c.ends(true) }
func tail1(c *call) int { return c.ends(false) }

// ends is head(1) and tail(1).
func (c *call) ends(first bool) int {
	for i, a := range c.args { // -5 is -n 5
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "0123456789") == "" && (i == 0 || c.args[i-1] != "-n" && c.args[i-1] != "-c") {
			c.args = slices.Concat(c.args[:i], []string{"-n", a[1:]}, c.args[i+1:])
			break
		}
	}
	o, names := c.parse("n:c:qvF", map[string]byte{"lines": 'n', "bytes": 'c', "quiet": 'q'})
	count, letter := "10", byte('n')
	if o.has('c') {
		count, letter = o.value('c'), 'c'
	} else if o.has('n') {
		count = o.value('n')
	}
	n, ok := atoi(strings.TrimLeft(count, "+-"))
	if !ok || o.has('F') {
		return c.unknown("count %q is not known", count)
	}
	sign := count[0]
	return c.inputs(names, func(name string, data []byte) {
		if len(names) > 1 && !o.has('q') {
			fmt.Fprintf(c.out, "==> %s <==\n", name)
		}
		var parts [][]byte
		if letter == 'n' {
			parts = bytes.SplitAfter(data, []byte("\n"))
			if len(parts) > 0 && len(parts[len(parts)-1]) == 0 {
				parts = parts[:len(parts)-1]
			}
		} else {
			for i := range data {
				parts = append(parts, data[i:i+1])
			}
		}
		lo, hi := 0, len(parts)
		switch {
		case first && sign == '-':
			hi = max(0, hi-n)
		case first:
			hi = min(hi, n)
		case sign == '+':
			lo = min(hi, max(0, n-1))
		default:
			lo = max(0, hi-n)
		}
		c.out.Write(bytes.Join(parts[lo:hi], nil))
	})
}

func wc(c *call) int {
	o, names := c.parse("lwcm", map[string]byte{"lines": 'l', "words": 'w', "bytes": 'c', "chars": 'm'})
	if len(o.set) == 0 {
		o.set = map[byte]bool{'l': true, 'w': true, 'c': true}
	}
	return c.inputs(names, func(name string, data []byte) {
		var counts []string
		for _, x := range []struct {
			letter byte
			n      int
		}{{'l', bytes.Count(data, []byte("\n"))}, {'w', len(bytes.Fields(data))}, {'m', len([]rune(string(data)))}, {'c', len(data)}} {
			if o.has(x.letter) {
				counts = append(counts, strconv.Itoa(x.n))
			}
		}
		text := strings.Join(counts, " ")
		if len(names) > 0 {
			text += " " + name
		}
		fmt.Fprintln(c.out, text)
	})
}

func tee(c *call) int {
	o, names := c.parse("ai", map[string]byte{"append": 'a'})
	data, _ := io.ReadAll(c.in)
	c.out.Write(data)
	for _, name := range names {
		f, err := c.m.open(c.path(name), o.has('a'), 0o666&^c.s.umask, c.s)
		if err != nil {
			return c.errorf("%s: %v", name, err)
		}
		f.w.Write(data)
	}
	return 0
}

// fieldList reads the list of cut(1): N, N-M, -M, N-.
func fieldList(text string) (func(int) bool, error) {
	type span struct{ lo, hi int }
	var spans []span
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		lo, hi, isRange := strings.Cut(part, "-")
		s := span{1, 1 << 30}
		if lo != "" {
			n, err := strconv.Atoi(lo)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("invalid list %q", text)
			}
			s.lo = n
		}
		if !isRange {
			s.hi = s.lo
		} else if hi != "" {
			n, err := strconv.Atoi(hi)
			if err != nil {
				return nil, fmt.Errorf("invalid list %q", text)
			}
			s.hi = n
		}
		spans = append(spans, s)
	}
	return func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return n >= s.lo && n <= s.hi })
	}, nil
}

func cut(c *call) int {
	o, names := c.parse("f:d:c:b:s", map[string]byte{"fields": 'f', "delimiter": 'd', "characters": 'c', "bytes": 'b', "only-delimited": 's'})
	delim, list := "\t", o.value('f')
	if o.has('d') {
		delim = o.value('d')
	}
	chars := o.has('c') || o.has('b')
	if chars {
		list = o.value('c') + o.value('b')
	}
	in, err := fieldList(list)
	if err != nil || list == "" {
		return c.errorf("you must specify a list of bytes, characters, or fields")
	}
	return c.inputs(names, func(_ string, data []byte) {
		for _, line := range splitLines(data) {
			parts, sep := strings.Split(line, delim), delim
			if chars {
				parts, sep = strings.Split(line, ""), ""
			} else if len(parts) == 1 {
				if !o.has('s') {
					fmt.Fprintln(c.out, line)
				}
				continue
			}
			var kept []string
			for i, p := range parts {
				if in(i + 1) {
					kept = append(kept, p)
				}
			}
			fmt.Fprintln(c.out, strings.Join(kept, sep))
		}
	})
}

func basename(c *call) int {
	o, args := c.parse("as:z", map[string]byte{"multiple": 'a', "suffix": 's'})
	if len(args) == 0 {
		return c.errorf("missing operand")
	}
	suffix := o.value('s')
	if !o.has('a') && !o.has('s') && len(args) == 2 {
		suffix, args = args[1], args[:1]
	}
	for _, a := range args {
		b := path.Base(a)
		if b != suffix {
			b = strings.TrimSuffix(b, suffix)
		}
		fmt.Fprintln(c.out, b)
	}
	return 0
}

func dirname(c *call) int {
	for _, a := range c.args {
		t := strings.TrimRight(a, "/")
		i := strings.LastIndexByte(t, '/')
		switch {
		case t == "" && a != "", i >= 0 && strings.Trim(t[:i], "/") == "":
			fmt.Fprintln(c.out, "/")
		case i < 0:
			fmt.Fprintln(c.out, ".")
		default:
			fmt.Fprintln(c.out, strings.TrimRight(t[:i], "/"))
		}
	}
	return 0
}

func seq(c *call) int {
	lo, step, hi := 1, 1, 0
	n := make([]int, len(c.args))
	for i, a := range c.args {
		v, ok := atoi(a)
		if !ok {
			return c.unknown("operand %s is not known", a)
		}
		n[i] = v
	}
	switch len(n) {
	case 1:
		hi = n[0]
	case 2:
		lo, hi = n[0], n[1]
	case 3:
		lo, step, hi = n[0], n[1], n[2]
	default:
		return c.unknown("these operands are not known")
	}
	for i := lo; step > 0 && i <= hi || step < 0 && i >= hi; i += step {
		c.m.step(1)
		fmt.Fprintln(c.out, i)
	}
	return 0
}

func cmp(c *call) int {
	o, args := c.parse("sqbl", map[string]byte{"silent": 's', "quiet": 's', "brief": 'q'})
	if len(args) != 2 {
		return c.unknown("these operands are not known")
	}
	var data [2][]byte
	for i, a := range args {
		d, err := c.input(a)
		if err != nil {
			c.errorf("%s: %v", a, err)
			return 2
		}
		data[i] = d
	}
	if bytes.Equal(data[0], data[1]) {
		return 0
	}
	if c.name == "diff" && !o.has('q') {
		return c.unknown("the differences themselves are not known, only diff -q")
	}
	if !o.has('s') {
		fmt.Fprintf(c.out, "%s %s differ\n", args[0], args[1])
	}
	return 1
}

// checksum is md5sum(1) and its relatives, without -c.
func checksum(c *call) int {
	_, names := c.parse("bt", map[string]byte{"binary": 'b', "text": 't'})
	sums := map[string]func() hash.Hash{"md5sum": md5.New, "sha1sum": sha1.New, "sha256sum": sha256.New, "sha512sum": sha512.New}
	return c.inputs(names, func(name string, data []byte) {
		h := sums[c.name]()
		h.Write(data)
		fmt.Fprintf(c.out, "%x  %s\n", h.Sum(nil), name)
	})
}

func tac(c *call) int {
	return c.inputs(c.args, func(_ string, data []byte) {
		lines := splitLines(data)
		slices.Reverse(lines)
		for _, l := range lines {
			fmt.Fprintln(c.out, l)
		}
	})
}

// yes would never end; what follows it in a pipe takes little of it.
func yes(c *call) int {
	text := "y"
	if len(c.args) > 0 {
		text = strings.Join(c.args, " ")
	}
	const enough = 1000
	for range enough {
		fmt.Fprintln(c.out, text)
	}
	return 0
}
