// Package docs keeps the examples of hand-written pages equal to files that are built.
//
// A page marks an example with an HTML comment that names the file, relative to the root of the checkout; the fenced block
// that follows is the content of the file:
//
//	<!-- example: rules/e2e/readme/BUILD.bazel -->
//
//	```starlark
//	...
//	```
package docs

import (
	"fmt"
	"regexp"
	"strings"
)

var marker = regexp.MustCompile("(?m)^<!-- example: (\\S+) -->\n")
var block = regexp.MustCompile("^\n*```[a-z]*\n(?s:.*?)\n```\n")

// Fill returns page with every marked example replaced by what read returns for its file.
func Fill(page string, read func(path string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		at := marker.FindStringSubmatchIndex(page)
		if at == nil {
			out.WriteString(page)
			return out.String(), nil
		}
		path := page[at[2]:at[3]]
		content, err := read(path)
		if err != nil {
			return "", fmt.Errorf("reading example %s: %w", path, err)
		}
		out.WriteString(page[:at[1]])
		fmt.Fprintf(&out, "\n```%s\n%s```\n", language(path), content)
		page = page[at[1]:]
		page = page[len(block.FindString(page)):]
	}
}

func language(path string) string {
	switch {
	case strings.HasSuffix(path, ".bazel"), strings.HasSuffix(path, ".bzl"):
		return "starlark"
	case strings.HasSuffix(path, ".yaml"):
		return "yaml"
	}
	return "text"
}
