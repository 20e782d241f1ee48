package importer

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// bazeldnfLock is bazeldnf's lock: that of 2024 with packages, and that since with rpms and repositories.
type bazeldnfLock struct {
	Arguments    []string            `json:"cli-arguments"`
	Name         string              `json:"name"`
	Repositories map[string][]string `json:"repositories"`
	RPMs         []bazeldnfRPM       `json:"rpms"`
	Packages     []bazeldnfRPM       `json:"packages"`
	Targets      []string            `json:"targets"`
	Ignored      []string            `json:"ignored"`
}

type bazeldnfRPM struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	SHA256       string   `json:"sha256"`
	Integrity    string   `json:"integrity"`
	URLs         []string `json:"urls"`
	Repository   string   `json:"repository"`
	Dependencies []string `json:"dependencies"`
}

// Bazeldnf reads a lock of bazeldnf.
func Bazeldnf(data []byte) (*List, error) {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	var in bazeldnfLock
	if err := dec.Decode(&in); err != nil {
		return nil, fmt.Errorf("reading a lock of bazeldnf: %w", err)
	}
	list := &List{Mirrors: in.Repositories}
	for i, rpm := range slices.Concat(in.Packages, in.RPMs) {
		if err := list.addRPM(&rpm); err != nil {
			list.Lost = append(list.Lost, fmt.Sprintf("entry %d, %s: %v", i+1, rpm.Name, err))
		}
	}
	list.settleNoarch()
	list.takeTargets(in.Targets)
	if len(in.Ignored) > 0 {
		list.Lost = append(list.Lost, "bazeldnf left out "+strings.Join(in.Ignored, ", ")+" with everything that needs them; here they are locked when a requirement asks for them")
	}
	return list, nil
}

func (l *List) addRPM(rpm *bazeldnfRPM) error {
	p := Package{SHA256: rpm.SHA256, Repository: rpm.Repository}
	if p.SHA256 == "" {
		p.SHA256 = hexOf(rpm.Integrity)
	}
	if !isSHA256(p.SHA256) {
		return fmt.Errorf("it has no sha256 (integrity is %q)", rpm.Integrity)
	}
	var urls []string
	for _, u := range rpm.URLs {
		if strings.Contains(u, "://") {
			urls = append(urls, u)
			continue
		}
		if len(l.Mirrors[rpm.Repository]) == 0 {
			return fmt.Errorf("its url %s is relative to repository %q, which the lock does not name", u, rpm.Repository)
		}
		urls = append(urls, strings.TrimSuffix(l.Mirrors[rpm.Repository][0], "/")+"/"+u)
	}
	if !p.locate(urls) {
		return errors.New("none of its urls ends in name-version-release.architecture.rpm")
	}
	p.Section = p.Arch
	l.Packages = append(l.Packages, p)
	return nil
}

// settleNoarch gives packages without an architecture to that of their repository, or of all others.
func (l *List) settleNoarch() {
	archs := map[string]bool{}
	for _, p := range l.Packages {
		if p.Section != "noarch" {
			archs[p.Section] = true
		}
	}
	var kept []Package
	for _, p := range l.Packages {
		if p.Section != "noarch" {
			kept = append(kept, p)
			continue
		}
		named := ""
		for _, arch := range lockfile.KnownArchitectures() {
			if strings.Contains(p.Repository, arch) || strings.Contains(p.URLs[0], "/"+arch+"/") {
				named = arch
			}
		}
		switch {
		case named != "":
			p.Section = named
			kept = append(kept, p)
		case len(archs) > 0:
			for _, arch := range slices.Sorted(maps.Keys(archs)) {
				p.Section = arch
				kept = append(kept, p)
			}
		default:
			l.Lost = append(l.Lost, fmt.Sprintf("%s-%s.noarch: nothing tells for which architecture it is", p.Name, p.EVR))
		}
	}
	l.Packages = kept
}

// takeTargets makes the packages that were asked for the roots.
func (l *List) takeTargets(targets []string) {
	if len(targets) == 0 {
		return
	}
	for _, target := range targets {
		i := slices.IndexFunc(l.Packages, func(p Package) bool {
			return p.Name == target || strings.HasPrefix(target, p.Name+"-") && strings.Contains(target, p.EVR)
		})
		if i < 0 {
			l.Lost = append(l.Lost, fmt.Sprintf("target %s: no package of the list has the name", target))
			continue
		}
		l.Roots = append(l.Roots, l.Packages[i].Name)
	}
	slices.Sort(l.Roots)
	l.Roots = slices.Compact(l.Roots)
}

// hexOf decodes "sha256-<base64>"; what is something else gives an empty text.
func hexOf(integrity string) string {
	text, ok := strings.CutPrefix(integrity, "sha256-")
	sum, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return ""
	}
	return hex.EncodeToString(sum)
}
