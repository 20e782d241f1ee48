// Package debian reads what Debian says about its packages: versions, control paragraphs, relations between packages, Packages
// indexes, and the closure of a list of package names.
//
// Format source: Debian Policy, chapters 5 (control files) and 7 (relationships), deb-version(7). Limits: build profiles and
// architecture restrictions do not occur in binary packages and are errors.
package debian

import (
	"fmt"
	"strings"
)

// Version is a Debian version, split. Revision "" and "0" are equal.
type Version struct {
	Epoch    string // "" if there is none
	Upstream string
	Revision string
}

// ParseVersion splits s and checks its characters.
func ParseVersion(s string) (Version, error) {
	v := Version{Upstream: s}
	if epoch, rest, ok := strings.Cut(s, ":"); ok {
		if epoch == "" || strings.Trim(epoch, "0123456789") != "" {
			return Version{}, fmt.Errorf("version %q: the epoch is not a number", s)
		}
		v.Epoch, v.Upstream = epoch, rest
	}
	if i := strings.LastIndexByte(v.Upstream, '-'); i >= 0 {
		v.Upstream, v.Revision = v.Upstream[:i], v.Upstream[i+1:]
		if v.Revision == "" {
			return Version{}, fmt.Errorf("version %q: the revision is empty", s)
		}
	}
	if v.Upstream == "" {
		return Version{}, fmt.Errorf("version %q: the upstream part is empty", s)
	}
	for _, c := range []byte(v.Upstream + v.Revision) {
		if !isAlnum(c) && !strings.ContainsRune(".+-~:", rune(c)) {
			return Version{}, fmt.Errorf("version %q: unexpected character %q", s, c)
		}
	}
	return v, nil
}

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Compare orders versions as dpkg does: -1, 0 or 1.
func (v Version) Compare(w Version) int {
	if c := compareNumbers(v.Epoch, w.Epoch); c != 0 {
		return c
	}
	if c := compareParts(v.Upstream, w.Upstream); c != 0 {
		return c
	}
	return compareParts(v.Revision, w.Revision)
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return sign(len(a) - len(b))
	}
	return strings.Compare(a, b)
}

// compareParts compares alternating runs of non-digits and digits.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !isDigit(a[0])) || (b != "" && !isDigit(b[0])) {
			if c := order(a) - order(b); c != 0 {
				return sign(c)
			}
			a, b = a[1:], b[1:]
		}
		da, db := digits(a), digits(b)
		if c := compareNumbers(a[:da], b[:db]); c != 0 {
			return c
		}
		a, b = a[da:], b[db:]
	}
	return 0
}

// order is the weight of the first character: "~" before the end, letters before everything else.
func order(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlnum(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
