package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
)

func (t *tester) noShell() error {
	if !t.spec.NoShell {
		return nil
	}
	return t.image.CheckNoShell()
}

func (t *tester) runCommand(c Command) {
	name := strings.Join(c.Args, " ")
	if t.image.Emulated() && c.NativeOnly != "" {
		fmt.Printf("SKIP %s under emulation: %s\n", name, c.NativeOnly)
		return
	}
	if t.image.Emulated() && c.StartsPrograms {
		if err := t.image.EmulateAll(); err != nil {
			fmt.Printf("SKIP %s under emulation: qemu-user cannot start other programs of the image, and %s\n", name, err)
			return
		}
		defer t.image.Close()
	}
	want := Outcome{c.Output, c.Exit}
	if t.image.Emulated() && c.Emulated != nil {
		want = *c.Emulated
		name += " (emulated)"
	}
	t.record(name, func() error {
		result, err := t.image.Run(imagerun.Process{Args: c.Args, Capabilities: c.Capabilities})
		if err != nil {
			return err
		}
		out := result.Output()
		if result.Exit != want.Exit {
			return fmt.Errorf("exit status %d, want %d\n%s", result.Exit, want.Exit, out)
		}
		re, err := regexp.Compile(want.Output)
		if err != nil {
			return err
		}
		if !re.MatchString(strings.TrimSuffix(out, "\n")) {
			return fmt.Errorf("output does not match %q:\n%s", want.Output, out)
		}
		return nil
	}())
}
