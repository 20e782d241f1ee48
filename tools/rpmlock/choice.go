package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// wrongVersions are the pins of names that the repositories have, but not in that version, or that are for this architecture only.
func wrongVersions(pins []*resolve.PinError) error {
	var errs []error
	for _, pin := range pins {
		if len(pin.Have) > 0 || pin.OneArch {
			errs = append(errs, pin.WithHint())
		}
	}
	return errors.Join(errs...)
}

// unknownPins are the pins of names that no architecture has. That some have not is usual: a pin is for those that have it.
func unknownPins(sections []section) []error {
	if len(sections) == 0 {
		return nil
	}
	var errs []error
	for _, pin := range sections[0].pins {
		everywhere := !slices.ContainsFunc(sections, func(s section) bool {
			return !slices.ContainsFunc(s.pins, func(o *resolve.PinError) bool { return o.Pin == pin.Pin && len(o.Have) == 0 })
		})
		if everywhere {
			errs = append(errs, pin.WithHint())
		}
	}
	return errs
}

// pinnedElsewhere reports whether the manifest pins another version than the one that is locked.
func pinnedElsewhere(m *lockfile.Manifest, arch string, p *lockfile.Package) bool {
	version, err := evr.Parse(p.EVR())
	return err == nil && slices.ContainsFunc(m.Pin, func(pin lockfile.Pin) bool {
		return pin.Name == p.Name && pin.Applies(arch) && !pin.Allows(version, p.Arch)
	})
}

// saySizes prints how good the solutions of policy smallest are.
func (c *command) saySizes(s section) {
	for _, a := range s.answers {
		size := a.sol.Size
		if size == nil {
			continue
		}
		c.progress.done()
		where := s.arch
		if a.group != lockfile.DefaultGroup {
			where += ", group " + a.group
		}
		text := "proven to be the smallest"
		if a.held {
			text += " that keeps what is locked"
		}
		if !size.Proven() {
			text = fmt.Sprintf("no solution is below %d bytes; the search stopped after %d conflicts (budget in the manifest)", size.LowerBound, size.Conflicts-1)
		}
		fmt.Fprintf(os.Stderr, "rpmlock: %s: %d bytes installed, %s\n", where, size.InstalledBytes, text)
	}
}
