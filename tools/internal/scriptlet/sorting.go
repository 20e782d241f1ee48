package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
)

func sortCommand(c *call) int {
	o, names := c.parse("urnfbk:t:o:cVsz", map[string]byte{"unique": 'u', "reverse": 'r', "numeric-sort": 'n', "key": 'k',
		"field-separator": 't', "output": 'o', "ignore-case": 'f', "version-sort": 'V', "stable": 's'})
	if o.has('V') || o.has('c') || o.has('z') || len(o.values['k']) > 1 {
		return c.unknown("this way of sorting is not known")
	}
	var lines []string
	status := c.inputs(names, func(_ string, data []byte) { lines = append(lines, splitLines(data)...) })
	key, err := sortKey(o)
	if err != nil {
		return c.unknown("%v", err)
	}
	c.m.step(1 + len(lines))
	letters := strings.TrimLeft(o.value('k'), "0123456789,")
	numeric, reverse := o.has('n') || strings.Contains(letters, "n"), o.has('r')
	if letters != "" { // a key with an order of its own
		numeric, reverse = strings.Contains(letters, "n"), strings.Contains(letters, "r")
	}
	less := func(a, b string) int {
		x, y := key(a), key(b)
		if o.has('f') {
			x, y = strings.ToUpper(x), strings.ToUpper(y)
		}
		if numeric {
			p, q := leadingNumber(x), leadingNumber(y)
			switch {
			case p < q:
				return -1
			case p > q:
				return 1
			}
			return 0
		}
		return strings.Compare(x, y)
	}
	sort.SliceStable(lines, func(i, j int) bool {
		d := less(lines[i], lines[j])
		if d == 0 && !o.has('s') && !o.has('u') {
			d = strings.Compare(lines[i], lines[j])
		}
		if reverse {
			d = -d
		}
		return d < 0
	})
	if o.has('u') {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return less(a, b) == 0 })
	}
	text := ""
	if len(lines) > 0 {
		text = strings.Join(lines, "\n") + "\n"
	}
	if o.has('o') {
		if err := c.m.replace(c.path(o.value('o')), []byte(text), 0o666&^c.s.umask); err != nil {
			return c.errorf("%s: %v", o.value('o'), err)
		}
		return status
	}
	io.WriteString(c.out, text)
	return status
}

// sortKey returns what -k and -t compare: from one field on, or that field.
func sortKey(o options) (func(string) string, error) {
	k := strings.TrimRight(o.value('k'), "nr")
	if k == "" {
		return func(l string) string { return l }, nil
	}
	from, to, isRange := strings.Cut(k, ",")
	lo, err := strconv.Atoi(from)
	if err != nil || lo < 1 {
		return nil, fmt.Errorf("key %s is not known", k)
	}
	hi := 1 << 30
	if isRange {
		if hi, err = strconv.Atoi(to); err != nil {
			return nil, fmt.Errorf("key %s is not known", k)
		}
	}
	return func(l string) string {
		parts := strings.Fields(l)
		sep := " "
		if o.has('t') {
			sep = o.value('t')
			parts = strings.Split(l, sep)
		}
		if lo > len(parts) {
			return ""
		}
		return strings.Join(parts[lo-1:min(hi, len(parts))], sep)
	}, nil
}

func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.' || end == 0 && s[end] == '-') {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func uniq(c *call) int {
	o, names := c.parse("cdu", map[string]byte{"count": 'c', "repeated": 'd', "unique": 'u'})
	if len(names) > 1 {
		return c.unknown("an output file is not known")
	}
	return c.inputs(names, func(_ string, data []byte) {
		lines := splitLines(data)
		for i := 0; i < len(lines); {
			n := 1
			for i+n < len(lines) && lines[i+n] == lines[i] {
				n++
			}
			if (!o.has('d') || n > 1) && (!o.has('u') || n == 1) {
				if o.has('c') {
					fmt.Fprintf(c.out, "%7d ", n)
				}
				fmt.Fprintln(c.out, lines[i])
			}
			i += n
		}
	})
}

// trSet expands a set of tr(1).
func trSet(text string) ([]byte, error) {
	classes := map[string]string{"upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "lower": "abcdefghijklmnopqrstuvwxyz", "digit": "0123456789",
		"space": "\t\n\v\f\r ", "blank": "\t "}
	classes["alpha"] = classes["upper"] + classes["lower"]
	classes["alnum"] = classes["digit"] + classes["alpha"]
	text, _ = unescape(text)
	var out []byte
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], "[:") {
			if end := strings.Index(text[i:], ":]"); end > 0 {
				class, ok := classes[text[i+2:i+end]]
				if !ok {
					return nil, fmt.Errorf("class %s is not known", text[i:i+end+2])
				}
				out = append(out, class...)
				i += end + 1
				continue
			}
		}
		if i+2 < len(text) && text[i+1] == '-' {
			if text[i] > text[i+2] {
				return nil, fmt.Errorf("range %s", text[i:i+3])
			}
			for b := int(text[i]); b <= int(text[i+2]); b++ {
				out = append(out, byte(b))
			}
			i += 2
			continue
		}
		out = append(out, text[i])
	}
	return out, nil
}

func tr(c *call) int {
	o, sets := c.parse("dscC", map[string]byte{"delete": 'd', "squeeze-repeats": 's', "complement": 'c'})
	if len(sets) == 0 || len(sets) > 2 || o.has('C') {
		return c.unknown("these operands are not known")
	}
	from, err := trSet(sets[0])
	if err != nil {
		return c.unknown("%v", err)
	}
	if o.has('c') {
		var rest []byte
		for b := range 256 {
			if !bytes.Contains(from, []byte{byte(b)}) {
				rest = append(rest, byte(b))
			}
		}
		from = rest
	}
	var to []byte
	if len(sets) == 2 {
		if to, err = trSet(sets[1]); err != nil || len(to) == 0 {
			return c.unknown("set %q is not known", sets[1])
		}
	}
	data, _ := c.input("-")
	squeeze := from
	if to != nil {
		squeeze = to
	}
	out := make([]byte, 0, len(data))
	for _, b := range data {
		i := bytes.IndexByte(from, b)
		switch {
		case i >= 0 && o.has('d'):
			continue
		case i >= 0 && to != nil:
			b = to[min(i, len(to)-1)]
		}
		if o.has('s') && len(out) > 0 && out[len(out)-1] == b && bytes.IndexByte(squeeze, b) >= 0 {
			continue
		}
		out = append(out, b)
	}
	c.out.Write(out)
	return 0
}
