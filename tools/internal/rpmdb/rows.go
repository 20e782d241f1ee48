package rpmdb

import (
	"errors"
	"fmt"
	"math"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/bdb"
)

// table is one of the indexes that rpm keeps over the headers.
type table struct {
	name   string
	tag    rpm.Tag
	binary bool // keys are bytes, not text, and rpm makes no index over them
	array  bool // the tag has many values per package; rpm then also makes an index over package numbers
	// rich says that the values are dependencies that may be boolean.
	rich bool
	// numbers is the tag whose elements replace the element number; 0 for none.
	numbers rpm.Tag
}

// tables are all indexes, in the order in which rpm creates them. All must exist: on a read-only file system rpm fails when
// it cannot create a missing one.
var tables = [...]table{
	{name: "Name", tag: rpm.TagName},
	{name: "Basenames", tag: rpm.TagBasenames, array: true},
	{name: "Group", tag: rpm.TagGroup},
	{name: "Requirename", tag: rpm.TagRequireName, array: true, rich: true},
	{name: "Providename", tag: rpm.TagProvideName, array: true},
	{name: "Conflictname", tag: rpm.TagConflictName, array: true, rich: true},
	{name: "Obsoletename", tag: rpm.TagObsoleteName, array: true},
	{name: "Triggername", tag: rpm.TagTriggerName, array: true},
	{name: "Dirnames", tag: rpm.TagDirNames, array: true},
	{name: "Installtid", tag: rpm.TagInstallTID, binary: true},
	{name: "Sigmd5", tag: tagSigMD5, binary: true},
	{name: "Sha1header", tag: rpm.SigSHA1Header},
	{name: "Filetriggername", tag: rpm.TagFileTriggerName, array: true, numbers: rpm.TagFileTriggerIndex},
	{name: "Transfiletriggername", tag: rpm.TagTransFileTriggerName, array: true, numbers: rpm.TagTransFileTriggerIndex},
	{name: "Recommendname", tag: rpm.TagRecommendName, array: true, rich: true},
	{name: "Suggestname", tag: rpm.TagSuggestName, array: true, rich: true},
	{name: "Supplementname", tag: rpm.TagSupplementName, array: true, rich: true},
	{name: "Enhancename", tag: rpm.TagEnhanceName, array: true, rich: true},
}

// Flags of requirements (rpm: rpmsenseFlags) that decide whether a requirement outlives the installation.
const (
	sensePostTrans = 1 << 5
	sensePreTrans  = 1 << 7
	sensePre       = 1 << 9
	sensePost      = 1 << 10
	sensePreUn     = 1 << 11
	sensePostUn    = 1 << 12
	senseRPMLib    = 1 << 24
	senseKeyring   = 1 << 26
	senseMeta      = 1 << 29

	senseTransient = sensePostTrans | sensePreTrans | sensePre | sensePost | senseRPMLib | senseKeyring
	senseLasting   = sensePreUn | sensePostUn | senseMeta
)

// rows are the rows of one table, kept in two allocations: a large image has hundreds of thousands.
type rows struct {
	keys []byte
	list []row
}

type row struct {
	end     uint32 // of the key in keys; it starts where the key before ends
	pkg     uint32 // number of the header
	element uint32
}

func (r *rows) key(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = r.list[i-1].end
	}
	return r.keys[start:r.list[i].end]
}

func (r *rows) add(key []byte, pkg, element uint32) {
	r.keys = append(r.keys, key...)
	r.list = append(r.list, row{uint32(len(r.keys)), pkg, element})
}

// index holds the rows of all tables.
type index struct {
	tables [len(tables)]rows
	order  bdb.Order // of integer keys: that of the machine that will read them
}

// add appends the rows of header number pkg.
func (x *index) add(h *Header, pkg uint32) error {
	for i := range tables {
		if err := x.addTable(&x.tables[i], &tables[i], h, pkg); err != nil {
			return fmt.Errorf("indexing %s: %w", tables[i].name, err)
		}
		if len(x.tables[i].keys) > math.MaxUint32-maxData {
			return fmt.Errorf("indexing %s: the keys of all packages are longer than 4 GiB", tables[i].name)
		}
	}
	return nil
}

func (x *index) addTable(out *rows, t *table, h *Header, pkg uint32) error {
	switch t.tag {
	case rpm.TagInstallTID:
		tids, err := h.Uint32s(t.tag)
		for i, tid := range tids {
			out.add(x.order.AppendUint32(nil, tid), pkg, uint32(i))
		}
		return err
	case tagSigMD5:
		sum, err := h.Bytes(t.tag)
		if len(sum) > 0 {
			out.add(sum, pkg, 0)
		}
		return err
	case rpm.TagGroup:
		if !h.Has(t.tag) {
			out.add([]byte("Unknown"), pkg, 0)
			return nil
		}
	}
	keep, err := filter(t, h)
	if err != nil {
		return err
	}
	numbers, err := elementNumbers(t, h)
	if err != nil {
		return err
	}
	short := false
	err = h.eachString(t.tag, func(i int, s []byte) {
		if !keep(i, s) {
			return
		}
		element := uint32(i)
		if numbers != nil {
			if i >= len(numbers) {
				short = true
				return
			}
			element = numbers[i]
		}
		out.add(s, pkg, element)
		if t.rich && len(s) > 0 && s[0] == '(' {
			for _, name := range richNames(s) {
				out.add(name, pkg, element)
			}
		}
	})
	if err == nil && short {
		err = errors.New("fewer trigger numbers than triggers")
	}
	return err
}

// elementNumbers returns what stands for the element numbers in table t, nil if they stand for themselves.
func elementNumbers(t *table, h *Header) ([]uint32, error) {
	if t.numbers == 0 || !h.Has(t.tag) {
		return nil, nil
	}
	numbers, err := h.Uint32s(t.numbers)
	if err == nil && numbers == nil {
		err = errors.New("triggers without trigger numbers")
	}
	return numbers, err
}

// filter returns which elements of the tag of t get a row.
func filter(t *table, h *Header) (func(i int, s []byte) bool, error) {
	switch t.tag {
	case rpm.TagRequireName:
		flags, err := h.Uint32s(rpm.TagRequireFlags)
		if err != nil {
			return nil, err
		}
		// What is needed only while installing must not keep a package from being erased later.
		return func(i int, _ []byte) bool {
			return i >= len(flags) || flags[i]&senseTransient == 0 || flags[i]&senseLasting != 0
		}, nil
	case rpm.TagTriggerName:
		seen := map[string]bool{}
		return func(_ int, s []byte) bool {
			again := seen[string(s)]
			seen[string(s)] = true
			return !again
		}, nil
	}
	return func(int, []byte) bool { return true }, nil
}
