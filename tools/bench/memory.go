package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// largeWindow is the window of the packages with 2 GiB, in MiB; rpm's own levels use up to 64 MiB for xz and 8 MiB for zstd.
const largeWindow = 64

var memoryEntries = []entry{
	{name: "memory: 2 GiB zstd, window of 64 MiB", target: "<= 64 MiB plus the window", once: true, ours: large("zstd", rpmextract), peer: large("zstd", rpm2cpio)},
	{name: "memory: 2 GiB xz, dictionary of 64 MiB", target: "<= 64 MiB plus the window", once: true, ours: large("xz", rpmextract), peer: large("xz", rpm2cpio)},
}

// large measures with a package of 2 GiB, which is written first.
func large(compressor string, tool program) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		file := filepath.Join(e.scratch, "large-"+compressor+".rpm")
		if _, err := os.Stat(file); err != nil {
			if compressor == "xz" {
				if _, err := exec.LookPath("xz"); err != nil {
					return figure{}, skip("no xz here to write the package with")
				}
			}
			write := exec.Command(filepath.Join(e.tools, "largetest"), "--compressor="+compressor, fmt.Sprint("--window-mib=", largeWindow), "--out="+file)
			if err := new(figure).measure(write); err != nil {
				return figure{}, err
			}
		}
		command, err := tool(e)
		if err != nil {
			return figure{}, err
		}
		return e.each([]string{file}, command)
	}
}
