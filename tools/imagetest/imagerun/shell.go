package imagerun

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var shells = []string{"sh", "bash", "dash", "ash", "ksh", "zsh", "csh", "tcsh", "busybox", "toybox"}

// CheckNoShell looks for shells by name, and tries to start one.
func (i *Image) CheckNoShell() error {
	for _, dir := range []string{"bin", "usr/bin", "sbin", "usr/sbin", "usr/local/bin", "usr/lib/busybox"} {
		for _, shell := range shells {
			if _, err := os.Lstat(filepath.Join(i.Rootfs(), dir, shell)); err == nil {
				return fmt.Errorf("/%s/%s is a shell", dir, shell)
			}
		}
	}
	r, err := i.Run(Process{Args: []string{"/bin/sh", "-c", "exit 0"}})
	if err != nil {
		return err
	}
	if r.Exit == 0 {
		return fmt.Errorf("/bin/sh -c 'exit 0' ran")
	}
	// A check that sees nothing fails: only this message proves that the shell, not the container, is what is missing.
	out := strings.ToLower(r.Output())
	if !strings.Contains(out, "/bin/sh") || !strings.Contains(out, "no such file") {
		return fmt.Errorf("/bin/sh -c 'exit 0' ended with %d for another reason: %s", r.Exit, r.Output())
	}
	return nil
}
