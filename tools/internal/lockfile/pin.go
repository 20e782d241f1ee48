package lockfile

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Pin fixes the version of a package name.
type Pin struct {
	Text string // as the manifest has it
	Line int
	Name string
	Arch string // of a NEVRA; empty means every architecture

	version  evr.EVR
	anyEpoch bool // the version names no epoch
}

// Pins are written as a list of "name = version" or NEVRAs, or as a map of name to version.
type Pins []Pin

// UnmarshalYAML reads both forms.
func (p *Pins) UnmarshalYAML(node *yaml.Node) error {
	add := func(node *yaml.Node, text string) error {
		pin, err := ParsePin(text)
		if err != nil {
			return fmt.Errorf("line %d: %w", node.Line, err)
		}
		pin.Line = node.Line
		*p = append(*p, pin)
		return nil
	}
	switch node.Kind {
	case yaml.SequenceNode:
		for _, item := range node.Content {
			if err := add(item, item.Value); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if err := add(node.Content[i], node.Content[i].Value+" = "+node.Content[i+1].Value); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf(`line %d: pin is neither a list of "name = version" nor a map of name to version`, node.Line)
}

// ParsePin reads "name = [epoch:]version[-release]" or "name-[epoch:]version-release[.arch]".
func ParsePin(text string) (Pin, error) {
	pin := Pin{Text: text}
	wrong := fmt.Errorf(`pin: %q is neither "name = version" nor name-version-release[.arch]`, text)
	name, version, spaced := strings.Cut(text, "=")
	if !spaced {
		rest := text
		for _, arch := range append(KnownArchitectures(), "noarch") {
			if before, ok := strings.CutSuffix(rest, "."+arch); ok {
				rest, pin.Arch = before, arch
				break
			}
		}
		release := strings.LastIndexByte(rest, '-')
		if release <= 0 {
			return pin, wrong
		}
		dash := strings.LastIndexByte(rest[:release], '-')
		if dash <= 0 {
			return pin, wrong
		}
		name, version = rest[:dash], rest[dash+1:]
	}
	pin.Name, version = strings.TrimSpace(name), strings.TrimSpace(version)
	var err error
	pin.version, err = evr.Parse(version)
	if err != nil || pin.version.Version == "" || !identifier.MatchString(pin.Name) || strings.ContainsAny(version, " \t\n*?[]<>=") {
		return pin, wrong
	}
	pin.anyEpoch = !strings.Contains(version, ":")
	return pin, nil
}

// Applies reports whether the pin is for an architecture.
func (p *Pin) Applies(arch string) bool { return p.Arch == "" || p.Arch == "noarch" || p.Arch == arch }

// Allows reports whether a package of the pin's name has its version and architecture.
func (p *Pin) Allows(version evr.EVR, arch string) bool {
	want := p.version
	if p.anyEpoch {
		want.Epoch = version.Epoch
	}
	return (p.Arch == "" || p.Arch == arch) && evr.Satisfies(evr.EQ, version, evr.EQ, want)
}

// validatePins finds names that are pinned twice.
func (m *Manifest) validatePins() (errs []error) {
	for i, pin := range m.Pin {
		if j := slices.IndexFunc(m.Pin[:i], func(o Pin) bool {
			return o.Name == pin.Name && (o.Arch == "" || pin.Arch == "" || o.Arch == pin.Arch)
		}); j >= 0 {
			errs = append(errs, fmt.Errorf("line %d: pin: %q and %q are of the same name", pin.Line, m.Pin[j].Text, pin.Text))
		}
	}
	return errs
}

// KnownPolicies are how a lock may choose among packages.
func KnownPolicies() []string { return []string{"dnf", "smallest"} }

// validatePolicy checks policy and what depends on it.
func (m *Manifest) validatePolicy() (errs []error) {
	if m.Policy == "" {
		m.Policy = KnownPolicies()[0]
	}
	if !slices.Contains(KnownPolicies(), m.Policy) {
		errs = append(errs, fmt.Errorf("unknown policy %q%s", m.Policy, near(m.Policy, KnownPolicies())))
	}
	if m.Policy == "smallest" && m.Weak {
		errs = append(errs, fmt.Errorf("policy smallest takes the fewest bytes, weak: true more than is needed: only one of them is possible"))
	}
	if m.Budget < 0 || m.Budget > MaxBudget {
		errs = append(errs, fmt.Errorf("budget %d is not between 1 and %d conflicts", m.Budget, MaxBudget))
	}
	if m.Budget != 0 && m.Policy != "smallest" {
		errs = append(errs, fmt.Errorf("budget is for policy smallest, and policy is %s", m.Policy))
	}
	return errs
}
