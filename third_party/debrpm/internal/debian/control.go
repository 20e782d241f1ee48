package debian

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds one line of a control file; the longest known (Provides of Rust packages) have some 100 KiB.
const maxLine = 4 << 20

// Paragraph is one stanza of a control file. Names are as written; continuation lines are joined with "\n", without the first blank.
type Paragraph map[string]string

// ReadParagraphs calls f for each paragraph. keep, if not nil, names the fields to keep, which makes reading an index of
// 50 MB cheap.
func ReadParagraphs(r io.Reader, keep map[string]bool, f func(Paragraph) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), maxLine)
	current, last := Paragraph{}, ""
	flush := func() error {
		if len(current) == 0 {
			return nil
		}
		p := current
		current, last = Paragraph{}, ""
		return f(p)
	}
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		switch {
		case strings.TrimSpace(line) == "":
			if err := flush(); err != nil {
				return err
			}
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				current[last] += "\n" + line[1:]
			}
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return fmt.Errorf("line %d: neither a field nor a continuation: %.60q", n, line)
			}
			last = ""
			if keep == nil || keep[name] {
				last = name
				current[name] = strings.TrimSpace(value)
			}
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return flush()
}

// Relation is one alternative of a relationship field: name, and operator and version if there are any.
type Relation struct {
	Name    string
	Op      string // "", "<<", "<=", "=", ">=", ">>"
	Version Version
}

// ParseRelations reads a relationship field: groups joined by ",", alternatives of a group joined by "|".
func ParseRelations(field string) ([][]Relation, error) {
	var groups [][]Relation
	for _, group := range strings.Split(field, ",") {
		if strings.TrimSpace(group) == "" {
			continue
		}
		var alternatives []Relation
		for _, text := range strings.Split(group, "|") {
			r, err := parseRelation(strings.TrimSpace(text))
			if err != nil {
				return nil, err
			}
			alternatives = append(alternatives, r)
		}
		groups = append(groups, alternatives)
	}
	return groups, nil
}

func parseRelation(text string) (Relation, error) {
	name, rest, versioned := strings.Cut(text, "(")
	name = strings.TrimSpace(name)
	name, _, _ = strings.Cut(name, ":") // ":any" and ":amd64" say nothing where one release has one architecture
	r := Relation{Name: name}
	if !validName(name) {
		return r, fmt.Errorf("relation %q: no package name", text)
	}
	if !versioned {
		return r, nil
	}
	rest, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return r, fmt.Errorf("relation %q: no closing parenthesis", text)
	}
	rest = strings.TrimSpace(rest)
	n := len(rest) - len(strings.TrimLeft(rest, "<>="))
	switch r.Op = rest[:n]; r.Op {
	case "<<", "<=", "=", ">=", ">>":
	case "<": // the old spelling; dpkg reads it as "<="
		r.Op = "<="
	case ">":
		r.Op = ">="
	default:
		return r, fmt.Errorf("relation %q: unknown operator", text)
	}
	var err error
	if r.Version, err = ParseVersion(strings.TrimSpace(rest[n:])); err != nil {
		return r, fmt.Errorf("relation %q: %w", text, err)
	}
	return r, nil
}

func validName(s string) bool {
	if s == "" || !isAlnum(s[0]) {
		return false
	}
	for _, c := range []byte(s) {
		if !isAlnum(c) && c != '.' && c != '+' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// SatisfiedBy reports whether a package or provided name of version v, or one without a version (nil), satisfies r.
func (r Relation) SatisfiedBy(v *Version) bool {
	if r.Op == "" {
		return true
	}
	if v == nil {
		return false
	}
	c := v.Compare(r.Version)
	switch r.Op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	}
	return c > 0
}
