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

// checkModes compares the permission bits of unpacked files with those that are demanded.
func checkModes(rootfs string, demanded map[string]string) error {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(demanded)) {
		info, err := root.Stat(strings.TrimPrefix(path, "/"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		stat := info.Sys().(*syscall.Stat_t)
		got := fmt.Sprintf("%04o", stat.Mode&0o7777)
		if want := demanded[path]; got != want {
			errs = append(errs, fmt.Errorf("%s has mode %s, want %s", path, got, want))
			continue
		}
		fmt.Printf("     %s %s %d:%d\n", path, got, stat.Uid, stat.Gid)
	}
	return errors.Join(errs...)
}
