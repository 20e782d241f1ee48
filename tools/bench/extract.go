package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// workers is how many packages are worked on at a time, ours and the peer's.
const workers = 2

var extractEntries = []entry{
	{name: "extract: zstd packages of debrpm", target: "<= 1.5x CPU, less time", ours: extracting(zstdPackages, rpmextract), peer: extracting(zstdPackages, rpm2cpio)},
	{name: "extract: xz packages of CentOS 7", target: "<= 1.6x CPU", ours: extracting(xzPackages, rpmextract), peer: extracting(xzPackages, rpm2cpio)},
	{name: "extract: zstd, against bazeldnf", target: "<= 0.5x time", ours: extracting(zstdPackages, rpmextract), peer: extracting(zstdPackages, rpm2tar)},
	{name: "extract: xz, against bazeldnf", target: "<= 0.5x time", ours: extracting(xzPackages, rpmextract), peer: extracting(xzPackages, rpm2tar)},
}

// corpus lists packages to measure with.
type corpus func(*env) ([]string, error)

func zstdPackages(e *env) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(e.release, "repo", arch, "Packages", "*.rpm"))
	if err != nil {
		return nil, err
	}
	return compressedBy("zstd", files)
}

func xzPackages(e *env) ([]string, error) {
	data := os.Getenv("SLIMRPM_SHARED_DATA")
	if data == "" {
		data = filepath.Join(e.workspace, "..", "shared", "data")
	}
	files, err := filepath.Glob(filepath.Join(data, "el7-httpd", "*.rpm"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, skip("no packages of CentOS 7 in $SLIMRPM_SHARED_DATA/el7-httpd")
	}
	return compressedBy("xz", files)
}

// compressedBy keeps the packages whose payload has the compressor.
func compressedBy(name string, files []string) ([]string, error) {
	var out []string
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		p, err := rpm.ReadPackage(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		compressor, err := rpm.PayloadCompressor(p.Main)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if compressor == name {
			out = append(out, path)
		}
	}
	return out, nil
}

// program finds a program that unpacks a package into a folder.
type program func(*env) (func(file, out string) *exec.Cmd, error)

func extracting(c corpus, tool program) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		files, err := c(e)
		if err != nil {
			return figure{}, err
		}
		command, err := tool(e)
		if err != nil {
			return figure{}, err
		}
		return e.each(files, command)
	}
}

func rpmextract(e *env) (func(file, out string) *exec.Cmd, error) {
	return func(file, out string) *exec.Cmd {
		return exec.Command(filepath.Join(e.tools, "rpmextract"), "--rpm="+file,
			"--payload="+out+"/payload.tar", "--index="+out+"/index.json", "--header="+out+"/header.bin")
	}, nil
}

// rpm2cpio writes files; like the other peer it checks none of the digests. That of rpm 6 compresses anew, so use one of rpm 4.
func rpm2cpio(*env) (func(file, out string) *exec.Cmd, error) {
	for _, tool := range []string{"rpm2cpio", "cpio"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, skip("no " + tool + " here")
		}
	}
	return func(file, out string) *exec.Cmd {
		cmd := exec.Command("sh", "-c", `rpm2cpio "$1" | cpio -idm --quiet`, "sh", file)
		cmd.Dir = out
		return cmd
	}, nil
}

func rpm2tar(e *env) (func(file, out string) *exec.Cmd, error) {
	if e.bazeldnf == "" {
		return nil, skip("--bazeldnf=PATH names the program, which cannot be had as a Go module")
	}
	return func(file, out string) *exec.Cmd {
		return exec.Command(e.bazeldnf, "rpm2tar", "--input="+file, "--output="+out+"/payload.tar")
	}, nil
}

// each runs a command for every file, two at a time, as Bazel would on two cores. out is a fresh folder for its output.
func (e *env) each(files []string, command func(file, out string) *exec.Cmd) (figure, error) {
	dir, err := os.MkdirTemp(e.scratch, "each-")
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	var cmds []*exec.Cmd
	for i, file := range files {
		out := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(out, 0o755); err != nil {
			return figure{}, err
		}
		cmds = append(cmds, command(file, out))
	}
	f, err := sideBySide(cmds)
	f.note = fmt.Sprintf("%d packages, %s", len(files), e.unpacked(files))
	return f, err
}

// sideBySide runs commands, two at a time. Wall time is that of all together.
func sideBySide(cmds []*exec.Cmd) (figure, error) {
	var f figure
	var mu sync.Mutex
	var errs []error
	work := make(chan *exec.Cmd)
	var group sync.WaitGroup
	start := time.Now()
	for range workers {
		group.Go(func() {
			for cmd := range work {
				var one figure
				err := one.measure(cmd)
				mu.Lock()
				f.cpu += one.cpu
				f.peakKiB = max(f.peakKiB, one.peakKiB)
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	for _, cmd := range cmds {
		work <- cmd
	}
	close(work)
	group.Wait()
	f.wall = time.Since(start)
	return f, errors.Join(errs...)
}

// unpacked says how much the files of packages are by their headers.
func (e *env) unpacked(files []string) string {
	var total uint64
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return "?"
		}
		p, err := rpm.ReadPackage(f)
		f.Close()
		if err != nil {
			return "?"
		}
		size, _, err := p.Main.SizeAny(rpm.TagSize, rpm.TagLongSize)
		if err != nil {
			return "?"
		}
		total += size
	}
	return fmt.Sprintf("%d MB", total/1_000_000)
}

// skip is the reason why something cannot be measured here.
type skip string

func (s skip) Error() string { return string(s) }

func skipped(err error) (reason string, ok bool) {
	s, ok := errors.AsType[skip](err)
	return string(s), ok
}

func allEntries() []entry {
	return slices.Concat(entries, extractEntries, memoryEntries, headerEntries, storageEntries, rpmdbEntries, scriptletEntries, closureEntries,
		rootcheckEntries, resolveEntries, variantEntries)
}
