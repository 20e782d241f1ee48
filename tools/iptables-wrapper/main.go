// Command iptables-wrapper stands in for iptables in an image that runs on machines of which nobody knows whether their packet filters are
// made with nf_tables or with the older ip_tables. Two programs must not use both, so it finds out which one the machine uses, once.
//
// It answers to iptables, iptables-save, iptables-restore, and the same with ip6tables, as an alternative of each. When one of them is
// called, it
//
//  1. looks in the table mangle for the chains that kubelet makes to be found, KUBE-IPTABLES-HINT or KUBE-KUBELET-CANARY: with nf_tables
//     first, then with ip_tables, each for IPv4 and IPv6. Where none is found the answer is nf_tables.
//  2. points the alternatives to the programs of that kind, so that it is not asked again.
//  3. executes what it was called as once more, with the same arguments and environment.
//
// Where the alternatives cannot be changed, as on a read-only root filesystem, it executes the program of that kind itself. When nf_tables
// could not be asked, for want of privileges say, nothing is decided for good either.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// probeTimeout bounds one look at a table; a program that takes longer counts as one that could not be asked.
const probeTimeout = 30 * time.Second

func main() {
	self, err := os.Executable()
	if err != nil {
		self = "/usr/sbin/iptables-wrapper" // without /proc
	}
	w := &wrapper{fs: dir("/"), self: self, path: os.Getenv("PATH"), run: run, exec: func(program string, argv []string) error {
		return syscall.Exec(program, argv, os.Environ())
	}, warn: func(err error) { fmt.Fprintf(os.Stderr, "iptables-wrapper: warning: %v\n", err) }}
	if err := w.handle(os.Args); err != nil {
		cli.Report(os.Stderr, "iptables-wrapper", err)
		os.Exit(1)
	}
}

// run returns what a program writes to its standard output.
func run(program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	return exec.CommandContext(ctx, program, args...).Output()
}

// wrapper is one call. exec returns only when it has failed.
type wrapper struct {
	fs   dir
	self string // path of this program
	path string // $PATH
	run  func(program string, args ...string) ([]byte, error)
	exec func(program string, argv []string) error
	warn func(error)
}

// names it answers to.
var names = []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"}

func (w *wrapper) handle(argv []string) error {
	name := ""
	if len(argv) > 0 {
		name = path.Base(argv[0])
	}
	family, verb, _ := strings.Cut(name, "-")
	if !contains(names, name) {
		return cli.Hint(fmt.Errorf("called as %q", name), "this program stands in for %s, as an alternative of each: call one of them", strings.Join(names, ", "))
	}
	// Two calls at once decide once: the second one waits, and then finds that it is not meant any more.
	defer w.fs.lock("/etc/alternatives")()
	if next := w.called(argv[0]); next != "" {
		return w.execute(next, argv)
	}
	mode, sure, err := w.decide()
	if err != nil {
		return err
	}
	if sure {
		if err := w.point(mode); err != nil && !readOnly(err) {
			w.warn(fmt.Errorf("pointing the alternatives to %s: %w", mode, err))
		}
		if next := w.called(argv[0]); next != "" {
			return w.execute(next, argv)
		}
	}
	program := family + "-" + string(mode)
	if verb != "" {
		program += "-" + verb
	}
	next := w.find(program)
	if next == "" {
		return cli.Hint(fmt.Errorf("%s: there is no %s in %s", name, program, strings.Join(w.dirs(), ", ")), "the image must have the programs of %s", mode)
	}
	return w.execute(next, argv)
}

func readOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)
}

// execute becomes the program, which finds out by its argv[0] what it is called as. It is never this one.
func (w *wrapper) execute(program string, argv []string) error {
	if w.isSelf(program) {
		return cli.Hint(fmt.Errorf("%s is this program itself", program), "take the link to iptables-wrapper away, or install the program again")
	}
	return fmt.Errorf("executing %s: %w", program, w.exec(program, argv))
}

// called returns the path that argv[0] stands for, if that is a program of either kind by now. Others do not count: a script of the same
// name could lead back here, again and again.
func (w *wrapper) called(arg0 string) string {
	candidates := []string{arg0}
	if !strings.Contains(arg0, "/") {
		candidates = nil
		for _, d := range strings.Split(w.path, ":") {
			if d != "" {
				candidates = append(candidates, path.Join(d, arg0))
			}
		}
	}
	for _, p := range candidates {
		if !w.fs.isProgram(p) {
			continue
		}
		// The first one that there is counts, as it did when this program was called.
		if w.isBackend(p) {
			return p
		}
		return ""
	}
	return ""
}

func (w *wrapper) isBackend(program string) bool {
	for _, m := range []mode{nft, legacy} {
		for _, family := range families {
			if p := w.find(family.name + "-" + string(m)); p != "" && w.fs.same(program, p) {
				return !w.isSelf(program)
			}
		}
	}
	return false
}

func (w *wrapper) isSelf(program string) bool { return w.fs.same(program, w.self) }

// dirs are where the programs of both kinds are looked for.
func (w *wrapper) dirs() []string {
	var out []string
	for _, d := range []string{path.Dir(w.self), "/usr/sbin", "/usr/bin", "/sbin"} {
		if !contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

func (w *wrapper) find(program string) string {
	for _, d := range w.dirs() {
		if p := path.Join(d, program); w.fs.isProgram(p) {
			return p
		}
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
