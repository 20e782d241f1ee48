package rpm

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Sense is the flag word of a dependency (rpm: rpmsenseFlags).
type Sense uint32

// Bits of Sense.
const (
	SenseLess          Sense = 1 << 1
	SenseGreater       Sense = 1 << 2
	SenseEqual         Sense = 1 << 3
	SensePostTrans     Sense = 1 << 5
	SensePreReq        Sense = 1 << 6 // legacy PreReq
	SensePreTrans      Sense = 1 << 7
	SenseInterp        Sense = 1 << 8 // interpreter of a scriptlet
	SensePre           Sense = 1 << 9
	SensePost          Sense = 1 << 10
	SensePreUn         Sense = 1 << 11
	SensePostUn        Sense = 1 << 12
	SenseVerify        Sense = 1 << 13 // %verifyscript
	SenseFindRequires  Sense = 1 << 14 // found by a generator, not written by the packager
	SenseFindProvides  Sense = 1 << 15
	SenseTriggerIn     Sense = 1 << 16
	SenseTriggerUn     Sense = 1 << 17
	SenseTriggerPostUn Sense = 1 << 18
	SenseMissingOK     Sense = 1 << 19
	SensePreUnTrans    Sense = 1 << 20
	SensePostUnTrans   Sense = 1 << 21
	SenseRPMLib        Sense = 1 << 24 // rpmlib(...): a feature of rpm itself
	SenseTriggerPreIn  Sense = 1 << 25
	SenseKeyring       Sense = 1 << 26
	SenseConfig        Sense = 1 << 28
	SenseMeta          Sense = 1 << 29

	// SenseScriptlets are the bits that say which scriptlets need a dependency.
	SenseScriptlets = SensePre | SensePost | SensePreUn | SensePostUn | SensePreTrans | SensePostTrans |
		SensePreUnTrans | SensePostUnTrans | SenseVerify | SenseInterp | SensePreReq |
		SenseTriggerIn | SenseTriggerUn | SenseTriggerPostUn | SenseTriggerPreIn
)

// Operator returns "", "<", "<=", "=", ">=" or ">".
func (s Sense) Operator() string {
	var b strings.Builder
	if s&SenseLess != 0 {
		b.WriteByte('<')
	}
	if s&SenseGreater != 0 {
		b.WriteByte('>')
	}
	if s&SenseEqual != 0 {
		b.WriteByte('=')
	}
	return b.String()
}

// Dependency is one element of a dependency array.
type Dependency struct {
	Name  string
	Flags Sense
	EVR   string
	// Files are indexes into Files of those a generator found the dependency in; empty when the packager wrote it, when it
	// comes from a scriptlet, or when the header does not say.
	Files []int
	// ScriptsOnly: Files is not empty, and every one of them is an executable script. Only then does a file system that
	// never runs these scripts not need the dependency.
	ScriptsOnly bool
}

// String returns "name" or "name op EVR".
func (d Dependency) String() string {
	if op := d.Flags.Operator(); op != "" && d.EVR != "" {
		return d.Name + " " + op + " " + d.EVR
	}
	return d.Name
}

// ScriptletOnly reports whether only scriptlets need the dependency. rpm writes an own element for every kind of use, so a
// capability that files need too occurs a second time without these bits.
func (d Dependency) ScriptletOnly() bool { return d.Flags&SenseScriptlets != 0 }

// RPMLib reports whether the dependency is on a feature of rpm, not on a package.
func (d Dependency) RPMLib() bool {
	return d.Flags&SenseRPMLib != 0 || strings.HasPrefix(d.Name, "rpmlib(")
}

// DependencyKind names one of the dependency arrays.
type DependencyKind struct {
	name                string
	tName, tFlags, tEVR Tag
	dict                byte // its letter in DEPENDSDICT, 0 if none
}

// The dependency arrays of a header.
var (
	KindProvide    = DependencyKind{"provides", TagProvideName, TagProvideFlags, TagProvideVersion, 'P'}
	KindRequire    = DependencyKind{"requires", TagRequireName, TagRequireFlags, TagRequireVersion, 'R'}
	KindConflict   = DependencyKind{"conflicts", TagConflictName, TagConflictFlags, TagConflictVersion, 'C'}
	KindObsolete   = DependencyKind{"obsoletes", TagObsoleteName, TagObsoleteFlags, TagObsoleteVersion, 'O'}
	KindRecommend  = DependencyKind{"recommends", TagRecommendName, TagRecommendFlags, TagRecommendVersion, 'r'}
	KindSuggest    = DependencyKind{"suggests", TagSuggestName, TagSuggestFlags, TagSuggestVersion, 's'}
	KindSupplement = DependencyKind{"supplements", TagSupplementName, TagSupplementFlags, TagSupplementVersion, 'S'}
	KindEnhance    = DependencyKind{"enhances", TagEnhanceName, TagEnhanceFlags, TagEnhanceVersion, 'e'}
	KindOrder      = DependencyKind{"order", TagOrderName, TagOrderFlags, TagOrderVersion, 0}
)

// Dependencies returns the requires with what the header says about the files behind each.
func Dependencies(h *Header) ([]Dependency, error) {
	deps, err := Relations(h, KindRequire)
	if err != nil || len(deps) == 0 {
		return nil, err
	}
	if err := attributeFiles(h, KindRequire, deps); err != nil {
		return nil, fmt.Errorf("reading the files behind requires: %w", err)
	}
	return deps, nil
}

// Relations returns one dependency array in header order; nil if the package has none.
func Relations(h *Header, k DependencyKind) ([]Dependency, error) {
	names, ok, err := h.Strings(k.tName)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", k.name, err)
	}
	if !ok {
		return nil, nil
	}
	flags, okFlags, err := h.Uint32s(k.tFlags)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", k.name, err)
	}
	evrs, okEVRs, err := h.Strings(k.tEVR)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", k.name, err)
	}
	if okFlags != okEVRs || okFlags && (len(flags) != len(names) || len(evrs) != len(names)) {
		return nil, fmt.Errorf("reading %s: %d names, %d flags, %d versions", k.name, len(names), len(flags), len(evrs))
	}
	deps := make([]Dependency, len(names))
	for i, name := range names {
		deps[i].Name = name
		if okFlags { // very old packages have names only
			deps[i].Flags, deps[i].EVR = Sense(flags[i]), evrs[i]
		}
	}
	return deps, nil
}

// Provides returns the provides as pkgindex wants them: "name" or "name = EVR".
func Provides(h *Header) ([]string, error) {
	deps, err := Relations(h, KindProvide)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range deps {
		out = append(out, d.String())
	}
	return out, nil
}

// attributeFiles fills Files and ScriptsOnly from FILEDEPENDSX, FILEDEPENDSN and DEPENDSDICT: for every file a first element
// and a count in the dictionary, whose elements hold the letter of the array in the top byte and an index into it below.
func attributeFiles(h *Header, k DependencyKind, deps []Dependency) error {
	dict, ok, err := h.Uint32s(TagDependsDict)
	if err != nil || !ok {
		return err
	}
	first, okX, errX := h.Uint32s(TagFileDependsX)
	count, okN, errN := h.Uint32s(TagFileDependsN)
	if errX != nil {
		return errX
	}
	if errN != nil {
		return errN
	}
	if !okX || !okN || len(first) != len(count) {
		return fmt.Errorf("%d starts and %d counts", len(first), len(count))
	}
	script, err := scriptFiles(h, len(first))
	if err != nil {
		return err
	}
	for file := range first {
		end := uint64(first[file]) + uint64(count[file])
		if count[file] > 0 && end > uint64(len(dict)) {
			return fmt.Errorf("file %d names elements %d to %d of %d", file, first[file], end, len(dict))
		}
		for j := uint64(first[file]); j < end; j++ {
			letter, at := byte(dict[j]>>24), dict[j]&0xffffff
			if letter != k.dict {
				continue
			}
			if at >= uint32(len(deps)) {
				return fmt.Errorf("file %d names %s %d of %d", file, k.name, at, len(deps))
			}
			d := &deps[at]
			d.ScriptsOnly = script[file] && (len(d.Files) == 0 || d.ScriptsOnly)
			d.Files = append(d.Files, file)
		}
	}
	return nil
}

// scriptFiles tells for every file whether it is an executable script, by mode and by the class that rpmbuild noted: libmagic's
// "... script ... text executable" in format 4, a MIME type of a script in format 6.
func scriptFiles(h *Header, n int) ([]bool, error) {
	files, err := Files(h)
	if err != nil {
		return nil, err
	}
	if len(files) != n {
		return nil, fmt.Errorf("%d files, but dependencies of %d", len(files), n)
	}
	script := make([]bool, n)
	for _, dict := range []struct {
		indexes, names Tag
		isScript       func(string) bool
	}{{TagFileClass, TagClassDict, classIsScript}, {TagFileMimeIndex, TagMimeDict, mimeIsScript}} {
		classes, err := fileClasses(h, dict.indexes, dict.names, n)
		if err != nil {
			return nil, err
		}
		for i, class := range classes {
			f := &files[i]
			if f.Type == pkgindex.TypeFile && f.Mode&0o111 != 0 && dict.isScript(class) {
				script[i] = true
			}
		}
	}
	return script, nil
}

func fileClasses(h *Header, indexes, names Tag, n int) ([]string, error) {
	dict, ok, err := h.Strings(names)
	if err != nil || !ok {
		return nil, err
	}
	t := &fileTable{h: h, n: n}
	at := t.uint32s(indexes, "classes", false)
	if t.err != nil || !h.Has(indexes) {
		return nil, t.err
	}
	classes := make([]string, n)
	for i := range classes {
		if at[i] >= uint32(len(dict)) {
			return nil, fmt.Errorf("file %d has class %d of %d", i, at[i], len(dict))
		}
		classes[i] = dict[at[i]]
	}
	return classes, nil
}

func classIsScript(class string) bool {
	return strings.Contains(class, "script") && strings.Contains(class, "executable") && !strings.HasPrefix(class, "ELF ")
}

func mimeIsScript(mime string) bool {
	kind, name, _ := strings.Cut(mime, "/")
	return kind == "text" && (strings.Contains(name, "script") || strings.HasPrefix(name, "x-"))
}
