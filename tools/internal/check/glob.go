package check

import (
	"path"
	"strings"
)

// glob is a pattern over absolute paths.
type glob struct {
	text  string
	parts []string
}

// match keeps the set of prefixes of the path that the pattern so far can match, so that many "**" cost no more than one.
func (g glob) match(name string) bool {
	names := strings.Split(name, "/")
	reach := make([]bool, len(names)+1)
	reach[0] = true
	for _, part := range g.parts {
		next := make([]bool, len(names)+1)
		for i := range names {
			if part == "**" {
				next[i] = next[i] || reach[i]
				next[i+1] = next[i]
				continue
			}
			ok, _ := path.Match(part, names[i]) // the pattern was checked
			next[i+1] = reach[i] && ok
		}
		if part == "**" {
			next[len(names)] = next[len(names)] || reach[len(names)]
		}
		reach = next
	}
	return reach[len(names)]
}
