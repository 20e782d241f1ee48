package rpmtest

import "github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"

// table collects the per-file arrays of a header.
type table struct {
	dirs                                                            dictionary
	classes                                                         dictionary
	bases, digests, links, users, groups, langs, caps               []string
	dirIndexes, mtimes, flags, devices, inodes, verify, colors, cls []uint32
	depX, depN, depDict                                             []uint32
	modes, rdevs                                                    []uint16
	sizes                                                           []uint64
}

type dictionary struct {
	list  []string
	index map[string]uint32
}

func (d *dictionary) add(s string) uint32 {
	i, ok := d.index[s]
	if !ok {
		i = uint32(len(d.list))
		d.index[s] = i
		d.list = append(d.list, s)
	}
	return i
}

func newTable() *table {
	t := &table{}
	t.dirs.index, t.classes.index = map[string]uint32{}, map[string]uint32{}
	return t
}

func (t *table) add(f File, dir, base string, size uint64, digest string) {
	t.dirIndexes = append(t.dirIndexes, t.dirs.add(dir))
	t.bases = append(t.bases, base)
	t.modes = append(t.modes, uint16(f.Mode))
	t.sizes = append(t.sizes, size)
	t.mtimes = append(t.mtimes, f.MTime)
	t.digests = append(t.digests, digest)
	t.links = append(t.links, f.Link)
	t.users, t.groups = append(t.users, f.User), append(t.groups, f.Group)
	t.flags, t.verify = append(t.flags, f.Flags), append(t.verify, ^f.NoVerify)
	t.rdevs = append(t.rdevs, f.Rdev)
	t.devices, t.inodes = append(t.devices, 1), append(t.inodes, f.Inode)
	t.langs, t.caps = append(t.langs, f.Langs), append(t.caps, f.Caps)
	t.colors = append(t.colors, f.Color)
	t.cls = append(t.cls, t.classes.add(f.Class))
	t.depX, t.depN = append(t.depX, uint32(len(t.depDict))), append(t.depN, uint32(len(f.Requires)))
	for _, r := range f.Requires {
		t.depDict = append(t.depDict, 'R'<<24|uint32(r))
	}
}

func (t *table) values(b *builder, long bool) {
	b.add(rpm.TagBasenames, t.bases)
	b.add(rpm.TagDirNames, t.dirs.list)
	b.add(rpm.TagDirIndexes, t.dirIndexes)
	b.add(rpm.TagFileModes, t.modes)
	b.add(rpm.TagFileMTimes, t.mtimes)
	b.add(rpm.TagFileDigests, t.digests)
	b.add(rpm.TagFileLinkTos, t.links)
	b.add(rpm.TagFileUserName, t.users)
	b.add(rpm.TagFileGroupName, t.groups)
	b.add(rpm.TagFileFlags, t.flags)
	b.add(rpm.TagFileVerifyFlags, t.verify)
	b.add(rpm.TagFileRdevs, t.rdevs)
	b.add(rpm.TagFileDevices, t.devices)
	b.add(rpm.TagFileInodes, t.inodes)
	b.add(rpm.TagFileLangs, t.langs)
	b.add(rpm.TagFileColors, t.colors)
	b.add(rpm.TagFileClass, t.cls)
	b.add(rpm.TagClassDict, t.classes.list)
	b.add(rpm.TagFileDependsX, t.depX)
	b.add(rpm.TagFileDependsN, t.depN)
	if len(t.depDict) > 0 {
		b.add(rpm.TagDependsDict, t.depDict)
	}
	for _, c := range t.caps {
		if c != "" {
			b.add(rpm.TagFileCaps, t.caps)
			break
		}
	}
	if long {
		b.add(rpm.TagLongFileSizes, t.sizes)
		return
	}
	short := make([]uint32, len(t.sizes))
	for i, size := range t.sizes {
		short[i] = uint32(size)
	}
	b.add(rpm.TagFileSizes, short)
}
