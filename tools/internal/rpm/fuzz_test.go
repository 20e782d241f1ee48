package rpm_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// FuzzHeader makes main headers, with right lengths and no region, of any index and data. FuzzPackage seldom gets that far:
// most of its inputs have lengths that do not fit together.
func FuzzHeader(f *testing.F) {
	raw := rpmtest.Build(rpmtest.Package{
		Name: "f", Format: 3, Epoch: 1, Requires: rpmtest.Require("a >= 1", "(b or c)"), Provides: []string{"f = 1"}, Compressor: "none",
		Files: []rpmtest.File{{Path: "/usr/bin/a", Mode: 0o100755, Class: "script executable", Requires: []int{0}}, {Path: "/l", Link: "x"},
			{Path: "/h", Inode: 4, Data: "x"}, {Path: "/i", Inode: 4, Langs: "de|fr", Caps: "cap_chown=ep"}},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "x"}, {Kind: "post", Program: []string{"<lua>", "-x"}}},
		Triggers: []rpmtest.Trigger{{Moment: rpm.SenseTriggerIn, Conditions: []string{"b"}, Body: "t"},
			{File: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/usr"}, Body: "t", Priority: 7}},
	})
	p, err := rpm.ReadPackage(bytes.NewReader(raw))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.Main.Index(), p.Main.Data())
	old, err := rpm.ReadPackage(bytes.NewReader(rpmtest.Build(rpmtest.Package{Name: "old", Format: 3, Files: []rpmtest.File{{Path: "/a"}},
		Tags: []rpmtest.Value{{Tag: rpm.TagOldFilenames, V: []string{"/a"}}}, Omit: []rpm.Tag{rpm.TagBasenames}})))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(old.Main.Index(), old.Main.Data())
	f.Fuzz(func(t *testing.T, index, data []byte) {
		index = index[:len(index)/16*16]
		header := append([]byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(index)/16))...)
		header = append(append(binary.BigEndian.AppendUint32(header, uint32(len(data))), index...), data...)
		start := raw[:p.HeaderStart]
		rpmtest.BoundAllocs(t, rpmtest.MaxFuzzAlloc, func() { usePackage(t, append(bytes.Clone(start), header...)) })
	})
}
