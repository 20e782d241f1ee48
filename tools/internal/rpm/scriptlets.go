package rpm

import (
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// defaultShell runs scriptlets whose program tag is absent, as in rpm.
const defaultShell = "/bin/sh"

// Scriptlets returns the scripts of a package: plain ones, then triggers, file triggers and transaction file triggers.
func Scriptlets(h *Header) ([]pkgindex.Scriptlet, error) {
	out, err := plainScriptlets(h)
	if err != nil {
		return nil, err
	}
	for _, set := range triggerSets {
		triggers, err := set.read(h)
		if err != nil {
			return nil, fmt.Errorf("reading %ss: %w", set.prefix, err)
		}
		out = append(out, triggers...)
	}
	return out, nil
}

func plainScriptlets(h *Header) ([]pkgindex.Scriptlet, error) {
	var out []pkgindex.Scriptlet
	for _, s := range []struct {
		kind              string
		body, prog, flags Tag
	}{
		{"pretrans", TagPreTrans, TagPreTransProg, TagPreTransFlags},
		{"pre", TagPreIn, TagPreInProg, TagPreInFlags},
		{"post", TagPostIn, TagPostInProg, TagPostInFlags},
		{"preun", TagPreUn, TagPreUnProg, TagPreUnFlags},
		{"postun", TagPostUn, TagPostUnProg, TagPostUnFlags},
		{"posttrans", TagPostTrans, TagPostTransProg, TagPostTransFlags},
		{"preuntrans", TagPreUnTrans, TagPreUnTransProg, TagPreUnTransFlags},
		{"postuntrans", TagPostUnTrans, TagPostUnTransProg, TagPostUnTransFlags},
		{"verify", TagVerifyScript, TagVerifyScriptProg, TagVerifyScriptFlags},
	} {
		body, okBody, err := h.String(s.body)
		if err != nil {
			return nil, fmt.Errorf("reading scriptlet %s: %w", s.kind, err)
		}
		prog, okProg, err := h.Argv(s.prog)
		if err != nil {
			return nil, fmt.Errorf("reading program of scriptlet %s: %w", s.kind, err)
		}
		if !okBody && !okProg {
			continue
		}
		if !okProg {
			prog = []string{defaultShell}
		}
		flags, _, err := h.Uint32(s.flags)
		if err != nil {
			return nil, fmt.Errorf("reading flags of scriptlet %s: %w", s.kind, err)
		}
		out = append(out, pkgindex.Scriptlet{Kind: s.kind, Program: prog, Body: body, Flags: flags})
	}
	return out, nil
}

// triggerSet names the tags of one family of triggers.
type triggerSet struct {
	prefix                string
	scripts, progs, flags Tag
	names, versions       Tag
	senses, index         Tag
	priorities            Tag // 0 if the family has none
	files                 bool
}

var triggerSets = []triggerSet{
	{"trigger", TagTriggerScripts, TagTriggerScriptProg, TagTriggerScriptFlag,
		TagTriggerName, TagTriggerVersion, TagTriggerFlags, TagTriggerIndex, 0, false},
	{"filetrigger", TagFileTriggerScripts, TagFileTriggerScriptProg, TagFileTriggerScriptFlags,
		TagFileTriggerName, TagFileTriggerVersion, TagFileTriggerFlags, TagFileTriggerIndex, TagFileTriggerPriorities, true},
	{"transfiletrigger", TagTransFileTriggerScripts, TagTransFileTriggerProg, TagTransFileTriggerScriptFlag,
		TagTransFileTriggerName, TagTransFileTriggerVersion, TagTransFileTriggerFlags, TagTransFileTriggerIndex,
		TagTransFileTriggerPriorities, true},
}

func (s triggerSet) read(h *Header) ([]pkgindex.Scriptlet, error) {
	bodies, ok, err := h.Strings(s.scripts)
	if err != nil || !ok {
		return nil, err
	}
	progs, err := optional(h.Strings, s.progs, len(bodies))
	if err != nil {
		return nil, err
	}
	flags, err := optional(h.Uint32s, s.flags, len(bodies))
	if err != nil {
		return nil, err
	}
	var priorities []uint32
	if s.priorities != 0 {
		if priorities, err = optional(h.Uint32s, s.priorities, len(bodies)); err != nil {
			return nil, err
		}
	}
	out := make([]pkgindex.Scriptlet, len(bodies))
	for i := range out {
		prog := defaultShell
		if progs != nil {
			prog = progs[i]
		}
		out[i] = pkgindex.Scriptlet{Kind: s.prefix, Program: []string{prog}, Body: bodies[i]}
		if flags != nil {
			out[i].Flags = flags[i]
		}
		if priorities != nil {
			out[i].Priority = priorities[i]
		}
	}
	return out, s.readConditions(h, out)
}

// readConditions adds the conditions, each of which names its script, and with its flags the moment that the script is for.
func (s triggerSet) readConditions(h *Header, scripts []pkgindex.Scriptlet) error {
	conditions, err := Relations(h, DependencyKind{"trigger conditions", s.names, s.senses, s.versions, 0})
	if err != nil {
		return err
	}
	index, ok, err := h.Uint32s(s.index)
	if err != nil || !ok || len(index) != len(conditions) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%d conditions, but %d indexes", len(conditions), len(index))
	}
	for i, c := range conditions {
		if index[i] >= uint32(len(scripts)) {
			return fmt.Errorf("condition %d (%s) is of script %d of %d", i, c.Name, index[i], len(scripts))
		}
		script := &scripts[index[i]]
		script.Kind = s.prefix + triggerMoment(c.Flags)
		if s.files {
			script.Conditions = append(script.Conditions, c.Name)
		} else {
			script.Conditions = append(script.Conditions, c.String())
		}
	}
	return nil
}

func triggerMoment(s Sense) string {
	switch {
	case s&SenseTriggerPreIn != 0:
		return "prein"
	case s&SenseTriggerIn != 0:
		return "in"
	case s&SenseTriggerUn != 0:
		return "un"
	case s&SenseTriggerPostUn != 0:
		return "postun"
	}
	return ""
}

// optional reads an array that is absent (nil) or has n elements.
func optional[T any](get func(Tag) ([]T, bool, error), tag Tag, n int) ([]T, error) {
	v, ok, err := get(tag)
	if err != nil || !ok {
		return nil, err
	}
	if len(v) != n {
		return nil, fmt.Errorf("%s has %d elements for %d scripts", tag, len(v), n)
	}
	return v, nil
}
