// Cavaliergopher does what tools/bench/headers does, with github.com/cavaliergopher/rpm.
//
//	cavaliergopher @FILE    FILE has a line --rpm=F for each package
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/cavaliergopher/rpm"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "cavaliergopher: error:", err)
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
		p, err := rpm.Open(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		epoch := ""
		if p.Epoch() != 0 {
			epoch = fmt.Sprintf("%d:", p.Epoch())
		}
		fmt.Fprintf(out, "%s-%s%s-%s.%s\n", p.Name(), epoch, p.Version(), p.Release(), p.Architecture())
		for _, f := range p.Files() {
			fmt.Fprintln(out, f.Name())
		}
	}
	return out.Flush()
}
