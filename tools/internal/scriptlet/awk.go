package scriptlet

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/scriptlet/awk"
)

// awkCommand is awk(1): a program, or files of it, with operands.
func awkCommand(c *call) int {
	o, program, status := c.awkOptions()
	if status != 0 {
		return status
	}
	c.m.step(1 + len(program)/16)
	p, err := awk.Parse(program)
	if err != nil {
		return c.unknown("%v", err)
	}
	status, err = p.Run(c.awkHost(), o)
	var syntax *awk.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return c.unknown("%v", err)
	case err != nil:
		c.errorf("%v", err)
		return 2
	}
	return status
}

// awkOptions reads the command line up to its first operand.
func (c *call) awkOptions() (awk.Options, string, int) {
	o := awk.Options{Environ: map[string]string{}}
	for _, name := range sortedKeys(c.s.vars) {
		if v := c.s.vars[name]; v.Exported {
			o.Environ[name] = v.String()
		}
	}
	var program []string
	args := c.args
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		a := args[0]
		args = args[1:]
		if a == "--" {
			break
		}
		letter, value := a[1], a[2:]
		if strings.IndexByte("Fvf", letter) < 0 {
			return o, "", c.option(a)
		}
		if value == "" {
			if len(args) == 0 {
				return o, "", c.errorf("option %s needs a value", a)
			}
			value, args = args[0], args[1:]
		}
		switch letter {
		case 'F':
			o.FS = value
		case 'v':
			o.Assigns = append(o.Assigns, value)
		case 'f':
			data, err := c.input(value)
			if err != nil {
				c.errorf("cannot open %s: %v", value, err)
				return o, "", 2
			}
			program = append(program, string(data))
		}
	}
	if program == nil {
		if len(args) == 0 {
			c.errorf("no program")
			return o, "", 2
		}
		program, args = args[:1], args[1:]
	}
	o.Args = args
	return o, strings.Join(program, "\n"), 0
}

// awkHost lets the program reach the tree and the shell, and nothing else.
func (c *call) awkHost() *awk.Host {
	run := func(command string, in []byte, out io.Writer) int {
		status := 0
		c.s.inSubshell(func(sub *shell) {
			if in != nil {
				sub.fds[0] = &file{r: bytes.NewReader(in), pipe: true}
			}
			if out != nil {
				sub.fds[1] = &file{w: &counted{c.m, out}, pipe: true}
			}
			sub.status = sub.program([]string{"sh", "-c", command})
			status = sub.status
		})
		return status
	}
	return &awk.Host{
		Step: c.m.step,
		Open: func(name string) ([]byte, error) { return c.m.read(c.path(name)) },
		Write: func(name string, data []byte, add bool) error {
			f, err := c.m.open(c.path(name), add, 0o666&^c.s.umask, c.s)
			if err != nil {
				return err
			}
			if f.w != nil {
				_, err = f.w.Write(data)
			}
			return err
		},
		Command: func(command string, in []byte) ([]byte, int) {
			var out bytes.Buffer
			status := run(command, in, &out)
			return out.Bytes(), status
		},
		Run: func(command string, in []byte) int { return run(command, in, nil) },
		Stdin: func() []byte {
			data, _ := c.input("-")
			return data
		},
		Stdout: c.out,
		Stderr: c.err,
	}
}
