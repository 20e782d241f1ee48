package compose

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// needRPM skips a test that lets the real rpm install packages below another root directory.
func needRPM(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root; not checked: the tree against what rpm installs")
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("no rpm on this machine; not checked: the tree against what rpm installs")
	}
}

// installWithRPM installs packages one transaction after the other, no scriptlets run. Before the second one, accounts (files
// by name) are written to /etc: rpm looks up owners by the accounts of the root directory.
func installWithRPM(t *testing.T, transactions [][]string, accounts map[string]string, options ...string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for n, rpms := range transactions {
		if n == 1 {
			if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range accounts {
				if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(rpms) == 0 {
			continue
		}
		args := []string{"--root", root, "--define", "_dbpath /var/lib/rpm", "--define", "_transaction_color 3", "--define", "_prefer_color 2",
			"--nodeps", "--noscripts", "--notriggers", "--nosignature", "--ignoresize", "--ignorearch",
			// rpm 6 refuses packages without SHA-256 digests and makes the accounts of sysusers.d itself; neither is compared here.
			"--define", "_pkgverify_level none", "--define", "__systemd_sysusers true", "-i"}
		args = append(append(args, options...), rpms...)
		if out, err := exec.Command("rpm", args...).CombinedOutput(); err != nil {
			t.Fatalf("rpm -i: %v\n%s", err, out)
		}
	}
	return root
}

// statesOfRPM returns the state of every file of every package: "nevra path" to state.
func statesOfRPM(t *testing.T, root string) map[string]string {
	t.Helper()
	format := `[%{=NAME}-%{=VERSION}-%{=RELEASE}.%{=ARCH}\t%{FILESTATES}\t%{FILENAMES}\n]`
	out, err := exec.Command("rpm", "--root", root, "--define", "_dbpath /var/lib/rpm", "--nosignature", "-qa", "--qf", format).Output()
	if err != nil {
		t.Fatalf("rpm -qa: %v", err)
	}
	states := map[string]string{}
	for line := range strings.Lines(string(out)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(parts) == 3 && parts[1] != "(none)" {
			states[parts[0]+" "+parts[2]] = parts[1]
		}
	}
	return states
}

func statesOfTree(tree *rootfs.Tree, packages []Package) map[string]string {
	states := map[string]string{}
	byNEVRA := map[string]*pkgindex.Index{}
	for _, p := range packages {
		byNEVRA[p.Index.NEVRA] = p.Index
	}
	for _, p := range tree.Packages {
		x := byNEVRA[p.NEVRA]
		for i := range x.Files {
			states[fmt.Sprintf("%s-%s-%s.%s %s", x.Name, x.Version, x.Release, x.Arch, x.Files[i].Path)] = string(p.FileStates[i])
		}
	}
	return states
}

// describe is one path in one line. Times of directories are left out: rpm leaves "now" there.
func describe(kind string, mode uint32, uid, gid int, mtime int64, rest string) string {
	if kind == "dir" {
		return fmt.Sprintf("%s %04o %d:%d", kind, mode, uid, gid)
	}
	return fmt.Sprintf("%s %04o %d:%d @%d %s", kind, mode, uid, gid, mtime, rest)
}

// describeLayer reads a layer as unpacking programs would.
func describeLayer(t *testing.T, layer []byte) map[string]string {
	t.Helper()
	out, links := map[string]string{}, map[string][]string{}
	tr := tar.NewReader(bytes.NewReader(layer))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")
		kind, rest := "", ""
		switch h.Typeflag {
		case tar.TypeDir:
			kind = "dir"
		case tar.TypeSymlink:
			kind, rest = "symlink", h.Linkname
		case tar.TypeLink:
			first := "/" + h.Linkname
			links[first] = append(links[first], path)
			continue
		case tar.TypeReg:
			sum := sha256.New()
			n, err := io.Copy(sum, tr)
			if err != nil {
				t.Fatal(err)
			}
			kind, rest = "file", fmt.Sprintf("%d %s", n, hex.EncodeToString(sum.Sum(nil)))
		case tar.TypeChar, tar.TypeBlock:
			kind, rest = map[byte]string{tar.TypeChar: "char", tar.TypeBlock: "block"}[h.Typeflag], fmt.Sprintf("%d:%d", h.Devmajor, h.Devminor)
		case tar.TypeFifo:
			kind = "fifo"
		}
		for _, name := range sortedKeys(h.PAXRecords) {
			if attr, ok := strings.CutPrefix(name, "SCHILY.xattr."); ok {
				rest += fmt.Sprintf(" %s=%x", attr, h.PAXRecords[name])
			}
		}
		out[path] = describe(kind, uint32(h.Mode), h.Uid, h.Gid, h.ModTime.Unix(), rest)
	}
	for first, others := range links {
		set := append([]string{first}, others...)
		slices.Sort(set)
		text := out[first] + " links " + strings.Join(set, " ")
		for _, path := range set {
			out[path] = text
		}
	}
	return out
}

// describeRoot walks what rpm installed, without its database.
func describeRoot(t *testing.T, root string) map[string]string {
	t.Helper()
	out, inodes := map[string]string{}, map[uint64][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(name, root)
		if path == "/var/lib/rpm" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		kind, rest := "", ""
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			kind = "dir"
		case syscall.S_IFLNK:
			kind = "symlink"
			rest, err = os.Readlink(name)
		case syscall.S_IFREG:
			kind = "file"
			rest, err = describeFile(name)
			if st.Nlink > 1 {
				inodes[st.Ino] = append(inodes[st.Ino], path)
			}
		case syscall.S_IFCHR, syscall.S_IFBLK:
			kind = map[uint32]string{syscall.S_IFCHR: "char", syscall.S_IFBLK: "block"}[st.Mode&syscall.S_IFMT]
			rest = fmt.Sprintf("%d:%d", st.Rdev>>8&0xfff, st.Rdev&0xff)
		case syscall.S_IFIFO:
			kind = "fifo"
		}
		out[orDefault(path, "/")] = describe(kind, st.Mode&0o7777, int(st.Uid), int(st.Gid), info.ModTime().Unix(), rest)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range inodes {
		slices.Sort(set)
		for _, path := range set {
			out[path] += " links " + strings.Join(set, " ")
		}
	}
	return out
}

// describeFile returns size, digest and extended attributes.
func describeFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d %s", n, hex.EncodeToString(sum.Sum(nil)))
	buf := make([]byte, 4096)
	size, err := syscall.Listxattr(name, buf)
	if err != nil {
		return text, nil // a file system without attributes
	}
	names := strings.Split(strings.Trim(string(buf[:size]), "\x00"), "\x00")
	slices.Sort(names)
	for _, attr := range names {
		value := make([]byte, 4096)
		if n, err := syscall.Getxattr(name, attr, value); err == nil && attr != "" && attr != "security.selinux" {
			text += fmt.Sprintf(" %s=%x", attr, value[:n])
		}
	}
	return text, nil
}

// differences are known ones: glob of paths to the reason. A path "state:/x" is about the state of /x in the database.
type differences map[string]string

// compare reports every path in which two descriptions differ and no known difference says why, and known ones that are none.
func (known differences) compare(t *testing.T, prefix string, ours, rpms map[string]string, used map[string]bool) int {
	t.Helper()
	all := map[string]bool{}
	for k := range ours {
		all[k] = true
	}
	for k := range rpms {
		all[k] = true
	}
	shown := 0
	for _, k := range sortedKeys(all) {
		if ours[k] == rpms[k] {
			continue
		}
		path := k[strings.IndexByte(k, '/'):]
		matched := false
		for _, pattern := range sortedKeys(known) {
			rest, ok := strings.CutPrefix(pattern, prefix)
			if !ok || !strings.HasPrefix(rest, "/") {
				continue
			}
			g, err := pathglob.Parse(rest)
			if err != nil {
				t.Fatal(err)
			}
			if g.Match(path) {
				matched, used[pattern] = true, true
			}
		}
		if matched {
			continue
		}
		if shown++; shown <= 40 {
			t.Errorf("%s%s\n ours %s\n rpm  %s", prefix, k, orDefault(ours[k], "(absent)"), orDefault(rpms[k], "(absent)"))
		}
	}
	if shown > 40 {
		t.Errorf("and %d more differences", shown-40)
	}
	return len(all)
}
