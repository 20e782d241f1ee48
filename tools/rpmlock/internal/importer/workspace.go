package importer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// Workspace reads the calls rpm(name = ..., sha256 = ..., urls = [...]) of a WORKSPACE or .bzl file. Other statements mean nothing here.
func Workspace(text string) (*List, error) {
	s := &scanner{rest: text, line: 1}
	list := &List{}
	for {
		t, err := s.next()
		if err != nil {
			return nil, err
		}
		if t.kind == endOfFile {
			return list, nil
		}
		if t.kind != word || t.text != "rpm" || s.previous == "." || s.previous == "def" {
			continue
		}
		line := s.line
		if open, err := s.next(); err != nil {
			return nil, err
		} else if open.text != "(" || open.kind != sign {
			continue
		}
		args, err := s.call()
		if err != nil {
			return nil, fmt.Errorf("line %d: rpm(): %w", line, err)
		}
		list.add(line, args)
	}
}

// add takes one call.
func (l *List) add(line int, args map[string]value) {
	lose := func(format string, a ...any) {
		l.Lost = append(l.Lost, fmt.Sprintf("rpm() in line %d: %s", line, fmt.Sprintf(format, a...)))
	}
	for name := range args {
		if !slices.Contains([]string{"name", "sha256", "urls", "integrity", "visibility"}, name) {
			lose("attribute %s", name)
		}
	}
	rule := args["name"].text
	sum := args["sha256"].text
	if sum == "" && args["integrity"].text != "" {
		sum = hexOf(args["integrity"].text)
	}
	urls := args["urls"].list
	switch {
	case rule == "" || !args["name"].literal:
		lose("its name is not a plain string")
		return
	case !isSHA256(sum):
		lose("%s has no sha256", rule)
		return
	case len(urls) == 0 || !args["urls"].literal:
		lose("%s: its urls are not plain strings", rule)
		return
	}
	p := Package{SHA256: sum}
	if !p.locate(urls) {
		lose("%s: none of its urls ends in name-version-release.architecture.rpm", rule)
		return
	}
	p.Section = p.Arch
	if arch := sectionOf(rule); arch != "" {
		p.Section = arch
	}
	if epoch := epochOf(rule); epoch != "" && epoch != "0" && !strings.Contains(p.EVR, ":") {
		p.EVR = epoch + ":" + p.EVR
	}
	if p.Section == "noarch" {
		lose("%s: its name tells no architecture, and the package is noarch", rule)
		return
	}
	l.Packages = append(l.Packages, p)
}

// locate takes the URLs, that of the repository first.
func (p *Package) locate(urls []string) bool {
	i := slices.IndexFunc(urls, func(u string) bool { _, _, _, ok := splitFile(u); return ok })
	if i < 0 {
		return false
	}
	p.Name, p.EVR, p.Arch, _ = splitFile(urls[i])
	p.URLs = append([]string{urls[i]}, slices.Delete(slices.Clone(urls), i, i+1)...)
	return true
}

// sectionOf is the architecture at the end of a rule's name: bazeldnf writes name-epoch__version-release.architecture.
func sectionOf(rule string) string {
	for _, arch := range append(lockfile.KnownArchitectures(), "ppc64", "i686", "i386", "armv7hl") {
		if strings.HasSuffix(strings.TrimSuffix(rule, ".rpm"), "."+arch) {
			return arch
		}
	}
	return ""
}

var epoch = regexp.MustCompile(`-([0-9]+)__[0-9A-Za-z]`)

// epochOf finds the epoch in the name of a rule; "__" also stands for characters that such names cannot have, such as "+".
func epochOf(rule string) string {
	all := epoch.FindAllStringSubmatch(rule, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

func isSHA256(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
