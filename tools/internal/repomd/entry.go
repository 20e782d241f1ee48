package repomd

import (
	"errors"
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// version reads <version epoch= ver= rel=/>.
func (x *primaryParser) version(attrs []byte) error {
	key, err := x.evrKey(attrs, nil)
	if err != nil {
		return err
	}
	if key.version == 0 {
		return errors.New("the version is empty")
	}
	x.seen |= seenVersion
	x.cur.EVR, err = x.evr(key)
	return err
}

// entry reads <rpm:entry name= flags= epoch= ver= rel= pre=/> into a list.
func (x *primaryParser) entry(attrs []byte, list Kind) error {
	var dep Dep
	key, err := x.evrKey(attrs, &dep)
	if err != nil {
		return err
	}
	if dep.Name == 0 {
		return errors.New("a dependency has no name")
	}
	if dep.Op != 0 {
		if key.version == 0 {
			dep.Op = 0 // "foo >=" without a version says nothing
		} else if dep.EVR, err = x.evr(key); err != nil {
			return err
		}
	}
	if len(x.lists[list]) >= maxDeps {
		return fmt.Errorf("more than %d dependencies of one kind", maxDeps)
	}
	x.lists[list] = append(x.lists[list], dep)
	return nil
}

// evrKey reads the attributes that versions and dependency entries share; dep is nil for a version.
func (x *primaryParser) evrKey(attrs []byte, dep *Dep) (evrKey, error) {
	var key evrKey
	for {
		name, value, rest, ok, err := cutAttr(attrs)
		if err != nil || !ok {
			return key, err
		}
		attrs = rest
		if value, err = x.unescape(value); err != nil {
			return key, err
		}
		switch string(name) {
		case "epoch":
			if len(value) != 1 || value[0] != '0' {
				key.epoch = x.p.Strings.Intern(value)
			}
		case "ver":
			key.version = x.p.Strings.Intern(value)
		case "rel":
			key.release = x.p.Strings.Intern(value)
		case "name":
			if dep != nil {
				dep.Name = x.p.Strings.Intern(value)
			}
		case "pre":
			if dep != nil {
				dep.Pre = string(value) == "1"
			}
		case "flags":
			if dep != nil {
				if dep.Op, ok = opOf(value); !ok {
					return key, fmt.Errorf("unknown flags %.20q of a dependency", value)
				}
			}
		}
	}
}

func opOf(flags []byte) (evr.Op, bool) {
	switch string(flags) {
	case "EQ":
		return evr.EQ, true
	case "LT":
		return evr.LT, true
	case "GT":
		return evr.GT, true
	case "LE":
		return evr.LE, true
	case "GE":
		return evr.GE, true
	case "":
		return 0, true
	}
	return 0, false
}

// evr returns the number of an EVR, splitting and checking each distinct one once.
func (x *primaryParser) evr(key evrKey) (uint32, error) {
	p := x.p
	if n, ok := x.evrIDs[key]; ok {
		return n, nil
	}
	epoch, err := evr.ParseEpoch(p.Text(key.epoch))
	if err != nil {
		return 0, err
	}
	e := evr.EVR{Epoch: epoch, Version: p.Text(key.version), Release: p.Text(key.release)}
	if len(e.Version) > maxEVRPart || len(e.Release) > maxEVRPart {
		return 0, fmt.Errorf("the version %.60q… is longer than %d bytes", e.Version, maxEVRPart)
	}
	n := uint32(len(p.EVRs))
	p.EVRs = append(p.EVRs, e)
	p.evrKeys = append(p.evrKeys, key)
	x.evrIDs[key] = n
	return n, nil
}

// NEVRA gives name-[epoch:]version-release.arch; the epoch is left out when it is 0.
func (p *Primary) NEVRA(pkg *Package) string {
	return p.Text(pkg.Name) + "-" + p.EVRs[pkg.EVR].String() + "." + p.Text(pkg.Arch)
}
