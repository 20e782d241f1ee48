// Gorpmutils does what tools/bench/headers does, with github.com/sassoftware/go-rpmutils.
//
//	gorpmutils @FILE    FILE has a line --rpm=F for each package
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	rpmutils "github.com/sassoftware/go-rpmutils"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gorpmutils: error:", err)
		os.Exit(1)
	}
}

func run(params string) error {
	lines, err := os.ReadFile(strings.TrimPrefix(params, "@"))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for line := range strings.Lines(string(lines)) {
		name := strings.TrimPrefix(strings.TrimSpace(line), "--rpm=")
		if err := list(out, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return out.Flush()
}

func list(out *bufio.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	header, err := rpmutils.ReadHeader(f)
	if err != nil {
		return err
	}
	id, err := header.GetNEVRA()
	if err != nil {
		return err
	}
	epoch := ""
	if id.Epoch != "0" {
		epoch = id.Epoch + ":"
	}
	fmt.Fprintf(out, "%s-%s%s-%s.%s\n", id.Name, epoch, id.Version, id.Release, id.Arch)
	files, err := header.GetFiles()
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintln(out, f.Name())
	}
	return nil
}
