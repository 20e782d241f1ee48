package scriptlet

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/pattern"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// findNode is a primary or an operator of find(1).
type findNode func(name string, e *rootfs.Entry, f *findRun) bool

type findRun struct {
	c        *call
	args     []string
	depth    bool
	min, max int
	acts     bool // some primary prints or acts, so -print is not implied
	prune    bool
	quit     bool
	batch    [][]string // of -exec ... +
	commands [][]string
}

func find(c *call) int {
	f := &findRun{c: c, max: 1 << 30}
	args := c.args
	for len(args) > 0 && (args[0] == "-L" || args[0] == "-H" || args[0] == "-P") {
		if args[0] == "-L" {
			return c.option("-L")
		}
		args = args[1:]
	}
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "(" && args[0] != "!" {
		roots = append(roots, args[0])
		args = args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	f.args = args
	var node findNode = func(string, *rootfs.Entry, *findRun) bool { return true }
	if len(args) > 0 {
		node = f.or()
	}
	if len(f.args) > 0 {
		return c.unknown("find: %s is not known", f.args[0])
	}
	status := 0
	for _, r := range roots {
		e := c.m.lstat(c.path(r))
		if e == nil {
			status = c.errorf("'%s': %v", r, errNoEnt)
			continue
		}
		f.visit(r, e, 0, node)
	}
	for i, batch := range f.batch {
		if len(batch) > 0 {
			f.spawn(append(slices.Clone(f.commands[i]), batch...))
		}
	}
	return status
}

func (f *findRun) visit(name string, e *rootfs.Entry, level int, node findNode) {
	f.c.m.step(2)
	if f.quit {
		return
	}
	test := func() {
		if level >= f.min && node(name, e, f) && !f.acts {
			fmt.Fprintln(f.c.out, name)
		}
	}
	f.prune = false
	if !f.depth {
		test()
	}
	if e.Type == pkgindex.TypeDir && level < f.max && !f.prune {
		list, _ := f.c.m.readDir(e.Path)
		for _, x := range list {
			f.visit(strings.TrimRight(name, "/")+"/"+rootfs.Base(x.Path), x, level+1, node)
		}
	}
	if f.depth {
		test()
	}
}

func (f *findRun) take() string {
	if len(f.args) == 0 {
		f.c.unknown("find: an argument is missing")
	}
	a := f.args[0]
	f.args = f.args[1:]
	return a
}

func (f *findRun) or() findNode {
	left := f.and()
	for len(f.args) > 0 && (f.args[0] == "-o" || f.args[0] == "-or") {
		f.take()
		a, b := left, f.and()
		left = func(n string, e *rootfs.Entry, f *findRun) bool { return a(n, e, f) || b(n, e, f) }
	}
	return left
}

func (f *findRun) and() findNode {
	left := f.primary()
	for len(f.args) > 0 && f.args[0] != "-o" && f.args[0] != "-or" && f.args[0] != ")" {
		if f.args[0] == "-a" || f.args[0] == "-and" {
			f.take()
		}
		a, b := left, f.primary()
		left = func(n string, e *rootfs.Entry, f *findRun) bool { return a(n, e, f) && b(n, e, f) }
	}
	return left
}

func (f *findRun) primary() findNode {
	f.c.m.enter()
	defer f.c.m.leave()
	always := func(string, *rootfs.Entry, *findRun) bool { return true }
	switch a := f.take(); a {
	case "(":
		n := f.or()
		if f.take() != ")" {
			f.c.unknown("find: a bracket is not closed")
		}
		return n
	case "!", "-not":
		n := f.primary()
		return func(name string, e *rootfs.Entry, f *findRun) bool { return !n(name, e, f) }
	case "-true", "-xdev", "-mount", "-noleaf":
		return always
	case "-empty":
		return func(_ string, e *rootfs.Entry, f *findRun) bool {
			if e.Type == pkgindex.TypeDir {
				return len(f.c.m.FS.Under(e.Path)) == 0
			}
			return e.Type == pkgindex.TypeFile && e.SizeBytes == 0
		}
	case "-executable", "-readable", "-writable":
		return func(_ string, e *rootfs.Entry, _ *findRun) bool {
			return a != "-executable" || e.Type == pkgindex.TypeDir || e.Mode&0o111 != 0
		}
	case "-depth":
		f.depth = true
		return always
	case "-maxdepth", "-mindepth":
		n, ok := atoi(f.take())
		if !ok {
			f.c.unknown("find: %s wants a number", a)
		}
		if a == "-maxdepth" {
			f.max = n
		} else {
			f.min = n
		}
		return always
	case "-print", "-print0", "-delete", "-exec", "-prune", "-quit":
		return f.action(a)
	default:
		return f.test(a)
	}
}

func (f *findRun) action(a string) findNode {
	if a != "-prune" {
		f.acts = true
	}
	switch a {
	case "-print", "-print0":
		end := "\n"
		if a == "-print0" {
			end = "\x00"
		}
		return func(name string, _ *rootfs.Entry, f *findRun) bool {
			io.WriteString(f.c.out, name+end)
			return true
		}
	case "-delete":
		f.depth = true
		return func(name string, e *rootfs.Entry, f *findRun) bool {
			if e.Type == pkgindex.TypeDir {
				return f.c.m.rmdir(e.Path) == nil
			}
			return f.c.m.unlink(e.Path) == nil
		}
	case "-prune":
		return func(_ string, _ *rootfs.Entry, f *findRun) bool {
			f.prune = true
			return true
		}
	case "-quit":
		return func(_ string, _ *rootfs.Entry, f *findRun) bool {
			f.quit = true
			return true
		}
	}
	return f.exec()
}

func (f *findRun) exec() findNode {
	var words []string
	for {
		w := f.take()
		if w == ";" {
			break
		}
		if w == "+" && len(words) > 0 && words[len(words)-1] == "{}" {
			i := len(f.batch)
			f.batch, f.commands = append(f.batch, nil), append(f.commands, words[:len(words)-1])
			return func(name string, _ *rootfs.Entry, f *findRun) bool {
				f.batch[i] = append(f.batch[i], name)
				return true
			}
		}
		words = append(words, w)
	}
	return func(name string, _ *rootfs.Entry, f *findRun) bool {
		args := make([]string, len(words))
		for i, w := range words {
			args[i] = strings.ReplaceAll(w, "{}", name)
		}
		return f.spawn(args) == 0
	}
}

// spawn runs a command as a process of its own: no functions, no shell built-ins that change the shell.
func (f *findRun) spawn(args []string) int { return f.c.spawn(args) }

func (f *findRun) test(a string) findNode {
	value := f.take()
	switch a {
	case "-name", "-iname", "-path", "-wholename", "-lname":
		mode := pattern.EntireString
		if a == "-iname" {
			mode |= pattern.NoGlobCase
		}
		rx, err := compilePattern(value, mode)
		if err != nil {
			f.c.unknown("find: %v", err)
		}
		return func(name string, e *rootfs.Entry, f *findRun) bool {
			switch a {
			case "-path", "-wholename":
				return rx.MatchString(name)
			case "-lname":
				return e.Type == pkgindex.TypeSymlink && rx.MatchString(e.Link)
			}
			return rx.MatchString(path.Base(name))
		}
	case "-type":
		types := map[string]string{"f": pkgindex.TypeFile, "d": pkgindex.TypeDir, "l": pkgindex.TypeSymlink, "p": pkgindex.TypeFIFO,
			"b": pkgindex.TypeBlock, "c": pkgindex.TypeChar, "s": pkgindex.TypeSocket}
		want, ok := types[value]
		if !ok {
			f.c.unknown("find: type %s is not known", value)
		}
		return func(_ string, e *rootfs.Entry, _ *findRun) bool { return e.Type == want }
	case "-user", "-group", "-uid", "-gid":
		resolve := f.c.uid
		if a == "-group" || a == "-gid" {
			resolve = f.c.gid
		}
		id, err := resolve(value)
		if err != nil {
			f.c.unknown("find: %v", err)
		}
		return func(_ string, e *rootfs.Entry, _ *findRun) bool {
			if a == "-user" || a == "-uid" {
				return e.UID == id
			}
			return e.GID == id
		}
	case "-perm":
		bits, err := changeMode(strings.TrimLeft(value, "-/"), 0, false, 0)
		if err != nil {
			f.c.unknown("find: %v", err)
		}
		return func(_ string, e *rootfs.Entry, _ *findRun) bool {
			switch value[0] {
			case '-':
				return e.Mode&bits == bits
			case '/':
				return e.Mode&bits != 0 || bits == 0
			}
			return e.Mode == bits
		}
	}
	f.c.unknown("find: %s is not known", a)
	return nil
}

// spawn runs a command that another one starts.
func (c *call) spawn(args []string) int {
	if len(args) == 0 {
		return 0
	}
	status := 0
	c.s.inSubshell(func(sub *shell) {
		sub.status = sub.outside(args)
		status = sub.status
	})
	return status
}

// xargs runs a command on words of its input, which quotes may hold together.
func xargs(c *call) int {
	o, args := c.parseUntilOperand("0rn:I:d:tP:L:", map[string]byte{"null": '0', "no-run-if-empty": 'r', "max-args": 'n', "replace": 'I', "max-procs": 'P'})
	if o.has('L') || o.has('t') {
		return c.unknown("only -0, -r, -n, -I, -d and -P are known")
	}
	data, _ := io.ReadAll(c.in)
	c.m.step(1 + len(data)>>6)
	var words []string
	switch {
	case o.has('0'):
		words = strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 })
	case o.has('I') || o.has('d') && o.value('d') == `\n`:
		words = splitLines(data)
	case o.has('d'):
		words = strings.Split(strings.TrimSuffix(string(data), "\n"), o.value('d'))
	default:
		words = strings.Fields(string(data))
		if strings.ContainsAny(string(data), `'"\`) {
			return c.unknown("quotes in the input are not known")
		}
	}
	if len(args) == 0 {
		args = []string{"echo"}
	}
	status := 0
	run := func(argv []string) {
		if c.spawn(argv) != 0 {
			status = 123
		}
	}
	if o.has('I') {
		for _, w := range words {
			argv := make([]string, len(args))
			for i, a := range args {
				argv[i] = strings.ReplaceAll(a, o.value('I'), strings.TrimSpace(w))
			}
			run(argv)
		}
		return status
	}
	n := len(words)
	if o.has('n') {
		if v, ok := atoi(o.value('n')); ok && v > 0 {
			n = v
		}
	}
	if len(words) == 0 && !o.has('r') {
		run(args)
	}
	for len(words) > 0 {
		k := min(n, len(words))
		run(slices.Concat(args, words[:k]))
		words = words[k:]
	}
	return status
}

// parseUntilOperand is parse for commands that take another command: options end at the first operand.
func (c *call) parseUntilOperand(spec string, long map[string]byte) (options, []string) {
	all := c.args
	takes := func(a string) bool {
		letter := byte(0)
		if strings.HasPrefix(a, "--") {
			letter = long[a[2:]]
		} else if len(a) == 2 {
			letter = a[1]
		}
		i := strings.IndexByte(spec, letter)
		return letter != 0 && i >= 0 && strings.HasPrefix(spec[i+1:], ":")
	}
	i := 0
	for i < len(all) && strings.HasPrefix(all[i], "-") && all[i] != "-" {
		if all[i] == "--" {
			i++
			break
		}
		if takes(all[i]) {
			i++
		}
		i++
	}
	i = min(i, len(all))
	sub := *c
	sub.args = all[:i]
	o, rest := sub.parse(spec, long)
	return o, append(rest, all[i:]...)
}
