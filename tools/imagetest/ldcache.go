package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
)

// ldconfig lets the image's own ldconfig make the cache of the loader once more. The bytes must be the same; where its glibc has
// a format of its own, what it prints of both must.
func (t *tester) ldconfig() error {
	cache, program := filepath.Join(t.rootfs(), "etc/ld.so.cache"), filepath.Join(t.rootfs(), "usr/sbin/ldconfig")
	ours, err := os.ReadFile(cache)
	if err != nil {
		fmt.Println("SKIP ldconfig: the image has no /etc/ld.so.cache")
		return nil
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Println("SKIP ldconfig: the image has no ldconfig")
		return nil
	}
	command := []string{program}
	if t.image.Emulated() {
		emulator, err := imagerun.Emulator(t.spec.Arch)
		if err != nil {
			fmt.Printf("SKIP ldconfig: %v\n", err)
			return nil
		}
		command = []string{emulator, program}
	}
	const again = "/etc/ld.so.cache.again"
	defer os.Remove(t.rootfs() + again)
	defer os.RemoveAll(filepath.Join(t.rootfs(), "var/cache/ldconfig/aux-cache"))
	if _, err := output(command[0], append(command[1:], "-X", "-r", t.rootfs(), "-C", again)...); err != nil {
		return err
	}
	theirs, err := os.ReadFile(t.rootfs() + again)
	if err != nil || bytes.Equal(ours, theirs) {
		return err
	}
	var printed [2]string
	for i, name := range []string{cache, t.rootfs() + again} {
		out, err := output(command[0], append(command[1:], "-p", "-C", name)...)
		if err != nil {
			return err
		}
		_, printed[i], _ = strings.Cut(out, "\n") // the first line names the file
	}
	if printed[0] != printed[1] {
		return fmt.Errorf("the image has\n%s\nldconfig makes\n%s", printed[0], printed[1])
	}
	return nil
}
