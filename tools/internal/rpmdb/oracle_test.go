package rpmdb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// rootArgs makes rpm use the database below root. Only root may change the root directory; for others rpm looks at the files of
// this machine, which does not matter for what is checked here.
func rootArgs(root string) []string {
	if os.Geteuid() == 0 {
		return []string{"--root", root, "--define", "_dbpath /var/lib/rpm"}
	}
	return []string{"--define", "_dbpath " + filepath.Join(root, "var/lib/rpm")}
}

// rpmInstalls lets the real rpm register the packages, in their order, and returns the directory of its database.
func rpmInstalls(t *testing.T, backend Backend, inputs []input, more ...string) string {
	t.Helper()
	version(t, program(t, "rpm", "the database was not compared with the one rpm writes"))
	dir, err := tryRPM(t, backend, inputs, more...)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tryRPM is rpmInstalls for packages that rpm may refuse.
func tryRPM(t *testing.T, backend Backend, inputs []input, more ...string) (string, error) {
	t.Helper()
	dir, root := t.TempDir(), t.TempDir()
	args := append(rootArgs(root), "--define", "_db_backend "+string(backend),
		"--define", "_transaction_color 3", "--ignoresize",
		// Since 4.19 rpm makes the accounts of sysusers.d even with --justdb.
		"--define", "__systemd_sysusers true", "--define", "_tmppath "+dir,
		"--justdb", "--nodeps", "--noscripts", "--notriggers", "--noorder", "--ignorearch", "--nosignature", "-i")
	args = append(args, more...)
	for i, in := range inputs {
		file := filepath.Join(dir, fmt.Sprintf("%05d.rpm", i))
		if err := os.WriteFile(file, in.rpm, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.Command("rpm", args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", testTID))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("rpm -i: %w\n%s", err, out)
	}
	return filepath.Join(root, "var/lib/rpm"), nil
}

// rpmQueries runs rpm on the database below root and returns its output.
func rpmQueries(t *testing.T, root string, backend Backend, args ...string) string {
	t.Helper()
	args = append(append(rootArgs(root), "--define", "_db_backend "+string(backend), "--nosignature"), args...)
	out, err := exec.Command("rpm", args...).CombinedOutput()
	if err != nil {
		t.Errorf("rpm %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestRPMQueries lets the real rpm use our databases: read, rebuild, erase, install.
func TestRPMQueries(t *testing.T) {
	version(t, program(t, "rpm", "no rpm has read our databases"))
	inputs := built(t, append(manyPackages(12), everyTable())...)
	for _, b := range backends {
		t.Run(string(b.name), func(t *testing.T) {
			needBackend(t, b)
			testQueries(t, b.name, inputs)
		})
	}
}

// needBackend skips the test if rpm was built without the backend.
func needBackend(t *testing.T, b backend) {
	t.Helper()
	if !canWrite(t, b.name) {
		t.Skipf("this rpm cannot write %s: databases of it were not checked", b.name)
	}
}

// canWrite reports whether rpm is there and was built with the backend.
func canWrite(t *testing.T, name Backend) bool {
	t.Helper()
	root := t.TempDir()
	exec.Command("rpm", append(rootArgs(root), "--define", "_db_backend "+string(name), "--initdb")...).Run()
	for _, file := range MainFiles() {
		data, err := os.ReadFile(filepath.Join(root, "var/lib/rpm", file))
		if err != nil {
			continue
		}
		if found, err := Detect(bytes.NewReader(data)); err == nil && found == name {
			return true
		}
	}
	return false
}

func testQueries(t *testing.T, name Backend, inputs []input) {
	root := t.TempDir()
	writeFiles(t, root, files(t, options(name, inputs)))
	list := func(inputs []input) (all []string) {
		for _, in := range inputs {
			all = append(all, in.nevra)
		}
		slices.Sort(all)
		return all
	}
	names := func() []string {
		all := strings.Fields(rpmQueries(t, root, name, "-qa", "--qf", "%{nevra}\n"))
		slices.Sort(all)
		return all
	}
	if got, want := names(), list(inputs); !slices.Equal(got, want) {
		t.Errorf("%s: rpm -qa: got %q, want %q", name, got, want)
	}
	for _, c := range []struct {
		summary, want string
		args          []string
	}{
		{"a file", "every-table\n", []string{"-qf", "--qf", "%{name}\n", "/usr/bin/every"}},
		{"a provide", "every-table\n", []string{"-q", "--qf", "%{name}\n", "--whatprovides", "twice"}},
		{"a requirement", "every-table\n", []string{"-q", "--qf", "%{name}\n", "--whatrequires", "plain"}},
		{"a recommendation", "every-table\n", []string{"-q", "--qf", "%{name}\n", "--whatrecommends", "rec"}},
		{"a conflict", "every-table\n", []string{"-q", "--qf", "%{name}\n", "--whatconflicts", "old"}},
		{"file states", "normal /usr/bin/every\n", []string{"-q", "--qf", "[%{filestates:fstate} %{filenames}\n]", "every-table"}},
		{"an install time", fmt.Sprintf("%d %d\n", testTID+12, testTID), []string{"-q", "--qf", "%{installtime} %{installtid}\n", "every-table"}},
		{"a header digest", "OK", []string{"-qvv", "every-table"}},
	} {
		if got := rpmQueries(t, root, name, c.args...); !strings.Contains(got, c.want) || strings.Contains(got, "BAD") {
			t.Errorf("%s: %s: got %q, want %q", name, c.summary, got, c.want)
		}
	}
	rpmQueries(t, root, name, "--rebuilddb")
	rpmQueries(t, root, name, "-e", "--nodeps", "--justdb", "--noscripts", "--notriggers", "package-0003")
	if got, want := names(), list(append(slices.Clone(inputs[:3]), inputs[4:]...)); !slices.Equal(got, want) {
		t.Errorf("%s: after rebuilding and erasing: got %q, want %q", name, got, want)
	}
}

// TestRPMReadsWithoutWriting gives rpm databases that it may not write, as on a read-only file system: it must find all it
// needs in them, indexes included, and leave them as they are.
func TestRPMReadsWithoutWriting(t *testing.T) {
	rpm := program(t, "rpm", "no rpm has read our databases")
	unprivileged := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // root may write everywhere
		unprivileged.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		probe := exec.Command(rpm, "--version")
		probe.SysProcAttr = unprivileged
		if err := probe.Run(); errors.Is(err, syscall.EPERM) {
			t.Skip("this sandbox has no second user: databases that rpm may not write were not checked")
		}
	}
	inputs := built(t, append(manyPackages(30), everyTable())...)
	for _, b := range backends {
		t.Run(string(b.name), func(t *testing.T) {
			needBackend(t, b)
			dir, err := os.MkdirTemp("", "rpmdb")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				os.Chmod(dir, 0o755)
				os.RemoveAll(dir)
			})
			written := files(t, options(b.name, inputs))
			for name, data := range written {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o444); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, 0o555); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				want string
				args []string
			}{
				{strings.Repeat("x", len(inputs)), []string{"-qa", "--qf", "x"}},
				{"every-table", []string{"-q", "--qf", "%{name}", "every-table"}},
				{"every-table", []string{"-q", "--qf", "%{name}", "--whatobsoletes", "gone"}},
				{"every-table", []string{"-q", "--qf", "%{name}", "--whatsuggests", "su(x86-64)"}},
				{"package-0007", []string{"-q", "--qf", "%{name}", "--whatprovides", "lib7.so.3()(64bit)"}},
			} {
				args := append([]string{"--define", "_dbpath " + dir, "--define", "_db_backend " + string(b.name), "--nosignature"}, c.args...)
				cmd := exec.Command(rpm, args...)
				cmd.SysProcAttr = unprivileged
				if out, err := cmd.CombinedOutput(); err != nil || string(out) != c.want {
					t.Errorf("rpm %q: got %q (%v), want %q", c.args, out, err, c.want)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != len(written) {
				t.Errorf("files afterwards: %v (%v)", entries, err)
			}
		})
	}
}

// anyDigests lets rpm 6 install packages without payload digests. It then adds no digests of its own either.
var anyDigests = []string{"--define", "_pkgverify_level none"}

func compareWithRPM(t *testing.T, inputs []input, more ...string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(rpmInstalls(t, SQLite, inputs, more...), sqliteName))
	if err != nil {
		t.Fatal(err)
	}
	compareDumps(t, dumpSQLite(t, files(t, options(SQLite, inputs))[sqliteName]), dumpSQLite(t, want))
}

func TestSQLiteEqualsRPM(t *testing.T) {
	for _, c := range []struct {
		summary string
		inputs  []input
		more    []string
	}{
		{"a package that uses every table", built(t, everyTable()), nil},
		{"packages with odd headers", built(t, oddPackages()...), anyDigests},
		{"a hundred packages", built(t, manyPackages(100)...), nil},
		{"signatures of every kind", built(t, signedPackages(4)...), anyDigests},
	} {
		t.Run(c.summary, func(t *testing.T) { compareWithRPM(t, c.inputs, c.more...) })
	}
	t.Run("signatures of rpm 6", func(t *testing.T) {
		if major := rpmMajor(t); major > 0 && major < 6 {
			t.Skip("this rpm is older than 6: signatures of packages of format 6 were not compared")
		}
		compareWithRPM(t, built(t, signedPackages(6)...), anyDigests...)
	})
}

// signedPackages have every tag of the signature header that enters the database, and every one that does not.
func signedPackages(format int) []rpmtest.Package {
	signed := rpmtest.Package{Name: fmt.Sprintf("signed-%d", format), Format: format, Files: []rpmtest.File{{Path: "/a", Data: "x"}, {Path: "/b", Data: "y"}},
		SigTags: []rpmtest.Value{{Tag: rpm.SigPGP, V: []byte("header and payload, RSA")}, {Tag: rpm.SigGPG, V: []byte("header and payload, DSA")},
			{Tag: rpm.SigDSA, V: []byte("header, DSA")}, {Tag: rpm.SigRSA, V: []byte("header, RSA")}, {Tag: rpm.SigReservedSpace, V: make([]byte, 99)},
			{Tag: rpm.SigFileSigs, V: []string{"0302", "0303"}}, {Tag: rpm.SigFileSigLength, V: uint32(2)},
			{Tag: rpm.SigVerity, V: []string{"dmVyaXR5", "dmVyaXR6"}}, {Tag: rpm.SigVerityAlgo, V: uint32(1)}}}
	if format >= 6 {
		signed.SigTags = append(signed.SigTags, rpmtest.Value{Tag: rpm.SigOpenPGP, V: []string{"b25l", "dHdv"}}, rpmtest.Value{Tag: rpm.SigReserved, V: make([]byte, 77)})
	}
	return []rpmtest.Package{signed}
}

func TestSQLiteEqualsRPMForPackagesOfOthers(t *testing.T) {
	for dir, inputs := range corpora(t) {
		t.Run(filepath.Base(filepath.Dir(dir))+"-"+filepath.Base(dir), func(t *testing.T) {
			t.Logf("%d packages", len(inputs))
			compareWithRPM(t, inputs, anyDigests...)
		})
	}
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
	huge := uint64(5 << 30)
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
		{Name: "huge", CPIO: "stripped", Files: []rpmtest.File{{Path: "/huge", Data: "x", Size: &huge}},
			SigTags: []rpmtest.Value{{Tag: rpm.SigLongSize, V: huge}, {Tag: rpm.SigLongArchive, V: huge}},
			OmitSig: []rpm.Tag{rpm.SigSize, rpm.SigPayloadSize}},
		{Name: "format-6", Format: 6, Files: []rpmtest.File{{Path: "/usr/bin/six", Data: "x"}}},
		{Name: "no-digests", Legacy: true, OmitSig: []rpm.Tag{rpm.SigSHA1Header}},
		{Name: "odd-alignment", Tags: []rpmtest.Value{{Tag: rpm.TagDescription, V: rpmtest.I18N{"x"}}, {Tag: rpm.TagPlatform, V: "xy"}},
			Files: []rpmtest.File{{Path: "/a", Data: "1"}, {Path: "/b", Data: "2"}, {Path: "/c", Data: "3"}}},
	}
}

func TestNDBEqualsRPM(t *testing.T) {
	program(t, "rpm", "the database was not compared with the one rpm writes")
	for _, b := range backends {
		if b.name == NDB {
			needBackend(t, b)
		}
	}
	for _, c := range []struct {
		summary string
		inputs  []input
	}{
		{"a package that uses every table", built(t, everyTable())},
		{"packages with odd headers", built(t, oddPackages()...)},
		{"two hundred packages", built(t, manyPackages(200)...)},
	} {
		t.Run(c.summary, func(t *testing.T) {
			dir := rpmInstalls(t, NDB, c.inputs, anyDigests...)
			want, err := os.ReadFile(filepath.Join(dir, ndbPackages))
			if err != nil {
				t.Fatal(err)
			}
			got := files(t, options(NDB, c.inputs))[ndbPackages]
			compareNDB(t, got, want)
		})
	}
}

// compareNDB wants the same bytes, or if rpm has added digests of the packages, which takes room, the same headers.
func compareNDB(t *testing.T, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		t.Logf("%d bytes are equal", len(want))
		return
	}
	ours, theirs := readFiles(t, map[string][]byte{ndbPackages: got}), readFiles(t, map[string][]byte{ndbPackages: want})
	if len(ours) != len(theirs) {
		t.Fatalf("%d packages, want %d", len(ours), len(theirs))
	}
	digests := false
	for i := range ours {
		digests = digests || theirs[i].Has(rpm.TagPackageDigests)
		if ours[i].Number != theirs[i].Number || !bytes.Equal(ours[i].Blob(), withoutPackageDigests(t, theirs[i].Blob())) {
			t.Errorf("header %d differs from header %d of rpm", ours[i].Number, theirs[i].Number)
		}
	}
	if !digests {
		t.Error("the headers are equal, the files are not")
	}
	if !bytes.Equal(got[:2*16], want[:2*16]) {
		t.Errorf("start of the file: got % x, want % x", got[:32], want[:32])
	}
	t.Logf("%d headers are equal but for PACKAGEDIGESTS of rpm 6", len(ours))
}
