package rpm_test

import (
	"os"
	"slices"
	"testing"

	peer "github.com/cavaliergopher/rpm"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestAnotherReaderAgrees compares the facts of a header with those that cavaliergopher/rpm reads.
func TestAnotherReaderAgrees(t *testing.T) {
	path := t.TempDir() + "/a.rpm"
	data := rpmtest.Build(rpmtest.Package{
		Name: "tool", Version: "1.2~rc1", Release: "3.el9", Arch: "x86_64",
		Files: []rpmtest.File{{Path: "/usr/bin/tool", Data: "text"}, {Path: "/usr/share/doc/tool"}},
	})
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	want, err := peer.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := rpm.ReadPackage(f)
	if err != nil {
		t.Fatal(err)
	}
	if got.NEVRA() != want.String() {
		t.Errorf("NEVRA is %s, the other reader says %s", got.NEVRA(), want.String())
	}
	files, err := rpm.Files(got.Main)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs []string
	for _, file := range files {
		ours = append(ours, file.Path)
	}
	for _, file := range want.Files() {
		theirs = append(theirs, file.Name())
	}
	if !slices.Equal(ours, theirs) {
		t.Errorf("files are %q, the other reader says %q", ours, theirs)
	}
	requires, err := rpm.Dependencies(got.Main)
	if err != nil {
		t.Fatal(err)
	}
	if len(requires) != len(want.Requires()) {
		t.Errorf("%d requirements, the other reader says %d", len(requires), len(want.Requires()))
	}
}
