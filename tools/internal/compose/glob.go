package compose

import (
	"fmt"
	"path"
	"strings"
)

// maxGlobParts bounds the components of a glob, and with it the work of matching "**".
const maxGlobParts = 64

// glob is a pattern split into components; "**" stands for any number of components, also none.
type glob []string

func parseGlob(pattern string) (glob, error) {
	if !strings.HasPrefix(pattern, "/") || pattern == "/" || path.Clean(pattern) != pattern {
		return nil, fmt.Errorf("glob %q: must be absolute and clean", pattern)
	}
	parts := strings.Split(pattern[1:], "/")
	if len(parts) > maxGlobParts {
		return nil, fmt.Errorf("glob %q: more than %d components", pattern, maxGlobParts)
	}
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			return nil, fmt.Errorf("glob %q: %w", pattern, err)
		}
	}
	return parts, nil
}

// match reports whether the absolute path p matches. It walks the components once per pattern component, so that a
// pattern of many "**" stays quadratic at worst.
func (g glob) match(p string) bool {
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
