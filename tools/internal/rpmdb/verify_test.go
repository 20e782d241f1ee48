package rpmdb

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

const verifyTime = 1600000000

// damagedFile is a file of a package, what its package says of it, and what is done to it afterwards.
type damagedFile struct {
	rpmtest.File
	state  byte
	damage func(path string) error
	want   string // first word of the finding, "missing", or "" for none
}

func overwrite(text string, when int64) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		return os.Chtimes(path, time.Time{}, time.Unix(when, 0))
	}
}

func instead(make func(path string) error) func(string) error {
	return func(path string) error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return make(path)
	}
}

func chmod(mode os.FileMode) func(string) error {
	return func(path string) error { return os.Chmod(path, mode) }
}

func link(target string) func(string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

func mkdir(path string) error { return os.Mkdir(path, 0o755) }

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o644) }

// damagedFiles has every kind of damage, and what rpm does not call damage.
func damagedFiles() []damagedFile {
	regular := func(name string) rpmtest.File { return rpmtest.File{Path: "/usr/bin/" + name, Data: "data"} }
	with := func(name string, change func(*rpmtest.File)) rpmtest.File {
		f := regular(name)
		change(&f)
		return f
	}
	flagged := func(name string, flags uint32) rpmtest.File {
		return with(name, func(f *rpmtest.File) { f.Flags = flags })
	}
	unverified := func(name string, bits Difference) rpmtest.File {
		return with(name, func(f *rpmtest.File) { f.NoVerify = uint32(bits) })
	}
	ghost := func(name string) rpmtest.File {
		return with(name, func(f *rpmtest.File) { f.Flags, f.Omit = pkgindex.FlagGhost, true })
	}
	symlink := func(name string) rpmtest.File { return rpmtest.File{Path: "/usr/bin/" + name, Link: "target"} }
	dir := func(name string) rpmtest.File {
		return rpmtest.File{Path: "/usr/bin/" + name, Mode: 0o040755}
	}
	fifo := func(name string) rpmtest.File {
		return rpmtest.File{Path: "/usr/bin/" + name, Mode: 0o010644}
	}
	changed := overwrite("other text", verifyTime+1)
	return []damagedFile{
		{File: regular("intact")},
		{File: regular("empty-digest"), damage: overwrite("", verifyTime), want: "S.5......"},
		{File: regular("longer"), damage: changed, want: "S.5....T."},
		{File: regular("same-size"), damage: overwrite("DATA", verifyTime), want: "..5......"},
		{File: regular("time"), damage: overwrite("data", verifyTime-1), want: ".......T."},
		{File: regular("mode"), damage: chmod(0o600), want: ".M......."},
		{File: regular("set-user-id"), damage: chmod(0o755 | os.ModeSetuid), want: ".M......."},
		{File: regular("missing"), damage: os.Remove, want: "missing"},
		{File: regular("became-link"), damage: instead(link("intact")), want: "....L...."},
		{File: regular("became-directory"), damage: instead(mkdir), want: ".M......."},
		{File: regular("became-fifo"), damage: instead(mkfifo), want: ".M......."},
		{File: symlink("link-intact")},
		{File: symlink("link-elsewhere"), damage: instead(link("other")), want: "....L...."},
		{File: symlink("link-missing"), damage: os.Remove, want: "missing"},
		{File: symlink("link-became-file"), damage: instead(overwrite("target", verifyTime)), want: ".M5......"},
		{File: dir("dir-intact")},
		{File: dir("dir-mode"), damage: chmod(0o700), want: ".M......."},
		{File: dir("dir-missing"), damage: os.Remove, want: "missing"},
		{File: dir("dir-became-link"), damage: instead(link("dir-intact"))},
		{File: dir("dir-became-file"), damage: instead(overwrite("x", 1)), want: "SM5....T."},
		{File: fifo("fifo-intact")},
		{File: fifo("fifo-mode"), damage: chmod(0o600), want: ".M......."},
		{File: with("user", func(f *rpmtest.File) { f.User = "alice" }), want: ".....U..."},
		{File: with("group", func(f *rpmtest.File) { f.Group = "staff" }), want: "......G.."},
		{File: with("unknown-user", func(f *rpmtest.File) { f.User = "nobody-knows" })},
		{File: with("unknown-group", func(f *rpmtest.File) { f.Group = "nobody-knows" })},
		{File: with("unknown-changed", func(f *rpmtest.File) { f.Group = "nobody-knows" }), damage: changed, want: "S.5....T."},
		{File: flagged("only-missing-ok", pkgindex.FlagMissingOK), damage: chmod(0o600), want: ".M......."},
		{File: flagged("only-noreplace", pkgindex.FlagNoReplace), damage: chmod(0o600), want: ".M......."},
		{File: flagged("only-pubkey", pkgindex.FlagPubkey), damage: chmod(0o600), want: ".M......."},
		{File: flagged("ghost-config", pkgindex.FlagConfig|pkgindex.FlagGhost), damage: chmod(0o600), want: ".M......."},
		{File: dir("dir-became-link-to-file"), damage: instead(link("intact")), want: "....L...."},
		{File: dir("dir-became-link-to-nothing"), damage: instead(link("nothing")), want: "....L...."},
		{File: rpmtest.File{Path: "/usr/bin/link-user", Link: "target", User: "alice"}, want: ".....U..."},
		{File: with("caps-lost", func(f *rpmtest.File) { f.Caps = "cap_net_raw=ep" }), want: "........P"},
		{File: rpmtest.File{Path: "/usr/bin/device", Mode: 0o020644, Rdev: 1<<8 | 3}, damage: instead(overwrite("", verifyTime)), want: ".M5D....."},
		{File: flagged("config", pkgindex.FlagConfig), damage: changed, want: "S.5....T."},
		{File: flagged("config-missing", pkgindex.FlagConfig|pkgindex.FlagNoReplace), damage: os.Remove, want: "missing"},
		{File: flagged("missing-ok", pkgindex.FlagConfig|pkgindex.FlagMissingOK), damage: os.Remove},
		{File: flagged("missing-ok-changed", pkgindex.FlagConfig|pkgindex.FlagMissingOK), damage: changed, want: "S.5....T."},
		{File: flagged("doc", pkgindex.FlagDoc), damage: os.Remove, want: "missing"},
		{File: flagged("licence", pkgindex.FlagLicense), damage: chmod(0o600), want: ".M......."},
		{File: flagged("readme", pkgindex.FlagReadme), damage: chmod(0o600), want: ".M......."},
		{File: flagged("artifact", pkgindex.FlagArtifact), damage: chmod(0o600), want: ".M......."},
		{File: flagged("config-and-doc", pkgindex.FlagConfig|pkgindex.FlagDoc), damage: chmod(0o600), want: ".M......."},
		{File: ghost("ghost-missing"), damage: os.Remove},
		{File: ghost("ghost-changed"), damage: changed},
		{File: ghost("ghost-mode"), damage: chmod(0o600), want: ".M......."},
		{File: ghost("ghost-became-directory"), damage: instead(func(path string) error { return os.Mkdir(path, 0o700) }), want: ".M......."},
		{File: ghost("ghost-became-link"), damage: instead(link("intact"))},
		{File: with("ghost-user", func(f *rpmtest.File) { f.Flags, f.Omit, f.User = pkgindex.FlagGhost, true, "alice" }), want: ".....U..."},
		{File: unverified("not-contents", DiffersSize|DiffersDigest|DiffersModTime), damage: changed},
		{File: unverified("only-contents", ^(DiffersSize | DiffersDigest | DiffersModTime)), damage: changed, want: "S.5....T."},
		{File: unverified("not-mode", DiffersMode), damage: chmod(0o600)},
		{File: unverified("not-digest", DiffersDigest), damage: overwrite("DATA", verifyTime)},
		{File: unverified("not-size", DiffersSize), damage: overwrite("longer", verifyTime), want: "..5......"},
		{File: unverified("nothing-but-missing", ^Difference(0)), damage: os.Remove, want: "missing"},
		{File: regular("not-installed"), state: StateNotInstalled, damage: os.Remove},
		{File: regular("net-shared"), state: StateNetShared, damage: os.Remove},
		{File: regular("wrong-colour"), state: StateWrongColor, damage: changed},
		{File: regular("replaced"), state: StateReplaced, damage: changed, want: "........."},
		{File: regular("replaced-missing"), state: StateReplaced, damage: os.Remove, want: "missing"},
		{File: rpmtest.File{Path: "/bin/beyond-a-link", Data: "data"}, damage: chmod(0o600), want: ".M......."},
		{File: with("hard-link-1", func(f *rpmtest.File) { f.Inode = 77 }), damage: changed, want: "S.5....T."},
		{File: with("hard-link-2", func(f *rpmtest.File) { f.Inode = 77 })},
	}
}

// TestVerifyEqualsRPM breaks an installed tree in every way, and wants the findings that the real rpm has, line by line.
func TestVerifyEqualsRPM(t *testing.T) {
	for _, md5 := range []bool{false, true} {
		t.Run(map[bool]string{false: "SHA-256", true: "MD5"}[md5], func(t *testing.T) { testVerify(t, md5) })
	}
}

func testVerify(t *testing.T, md5 bool) {
	root := t.TempDir()
	for _, dir := range []string{"etc", "usr/bin", "var/lib/rpm"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0::/:/\nalice:x:7:7::/:/\n", "group": "root:x:0:\nstaff:x:50:\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("usr/bin", filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	list := damagedFiles()
	slices.SortFunc(list, func(a, b damagedFile) int { return strings.Compare(a.Path, b.Path) })
	p := rpmtest.Package{Name: "damaged", MD5Files: md5}
	var states []byte
	for i := range list {
		f := &list[i]
		f.MTime = verifyTime
		install(t, root, f.File)
		if f.damage != nil {
			if err := f.damage(filepath.Join(root, f.Path)); err != nil {
				t.Fatal(err)
			}
		}
		p.Files, states = append(p.Files, f.File), append(states, f.state)
	}
	opts := options(SQLite, built(t, p, rpmtest.Package{Name: "no-files"}))
	opts.Packages[0].FileStates = states
	written := files(t, opts)
	writeFiles(t, root, written)
	findings, err := Verify(readFiles(t, written), dirTree(root))
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range findings {
		got = append(got, f.String())
		if f.NEVRA != "damaged-1-1.x86_64" {
			t.Errorf("%s: package %s", f.Path, f.NEVRA)
		}
	}
	for _, f := range list {
		i := slices.IndexFunc(findings, func(found Finding) bool { return found.Path == f.Path })
		if word := firstWord(findings, i); word != f.want {
			t.Errorf("%s: got %q, want %q", f.Path, word, f.want)
		}
	}
	program := program(t, "rpm", "its verdicts about a damaged tree were not compared with ours")
	if os.Geteuid() != 0 {
		t.Skip("rpm changes its root for root alone: its verdicts about a damaged tree were not compared with ours")
	}
	version(t, program)
	cmd := exec.Command(program, append(rootArgs(root), "--nosignature", "-Va", "--nodeps")...)
	out, _ := cmd.Output() // fails because of the damage
	for line := range strings.Lines(string(out)) {
		want = append(want, strings.TrimSuffix(line, "\n"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("our verdicts\n%s\nthose of rpm\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	t.Logf("%d files, %d findings", len(list), len(want))
}

func firstWord(findings []Finding, i int) string {
	if i < 0 {
		return ""
	}
	return strings.Fields(findings[i].String())[0]
}

// install lays a file down as its package says, but for what needs privileges.
func install(t *testing.T, root string, f rpmtest.File) {
	t.Helper()
	path := filepath.Join(root, f.Path)
	mode := os.FileMode(f.Mode & 0o777)
	if f.Mode == 0 {
		mode = 0o644
	}
	var err error
	switch {
	case f.Link != "":
		err = os.Symlink(f.Link, path)
	case f.Mode&rpm.ModeType == rpm.ModeDir:
		err = os.Mkdir(path, mode)
	case f.Mode&rpm.ModeType == rpm.ModeFIFO:
		err = syscall.Mkfifo(path, uint32(mode))
	default:
		err = overwrite(f.Data, int64(f.MTime))(path)
	}
	if err == nil && f.Link == "" {
		err = os.Chmod(path, mode) // whatever the umask is
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dirTree is a folder of this machine as a Tree. Its accounts are those of install's passwd and group.
type dirTree string

func (d dirTree) Follow(path string) (*Attributes, error) { return d.attributes(path, os.Stat) }

func (d dirTree) Stat(path string) (*Attributes, error) { return d.attributes(path, os.Lstat) }

func (d dirTree) attributes(path string, stat func(string) (fs.FileInfo, error)) (*Attributes, error) {
	info, err := stat(filepath.Join(string(d), path))
	if err != nil {
		return nil, err
	}
	sys := info.Sys().(*syscall.Stat_t)
	out := &Attributes{Mode: sys.Mode, Size: info.Size(), ModTime: info.ModTime().Unix(),
		Device: uint32(sys.Rdev) & 0xffff, UID: int(sys.Uid), GID: int(sys.Gid)}
	if info.Mode().Type() == fs.ModeSymlink {
		out.Link, err = os.Readlink(filepath.Join(string(d), path))
	}
	if info.Mode().IsRegular() {
		value := make([]byte, 64)
		if n, err := syscall.Getxattr(filepath.Join(string(d), path), "security.capability", value); err == nil {
			out.Caps = string(value[:n])
		}
	}
	return out, err
}

func (d dirTree) User(name string) (int, bool) {
	uid, ok := map[string]int{"root": 0, "alice": 7, "twin": 7}[name]
	return uid, ok
}

func (d dirTree) Group(name string) (int, bool) {
	gid, ok := map[string]int{"root": 0, "staff": 50}[name]
	return gid, ok
}

func (d dirTree) Open(path string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(d), path))
}

// TestVerifyPrivileged damages what only a true root can make: owners, devices, capabilities.
func TestVerifyPrivileged(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dev")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mknod(filepath.Join(dir, "null"), syscall.S_IFCHR|0o644, 1<<8|3); err != nil {
		t.Skipf("no devices can be made here (%v): numbers of devices, owners and capabilities were not verified", err)
	}
	capability, err := rpm.Capability("cap_net_raw=ep")
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(syscall.Mknod(filepath.Join(dir, "other"), syscall.S_IFCHR|0o644, 1<<8|5))
	must(syscall.Mknod(filepath.Join(dir, "block"), syscall.S_IFBLK|0o644, 1<<8|3))
	p := rpmtest.Package{Name: "privileged", Files: []rpmtest.File{
		{Path: "/dev/block", Mode: 0o020644, Rdev: 1<<8 | 3},
		{Path: "/dev/caps", Data: "x", Caps: "cap_net_raw=ep"},
		{Path: "/dev/caps-more", Data: "x"},
		{Path: "/dev/caps-other", Data: "x", Caps: "cap_net_raw,cap_net_admin=ep"},
		{Path: "/dev/null", Mode: 0o020644, Rdev: 1<<8 | 3},
		{Path: "/dev/other", Mode: 0o020644, Rdev: 1<<8 | 3},
		{Path: "/dev/owned", Data: "x", User: "alice", Group: "staff"},
		{Path: "/dev/stranger", Data: "x"},
		{Path: "/dev/twin", Data: "x", User: "twin"},
		{Path: "/dev/unknown", Data: "x", User: "nobody-knows", Group: "nobody-knows"},
	}}
	for i := range p.Files {
		f := &p.Files[i]
		f.MTime = verifyTime
		if f.Data != "" {
			install(t, root, *f)
		}
		if strings.Contains(f.Path, "caps") {
			must(syscall.Setxattr(filepath.Join(root, f.Path), "security.capability", capability, 0))
		}
	}
	must(os.Chown(filepath.Join(dir, "owned"), 7, 50))
	must(os.Chown(filepath.Join(dir, "stranger"), 4711, 4712))
	must(os.Chown(filepath.Join(dir, "twin"), 7, 0))
	must(os.Chown(filepath.Join(dir, "unknown"), 7, 4712))
	must(os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	must(os.WriteFile(filepath.Join(root, "etc/passwd"), []byte("root:x:0:0::/:/\nalice:x:7:7::/:/\ntwin:x:7:7::/:/\n"), 0o644))
	must(os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\nstaff:x:50:\n"), 0o644))
	written := files(t, options(SQLite, built(t, p)))
	writeFiles(t, root, written)
	findings, err := Verify(readFiles(t, written), dirTree(root))
	must(err)
	var got bytes.Buffer
	for _, f := range findings {
		fmt.Fprintln(&got, f)
	}
	const want = `.M.D.....    /dev/block
........P    /dev/caps-more
........P    /dev/caps-other
...D.....    /dev/other
.....UG..    /dev/stranger
.....UG..    /dev/unknown
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
	program := program(t, "rpm", "its verdicts about devices, owners and capabilities were not compared with ours")
	version(t, program)
	out, _ := exec.Command(program, append(rootArgs(root), "--nosignature", "-Va", "--nodeps")...).Output()
	if string(out) != want {
		t.Errorf("rpm says\n%swe say\n%s", out, want)
	}
}

// TestVerifyRefuses: headers that contradict themselves are errors, not findings.
func TestVerifyRefuses(t *testing.T) {
	one := rpmtest.Package{Name: "one", Files: []rpmtest.File{{Path: "/a", Data: "x"}, {Path: "/b", Data: "x"}}}
	for _, c := range []struct {
		want string
		tag  rpmtest.Value
	}{
		{"tag 1030 has 1 values for 2 files", rpmtest.Value{Tag: rpm.TagFileModes, V: []uint16{0o100644}}},
		{"tag 1028 has 3 values for 2 files", rpmtest.Value{Tag: rpm.TagFileSizes, V: []uint32{1, 2, 3}}},
		{"digests of files have the unknown algorithm 99", rpmtest.Value{Tag: rpm.TagFileDigestAlgo, V: uint32(99)}},
		{"wanted", rpmtest.Value{Tag: rpm.TagFileUserName, V: []uint32{1, 2}}},
		{`capability "cap_everything" is unknown`, rpmtest.Value{Tag: rpm.TagFileCaps, V: []string{"", "cap_everything=p"}}},
	} {
		p := one
		p.Tags = []rpmtest.Value{c.tag}
		_, err := Verify(readFiles(t, files(t, options(SQLite, built(t, p)))), dirTree(t.TempDir()))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "package one-1-1.x86_64") {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
