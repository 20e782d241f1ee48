package metatest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Debian reads a Packages index of Debian, https://www.debian.org/doc/debian-policy/ch-controlfields.html, as packages of RPM: Depends
// and Pre-Depends become Requires, Breaks and Conflicts become Conflicts, alternatives become rich dependencies. Each package has a
// program or library as names of files and sonames, and every seventh an older version that an update left behind.
func Debian(r io.Reader) ([]Package, error) {
	var packages []Package
	fields := map[string]string{}
	last := ""
	flush := func() error {
		if fields["Package"] != "" {
			p, err := fromDebian(fields)
			if err != nil {
				return fmt.Errorf("package %s: %w", fields["Package"], err)
			}
			packages = append(packages, p)
			if len(packages)%7 == 0 {
				packages = append(packages, older(p))
			}
		}
		clear(fields)
		return nil
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "":
			if err := flush(); err != nil {
				return nil, err
			}
		case line[0] == ' ':
			fields[last] += line
		default:
			name, value, _ := strings.Cut(line, ":")
			last, fields[name] = name, strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return packages, flush()
}

func fromDebian(fields map[string]string) (Package, error) {
	evr := fields["Version"]
	if evr == "" {
		return Package{}, fmt.Errorf("it has no version")
	}
	if !strings.Contains(evr, "-") { // native packages have no release
		evr += "-0"
	}
	p := Package{Name: fields["Package"], EVR: evr, Summary: fields["Description"]}
	p.Description = p.Summary + ". " + fields["Tag"] + " " + fields["Homepage"] + " " + fields["Maintainer"]
	if fields["Architecture"] == "all" {
		p.Arch = "noarch"
	}
	if kib, err := strconv.ParseInt(fields["Installed-Size"], 10, 64); err == nil {
		p.InstalledBytes = kib << 10
	}
	for name, list := range map[string]*[]string{
		"Provides": &p.Provides, "Recommends": &p.Recommends, "Suggests": &p.Suggests, "Enhances": &p.Enhances,
	} {
		*list = relations(fields[name])
	}
	p.Requires = append(relations(fields["Pre-Depends"]), relations(fields["Depends"])...)
	p.Conflicts = append(relations(fields["Breaks"]), relations(fields["Conflicts"])...)
	soname := strings.TrimPrefix(p.Name, "lib")
	switch {
	case soname != p.Name && p.Arch == "" && !strings.HasSuffix(p.Name, "-dev"):
		p.Provides = append(p.Provides, p.Name+".so()(64bit)", "lib"+soname+".so(BASE)(64bit)")
		p.Listed = append(p.Listed, "/usr/lib64/"+p.Name+".so")
	default:
		p.Files = append(p.Files, "/usr/bin/"+p.Name, "/etc/"+p.Name+".conf")
	}
	p.Listed = append(p.Listed, "/usr/share/doc/"+p.Name, "/usr/share/doc/"+p.Name+"/copyright", "/usr/share/doc/"+p.Name+"/changelog")
	return p, nil
}

// relations reads "a (>= 1) | b, c:any" as RPM writes such a thing.
func relations(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		var alternatives []string
		for one := range strings.SplitSeq(part, "|") {
			if r := relation(strings.TrimSpace(one)); r != "" {
				alternatives = append(alternatives, r)
			}
		}
		switch len(alternatives) {
		case 0:
		case 1:
			out = append(out, alternatives[0])
		default:
			out = append(out, "("+strings.Join(alternatives, " or ")+")")
		}
	}
	return out
}

func relation(text string) string {
	name, constraint, versioned := strings.Cut(text, "(")
	name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
	if !versioned {
		return name
	}
	op, version, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(constraint), ")"), " ")
	switch op {
	case "<<":
		op = "<"
	case ">>":
		op = ">"
	}
	version = strings.TrimSpace(version)
	if op == "=" && !strings.Contains(version, "-") {
		version += "-0"
	}
	return name + " " + op + " " + version
}

// older is the version of a package before its last update: it says the same of its siblings' versions.
func older(p Package) Package {
	i := strings.LastIndexByte(p.EVR, '-')
	before := p.EVR
	p.EVR = p.EVR[:i+1] + "0~" + p.EVR[i+1:]
	replace := func(list []string) []string {
		out := make([]string, len(list))
		for i, dep := range list {
			out[i] = strings.ReplaceAll(dep, "= "+before, "= "+p.EVR)
		}
		return out
	}
	p.Provides = replace(p.Provides)
	return p
}
