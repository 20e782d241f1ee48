package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
)

// modes compares the permission bits of unpacked files with those that the spec demands.
func (t *tester) modes() error {
	root, err := os.OpenRoot(t.rootfs())
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(t.spec.Modes)) {
		info, err := root.Stat(strings.TrimPrefix(path, "/"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stat := info.Sys().(*syscall.Stat_t)
		got := fmt.Sprintf("%04o", stat.Mode&0o7777)
		if want := t.spec.Modes[path]; got != want {
			errs = append(errs, fmt.Errorf("%s has mode %s, want %s", path, got, want))
			continue
		}
		fmt.Printf("     %s %s %d:%d\n", path, got, stat.Uid, stat.Gid)
	}
	return errors.Join(errs...)
}
