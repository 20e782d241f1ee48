package scriptlet

import "strings"

func (s *sed) substitute(cmd *sedCommand) {
	rx := cmd.rx
	if cmd.empty {
		rx = s.last
	}
	if rx == nil {
		s.c.unknown("no previous regular expression")
	}
	s.last = rx
	s.c.m.step(1 + len(s.pattern)>>6)
	limit := -1
	if !cmd.global && cmd.nth == 0 {
		limit = 1
	} else if !cmd.global {
		limit = cmd.nth
	}
	found := rx.FindAllStringSubmatchIndex(s.pattern, limit)
	if cmd.nth > 0 {
		found = found[min(cmd.nth-1, len(found)):]
	}
	if len(found) == 0 {
		return
	}
	var out strings.Builder
	at := 0
	for _, f := range found {
		out.WriteString(s.pattern[at:f[0]])
		replacement(&out, cmd.with, s.pattern, f)
		at = f[1]
		s.bound(out.String()[max(0, out.Len()-1):])
		if out.Len() > maxVariable*16 {
			s.c.unknown("a pattern space of more than %d bytes", maxVariable*16)
		}
	}
	out.WriteString(s.pattern[at:])
	s.pattern, s.replaced = s.bound(out.String()), true
	if cmd.print {
		s.print(s.pattern)
	}
	if cmd.file != "" {
		s.writeFile(cmd.file)
	}
}

// replacement writes the right side of an s command.
func replacement(out *strings.Builder, with, text string, at []int) {
	group := func(n int) {
		if 2*n+1 < len(at) && at[2*n] >= 0 {
			out.WriteString(text[at[2*n]:at[2*n+1]])
		}
	}
	for i := 0; i < len(with); i++ {
		ch := with[i]
		if ch == '&' {
			group(0)
			continue
		}
		if ch != '\\' || i+1 >= len(with) {
			out.WriteByte(ch)
			continue
		}
		i++
		switch ch = with[i]; {
		case ch >= '0' && ch <= '9':
			group(int(ch - '0'))
		case ch == 'n':
			out.WriteByte('\n')
		case ch == 't':
			out.WriteByte('\t')
		default:
			out.WriteByte(ch)
		}
	}
}
