package scriptlet

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// queryFormat expands a format of rpm -q --qf with the header of the package: %{TAG}, and [%{TAG} ...] for arrays.
func (m *Machine) queryFormat(h *rpm.Header, format string) (string, error) {
	if h == nil {
		return "", fmt.Errorf("the header is not at hand")
	}
	out, _, err := (&queryFormat{m: m, h: h}).expand(format, -1)
	return out, err
}

type queryFormat struct {
	m *Machine
	h *rpm.Header
}

// expand handles a format; index is the element of arrays within brackets, or -1. n is the length of the longest array seen.
func (q *queryFormat) expand(format string, index int) (text string, n int, err error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		q.m.step(1)
		switch ch := format[i]; {
		case ch == '\\' && i+1 < len(format):
			used, v := escape(format[i+1:])
			if strings.IndexByte(`%[]{}\`, format[i+1]) >= 0 {
				used, v = 1, format[i+1:i+2]
			}
			out.WriteString(v)
			i += used
		case ch == '%' && strings.HasPrefix(format[i:], "%%"):
			out.WriteByte('%')
			i++
		case ch == '%' && strings.HasPrefix(format[i:], "%{"):
			end := strings.IndexByte(format[i:], '}')
			if end < 0 {
				return "", 0, fmt.Errorf("a brace is not closed")
			}
			v, count, err := q.tag(format[i+2:i+end], index)
			if err != nil {
				return "", 0, err
			}
			n = max(n, count)
			out.WriteString(v)
			i += end
		case ch == '[' && index < 0:
			end := strings.IndexByte(format[i:], ']')
			if end < 0 {
				return "", 0, fmt.Errorf("a bracket is not closed")
			}
			inner := format[i+1 : i+end]
			_, count, err := q.expand(inner, 0)
			if err != nil {
				return "", 0, err
			}
			for k := range count {
				v, _, err := q.expand(inner, k)
				if err != nil {
					return "", 0, err
				}
				out.WriteString(v)
				if out.Len() > maxVariable {
					return "", 0, fmt.Errorf("more than %d bytes", maxVariable)
				}
			}
			i += end
		default:
			out.WriteByte(ch)
		}
	}
	return out.String(), n, nil
}

// queryTags are the tags that scripts use, with the element type of their values.
var queryTags = map[string]rpm.Tag{"NAME": rpm.TagName, "VERSION": rpm.TagVersion, "RELEASE": rpm.TagRelease, "ARCH": rpm.TagArch,
	"SUMMARY": rpm.TagSummary, "LICENSE": rpm.TagLicense, "URL": rpm.TagURL, "VENDOR": rpm.TagVendor, "SOURCERPM": rpm.TagSourceRPM,
	"INSTPREFIXES": rpm.TagInstPrefixes, "PREFIXES": rpm.TagPrefixes}

func (q *queryFormat) tag(name string, index int) (string, int, error) {
	constant := strings.HasPrefix(name, "=")
	name = strings.ToUpper(strings.TrimPrefix(strings.TrimPrefix(name, "="), "RPMTAG_"))
	switch name {
	case "EPOCH", "EPOCHNUM":
		e, ok, err := q.h.Uint32(rpm.TagEpoch)
		if !ok && name == "EPOCH" {
			return "(none)", 1, err
		}
		return strconv.Itoa(int(e)), 1, err
	case "NEVRA", "NVRA", "NVR", "EVR":
		x, err := q.h.NEVRA()
		if err != nil {
			return "", 0, err
		}
		return map[string]string{"NEVRA": x.String(), "NVRA": x.Name + "-" + x.Version + "-" + x.Release + "." + x.Arch,
			"NVR": x.Name + "-" + x.Version + "-" + x.Release, "EVR": strings.TrimSuffix(strings.TrimPrefix(x.String(), x.Name+"-"), "."+x.Arch)}[name], 1, nil
	case "FILENAMES":
		files, err := rpm.Files(q.h)
		if err != nil {
			return "", 0, err
		}
		if index < 0 {
			index = 0
		}
		if index >= len(files) {
			return "(none)", len(files), nil
		}
		return files[index].Path, len(files), nil
	}
	tag, ok := queryTags[name]
	if !ok {
		return "", 0, fmt.Errorf("tag %s is not known", shorten(name))
	}
	if v, found, err := q.h.String(tag); err == nil && found {
		return v, 1, nil
	}
	list, found, err := q.h.Strings(tag)
	switch {
	case err != nil:
		return "", 0, err
	case !found:
		return "(none)", 1, nil
	case index < 0 || constant:
		index = 0
	}
	if index >= len(list) {
		return "(none)", len(list), nil
	}
	return list[index], len(list), nil
}
