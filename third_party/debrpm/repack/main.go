// Repack makes the debrpm release: it gets Debian packages for amd64 and arm64 with the machine's apt configuration, repacks them as
// RPMs for x86_64, aarch64 and noarch with the real rpmbuild, signs and indexes them, and locks the result. README.md of
// third_party/debrpm says what is mapped how. It is run by third_party/debrpm/prepare, inside the root of bazelw.
//
// A second run with the same inputs only compares a key. Nothing needs the network once the packages are in the cache.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	source  string // root of the source tree
	out     string
	cache   string
	machine string // where the machine's etc/apt and keyrings are
	suite   string
	with    string // disabled sections of packages.txt to take, separated by commas
	update  bool
	jobs    int
	rpmlock string // the built program
	verbose io.Writer
}

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "debrpm: error: %v\n", err)
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(os.Stderr, "debrpm: hint: %s\n", hint)
	}
	os.Exit(1)
}

func run(args []string) error {
	o := options{verbose: os.Stderr}
	fs := flag.NewFlagSet("debrpm", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.source, "source", "", "root of the source tree")
	fs.StringVar(&o.out, "out", "", "directory to make: repo/, rpms.lock.json, BUILD.bazel, report.txt")
	fs.StringVar(&o.cache, "cache", "", "directory that keeps package lists, .deb and .rpm files")
	fs.StringVar(&o.machine, "apt-root", machineRoot(), "directory that holds the machine's etc/apt and usr/share/keyrings")
	fs.StringVar(&o.suite, "suite", "bookworm", "Debian release to take packages from")
	fs.StringVar(&o.with, "with", "", "disabled sections of packages.txt to take, separated by commas")
	fs.StringVar(&o.rpmlock, "rpmlock", "", "program that writes the lock")
	fs.BoolVar(&o.update, "update", false, "refresh the package lists")
	fs.IntVar(&o.jobs, "jobs", runtime.NumCPU(), "packages to repack at the same time")
	quiet := fs.Bool("quiet", false, "no progress")
	if err := fs.Parse(args); err != nil {
		return err
	}
	for _, f := range []struct{ name, value string }{{"source", o.source}, {"out", o.out}, {"cache", o.cache}, {"rpmlock", o.rpmlock}} {
		if f.value == "" {
			return fmt.Errorf("missing flag --%s", f.name)
		}
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.jobs < 1 {
		return fmt.Errorf("--jobs=%d: at least 1 is needed", o.jobs)
	}
	if *quiet {
		o.verbose = io.Discard
	}
	for _, dir := range []*string{&o.source, &o.out, &o.cache, &o.machine} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		if strings.ContainsAny(abs, "%\"\n") {
			return fmt.Errorf("directory %q: rpmbuild cannot work below a name with %% or quotes", abs)
		}
		*dir = abs
	}
	return prepare(o)
}

// machineRoot is where a container sees the machine that it runs on, if it does.
func machineRoot() string {
	const host = "/run/host"
	if _, err := os.Stat(host + "/etc/apt"); err == nil {
		return host
	}
	return "/"
}

// hintOf says what the user can do about an error.
func hintOf(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, syscall.ENOSPC) || strings.Contains(text, "No space left on device"):
		return "make room (about 1.5 GB are needed) or give another --cache and --out; what is done already is kept"
	case strings.Contains(text, "did not deliver"):
		return "third_party/debrpm/prepare --update ... refreshes the package lists; a package that the mirror really lacks must leave packages.txt"
	case strings.Contains(text, "the mirror has no such package"):
		return "correct or remove the name in third_party/debrpm/packages.txt, choose another in mapping.yaml, or refresh the lists with --update"
	case strings.Contains(text, "refreshing the package lists"):
		return "check /etc/apt/sources.list and the network; without --update an earlier download is used"
	case strings.Contains(text, "names no mirror of Debian"):
		return "add a source for Debian's main component, or give --apt-root=DIR with etc/apt in it"
	case strings.Contains(text, "executable file not found"):
		return "run it through ./bazelw, whose root has rpmbuild, createrepo_c, gpg and dpkg-deb; see third_party/debrpm/README.md"
	}
	return ""
}
