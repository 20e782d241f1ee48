package elfdeps

import (
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Tags of the dynamic section.
const (
	dtNull       = 0
	dtNeeded     = 1
	dtStrTab     = 5
	dtStrSize    = 10
	dtSoname     = 14
	dtRPath      = 15
	dtDebug      = 21
	dtRunPath    = 29
	dtFlags1     = 0x6ffffffb
	dtVerDef     = 0x6ffffffc
	dtVerDefNum  = 0x6ffffffd
	dtVerNeed    = 0x6ffffffe
	dtVerNeedNum = 0x6fffffff

	df1NoDefLib = 1 << 11
	df1PIE      = 1 << 27

	verFlagBase = 1 // verdef: the name of the file itself
	verFlagWeak = 2 // verneed: the loader only warns when it is missing
)

// dynamic is the part of the dynamic section that is needed here. Of tags that stand twice the last one counts, as in the
// loader, except for NEEDED.
type dynamic struct {
	needed []uint64
	tags   map[uint64]uint64
}

func (f *file) readDynamic(s *segment) error {
	d, err := f.dynamicTags(s)
	if err != nil {
		return err
	}
	if err := f.locateStrings(d); err != nil {
		return err
	}
	for _, off := range d.needed {
		name, err := f.name(off, maxString)
		if err != nil {
			return err
		}
		f.out.Needed = append(f.out.Needed, name)
	}
	if off, ok := d.tags[dtSoname]; ok {
		if f.out.Soname, err = f.name(off, maxString); err != nil {
			return err
		}
	}
	if f.out.RPath, err = f.searchPath(d, dtRPath); err != nil {
		return err
	}
	if f.out.RunPath, err = f.searchPath(d, dtRunPath); err != nil {
		return err
	}
	_, f.hasDebug = d.tags[dtDebug]
	f.flags1 = d.tags[dtFlags1]
	if err := f.readVerNeed(d); err != nil {
		return err
	}
	return f.readVerDef(d)
}

func (f *file) dynamicTags(s *segment) (*dynamic, error) {
	entry := uint64(8)
	if f.is64 {
		entry = 16
	}
	d := &dynamic{tags: map[uint64]uint64{}}
	buf := make([]byte, entry)
	for i := uint64(0); i < s.filesz/entry; i++ {
		if i >= maxDynamic {
			return nil, malformed("more than %d entries", maxDynamic)
		}
		off, ok := add(s.offset, i*entry)
		if !ok {
			return nil, malformed("section at %#x", s.offset)
		}
		if err := f.in.readAt(buf, off); err != nil {
			return nil, err
		}
		tag, value := uint64(f.order.Uint32(buf)), uint64(f.order.Uint32(buf[4:]))
		if f.is64 {
			tag, value = f.order.Uint64(buf), f.order.Uint64(buf[8:])
		}
		switch tag {
		case dtNull:
			return d, nil
		case dtNeeded:
			d.needed = append(d.needed, value)
		case dtStrTab, dtStrSize, dtSoname, dtRPath, dtRunPath, dtDebug, dtFlags1, dtVerDef, dtVerDefNum, dtVerNeed, dtVerNeedNum:
			d.tags[tag] = value
		}
	}
	return d, nil
}

func (f *file) locateStrings(d *dynamic) error {
	addr, ok := d.tags[dtStrTab]
	if !ok {
		return nil // static PIE may lack it; a name that needs it fails in name
	}
	off, left, ok := f.offsetOf(addr)
	if !ok {
		return malformed("string table at %#x lies in no segment", addr)
	}
	size := d.tags[dtStrSize]
	if size > left {
		return malformed("string table of %d bytes in a segment with %d bytes left", size, left)
	}
	f.strtab, f.strsize, f.hasStrings = off, size, true
	return nil
}

// name returns the string at off of the dynamic string table.
func (f *file) name(off uint64, limit int) (string, error) {
	if !f.hasStrings {
		return "", malformed("names without a string table")
	}
	if off >= f.strsize {
		return "", malformed("name at %d of a string table of %d bytes", off, f.strsize)
	}
	at, ok := add(f.strtab, off)
	if !ok {
		return "", malformed("string table at %#x", f.strtab)
	}
	return f.cstring(at, f.strsize-off, limit)
}

func (f *file) searchPath(d *dynamic, tag uint64) ([]string, error) {
	off, ok := d.tags[tag]
	if !ok {
		return nil, nil
	}
	text, err := f.name(off, maxRunPath)
	if err != nil {
		return nil, err
	}
	return strings.Split(text, ":"), nil // also an empty one: a RUNPATH of that kind still turns RPATH off
}

// versionRecord reads a record of n bytes at vaddr, counting it.
func (f *file) versionRecord(vaddr uint64, buf []byte) error {
	if f.versions++; f.versions > maxVersions {
		return malformed("more than %d version records", maxVersions)
	}
	off, left, ok := f.offsetOf(vaddr)
	if !ok || left < uint64(len(buf)) {
		return malformed("version record at %#x lies in no segment", vaddr)
	}
	return f.in.readAt(buf, off)
}

// chain walks a list of version records of size bytes each, where the record itself says how far away the next one is.
func (f *file) chain(vaddr, count uint64, size, nextField int, visit func(vaddr uint64, record []byte) error) error {
	buf := make([]byte, size)
	for range count {
		if err := f.versionRecord(vaddr, buf); err != nil {
			return err
		}
		next := uint64(f.order.Uint32(buf[nextField:]))
		if err := visit(vaddr, buf); err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
		vaddr += next // wraps at worst to another address that is checked
	}
	return nil
}

func (f *file) readVerNeed(d *dynamic) error {
	addr, ok := d.tags[dtVerNeed]
	if !ok {
		return nil
	}
	return f.chain(addr, d.tags[dtVerNeedNum], 16, 12, func(at uint64, rec []byte) error {
		soname, err := f.name(uint64(f.order.Uint32(rec[4:])), maxString)
		if err != nil {
			return err
		}
		need := pkgindex.VersionNeed{Soname: soname}
		aux := at + uint64(f.order.Uint32(rec[8:]))
		err = f.chain(aux, uint64(f.order.Uint16(rec[2:])), 16, 12, func(_ uint64, rec []byte) error {
			version, err := f.name(uint64(f.order.Uint32(rec[8:])), maxString)
			if err == nil && f.order.Uint16(rec[4:])&verFlagWeak == 0 {
				need.Versions = append(need.Versions, version)
			}
			return err
		})
		if err == nil && len(need.Versions) > 0 {
			f.out.VerNeed = append(f.out.VerNeed, need)
		}
		return err
	})
}

func (f *file) readVerDef(d *dynamic) error {
	addr, ok := d.tags[dtVerDef]
	if !ok {
		return nil
	}
	return f.chain(addr, d.tags[dtVerDefNum], 20, 16, func(at uint64, rec []byte) error {
		if f.order.Uint16(rec[2:])&verFlagBase != 0 || f.order.Uint16(rec[6:]) == 0 {
			return nil
		}
		// The first auxiliary record names the version, the others its parents.
		aux := make([]byte, 8)
		if err := f.versionRecord(at+uint64(f.order.Uint32(rec[12:])), aux); err != nil {
			return err
		}
		version, err := f.name(uint64(f.order.Uint32(aux)), maxString)
		if err == nil {
			f.out.VerDef = append(f.out.VerDef, version)
		}
		return err
	})
}
