package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func TestJudge(t *testing.T) {
	right := []action{
		{"", "BazelWorkspaceStatusAction"}, {"//variants:debrpm_trees", "Symlink"}, {"@@_main~rpm~debrpm_ipset_x86_64//:rpm", "RpmExtract"},
		{"//variants/iptables:debrpm_rootfs", "ElfResolve"}, {"//variants/iptables:debrpm_rootfs", "Rootfs"}, {"//variants/kind:debrpm_rootfs", "Rootfs"},
	}
	ships, all := []string{"iptables", "kind"}, []string{"git", "iptables", "kind"}
	for _, c := range []struct {
		summary string
		ran     []action
		want    string // the only problem
	}{
		{"only images that ship it", right, ""},
		{"an image that does not", append(right[:len(right):len(right)], action{"//variants/git:debrpm_rootfs", "ElfResolve"}), "ElfResolve of //variants/git:debrpm_rootfs ran again, and the image does not ship ipset"},
		{"another package", append(right[:len(right):len(right)], action{"@@_main~rpm~debrpm_libipset13_x86_64//:rpm", "RpmExtract"}), "RpmExtract of @@_main~rpm~debrpm_libipset13_x86_64//:rpm ran again"},
		{"a tool", append(right[:len(right):len(right)], action{"//tools/rootfs:rootfs", "GoLink"}), "GoLink of //tools/rootfs:rootfs ran again, which is no image"},
		{"an image that ships it is not composed", right[:len(right)-1], "//variants/kind ships ipset, and no action composed it again"},
		{"the package is not unpacked", append(right[:2:2], right[3:]...), "ipset was not unpacked again"},
	} {
		var got []string
		for _, problem := range judge(c.ran, "ipset", ships, all) {
			got = append(got, problem.Error())
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: got %q, want %q", c.summary, got, c.want)
		}
	}
	if len(judge(nil, "ipset", ships, all)) == 0 {
		t.Error("a build in which nothing ran is right")
	}
}

func TestReadActions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.json")
	text := `{"id":{"started":{}},"started":{"uuid":"x"}}
{"id":{"actionCompleted":{"primaryOutput":"a","label":"//variants/git:debrpm_rootfs","configuration":{"id":"c"}}},"action":{"success":true,"type":"Rootfs"}}
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := readActions(file)
	if err != nil || len(got) != 1 || got[0] != (action{"//variants/git:debrpm_rootfs", "Rootfs"}) || got[0].image() != "git" {
		t.Errorf("got %v, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readActions(file); err == nil {
		t.Error("a cut file is read")
	}
}

// The changed package is one that the reader of RPMs accepts, digests and all, and the lock names it.
func TestChangeRelease(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	built := rpmtest.Build(rpmtest.Package{Name: "leaf", Version: "1", Release: "9.el9", Files: []rpmtest.File{{Path: "/leaf", Data: "x"}}})
	other := rpmtest.Build(rpmtest.Package{Name: "other"})
	digest := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	lock := fmt.Sprintf(`{"architectures": {"x86_64": {"packages": [
  {"name": "leaf", "nevra": "leaf-1-9.el9.x86_64", "arch": "x86_64", "path": "P/leaf.rpm", "sha256": "%s"},
  {"name": "other", "nevra": "other-1-1.x86_64", "arch": "x86_64", "path": "P/other.rpm", "sha256": "%s"}]}}}`, digest(built), digest(other))
	write := func(name string, data []byte) {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("rpms.lock.json", []byte(lock))
	write("repo/x86_64/P/leaf.rpm", built)
	write("repo/x86_64/P/other.rpm", other)

	said, err := changeRelease(from, to, "leaf")
	if err != nil || said != "leaf-1-9.el9.x86_64 is leaf-1-0.el9.x86_64" {
		t.Fatalf("got %q, %v", said, err)
	}
	changed, err := os.ReadFile(filepath.Join(to, "repo/x86_64/P/leaf.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(filepath.Join(to, "rpms.lock.json"))
	want := strings.NewReplacer("leaf-1-9.el9.x86_64", "leaf-1-0.el9.x86_64", digest(built), digest(changed)).Replace(lock)
	if err != nil || string(now) != want {
		t.Errorf("the lock is %s, %v, want %s", now, err, want)
	}
	r := bytes.NewReader(changed)
	p, err := rpm.ReadPackage(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rpm.VerifyPackage(p, r, nil, rpm.Policy{AllowUnsigned: true}); err != nil {
		t.Error(err)
	}
	if same, err := os.ReadFile(filepath.Join(from, "repo/x86_64/P/leaf.rpm")); err != nil || !bytes.Equal(same, built) {
		t.Errorf("the release itself has changed (%v)", err)
	}
	if link, err := os.Readlink(filepath.Join(to, "repo/x86_64/P/other.rpm")); err != nil || link != filepath.Join(from, "repo/x86_64/P/other.rpm") {
		t.Errorf("another package is %q, %v", link, err)
	}
	if _, err := changeRelease(from, t.TempDir(), "missing"); err == nil {
		t.Error("a package that is not there was changed")
	}
	for _, cut := range []int{0, 50, 200, 300} {
		if _, err := bumpRelease(bytes.Clone(built[:cut])); err == nil {
			t.Errorf("a package of %d bytes was changed", cut)
		}
	}
}
