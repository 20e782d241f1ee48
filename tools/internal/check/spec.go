package check

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Schema is the version of the spec.
const Schema = 1

// Scopes: what is looked at. An image whose root filesystem is checked by itself has only its config checked.
const (
	ScopeAll    = ""
	ScopeTree   = "tree"
	ScopeConfig = "config"
)

// Placeholder stands for a reason in what Advice shows; it is no reason.
const Placeholder = "why?"

const (
	maxSpecBytes = 16 << 20
	maxGlobParts = 64
)

// Spec is the input of rootcheck that the rules write.
type Spec struct {
	Schema int    `json:"schema"`
	Label  string `json:"label"`
	// Arch is the RPM architecture that the tree must be of; "" takes the tree's.
	Arch  string `json:"arch,omitempty"`
	Scope string `json:"scope,omitempty"`
	// Allow maps "code:glob" to the reason. A glob matches paths component by component; "**" is any number of components.
	// "code:glob#soname" is about one library only, for the codes that are about libraries.
	Allow map[string]string `json:"allow,omitempty"`
	// BaseAllow is what the base allows. It counts for paths that are as the base has them, and need not match anything.
	BaseAllow map[string]string `json:"base_allow,omitempty"`
	// Shell says that the image is meant to have a shell, BaseShell that the base is.
	Shell     bool `json:"shell,omitempty"`
	BaseShell bool `json:"base_shell,omitempty"`
	// SizeBudget is how many bytes all files together may have; 0 is no limit.
	SizeBudget int64 `json:"size_budget,omitempty"`
	// The rest is the image config: User is a name or number, with an optional group after a colon; Path the PATH of its env,
	// "" the usual one.
	User       string   `json:"user,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Path       string   `json:"path,omitempty"`
	WorkDir    string   `json:"workdir,omitempty"`
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
	case s.Scope != ScopeAll && s.Scope != ScopeTree && s.Scope != ScopeConfig:
		return fmt.Errorf("scope %q: must be %q, %q or empty", s.Scope, ScopeTree, ScopeConfig)
	}
	for _, key := range sortedKeys(s.Allow) {
		err := checkAllow(key, s.Allow[key])
		if code, _, _ := strings.Cut(key, ":"); err == nil && s.Scope == ScopeConfig && !info(code).config {
			err = cli.Hint(fmt.Errorf("%s is about the root filesystem, not about the image config", code), "say it in check of the rpm_rootfs")
		}
		if err != nil {
			return fmt.Errorf("%s: allow %q: %w", s.Label, key, err)
		}
	}
	for _, key := range sortedKeys(s.BaseAllow) {
		if err := checkAllow(key, s.BaseAllow[key]); err != nil {
			return fmt.Errorf("%s: allow %q of the base: %w", s.Label, key, err)
		}
	}
	return nil
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}

func checkAllow(key, reason string) error {
	code, pattern, ok := strings.Cut(key, ":")
	if !ok {
		return cli.Hint(fmt.Errorf("no colon"), "the form is {\"code:path\": \"reason\"}, such as {\"setuid:/usr/bin/mount\": \"users mount\"}")
	}
	if code == UnusedAllow {
		return cli.Hint(fmt.Errorf("%s cannot be allowed", code), "take out the allowance that matches nothing")
	}
	if !slices.Contains(Codes, code) {
		err := fmt.Errorf("unknown code %q", code)
		if near := lockfile.NearMisses(code, Codes, 3); len(near) > 0 {
			return cli.Hint(err, "did you mean %s?", strings.Join(near, " or "))
		}
		return cli.Hint(err, "codes: %s", strings.Join(Codes, " "))
	}
	switch reason = strings.TrimSpace(reason); reason {
	case "":
		return fmt.Errorf("has no reason")
	case Placeholder:
		return cli.Hint(fmt.Errorf("%q is no reason", reason), "say why this is right for whoever reads it in a year")
	}
	pattern, soname, narrowed := cutSoname(code, pattern)
	if _, err := path.Match(soname, ""); err != nil || (narrowed && soname == "") {
		return cli.Hint(fmt.Errorf("after # must be the soname of a library, not %q", soname), "the form is \"%s:/usr/bin/x#libx.so.1\"; in a path, write \\# for #", code)
	}
	if !strings.HasPrefix(pattern, "/") || strings.Count(pattern, "/") > maxGlobParts {
		return cli.Hint(fmt.Errorf("the path must be absolute, with at most %d components", maxGlobParts), "did you mean %q?", code+":/"+pattern)
	}
	for part := range strings.SplitSeq(pattern, "/") {
		if _, err := path.Match(part, ""); err != nil {
			return cli.Hint(err, "* stands for any part of a name, ** for any folders, [ab] for one of them; a backslash takes the meaning away")
		}
	}
	return nil
}

// aboutLibrary reports whether findings of the code are about one library, to which an allowance can be narrowed.
func aboutLibrary(code string) bool { return code == MissingSoname || code == MissingVersion }

// cutSoname splits PATH#SONAME at the first # that no backslash takes the meaning from.
func cutSoname(code, pattern string) (glob, soname string, narrowed bool) {
	if !aboutLibrary(code) {
		return pattern, "", false
	}
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '#':
			return pattern[:i], pattern[i+1:], true
		}
	}
	return pattern, "", false
}

// rule is one allowance.
type rule struct {
	code, reason string
	text         string // without the code
	glob         glob
	soname       string // pattern; "" for all
}

func (r *rule) match(f *Finding) bool {
	if r.code != f.Code || !r.glob.match(f.Path) {
		return false
	}
	if r.soname == "" {
		return true
	}
	ok, _ := path.Match(r.soname, f.Soname) // the pattern was checked
	return ok
}

func parseRules(allow map[string]string) []rule {
	var out []rule
	for _, key := range sortedKeys(allow) {
		code, text, _ := strings.Cut(key, ":")
		pattern, soname, _ := cutSoname(code, text)
		out = append(out, rule{code, allow[key], text, glob{pattern, strings.Split(pattern, "/")}, soname})
	}
	return out
}
