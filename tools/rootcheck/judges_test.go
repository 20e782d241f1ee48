package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/check"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// judgedRoot is the environment variable that makes the test program walk a root filesystem from inside.
const judgedRoot = "ROOTCHECK_JUDGED_ROOT"

// image is a composed root filesystem, unpacked.
type image struct {
	tree       *rootfs.Tree
	root       string
	incomplete bool // libraries were left out
}

// TestJudges composes whole distributions, unpacks them, and lets programs of others look for what rootcheck looks for.
func TestJudges(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it extracts whole distributions; not checked: findings against the kernel, pwck, grpck, getcap and readelf")
	}
	if os.Getuid() != 0 {
		t.Skip("not root; not checked: findings against the kernel, pwck, grpck, getcap and readelf")
	}
	for _, set := range []struct{ name, variable, pattern, spec, names string }{
		{"el7", "SLIMRPM_SHARED_DATA", "el7-httpd/*.rpm", `"accounts":{},"scriptlets_skip":{"openldap:post":"a random password","shared-mime-info:posttrans":"a cache for desktops"}`, ""},
		{"debrpm", "SLIMRPM_DEBRPM", "repo/x86_64/Packages/*.rpm", `"accounts":{"groups":[{"name":"root"},{"name":"mail","gid":8},{"name":"staff","gid":50},{"name":"utmp","gid":43},` +
			`{"name":"shadow","gid":42},{"name":"nogroup","gid":65534},{"name":"messagebus","gid":997}],"users":[{"name":"root","home":"/root"}]},"scriptlets":"report"`, judgedNames},
	} {
		t.Run(set.name, func(t *testing.T) {
			rpms, _ := filepath.Glob(filepath.Join(os.Getenv(set.variable), set.pattern))
			if os.Getenv(set.variable) == "" || len(rpms) == 0 {
				t.Skipf("no packages (%s); not checked: findings on whole distributions", set.variable)
			}
			i := compositionOf(t, rpms, set.spec, set.names)
			t.Run("kernel", i.judgeLinksAndModes)
			t.Run("getcap", i.judgeCapabilities)
			t.Run("readelf", i.judgeLibraries)
			t.Run("pwck", i.judgeAccounts)
		})
	}
}

// judgedNames is a pattern of the packages of debrpm that are taken: programs, but not all of the libraries that they need.
const judgedNames = `^(base|bash|coreutils|curl|dash|dbus|debrpm|findutils|iputils|lib[a-l]|login|mount|nginx|passwd|sudo|systemd|tar-|udev|util-linux)`

// compositionOf composes those of the packages whose file names match the pattern.
func compositionOf(t *testing.T, rpms []string, extra, names string) *image {
	t.Helper()
	spec, err := compose.ReadSpec(strings.NewReader(`{"schema":1,"label":"//test:judged","release":"test","arch":"x86_64","policies":{},"ld_so_cache":true,`+extra+`}`), "spec")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(names)
	rpms = slices.DeleteFunc(rpms, func(name string) bool { return !pattern.MatchString(filepath.Base(name)) })
	in := &compose.Input{Spec: spec, Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: "x86_64"}, Packages: make([]compose.Package, len(rpms))}
	dir := t.TempDir()
	errs := make([]error, len(rpms))
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() {
			for i := worker; i < len(rpms); i += 2 {
				in.Packages[i], errs[i] = unpackOne(rpms[i], filepath.Join(dir, fmt.Sprint(i)))
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, p := range in.Packages {
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Index.Name, NEVRA: p.Index.NEVRA})
	}
	result, err := compose.Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	i := &image{tree: result.Tree, root: filepath.Join(dir, "root"), incomplete: names != ""}
	if err := os.Mkdir(i.root, 0o755); err != nil {
		t.Fatal(err)
	}
	tar := exec.Command("tar", "--xattrs", "--xattrs-include=*", "-xp", "-C", i.root)
	layer, err := tar.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	tar.Stderr = &said
	if err := tar.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(rootfs.WriteLayer(layer, result.Layer), layer.Close(), tar.Wait()); err != nil {
		t.Fatalf("unpacking: %v\n%s", err, &said)
	}
	t.Logf("%d packages, %d paths", len(in.Packages), len(i.tree.Entries))
	return i
}

func unpackOne(rpm, base string) (compose.Package, error) {
	p := compose.Package{Payload: base + ".tar", Header: base + ".hdr"}
	if err := extract.Run(extract.Options{RPM: rpm, Payload: p.Payload, Index: base + ".json", Header: p.Header}); err != nil {
		return p, err
	}
	f, err := os.Open(base + ".json")
	if err != nil {
		return p, err
	}
	defer f.Close()
	p.Index, err = pkgindex.Read(f, rpm)
	return p, err
}

// found returns the paths of the findings of a code.
func (i *image) found(code string) map[string]bool {
	out := map[string]bool{}
	for _, f := range check.Check(&check.Spec{}, i.tree) {
		if f.Code == code {
			out[f.Path] = true
		}
	}
	return out
}

func compare(t *testing.T, code, judge string, ours, theirs map[string]bool) {
	t.Helper()
	for p := range ours {
		if !theirs[p] {
			t.Errorf("%s %s: not found by %s", code, p, judge)
		}
	}
	for p := range theirs {
		if !ours[p] {
			t.Errorf("%s %s: found by %s only", code, p, judge)
		}
	}
	t.Logf("%d %s, as %s says", len(ours), code, judge)
}

// judgeLinksAndModes lets the kernel follow every link from inside, and reads the modes of what is there.
func (i *image) judgeLinksAndModes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), judgedRoot+"="+i.root)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("walking the root: %v", err)
	}
	theirs, links := map[string]map[string]bool{}, 0
	for line := range strings.Lines(string(out)) {
		code, p, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if code == "link" {
			links++
			continue
		}
		if theirs[code] == nil {
			theirs[code] = map[string]bool{}
		}
		theirs[code][p] = true
	}
	if links < 100 {
		t.Errorf("the kernel saw %d links", links)
	}
	t.Logf("%d symbolic links", links)
	for _, code := range []string{check.DanglingSymlink, check.SetUID, check.SetGID, check.WorldWritable, check.DeviceNode} {
		compare(t, code, "the kernel", i.found(code), theirs[code])
	}
}

// walkJudged prints what the kernel says of each path of a root filesystem.
func walkJudged(root string) error {
	if err := errors.Join(syscall.Chroot(root), os.Chdir("/")); err != nil {
		return err
	}
	return filepath.WalkDir("/", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(p, &st); err != nil {
			return err
		}
		kind, mode := st.Mode&syscall.S_IFMT, st.Mode&0o7777
		if kind == syscall.S_IFLNK {
			fmt.Println("link", p)
			if _, err := os.Stat(p); err != nil && !mounted(p) {
				fmt.Println(check.DanglingSymlink, p)
			}
			return nil
		}
		for code, is := range map[string]bool{
			check.SetUID:        kind == syscall.S_IFREG && mode&0o4000 != 0,
			check.SetGID:        kind == syscall.S_IFREG && mode&0o2010 == 0o2010,
			check.WorldWritable: mode&0o002 != 0 && (kind != syscall.S_IFDIR || mode&0o1000 == 0),
			check.DeviceNode:    kind == syscall.S_IFCHR || kind == syscall.S_IFBLK,
		} {
			if is {
				fmt.Println(code, p)
			}
		}
		return nil
	})
}

// mounted reports whether a link leads, by way of others, into what is mounted when a container runs.
func mounted(p string) bool {
	for range 40 {
		target, err := os.Readlink(p)
		if err != nil {
			break
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(p), target)
		}
		p = path.Clean(target)
	}
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") })
}

func (i *image) judgeCapabilities(t *testing.T) {
	getcap, err := exec.LookPath("getcap")
	if err != nil {
		t.Skip("no getcap here; not checked: capabilities of files")
	}
	out, err := exec.Command(getcap, "-r", i.root).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		theirs[strings.TrimPrefix(strings.Fields(line)[0], i.root)] = true
	}
	compare(t, check.Capabilities, "getcap", i.found(check.Capabilities), theirs)
}

// judgeLibraries compares NEEDED of every file, and expects a finding wherever no file at all has the name.
func (i *image) judgeLibraries(t *testing.T) {
	readelf, err := exec.LookPath("readelf")
	if err != nil {
		t.Skip("no readelf here; not checked: needed libraries")
	}
	names, want := map[string]bool{}, map[string]string{}
	var files []string
	for _, e := range i.tree.Entries {
		names[rootfs.Base(e.Path)] = true
		if e.ELF != nil && e.HardLink == "" && e.ELF.Machine == "x86_64" && (e.ELF.Type == "dyn" || e.ELF.Type == "exec") {
			files = append(files, i.root+e.Path)
			want[e.Path] = strings.Join(e.ELF.Needed, " ")
		}
	}
	got, nowhere, count := map[string]string{}, map[string]bool{}, 0
	for batch := range slices.Chunk(files, 200) {
		out, err := exec.Command(readelf, append([]string{"-dW", "/dev/null"}, batch...)...).Output()
		if len(out) == 0 {
			t.Fatal(err)
		}
		file := ""
		for line := range strings.Lines(string(out)) {
			if name, ok := strings.CutPrefix(line, "File: "); ok {
				file = strings.TrimPrefix(strings.TrimSpace(name), i.root)
			} else if _, soname, ok := strings.Cut(line, "Shared library: ["); ok && strings.Contains(line, "(NEEDED)") {
				soname = strings.TrimSuffix(strings.TrimSpace(soname), "]")
				got[file] = strings.TrimSpace(got[file] + " " + soname)
				count++
				if !names[soname] {
					nowhere[file] = true
				}
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] != want[p] {
			t.Errorf("%s needs %q, readelf says %q", p, want[p], got[p])
		}
	}
	missing := i.found(check.MissingSoname)
	if i.incomplete && len(nowhere) == 0 {
		t.Error("every library is there; the set is to lack some")
	}
	for p := range nowhere {
		if !missing[p] {
			t.Errorf("%s needs a library that no file is named like, and is no finding", p)
		}
	}
	t.Logf("%d NEEDED of %d files as readelf says; %d files need a library that is nowhere, %d findings", count, len(want), len(nowhere), len(missing))
}

// judgeAccounts lets pwck and grpck look at the accounts as they are, and once more with faults of every kind.
func (i *image) judgeAccounts(t *testing.T) {
	for _, tool := range []string{"pwck", "grpck"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here; not checked: account files", tool)
		}
	}
	i.compareAccounts(t, 0, 0)
	for name, line := range map[string]string{"/etc/passwd": "lost:x:4242:4242::/:/bin/false\n", "/etc/group": "club:x:4343:nobody-here\n",
		"/etc/shadow": "gone:!:::::::\n", "/etc/gshadow": "away:!::\n"} {
		n := slices.IndexFunc(i.tree.Entries, func(e *rootfs.Entry) bool { return e.Path == name })
		if n < 0 {
			t.Fatalf("no %s", name)
		}
		e := *i.tree.Entries[n]
		e.Text += line
		i.tree.Entries[n] = &e
		if err := os.WriteFile(i.root+name, []byte(e.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A user without a group and a member without a user; in both shadow files a name too many and one too few.
	i.compareAccounts(t, 2, 4)
}

func (i *image) compareAccounts(t *testing.T, groups, shadow int) {
	t.Helper()
	var said strings.Builder
	for _, tool := range []string{"pwck", "grpck"} {
		out, err := exec.Command(tool, "-r", "-R", i.root).CombinedOutput()
		if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
			t.Fatal(err)
		}
		said.Write(out)
	}
	theirGroups := strings.Count(said.String(), ": no group ") + strings.Count(said.String(), ": no user ")
	theirShadow := strings.Count(said.String(), "no matching ")
	ourGroups, ourShadow := 0, 0
	for _, f := range check.Check(&check.Spec{}, i.tree) {
		switch f.Code {
		case check.PasswdGroupMismatch:
			ourGroups++
		case check.ShadowMismatch:
			ourShadow++
		}
	}
	if ourGroups != groups || theirGroups != groups || ourShadow != shadow || theirShadow != shadow {
		t.Errorf("%d and %d findings, pwck and grpck have %d and %d, want %d and %d; they say\n%s", ourGroups, ourShadow, theirGroups, theirShadow, groups, shadow, &said)
	}
	t.Logf("%d findings about groups, %d about shadow files, as pwck and grpck say", ourGroups, ourShadow)
}
