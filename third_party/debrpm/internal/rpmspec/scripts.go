package rpmspec

import (
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
)

// Alternative is one update-alternatives --install call.
type Alternative struct {
	Args   []string // link, name, path, priority, then --slave link name path ...
	Links  []string // all links, the master first
	Names  []string // names of the links
	Target string   // path of the master
}

// manPages is where manual pages lie; an alternative of nothing else would only drag a shell into an image.
const manPages = "/usr/share/man/"

// significant finds commands that change the system at the start of a shell command.
var significant = regexp.MustCompile(`(?:^|[;&|({!]\s*|\b(?:then|do|else|if|in_sysroot|exec)\s+)` +
	`(update-alternatives|adduser|addgroup|useradd|groupadd|usermod|groupmod|setcap|dpkg-statoverride|dpkg-divert|chown|chgrp|chmod|` +
	`ucf|pam-auth-update|systemd-sysusers|update-ca-certificates|ldconfig|ln|cp|mv|mkdir|touch|install|cat)\s`)

// writes finds a redirection into a file, which makes a cat significant.
var writes = regexp.MustCompile(`(?:^|[^0-9&])>>?\s*[^&\s>]`)

// Analysis is what came out of the maintainer scripts.
type Analysis struct {
	Alternatives []Alternative
	Dropped      []string // what was left out, with the reason
	Uncovered    []string // commands nobody has said anything about: an error
}

// Analyse reads postinst and preinst. The other scripts only run when a package is removed or upgraded in place, which never
// happens to an image.
func Analyse(scripts map[string]string, m *mapping.Mapping, p mapping.Package) (Analysis, error) {
	var a Analysis
	used, covers := map[string]bool{}, coveredCommands(p)
	for _, script := range []string{"preinst", "postinst"} {
		boiler := map[string]bool{}
		for _, line := range logicalLines(scripts[script]) {
			if b := findBoilerplate(m, line); b != nil {
				boiler[b.Name+": "+b.Reason] = true
				continue
			}
			alternatives, rest := alternativesOf(line)
			for _, alternative := range alternatives {
				if strings.HasPrefix(alternative.Links[0], manPages) {
					a.Dropped = append(a.Dropped, fmt.Sprintf("%s: %s: an alternative of manual pages alone", script, line))
				} else if len(p.Alternate) == 0 {
					a.Alternatives = append(a.Alternatives, alternative)
				}
			}
			for _, command := range commandsOf(rest) {
				used[command] = true
				text := fmt.Sprintf("%s: %s", script, line)
				if reason, ok := covers[command]; ok {
					a.Dropped = append(a.Dropped, fmt.Sprintf("%s: %s", text, reason))
				} else {
					a.Uncovered = append(a.Uncovered, text)
				}
			}
		}
		for _, text := range sortedKeys(boiler) {
			a.Dropped = append(a.Dropped, script+": "+text)
		}
	}
	for _, script := range []string{"prerm", "postrm"} {
		if scripts[script] != "" {
			a.Dropped = append(a.Dropped, script+": only for removal and upgrade in place; alternatives are removed by a generated %preun")
		}
	}
	for _, text := range p.Alternate {
		alternative, err := parseAlternative(strings.Fields(text))
		if err != nil {
			return a, fmt.Errorf("mapping.yaml, alternate %q: %w", text, err)
		}
		a.Alternatives = append(a.Alternatives, alternative)
	}
	for _, command := range sortedKeys(covers) {
		if !used[command] {
			return a, fmt.Errorf("mapping.yaml covers %q, which no maintainer script calls", command)
		}
	}
	a.Dropped, a.Uncovered = unique(a.Dropped), unique(a.Uncovered)
	return a, nil
}

// coveredCommands maps each command to its reason; a key of covers: holds one or more.
func coveredCommands(p mapping.Package) map[string]string {
	out := map[string]string{}
	for commands, reason := range p.Covers {
		for _, command := range strings.Fields(commands) {
			out[command] = reason
		}
	}
	return out
}

// logicalLines joins continued lines and leaves out comments and empty lines.
func logicalLines(script string) []string {
	var out []string
	for _, line := range strings.Split(strings.ReplaceAll(script, "\\\n", " "), "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

func findBoilerplate(m *mapping.Mapping, line string) *mapping.Boilerplate {
	for i := range m.Boilerplate {
		if m.Boilerplate[i].Matches(line) {
			return &m.Boilerplate[i]
		}
	}
	return nil
}

// alternativesOf takes the literal update-alternatives --install calls out of a line; the rest of the line is returned.
func alternativesOf(line string) (found []Alternative, rest string) {
	_, call, ok := strings.Cut(line, "update-alternatives ")
	call, _, _ = strings.Cut(call, " #") // a comment behind a continued line
	if !ok || strings.ContainsAny(call, "$`\"'(") {
		return nil, line
	}
	end := strings.IndexAny(call, ";|&")
	if end < 0 {
		end = len(call)
	}
	var args []string
	install := false
	for _, word := range strings.Fields(call[:end]) {
		switch {
		case word == "--install":
			install = true
		case word == "--quiet" || word == "--force":
		default:
			args = append(args, word)
		}
	}
	if !install {
		return nil, "" // --remove and --set of an upgrade
	}
	alternative, err := parseAlternative(args)
	if err != nil {
		return nil, line
	}
	return []Alternative{alternative}, call[end:]
}

func parseAlternative(args []string) (Alternative, error) {
	if len(args) < 4 {
		return Alternative{}, fmt.Errorf("link, name, path and priority are needed")
	}
	a := Alternative{Args: args, Links: []string{args[0]}, Names: []string{args[1]}, Target: args[2]}
	for rest := args[4:]; len(rest) > 0; rest = rest[4:] {
		if len(rest) < 4 || rest[0] != "--slave" {
			return Alternative{}, fmt.Errorf("unexpected %q", rest[0])
		}
		a.Links, a.Names = append(a.Links, rest[1]), append(a.Names, rest[2])
	}
	return a, nil
}

func commandsOf(line string) []string {
	var out []string
	for _, m := range significant.FindAllStringSubmatch(line, -1) {
		if m[1] != "cat" || writes.MatchString(line) {
			out = append(out, m[1])
		}
	}
	return out
}

// Scriptlets are the scriptlet sections of the spec, in order, and what they need.
func Scriptlets(a Analysis, p mapping.Package, ldconfig bool) (sections []string, needs []string) {
	if pre := accounts(p); len(pre) > 0 {
		sections = append(sections, "%pre\n"+strings.Join(pre, "\n"))
		needs = append(needs, "Requires(pre): base-passwd", "Requires(pre): libc-bin", "Requires(pre): passwd")
	}
	var post, preun []string
	for _, alt := range a.Alternatives {
		post = append(post, "update-alternatives --install "+strings.Join(alt.Args, " "))
		preun = append(preun, "  update-alternatives --remove "+alt.Args[1]+" "+alt.Target)
	}
	if len(post) > 0 {
		needs = append(needs, "Requires(post): debrpm-alternatives", "Requires(preun): debrpm-alternatives")
		sections = append(sections, "%preun\nif [ \"$1\" = 0 ]; then\n"+strings.Join(preun, "\n")+"\nfi")
	}
	post = append(post, p.Post...)
	for _, name := range p.PostNeeds {
		needs = append(needs, "Requires(post): "+name)
	}
	switch {
	case ldconfig && len(post) == 0:
		sections = append(sections, "%post -p /sbin/ldconfig", "%postun -p /sbin/ldconfig")
	case ldconfig:
		sections = append(sections, "%post\n/sbin/ldconfig\n"+strings.Join(post, "\n"), "%postun -p /sbin/ldconfig")
		needs = append(needs, "Requires(post): libc-bin")
	case len(post) > 0:
		sections = append(sections, "%post\n"+strings.Join(post, "\n"))
	}
	return sections, needs
}

func accounts(p mapping.Package) []string {
	var out []string
	for _, g := range p.Groups {
		out = append(out, fmt.Sprintf("getent group %s >/dev/null || groupadd -r -g %d %s", g.Name, g.ID, g.Name))
	}
	for _, u := range p.Users {
		out = append(out, fmt.Sprintf("getent passwd %s >/dev/null || useradd -r -M -N -u %d -g %s -d %s -s %s %s",
			u.Name, u.ID, u.Group, u.Home, u.Shell, u.Name))
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
