package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

const nobody = 65534

// rpmReadOnly asks for all packages, and for each by its name as a provide, where nothing may be written: over a read-only mount,
// as root and as nobody. An rpm that finds something to repair there, such as a missing index or a write-ahead log, fails or
// lists nothing.
func (t *tester) rpmReadOnly() error {
	tree, err := t.readTree()
	if err != nil {
		return err
	}
	return readOnly(t.rootfs(), func(mount string) error {
		err := errors.Join(
			t.rpmAnswers(tree, 0, "--root", mount, "--dbpath", tree.RPMDB.Path),
			// Only root may change its root; the database is found by its path on this machine then.
			t.rpmAnswers(tree, nobody, "--dbpath", filepath.Join(mount, tree.RPMDB.Path)))
		if err == nil {
			fmt.Printf("     %d packages, as root and as nobody\n", len(tree.Packages))
		}
		return err
	})
}

// rpmAnswers compares what a query of all packages, and one by provides, list with the packages of the tree and of the lock.
func (t *tester) rpmAnswers(tree *rootfs.Tree, uid uint32, place ...string) error {
	all, err := rpmAs(uid, append(place, "-qa", "--qf", `%{NEVRA}\n`)...)
	if err != nil {
		return err
	}
	if err := t.compareList(tree, all); err != nil {
		return fmt.Errorf("rpm -qa on a read-only mount as user %d: %w", uid, err)
	}
	args := append(place, "--qf", `%{NEVRA}\n`, "-q", "--whatprovides")
	for _, p := range tree.Packages {
		if p.Name != "gpg-pubkey" {
			args = append(args, p.Name)
		}
	}
	provides, err := rpmAs(uid, args...)
	if err != nil {
		return err
	}
	for _, p := range tree.Packages {
		if p.Name != "gpg-pubkey" && !slices.Contains(strings.Fields(provides), p.NEVRA) {
			return fmt.Errorf("rpm -q --whatprovides %s on a read-only mount as user %d does not list %s:\n%s", p.Name, uid, p.NEVRA, provides)
		}
	}
	return nil
}

// rpmAs runs rpm as a user, without what the environment says of ours. Complaints are errors even if rpm does not think so.
func rpmAs(uid uint32, args ...string) (string, error) {
	cmd := exec.Command("rpm", args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil && strings.Contains(stderr.String(), "error:") {
		err = errors.New("rpm complains")
	}
	if err != nil {
		return "", fmt.Errorf("running rpm %s as user %d: %w\n%s%s", strings.Join(args, " "), uid, err, out, stderr.String())
	}
	return string(out), nil
}

// readOnly calls fn with a place that everyone may enter and where dir is mounted read-only. Only processes that fn starts see it.
func readOnly(dir string, fn func(mount string) error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so the thread ends here, and the mounts with it
		failed <- mountReadOnly(dir, fn)
	}()
	return <-failed
}

// mountReadOnly leaves the mounts of the machine for its own, which its thread keeps.
func mountReadOnly(dir string, fn func(mount string) error) error {
	const mount = "/mnt" // the temporary folder may be one that only root may enter
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"none", "/", syscall.MS_REC | syscall.MS_PRIVATE},
		{dir, mount, syscall.MS_BIND},
		{"none", mount, syscall.MS_BIND | syscall.MS_REMOUNT | syscall.MS_RDONLY},
	} {
		if err := syscall.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s read-only on %s: %w", dir, mount, err)
		}
	}
	if err := os.WriteFile(filepath.Join(mount, "written"), nil, 0o644); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("mounting %s read-only on %s: a file could be written (%v)", dir, mount, err)
	}
	return fn(mount)
}
