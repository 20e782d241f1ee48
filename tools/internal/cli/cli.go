// Package cli holds what all programs of tools/ share: params files, strict flags, and the way errors are shown.
//
// Output rules: silent on success; on failure one "<tool>: error: …" line on stderr and, where the user can act, one
// "<tool>: hint: …" line for each hint of the error chain. Only Main exits.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxParamsFile bounds a params file; Bazel's own are a few hundred kilobytes at most.
const maxParamsFile = 64 << 20

// Status is an error without words: run has said everything, and the program exits with the number.
type Status int

func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Main expands params files, calls run and exits 0 or 1, or with the Status that run returns.
func Main(tool string, run func(args []string) error) {
	args, err := ExpandParams(os.Args[1:])
	if err == nil {
		err = run(args)
	}
	var status Status
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	if err != nil {
		Report(os.Stderr, tool, err)
		os.Exit(1)
	}
}

// ExpandParams replaces every argument "@file" by the lines of the file, byte for byte, without nesting.
func ExpandParams(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		name, ok := strings.CutPrefix(arg, "@")
		if !ok {
			out = append(out, arg)
			continue
		}
		lines, err := readParams(name)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}

func readParams(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading params file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxParamsFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading params file: %w", err)
	}
	if len(data) > maxParamsFile {
		return nil, fmt.Errorf("reading params file %s: larger than %d bytes", name, maxParamsFile)
	}
	text := strings.TrimSuffix(string(data), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

// NewFlagSet returns a flag set that reports errors by value and takes no positional arguments (see Parse).
func NewFlagSet(tool string) *flag.FlagSet {
	fs := flag.NewFlagSet(tool, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// Parse parses args strictly: positional arguments and missing required flags are errors.
func Parse(fs *flag.FlagSet, args []string, required ...string) error {
	if err := fs.Parse(args); err != nil {
		return Hint(err, "flags of %s: %s", fs.Name(), flagNames(fs))
	}
	if fs.NArg() > 0 {
		return Hint(fmt.Errorf("unexpected argument %q", fs.Arg(0)), "flags of %s: %s", fs.Name(), flagNames(fs))
	}
	seen := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { seen[f.Name] = true })
	for _, name := range required {
		if !seen[name] {
			return fmt.Errorf("missing flag --%s", name)
		}
	}
	return nil
}

func flagNames(fs *flag.FlagSet) string {
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, "--"+f.Name) })
	return strings.Join(names, " ")
}

// Strings is a repeated flag; the order of the command line is kept.
type Strings []string

// String shows the values separated by commas.
func (s *Strings) String() string { return strings.Join(*s, ",") }

// Set appends a value.
func (s *Strings) Set(value string) error {
	*s = append(*s, value)
	return nil
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// Hint attaches what the user can do about err. The hint is not part of err.Error(); Report prints it on a line of its own.
// A nil err stays nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Hints returns the hints of err and of everything it wraps, outermost first.
func Hints(err error) []string {
	if err == nil {
		return nil
	}
	var out []string
	if h, ok := err.(*hinted); ok {
		out = append(out, h.hint)
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		out = append(out, Hints(u.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			out = append(out, Hints(e)...)
		}
	}
	return out
}

// Report prints err and its hints.
func Report(w io.Writer, tool string, err error) {
	if errors.Is(err, flag.ErrHelp) {
		for _, hint := range Hints(err) {
			fmt.Fprintf(w, "%s\n", hint)
		}
		return
	}
	for i, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		if i == 0 {
			fmt.Fprintf(w, "%s: error: %s\n", tool, line)
		} else {
			fmt.Fprintf(w, "%s:        %s\n", tool, line)
		}
	}
	seen := map[string]bool{}
	for _, hint := range Hints(err) {
		if !seen[hint] {
			seen[hint] = true
			fmt.Fprintf(w, "%s: hint: %s\n", tool, hint)
		}
	}
}
