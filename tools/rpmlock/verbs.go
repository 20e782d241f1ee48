package main

import (
	"context"
	"slices"
	"strings"
)

// verb is one of the things that rpmlock does.
type verb struct {
	name     string
	do       func(context.Context, *command) error
	words    string // what the words beside the flags are; empty: it takes none
	minWords int
	maxWords int      // 0: any number
	flags    []string // its own flags, besides those of common
	required []string
}

var verbs = []verb{
	{name: "init", do: start, words: "a distribution", minWords: 1, maxWords: 1, flags: []string{"version", "dir", "release"}},
	{name: "import", do: imports, words: "files with bazeldnf's rpm() rules, locks of bazeldnf, or rpms.lock.yaml", minWords: 1, flags: []string{"release"},
		required: []string{"lock", "manifest"}},
	{name: "lock", do: lock, flags: []string{"check"}, required: []string{"lock", "manifest"}},
	{name: "update", do: update, words: "names of packages", flags: []string{"only", "security", "format", "dry-run", "releasever", "images", "record"},
		required: []string{"lock", "manifest"}},
	{name: "outdated", do: outdated, flags: []string{"security", "format", "arch", "releasever", "images"}, required: []string{"lock", "manifest"}},
	{name: "diff", do: diff, words: "one or two locks or git revisions", minWords: 1, maxWords: 2, flags: []string{"format", "advisories", "images", "record"}},
	{name: "summary", do: summary, words: "the record of an update", minWords: 1, maxWords: 1, flags: []string{"format", "images"}, required: []string{"images"}},
	{name: "provides", do: provides, minWords: 1, words: "names, files or capabilities", flags: []string{"arch"}, required: []string{"lock", "manifest"}},
	{name: "why", do: why, minWords: 1, words: "names of packages", flags: []string{"arch", "all"}, required: []string{"lock"}},
	{name: "why-not", do: whyNot, words: "names, files or capabilities", minWords: 1, flags: []string{"arch"}, required: []string{"manifest"}},
	{name: "export", do: export, flags: []string{"out"}, required: []string{"lock"}},
	{name: "verify", do: verify, flags: []string{"arch", "full"}, required: []string{"lock", "manifest"}},
}

func findVerb(name string) *verb {
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == name })
	if i < 0 {
		return nil
	}
	return &verbs[i]
}

func verbNames() []string {
	var out []string
	for _, v := range verbs {
		out = append(out, v.name)
	}
	return out
}

// split separates words from flags. A bare --only is followed by words.
func (v *verb) split(args []string) (words, flags []string) {
	for _, arg := range args {
		switch {
		case v.words != "" && !strings.HasPrefix(arg, "-"):
			words = append(words, arg)
		case arg == "--only" && slices.Contains(v.flags, "only"):
		default:
			flags = append(flags, arg)
		}
	}
	return words, flags
}
