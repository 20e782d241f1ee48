// Command writerpm writes a small RPM for tests of rules: writerpm --name=N --out=F [--post=F] [--file=PATH=F ...].
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "writerpm: error: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	p := rpmtest.Package{Arch: "noarch"}
	out := ""
	for _, a := range args {
		flag, value, _ := strings.Cut(a, "=")
		switch flag {
		case "--name":
			p.Name = value
		case "--out":
			out = value
		case "--post":
			body, err := os.ReadFile(value)
			if err != nil {
				return err
			}
			p.Scriptlets = append(p.Scriptlets, rpmtest.Scriptlet{Kind: "post", Body: string(body)})
		case "--file":
			path, from, _ := strings.Cut(value, "=")
			data, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			p.Files = append(p.Files, rpmtest.File{Path: path, Data: string(data), Mode: 0o100755})
		default:
			return fmt.Errorf("flag %s is not known", flag)
		}
	}
	if p.Name == "" || out == "" {
		return fmt.Errorf("--name and --out are needed")
	}
	p.Provides = []string{p.Name + " = 1-1"}
	return os.WriteFile(out, rpmtest.Build(p), 0o644)
}
