package scriptlet

import (
	"fmt"
	"strings"
)

// builtins are the commands that are part of the shell. The map is filled by init, because some of them run others.
var builtins map[string]command

func init() {
	builtins = map[string]command{
		":": succeed, "true": succeed, "false": fail, "test": testCommand, "[": testCommand, "echo": echo, "printf": printf,
		"cd": changeDir, "pwd": printDir, "exit": exitShell, "return": returnShell, "break": leaveLoop, "continue": leaveLoop,
		"export": export, "readonly": export, "local": export, "declare": export, "typeset": export, "set": setOptions, "shift": shift,
		"unset": unset, "eval": evalCommand, ".": source, "source": source, "exec": execCommand, "command": commandCommand,
		"type": typeCommand, "read": readCommand, "umask": umaskCommand, "trap": trapCommand, "wait": waitCommand, "getopts": getopts,
		"ulimit": succeed, "hash": succeed, "builtin": builtinCommand, "shopt": shopt, "alias": alias, "unalias": succeed,
		"times": succeed, "let": letCommand, "bg": succeed, "fg": succeed, "jobs": succeed, "kill": killCommand, "disown": succeed,
	}
}

func succeed(*call) int { return 0 }
func fail(*call) int    { return 1 }

func changeDir(c *call) int {
	args := c.args
	for len(args) > 0 && (args[0] == "-P" || args[0] == "-L" || args[0] == "--") {
		args = args[1:]
	}
	to := c.s.vars["HOME"].Str
	if len(args) > 0 {
		to = args[0]
	}
	if to == "-" {
		to = c.s.vars["OLDPWD"].Str
		fmt.Fprintln(c.out, to)
	}
	real, e, err := c.m.walk(c.path(to), true)
	switch {
	case err != nil:
		return c.errorf("%s: %v", to, err)
	case e == nil:
		return c.errorf("%s: %v", to, errNoEnt)
	case e.Type != "dir":
		return c.errorf("%s: %v", to, errNotDir)
	}
	c.s.set("OLDPWD", c.s.dir)
	c.s.dir = real
	c.s.set("PWD", real)
	return 0
}

func printDir(c *call) int {
	fmt.Fprintln(c.out, c.s.dir)
	return 0
}

func statusArg(c *call) int {
	if len(c.args) == 0 {
		return c.s.status
	}
	n, ok := atoi(c.args[0])
	if !ok {
		return 2
	}
	return n & 0xff
}

func exitShell(c *call) int {
	c.s.ctl = exiting
	return statusArg(c)
}

func returnShell(c *call) int {
	c.s.ctl = returning
	return statusArg(c)
}

func leaveLoop(c *call) int {
	n := 1
	if len(c.args) > 0 {
		n, _ = atoi(c.args[0])
	}
	if c.s.loops == 0 || n < 1 {
		return 0
	}
	c.s.levels = min(n, c.s.loops)
	c.s.ctl = breaking
	if c.name == "continue" {
		c.s.ctl = continuing
	}
	return 0
}

func shift(c *call) int {
	n := 1
	if len(c.args) > 0 {
		n, _ = atoi(c.args[0])
	}
	if n < 0 || n > len(c.s.params) {
		return 1
	}
	c.s.params = c.s.params[n:]
	return 0
}

func unset(c *call) int {
	functions := false
	for _, a := range c.args {
		switch {
		case a == "-f":
			functions = true
		case a == "-v":
		case functions:
			delete(c.s.funcs, a)
		default:
			if c.s.vars[a].ReadOnly {
				return c.errorf("%s: cannot unset: readonly variable", a)
			}
			delete(c.s.vars, a)
		}
	}
	return 0
}

func evalCommand(c *call) int {
	text := strings.Join(c.args, " ")
	if strings.TrimSpace(text) == "" {
		return 0
	}
	nested, line := c.s.nested, c.m.run.line
	c.s.nested = true
	c.s.eval(text)
	c.s.nested, c.m.run.line = nested, line
	return c.s.status
}

func source(c *call) int {
	if len(c.args) == 0 {
		return c.errorf("filename argument required")
	}
	p := c.path(c.args[0])
	if !strings.Contains(c.args[0], "/") {
		if found := c.s.lookup(c.args[0]); found != "" {
			p = found
		}
	}
	data, err := c.m.read(p)
	if err != nil {
		c.errorf("%s: %v", c.args[0], err)
		c.s.ctl = exiting // as POSIX says of this built-in
		return 1
	}
	params, nested, line := c.s.params, c.s.nested, c.m.run.line
	if len(c.args) > 1 {
		c.s.params = c.args[1:]
	}
	c.s.nested = true
	c.m.enter()
	c.s.eval(string(data))
	c.m.leave()
	c.s.params, c.s.nested, c.m.run.line = params, nested, line
	if c.s.ctl == returning {
		c.s.ctl = goOn
	}
	return c.s.status
}

func execCommand(c *call) int {
	args := c.args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 0
	}
	status := c.s.outside(args)
	c.s.ctl = exiting
	return status
}

// outside runs a command that is no function.
func (s *shell) outside(args []string) int {
	if b, ok := builtins[args[0]]; ok {
		return b(s.prepare(args))
	}
	return s.program(args)
}

func commandCommand(c *call) int {
	args := c.args
	describe := ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-v" || args[0] == "-V" {
			describe = args[0]
		} else if args[0] != "-p" && args[0] != "--" {
			return c.option(args[0])
		}
		args = args[1:]
	}
	if describe == "" {
		if len(args) == 0 {
			return 0
		}
		return c.s.outside(args)
	}
	status := 1
	for _, a := range args {
		if what := c.s.describe(a); what != "" {
			fmt.Fprintln(c.out, what)
			status = 0
		}
	}
	return status
}

// describe answers `command -v`: what the image has, not what is built in here.
func (s *shell) describe(name string) string {
	if _, ok := s.funcs[name]; ok {
		return name
	}
	if _, ok := builtins[name]; ok {
		return name
	}
	return s.lookup(name)
}

func typeCommand(c *call) int {
	status := 0
	for _, a := range c.args {
		if strings.HasPrefix(a, "-") {
			continue
		}
		what := c.s.describe(a)
		if what == "" {
			status = c.errorf("%s: not found", a)
			continue
		}
		fmt.Fprintf(c.out, "%s is %s\n", a, what)
	}
	return status
}

func builtinCommand(c *call) int {
	if len(c.args) == 0 {
		return 0
	}
	b, ok := builtins[c.args[0]]
	if !ok {
		return c.errorf("%s: not a shell builtin", c.args[0])
	}
	return b(c.s.prepare(c.args))
}

func umaskCommand(c *call) int {
	if len(c.args) == 0 {
		fmt.Fprintf(c.out, "%04o\n", c.s.umask)
		return 0
	}
	var n uint32
	if _, err := fmt.Sscanf(c.args[0], "%o", &n); err != nil {
		return c.option(c.args[0])
	}
	c.s.umask = n & 0o777
	return 0
}

func trapCommand(c *call) int {
	if len(c.args) == 0 || strings.HasPrefix(c.args[0], "-") && c.args[0] != "-" && c.args[0] != "--" {
		return 0
	}
	args := c.args
	if args[0] == "--" {
		args = args[1:]
	}
	if len(args) < 2 {
		return 0
	}
	for _, signal := range args[1:] {
		if signal == "EXIT" || signal == "0" {
			c.s.trap = args[0]
			if args[0] == "-" {
				c.s.trap = ""
			}
		}
	}
	return 0 // no signal ever comes
}

// waitCommand has nothing to wait for: what ran in the background has ended.
func waitCommand(c *call) int { return 0 }

func killCommand(c *call) int { return c.errorf("no such process") }

func alias(c *call) int {
	if len(c.args) == 0 {
		return 0
	}
	return c.unknown("aliases are not known")
}

func letCommand(c *call) int { return c.unknown("let is known only where its operands are plain") }

func shopt(c *call) int {
	on, query := true, false
	for _, a := range c.args {
		switch a {
		case "-s":
			on = true
		case "-u":
			on = false
		case "-q":
			query = true
		case "nullglob", "dotglob", "extglob", "nocaseglob":
			if query {
				return boolStatus(c.s.opts[a])
			}
			c.s.opts[a] = on
		default:
			return c.option(a)
		}
	}
	return 0
}

func getopts(c *call) int {
	if len(c.args) < 2 {
		return 2
	}
	params := c.s.params
	if len(c.args) > 2 {
		params = c.args[2:]
	}
	index, _ := atoi(c.s.vars["OPTIND"].Str)
	done := func() int {
		c.s.set(c.args[1], "?")
		return 1
	}
	if index < 1 || index > len(params) {
		return done()
	}
	word := params[index-1]
	if c.s.getopts == 0 {
		if len(word) < 2 || word[0] != '-' {
			return done()
		}
		if word == "--" {
			c.s.set("OPTIND", fmt.Sprint(index+1))
			return done()
		}
		c.s.getopts = 1
	}
	if c.s.getopts >= len(word) {
		c.s.getopts = 0
		return done()
	}
	letter := word[c.s.getopts]
	c.s.getopts++
	next := func() {
		index++
		c.s.getopts = 0
	}
	at := strings.IndexByte(c.args[0], letter)
	value := ""
	name := string(letter)
	switch {
	case at < 0 || letter == ':':
		value, name = name, "?"
		if c.s.getopts >= len(word) {
			next()
		}
	case at+1 < len(c.args[0]) && c.args[0][at+1] == ':':
		value = word[c.s.getopts:]
		next()
		if value == "" {
			if index > len(params) {
				value, name = name, "?"
			} else {
				value = params[index-1]
				index++
			}
		}
	case c.s.getopts >= len(word):
		next()
	}
	delete(c.s.vars, "OPTARG")
	if value != "" && name != "?" {
		c.s.set("OPTARG", value)
	}
	c.s.set("OPTIND", fmt.Sprint(index))
	c.s.set(c.args[1], name)
	return 0
}
