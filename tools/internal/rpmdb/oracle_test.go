package rpmdb

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// rpmInstalls lets the real rpm register the packages, in their order, and returns the directory of its database.
func rpmInstalls(t *testing.T, backend Backend, inputs []input, more ...string) string {
	t.Helper()
	program := program(t, "rpm", "the database was not compared with the one rpm writes")
	version(t, program)
	dir, root := t.TempDir(), t.TempDir()
	args := []string{"--root", root, "--define", "_dbpath /var/lib/rpm", "--define", "_db_backend " + string(backend),
		"--define", "_transaction_color 3", "--define", "_pkgverify_level none",
		"--justdb", "--nodeps", "--noscripts", "--notriggers", "--noorder", "--ignorearch", "--nosignature", "-i"}
	args = append(args, more...)
	for i, in := range inputs {
		file := filepath.Join(dir, fmt.Sprintf("%05d.rpm", i))
		if err := os.WriteFile(file, in.rpm, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", testTID))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("rpm -i: %v\n%s", err, out)
	}
	return filepath.Join(root, "var/lib/rpm")
}

func compareWithRPM(t *testing.T, inputs []input) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(rpmInstalls(t, SQLite, inputs), sqliteName))
	if err != nil {
		t.Fatal(err)
	}
	compareDumps(t, dumpSQLite(t, files(t, options(SQLite, inputs))[sqliteName]), dumpSQLite(t, want))
}

func TestSQLiteEqualsRPM(t *testing.T) {
	for _, c := range []struct {
		summary string
		inputs  []input
	}{
		{"a package that uses every table", built(t, everyTable())},
		{"packages with odd headers", built(t, oddPackages()...)},
		{"a hundred packages", built(t, manyPackages(100)...)},
	} {
		t.Run(c.summary, func(t *testing.T) { compareWithRPM(t, c.inputs) })
	}
}

func TestSQLiteEqualsRPMForPackagesOfOthers(t *testing.T) {
	compareWithRPM(t, corpus(t))
}

// everyTable is a package with rows in all tables but those of the signature.
func everyTable() rpmtest.Package {
	p := rpmtest.Package{
		Name: "every-table", Epoch: 3,
		Provides:    []string{"every-table = 3:1-1", "twice = 1", "twice = 2"},
		Requires:    rpmtest.Require("plain >= 1", "/usr/bin/file"),
		Conflicts:   []string{"old < 2", "(q unless r)", "(q unless r else s)"},
		Obsoletes:   []string{"gone < 3"},
		Recommends:  []string{"rec", "(rr if ss)"},
		Suggests:    []string{"(su(x86-64) or foo(bar(baz)) >= 2:1-1)"},
		Supplements: []string{"((s1 and s2) or (s3 and s4))"},
		Enhances:    []string{"(e1 and e2)", "enh"},
		Files: []rpmtest.File{
			{Path: "/", Mode: 0o040755},
			{Path: "/usr/bin/every", Mode: 0o104755, Data: "x"},
			{Path: "/usr/lib/a.so", Link: "b.so"},
			{Path: "/usr/share/\xff\xfe", Data: "not UTF-8"},
			{Path: "/usr/bin/ghost", Flags: 1 << 6, Omit: true},
		},
		Triggers: []rpmtest.Trigger{
			{Moment: rpm.SenseTriggerIn, Conditions: []string{"t1"}, Body: "true"},
			{Moment: rpm.SenseTriggerUn, Conditions: []string{"t1", "t2 > 1"}, Body: "true"},
			{Moment: rpm.SenseTriggerIn, Conditions: []string{"t3"}},
			{File: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/usr/lib", "/usr/share"}, Body: "true"},
			{File: true, Moment: rpm.SenseTriggerUn, Conditions: []string{"/usr/lib"}, Body: "true", Priority: 5},
			{File: true, Trans: true, Moment: rpm.SenseTriggerIn, Conditions: []string{"/usr/lib"}, Body: "true"},
			{File: true, Trans: true, Moment: rpm.SenseTriggerPostUn, Conditions: []string{"/opt", "/usr/lib"}, Body: "true"},
		},
	}
	for bit := range 32 {
		p.Requires = append(p.Requires, rpmtest.Requirement{Text: fmt.Sprintf("flag-%d", bit), Flags: 1 << bit})
		p.Requires = append(p.Requires, rpmtest.Requirement{Text: fmt.Sprintf("flag-%d-and-preun", bit), Flags: 1<<bit | rpm.SensePreUn})
	}
	for _, c := range richCases {
		p.Requires = append(p.Requires, rpmtest.Requirement{Text: c.dependency})
	}
	p.Requires = append(p.Requires, rpmtest.Requirement{Text: "(transient and rich)", Flags: rpm.SensePre})
	return p
}

// oddPackages are what a repository of packages from many years and builders may hold.
func oddPackages() []rpmtest.Package {
	long := make([]rpmtest.File, 3000)
	for i := range long {
		long[i] = rpmtest.File{Path: fmt.Sprintf("/usr/share/many/%d/%d", i/7, i), Digest: "00000000000000000000000000000000"}
	}
	return []rpmtest.Package{
		{Name: "empty"},
		{Name: "no-source-rpm", SourceRPM: "-"},
		{Name: "legacy", Legacy: true, MD5Files: true, Files: []rpmtest.File{{Path: "/usr/bin/legacy", Data: "x"}}},
		{Name: "relocatable", Tags: []rpmtest.Value{{Tag: rpm.TagPrefixes, V: []string{"/opt", "/usr"}}},
			Files: []rpmtest.File{{Path: "/opt/x", Data: "x"}}},
		{Name: "no-group", Omit: []rpm.Tag{rpm.TagGroup}},
		{Name: "translated", Tags: []rpmtest.Value{
			{Tag: rpm.TagHeaderI18NTable, V: []string{"C", "de"}},
			{Tag: rpm.TagGroup, V: rpmtest.I18N{"Development", "Entwicklung"}},
			{Tag: rpm.TagSummary, V: rpmtest.I18N{"in English", "auf Deutsch"}}}},
		{Name: "group-as-string", Tags: []rpmtest.Value{{Tag: rpm.TagGroup, V: "Plain"}}},
		{Name: "many-files", MD5Files: true, Files: long},
		{Name: "noarch", Arch: "noarch"},
		{Name: "other-arch", Arch: "aarch64"},
		{Name: "long-sizes", CPIO: "stripped", Files: []rpmtest.File{{Path: "/usr/bin/long", Data: "x"}}},
		{Name: "no-digests", Legacy: true, OmitSig: []rpm.Tag{rpm.SigSHA1Header}},
		{Name: "odd-alignment", Tags: []rpmtest.Value{{Tag: rpm.TagDescription, V: rpmtest.I18N{"x"}}, {Tag: rpm.TagPlatform, V: "xy"}},
			Files: []rpmtest.File{{Path: "/a", Data: "1"}, {Path: "/b", Data: "2"}, {Path: "/c", Data: "3"}}},
	}
}
