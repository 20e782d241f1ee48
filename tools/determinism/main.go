// Determinism builds a target several times under conditions that must not matter and compares the digests of the image
// index: another output base with one job, then another workspace path with another umask, time zone, locale and user name.
// Nothing is shared between the builds but downloads: every action runs again.
//
// Run it from the workspace:
//
//	go run ./tools/determinism [--target=//variants:iptables] [--bazel=./bazelw]
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

func main() { cli.Main("determinism", run) }

// build is one way to build the target.
type build struct {
	name      string
	workspace string
	startup   []string
	flags     []string
	env       []string
	umask     int
}

func run(args []string) error {
	fs := cli.NewFlagSet("determinism")
	target := fs.String("target", "//variants:iptables", "target whose first output is an OCI layout")
	bazel := fs.String("bazel", "./bazelw", "program to run, relative to the workspace")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	workspace, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat("MODULE.bazel"); err != nil {
		return cli.Hint(fmt.Errorf("finding the workspace: %w", err), "run from the folder of MODULE.bazel: go run ./tools/determinism")
	}
	scratch, err := os.MkdirTemp("", "determinism-")
	if err != nil {
		return err
	}
	defer removeAll(scratch)
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	copied := filepath.Join(scratch, "another path", "checkout")
	if err := copyWorkspace(workspace, copied); err != nil {
		return err
	}
	builds := []build{
		{name: "as it is", workspace: workspace, umask: 0o022},
		{name: "other output base, one job", workspace: workspace, umask: 0o022,
			startup: []string{"--output_base=" + filepath.Join(scratch, "one")}, flags: []string{"--jobs=1"}},
		{name: "other path, umask, TZ, LANG, USER", workspace: copied, umask: 0o077,
			startup: []string{"--output_base=" + filepath.Join(scratch, "two")},
			env: []string{"TZ=Pacific/Kiritimati", "LANG=tr_TR.UTF-8", "LC_ALL=tr_TR.UTF-8", "USER=somebody", "LOGNAME=somebody",
				"XDG_CACHE_HOME=" + cache}},
	}
	var digests []string
	for _, b := range builds {
		start := time.Now()
		digest, err := b.digest(*bazel, *target)
		if err != nil {
			return fmt.Errorf("building %s (%s): %w", *target, b.name, err)
		}
		fmt.Printf("%s  %-36s %5.0f s\n", digest, b.name, time.Since(start).Seconds())
		digests = append(digests, digest)
		b.shutdown(*bazel)
	}
	for i, d := range digests {
		if d != digests[0] {
			return fmt.Errorf("%s differs between %q and %q", *target, builds[0].name, builds[i].name)
		}
	}
	fmt.Printf("%d passed, 0 failed\n", len(digests))
	return nil
}

func (b build) command(bazel string, verb ...string) *exec.Cmd {
	cmd := exec.Command(bazel, append(append([]string{}, b.startup...), verb...)...)
	cmd.Dir = b.workspace
	cmd.Env = append(os.Environ(), b.env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// digest builds the target and returns the sha256 of the index.json of its layout, which names every blob by digest.
func (b build) digest(bazel, target string) (string, error) {
	syscall.Umask(b.umask)
	defer syscall.Umask(0o022)
	cmd := b.command(bazel, append([]string{"build", "--noshow_progress", target}, b.flags...)...)
	if err := cmd.Run(); err != nil {
		return "", err
	}
	out, err := b.command(bazel, append([]string{"cquery", "--noshow_progress", "--output=files", target}, b.flags...)...).Output()
	if err != nil {
		return "", err
	}
	root, err := b.command(bazel, "info", "--noshow_progress", "execution_root").Output()
	if err != nil {
		return "", err
	}
	layout := filepath.Join(strings.TrimSpace(string(root)), strings.TrimSpace(strings.SplitN(string(out), "\n", 2)[0]))
	data, err := os.ReadFile(filepath.Join(layout, "index.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// shutdown stops the server of an output base that is about to be removed.
func (b build) shutdown(bazel string) {
	if len(b.startup) > 0 {
		_ = b.command(bazel, "shutdown").Run()
	}
}

// copyWorkspace copies what git would: tracked files, and untracked ones that are not ignored.
func copyWorkspace(from, to string) error {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("listing files of the workspace: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // deleted, not yet committed
		}
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(from, name))
			if err != nil {
				return err
			}
			if err := os.Symlink(target, filepath.Join(to, name)); err != nil {
				return err
			}
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

// removeAll also removes Bazel's read-only output trees.
func removeAll(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
	_ = os.RemoveAll(dir)
}
