package accounts

import (
	"fmt"
	"strings"
)

// Specifiers are the values of % in sysusers.d(5) that an image can know; see SpecifiersOf.
type Specifiers map[byte]string

// directorySpecifiers are the same on every system.
var directorySpecifiers = Specifiers{'%': "%", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 't': "/run", 'T': "/tmp", 'V': "/var/tmp"}

// osReleaseSpecifiers name fields of os-release(5).
var osReleaseSpecifiers = map[string]byte{"ID": 'o', "VERSION_ID": 'w', "BUILD_ID": 'B', "VARIANT_ID": 'W', "IMAGE_ID": 'M', "IMAGE_VERSION": 'A'}

// SpecifiersOf returns what an image with this os-release, of this architecture as systemd calls it ("x86-64", "arm64"), knows.
func SpecifiersOf(osRelease []byte, arch string) Specifiers {
	out := Specifiers{'a': arch}
	for _, spec := range osReleaseSpecifiers {
		out[spec] = ""
	}
	for line := range strings.Lines(string(osRelease)) {
		field, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if spec, known := osReleaseSpecifiers[field]; ok && known {
			out[spec] = strings.Trim(value, `"'`)
		}
	}
	return out
}

// ParseSysusers reads a sysusers.d(5) file. Specifiers (%) that stand for directories are known; for others see
// ParseSysusersWith. "r" lines (ranges) are checked and have no effect: an id that moved because a package brings a range would be worse than one
// outside it. An id that is the path of a file means "any".
func ParseSysusers(data []byte) ([]Request, error) { return ParseSysusersWith(data, nil) }

// ParseSysusersWith reads a sysusers.d(5) file with more specifiers. One that stands for a fact of a running host, such as its name, is an error.
func ParseSysusersWith(data []byte, known Specifiers) ([]Request, error) {
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	var out []Request
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := sysusersFields(line, known)
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
		return out, checkRange(v[2])
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
			Request{Kind: WantUser, Name: v[1], ID: -1, Shell: sysusersShell, Shift: true},
			Request{Kind: WantMember, Name: v[1], Group: v[2]}), nil
	}
	if id != "" && id != "-" && !strings.HasPrefix(id, "/") {
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
		if r.Shell == "" && r.ID != 0 {
			r.Shell = sysusersShell
		} else if r.Shell == "" {
			r.Shell = "/bin/sh"
		}
	default:
		return nil, fmt.Errorf("type %q", v[0])
	}
	return append(out, r), nil
}

// sysusersShell is what systemd-sysusers gives to users without a shell; root gets /bin/sh.
const sysusersShell = "/usr/sbin/nologin"

func checkRange(text string) error {
	lo, hi, ok := strings.Cut(text, "-")
	if !ok {
		hi = lo
	}
	first, err := parseID(lo)
	if err != nil {
		return fmt.Errorf("range %q: %w", text, err)
	}
	last, err := parseID(hi)
	if err != nil {
		return fmt.Errorf("range %q: %w", text, err)
	}
	if first > last {
		return fmt.Errorf("range %q: it ends before it starts", text)
	}
	return nil
}

// sysusersFields splits at blanks, with quotes, turns "-" into "", and replaces specifiers.
func sysusersFields(line string, known Specifiers) ([]string, error) {
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
		field, err := expand(field, known)
		if err != nil {
			return nil, err
		}
		out = append(out, field)
		line = strings.TrimLeft(line, " \t")
	}
	return out, nil
}

func expand(field string, known Specifiers) (string, error) {
	var out strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] != '%' {
			out.WriteByte(field[i])
			continue
		}
		i++
		if i == len(field) {
			return "", fmt.Errorf("specifier in %q is not complete", field)
		}
		value, ok := directorySpecifiers[field[i]]
		if !ok {
			value, ok = known[field[i]]
		}
		if !ok {
			return "", fmt.Errorf("specifier %%%c in %q: it stands for something of a running system", field[i], field)
		}
		out.WriteString(value)
	}
	return out.String(), nil
}
