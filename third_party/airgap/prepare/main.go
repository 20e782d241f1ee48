// Prepare makes Bazel configuration for machines that can reach Debian packages and a Go module proxy, but no Bazel
// module registry and no download site. bazelw runs it before Bazel exists, with plain `go run`, so it imports the
// standard library only.
//
//	prepare modules   --modcache=DIR --stand-ins=DIR --debian-modules=DIR --out=DIR
//	prepare downloads --modcache=DIR --go-mod=FILE [--go-mod=FILE ...] --modules=DIR
//
// The first form makes DIR, complete or not at all: copies of rules_go and gazelle taken out of Go modules, the
// stand-ins for modules that are named but not needed, and a bazelrc that puts all of them in place of the registry.
// The second form fills the Go module cache with every module that Bazel's go_deps extension may ask for, so that Bazel
// itself never needs the network.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "airgap: error: %v\n", err)
		os.Exit(1)
	}
}

// stringList is a repeatable flag.
type stringList []string

func (l *stringList) String() string     { return strings.Join(*l, " ") }
func (l *stringList) Set(v string) error { *l = append(*l, v); return nil }

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("reading the command line: want `modules` or `downloads`")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it
	cache := flags.String("modcache", "", "Go module cache to fill and to read")
	switch args[0] {
	case "modules":
		o := modulesOptions{}
		flags.StringVar(&o.standIns, "stand-ins", "", "folder with one stand-in module per folder")
		flags.StringVar(&o.debian, "debian-modules", "", "folder where Debian keeps Bazel modules")
		flags.StringVar(&o.out, "out", "", "folder to make")
		if err := parse(flags, args[1:], cache, &o.standIns, &o.debian, &o.out); err != nil {
			return err
		}
		o.modcache = *cache
		return makeModules(o)
	case "downloads":
		var goMods stringList
		modules := flags.String("modules", "", "folder made by `prepare modules`")
		flags.Var(&goMods, "go-mod", "go.mod whose modules Bazel builds from; repeatable")
		if err := parse(flags, args[1:], cache, modules); err != nil {
			return err
		}
		return download(*cache, *modules, goMods)
	}
	return fmt.Errorf("reading the command line: unknown command %q, want `modules` or `downloads`", args[0])
}

// parse parses args and makes the paths absolute; all of them are required.
func parse(flags *flag.FlagSet, args []string, paths ...*string) error {
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the command line: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reading the command line: unexpected argument %q", flags.Arg(0))
	}
	for _, p := range paths {
		if *p == "" {
			return errors.New("reading the command line: a required flag is missing")
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("making %s absolute: %w", *p, err)
		}
		*p = abs
	}
	return nil
}
