package accounts

import (
	"fmt"
	"strings"
)

// ParseSysusers reads a sysusers.d(5) file. "r" lines (ranges) are accepted and have no effect. Specifiers (%) other than %%
// are errors: they stand for facts of a running host. An id that is the path of a file means "any".
func ParseSysusers(data []byte) ([]Request, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	var out []Request
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := sysusersFields(line)
		if err == nil {
			out, err = appendSysuser(out, v)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return out, nil
}

func appendSysuser(out []Request, v []string) ([]Request, error) {
	if len(v) < 2 || len(v) > 6 {
		return nil, fmt.Errorf("%d fields", len(v))
	}
	for len(v) < 6 {
		v = append(v, "")
	}
	kind := strings.TrimSuffix(v[0], "!") // "u!": a locked account; ours always are
	if kind == "r" {
		return out, nil
	}
	if err := CheckName(v[1]); err != nil {
		return nil, err
	}
	r := Request{Name: v[1], ID: -1, Gecos: v[3], Home: v[4], Shell: v[5], Shift: true}
	id, group, hasGroup := strings.Cut(v[2], ":")
	if kind == "m" {
		if err := CheckName(v[2]); err != nil {
			return nil, err
		}
		// sysusers.d: the user and the group of an "m" line are created when they do not exist.
		return append(out, Request{Kind: WantGroup, Name: v[2], ID: -1, Shift: true},
			Request{Kind: WantUser, Name: v[1], ID: -1, Shift: true},
			Request{Kind: WantMember, Name: v[1], Group: v[2]}), nil
	}
	if id != "" && !strings.HasPrefix(id, "/") {
		n, err := parseID(id)
		if err != nil {
			return nil, err
		}
		r.ID = n
	}
	switch kind {
	case "g":
		r.Kind = WantGroup
	case "u":
		r.Kind = WantUser
		if hasGroup {
			r.Group = group
		}
	default:
		return nil, fmt.Errorf("type %q", v[0])
	}
	return append(out, r), nil
}

// sysusersFields splits at blanks, with quotes, and turns "-" into "".
func sysusersFields(line string) ([]string, error) {
	var out []string
	for line != "" {
		var field string
		if q := line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("quote is not closed")
			}
			field, line = line[1:end+1], line[end+2:]
		} else {
			end := strings.IndexAny(line, " \t")
			if end < 0 {
				end = len(line)
			}
			field, line = line[:end], line[end:]
			if field == "-" {
				field = ""
			}
		}
		plain := strings.ReplaceAll(field, "%%", "")
		if strings.Contains(plain, "%") {
			return nil, fmt.Errorf("specifier in %q", field)
		}
		out = append(out, strings.ReplaceAll(field, "%%", "%"))
		line = strings.TrimLeft(line, " \t")
	}
	return out, nil
}
