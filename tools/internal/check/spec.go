package check

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Schema is the version of the spec.
const Schema = 1

const (
	maxSpecBytes = 16 << 20
	maxGlobParts = 64
)

// Spec is the input of rootcheck that the rules write.
type Spec struct {
	Schema int    `json:"schema"`
	Label  string `json:"label"`
	// Arch is the RPM architecture that the tree must be of; "" takes the tree's.
	Arch string `json:"arch,omitempty"`
	// Allow maps "code:glob" to the reason. A glob matches paths component by component; "**" is any number of components.
	Allow map[string]string `json:"allow,omitempty"`
	// Shell says that the image is meant to have a shell.
	Shell bool `json:"shell,omitempty"`
	// User is the user, or user:group, of the image config.
	User string `json:"user,omitempty"`
	// SizeBudget is how many bytes all files together may have; 0 is no limit.
	SizeBudget int64 `json:"size_budget,omitempty"`
}

// ReadSpec decodes a spec strictly and checks it. name is used in errors.
func ReadSpec(r io.Reader, name string) (*Spec, error) {
	var s Spec
	if err := strictjson.Decode(r, maxSpecBytes, &s); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	return &s, nil
}

func (s *Spec) check() error {
	switch {
	case s.Schema != Schema:
		return fmt.Errorf("schema %d, this tool reads %d", s.Schema, Schema)
	case s.Label == "":
		return fmt.Errorf("label must be set")
	case s.SizeBudget < 0:
		return fmt.Errorf("size_budget %d: must not be negative", s.SizeBudget)
	}
	for _, key := range s.keys() {
		if err := checkAllow(key, s.Allow[key]); err != nil {
			return fmt.Errorf("allow %q: %w", key, err)
		}
	}
	return nil
}

func (s *Spec) keys() []string {
	var keys []string
	for key := range s.Allow {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func checkAllow(key, reason string) error {
	code, pattern, ok := strings.Cut(key, ":")
	if !ok {
		return cli.Hint(fmt.Errorf("no colon"), "the form is {\"code:path\": \"reason\"}")
	}
	if !slices.Contains(Codes, code) || code == UnusedAllow {
		err := fmt.Errorf("unknown code %q", code)
		if near := lockfile.NearMisses(code, Codes, 1); len(near) > 0 {
			return cli.Hint(err, "did you mean %s?", near[0])
		}
		return cli.Hint(err, "codes: %s", strings.Join(Codes, " "))
	}
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("has no reason")
	}
	if !strings.HasPrefix(pattern, "/") || strings.Count(pattern, "/") > maxGlobParts {
		return fmt.Errorf("the path must be absolute, with at most %d components", maxGlobParts)
	}
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return err
		}
	}
	return nil
}

// rule is one allowance.
type rule struct {
	code, reason string
	glob         glob
}

func (s *Spec) rules() []rule {
	var out []rule
	for _, key := range s.keys() {
		code, pattern, _ := strings.Cut(key, ":")
		out = append(out, rule{code, s.Allow[key], glob{pattern, strings.Split(pattern, "/")}})
	}
	return out
}

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
