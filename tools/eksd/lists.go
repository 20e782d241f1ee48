package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// listRow is an image of EKS Distro by its list of files: what it holds, and what would be left of it by our rules. Sizes in its lists are
// rounded to two digits.
type listRow struct {
	image, arch string
	packages    int
	theirs      int64            // bytes of regular files
	policies    map[string]int64 // bytes that a policy leaves out, by policy
	leftovers   int64            // bytes that no build of ours makes
	rpmdb       int64            // bytes of the package database itself, which counts on both sides
}

func (r listRow) name() string { return r.image + " " + r.arch }

func (r listRow) sizes() (ours, theirs int64) {
	ours = r.theirs - r.leftovers
	for _, n := range r.policies {
		ours -= n
	}
	return ours, r.theirs
}

// leftover reports whether a file is there because programs ran in the image while it was made: locks, caches and backups. Nothing that our tools
// do makes it.
func leftover(file string) bool {
	base := path.Base(file)
	switch {
	case file == "/dev/null", file == "/etc/.pwd.lock", file == "/var/lib/rpm/.rpm.lock":
		return true
	case strings.HasPrefix(file, "/var/cache/dnf/"), strings.HasPrefix(file, "/var/cache/ldconfig/"), strings.HasPrefix(file, "/var/lib/dnf/"):
		return true
	case strings.HasPrefix(file, "/var/lib/rpm/") && (strings.HasSuffix(base, "-shm") || strings.HasSuffix(base, "-wal")):
		return true
	case path.Dir(file) == "/etc" && slices.Contains([]string{"passwd-", "group-", "shadow-", "gshadow-"}, base):
		return true
	}
	return strings.HasSuffix(base, ".rpmnew") || strings.HasSuffix(base, ".rpmsave")
}

// readAllLists reads the lists of every image, both architectures, by name.
func readAllLists(dir string) ([]listRow, error) {
	var rows []listRow
	for _, arch := range []string{"amd64", "arm64"} {
		files, err := filepath.Glob(filepath.Join(dir, "linux_"+arch, "*-files"))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no lists of files: linux_%s/*-files", dir, arch)
		}
		for _, file := range files {
			row, err := readList(strings.TrimSuffix(file, "-files"), arch)
			if err != nil {
				return nil, err
			}
			rows = append(rows, *row)
		}
	}
	slices.SortStableFunc(rows, func(a, b listRow) int { return strings.Compare(a.image, b.image) })
	return rows, nil
}

func readList(file, arch string) (*listRow, error) {
	names, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file + "-files")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files, err := parseFiles(f)
	if err != nil {
		return nil, fmt.Errorf("%s-files: %w", file, err)
	}
	row := &listRow{image: filepath.Base(file), arch: arch, policies: map[string]int64{}}
	for _, nevra := range strings.Fields(string(names)) {
		if !strings.HasPrefix(nevra, "gpg-pubkey-") {
			row.packages++
		}
	}
	row.count(files)
	return row, nil
}

// count applies our policies, as variants have them, to the files of an image. The list does not say which package a file is of, so
// all count as one; policies that look at flags of a package (documentation, languages) see none and leave out less than they would.
func (r *listRow) count(files []pkgindex.File) {
	policies := compose.Policies{}
	why := policies.Drops(&pkgindex.Index{Files: files})
	for i := range files {
		f := &files[i]
		if f.Type != pkgindex.TypeFile {
			continue
		}
		r.theirs += f.SizeBytes
		switch {
		case leftover(f.Path):
			r.leftovers += f.SizeBytes
		case why[i] != "":
			r.policies[why[i]] += f.SizeBytes
		case strings.HasPrefix(f.Path, "/var/lib/rpm/"):
			r.rpmdb += f.SizeBytes
		}
	}
}

// parseFiles reads a list: "-rwxr-xr-x 1.5KiB /path", for symbolic links with the target behind the path; headlines have stars.
func parseFiles(r io.Reader) ([]pkgindex.File, error) {
	var files []pkgindex.File
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "*") {
			continue
		}
		mode, rest, _ := strings.Cut(line, " ")
		size, file, ok := strings.Cut(strings.TrimLeft(rest, " "), " ")
		bytes, err := parseSize(size)
		if !ok || err != nil || len(mode) != 10 || !strings.HasPrefix(file, "/") {
			return nil, fmt.Errorf("line %d: %q is not <mode> <size> <path>", number, line)
		}
		f := pkgindex.File{Path: file, Type: pkgindex.TypeFile, SizeBytes: bytes}
		if mode[0] == 'l' {
			f.Type = pkgindex.TypeSymlink
			f.Path, f.LinkTarget, _ = strings.Cut(file, " ")
		}
		files = append(files, f)
	}
	if len(files) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("no files")
	}
	return files, lines.Err()
}

func parseSize(s string) (int64, error) {
	for _, unit := range []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		if number, ok := strings.CutSuffix(s, unit.suffix); ok {
			n, err := strconv.ParseFloat(number, 64)
			return int64(n * unit.bytes), err
		}
	}
	return 0, fmt.Errorf("%q is no size", s)
}

func printLists(w io.Writer, rows []listRow) {
	fmt.Fprintln(w, "| image | architecture | packages | theirs, MiB | rpmdb in it | locales | manuals, info, docs | leftovers | by our policies, MiB | |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		ours, theirs := r.sizes()
		fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %s | %s | %s | %s | %.1f %% |\n", r.image, r.arch, r.packages, mib(theirs), mib(r.rpmdb), mib(r.policies["locales"]),
			mib(r.policies["man"]+r.policies["info"]+r.policies["docs"]), mib(r.leftovers), mib(ours), 100*float64(ours)/float64(theirs))
	}
}
