// Package evr compares RPM versions and decides whether two dependency ranges overlap.
//
// The rules are those of rpm-version(7) and of librpm's rpmvercmp. An EVR is an epoch, a version and a release, written
// "epoch:version-release"; the epoch is 0 when it is left out, a missing release matches every release. The package checks no
// character set: RPM itself compares whatever it is given, so everything has a place in the order.
package evr

import (
	"fmt"
	"strconv"
	"strings"
)

// EVR is an epoch, a version and a release. An empty Release means "any release" in a dependency.
type EVR struct {
	Epoch   uint32
	Version string
	Release string
}

// Parse splits "epoch:version-release". The epoch ends at the first colon when only digits precede it; the release starts
// after the last dash.
func Parse(s string) (EVR, error) {
	var e EVR
	rest := s
	if epoch, after, ok := strings.Cut(s, ":"); ok {
		n, err := ParseEpoch(epoch)
		if err != nil {
			return EVR{}, fmt.Errorf("reading version %q: %w", s, err)
		}
		e.Epoch, rest = n, after
	}
	e.Version = rest
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		e.Version, e.Release = rest[:i], rest[i+1:]
	}
	if e.Version == "" {
		return EVR{}, fmt.Errorf("reading version %q: the version is empty", s)
	}
	return e, nil
}

// ParseEpoch reads an epoch; an empty one is 0.
func ParseEpoch(s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("epoch %q is not a number", s)
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("epoch %q is larger than 32 bits", s)
	}
	return uint32(n), nil
}

// String gives the shortest form that Parse reads back: the epoch is left out when it is 0.
func (e EVR) String() string {
	s := e.Version
	if e.Epoch != 0 || strings.Contains(e.Version+e.Release, ":") {
		s = strconv.FormatUint(uint64(e.Epoch), 10) + ":" + s
	}
	if e.Release != "" || strings.Contains(e.Version, "-") {
		s += "-" + e.Release
	}
	return s
}

// Compare orders two complete EVRs: -1, 0 or 1. An empty release is compared as the empty string.
func Compare(a, b EVR) int {
	if c := compareEpochVersion(a, b); c != 0 {
		return c
	}
	return Vercmp(a.Release, b.Release)
}

func compareEpochVersion(a, b EVR) int {
	switch {
	case a.Epoch < b.Epoch:
		return -1
	case a.Epoch > b.Epoch:
		return 1
	}
	return Vercmp(a.Version, b.Version)
}

// Vercmp orders two version or release strings as rpmvercmp does: -1, 0 or 1.
//
// Strings are read as runs of digits and runs of ASCII letters; every other byte only separates. "~" sorts before
// everything, the end of the string included; "^" sorts after the end and before every other continuation.
func Vercmp(a, b string) int {
	if a == b {
		return 0
	}
	for len(a) > 0 || len(b) > 0 {
		a, b = skipSeparators(a), skipSeparators(b)
		if c, decided, more := compareMarks(&a, &b); decided {
			return c
		} else if more {
			continue
		}
		if a == "" || b == "" {
			break
		}
		digits := isDigit(a[0])
		var runA, runB string
		if digits {
			runA, a = cutRun(a, isDigit)
			runB, b = cutRun(b, isDigit)
		} else {
			runA, a = cutRun(a, isLetter)
			runB, b = cutRun(b, isLetter)
		}
		if runB == "" { // different kinds: digits are newer than letters
			if digits {
				return 1
			}
			return -1
		}
		if c := compareRuns(runA, runB, digits); c != 0 {
			return c
		}
	}
	switch {
	case a == "" && b == "":
		return 0
	case a == "":
		return -1
	}
	return 1
}

// compareMarks handles "~" and "^" at the heads of both strings. decided: the order is known; more: both had the same mark,
// which has been removed.
func compareMarks(a, b *string) (order int, decided, more bool) {
	headA, headB := head(*a), head(*b)
	switch {
	case headA == '~' && headB == '~', headA == '^' && headB == '^':
		*a, *b = (*a)[1:], (*b)[1:]
		return 0, false, true
	case headA == '~':
		return -1, true, false
	case headB == '~':
		return 1, true, false
	case headA == '^':
		if *b == "" {
			return 1, true, false
		}
		return -1, true, false
	case headB == '^':
		if *a == "" {
			return -1, true, false
		}
		return 1, true, false
	}
	return 0, false, false
}

func compareRuns(a, b string, digits bool) int {
	if digits {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			if len(a) < len(b) {
				return -1
			}
			return 1
		}
	}
	return strings.Compare(a, b)
}

func head(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

func skipSeparators(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; isDigit(c) || isLetter(c) || c == '~' || c == '^' {
			return s[i:]
		}
	}
	return ""
}

func cutRun(s string, in func(byte) bool) (run, rest string) {
	i := 0
	for i < len(s) && in(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
