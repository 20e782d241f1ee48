// Package pathglob matches absolute paths with patterns: path.Match per component, and "**" for any number of components, also none.
package pathglob

import (
	"fmt"
	"path"
	"strings"
)

// maxParts bounds the components of a glob, and with it the work of matching "**".
const maxParts = 64

// Glob is a pattern split into components.
type Glob []string

// Parse checks a pattern, which must be absolute and clean.
func Parse(pattern string) (Glob, error) {
	if !strings.HasPrefix(pattern, "/") || pattern == "/" || path.Clean(pattern) != pattern {
		return nil, fmt.Errorf("glob %q: must be absolute and clean", pattern)
	}
	parts := strings.Split(pattern[1:], "/")
	if len(parts) > maxParts {
		return nil, fmt.Errorf("glob %q: more than %d components", pattern, maxParts)
	}
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			return nil, fmt.Errorf("glob %q: %w", pattern, err)
		}
	}
	return parts, nil
}

// Match reports whether the absolute path p matches. It walks the components once per pattern component, so that a
// pattern of many "**" stays quadratic at worst.
func (g Glob) Match(p string) bool {
	names := strings.Split(strings.TrimPrefix(p, "/"), "/")
	// reach[j] says whether the pattern components so far can match the first j names.
	reach := make([]bool, len(names)+1)
	reach[0] = true
	for _, part := range g {
		next := make([]bool, len(names)+1)
		if part == "**" {
			seen := false
			for j := range reach {
				seen = seen || reach[j]
				next[j] = seen
			}
		} else {
			for j, name := range names {
				if reach[j] {
					ok, err := path.Match(part, name)
					next[j+1] = ok && err == nil
				}
			}
		}
		reach = next
	}
	return reach[len(names)]
}
