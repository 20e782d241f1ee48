// Command expectfailure runs a program that must fail, and keeps what it says: expectfailure --out=F --program=F @PARAMS. The
// outputs that the parameters name are written to a folder that is thrown away.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "expectfailure: error: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 || !strings.HasPrefix(args[0], "--out=") || !strings.HasPrefix(args[1], "--program=") {
		return fmt.Errorf("usage: expectfailure --out=F --program=F ARGUMENT...")
	}
	out, program := strings.TrimPrefix(args[0], "--out="), strings.TrimPrefix(args[1], "--program=")
	scratch, err := os.MkdirTemp("", "expectfailure")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	var arguments []string
	for _, a := range args[2:] {
		if a == program { // arguments of actions begin with it
			continue
		}
		lines := []string{a}
		if name, ok := strings.CutPrefix(a, "@"); ok {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		}
		for _, line := range lines {
			for _, flag := range []string{"--layer=", "--tree=", "--report=", "--unused-inputs="} {
				if strings.HasPrefix(line, flag) {
					line = flag + filepath.Join(scratch, strings.Trim(flag, "-="))
				}
			}
			arguments = append(arguments, line)
		}
	}
	var said bytes.Buffer
	cmd := exec.Command(program, arguments...)
	cmd.Stderr = &said
	if err := cmd.Run(); err == nil {
		return fmt.Errorf("%s did not fail", program)
	}
	return os.WriteFile(out, said.Bytes(), 0o644)
}
