package alternatives

import (
	"fmt"
	"path"
	"strings"
)

// Operation kinds.
const (
	OpInstall = "install"
	OpSet     = "set"
	OpAuto    = "auto"
	OpRemove  = "remove"
	// OpRemoveAll takes out the whole group; only Debian's program has it.
	OpRemoveAll = "remove-all"
)

// Operation is what one command line asks for.
type Operation struct {
	Kind    string
	Name    string
	Path    string  // OpSet, OpRemove
	Install Install // OpInstall
}

// IsCommand reports whether the program, by its base name, is update-alternatives or alternatives.
func IsCommand(program string) bool {
	base := path.Base(program)
	return base == "update-alternatives" || base == "alternatives"
}

// ParseCommand reads a command line of update-alternatives(1) or alternatives(8). An option that it does not know is an error.
func ParseCommand(argv []string) (*Operation, error) {
	if len(argv) == 0 || !IsCommand(argv[0]) {
		return nil, fmt.Errorf("not an alternatives command")
	}
	op, err := parseCommand(argv[1:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.Base(argv[0]), err)
	}
	return op, nil
}

func parseCommand(args []string) (*Operation, error) {
	op := &Operation{}
	take := func(option string, n int) ([]string, error) {
		if len(args) < n {
			return nil, fmt.Errorf("option %s needs %d values", option, n)
		}
		v := args[:n]
		args = args[n:]
		return v, nil
	}
	for len(args) > 0 {
		option := args[0]
		args = args[1:]
		var err error
		switch option {
		case "--install":
			err = op.install(take)
		case "--slave", "--follower":
			err = op.slave(take)
		case "--family", "--initscript":
			var v []string
			if v, err = take(option, 1); err == nil {
				if option == "--family" {
					op.Install.Choice.Family = v[0]
				} else {
					op.Install.Choice.Initscript = v[0]
				}
			}
		case "--set", "--remove":
			var v []string
			if v, err = take(option, 2); err == nil {
				op.Kind, op.Name, op.Path = strings.TrimPrefix(option, "--"), v[0], v[1]
			}
		case "--auto", "--remove-all":
			var v []string
			if v, err = take(option, 1); err == nil {
				op.Kind, op.Name = strings.TrimPrefix(option, "--"), v[0]
			}
		case "--quiet", "--force", "--verbose", "--keep-missing", "--keep-foreign", "--skip-auto":
		default:
			err = fmt.Errorf("option %s is not covered", option)
		}
		if err != nil {
			return nil, err
		}
	}
	if op.Kind == "" {
		return nil, fmt.Errorf("nothing to do")
	}
	return op, op.check()
}

func (op *Operation) install(take func(string, int) ([]string, error)) error {
	v, err := take("--install", 4)
	if err != nil {
		return err
	}
	priority, err := parsePriority(v[3])
	if err != nil {
		return err
	}
	c := &op.Install.Choice
	op.Kind, op.Name = OpInstall, v[1]
	op.Install.Link, op.Install.Name = v[0], v[1]
	c.Path, c.Priority = v[2], priority
	if c.Slaves == nil {
		c.Slaves = map[string]string{}
	}
	return nil
}

func (op *Operation) slave(take func(string, int) ([]string, error)) error {
	v, err := take("--slave", 3)
	if err != nil {
		return err
	}
	if op.Install.Choice.Slaves == nil {
		op.Install.Choice.Slaves = map[string]string{}
	}
	op.Install.SlaveLinks = append(op.Install.SlaveLinks, SlaveLink{Link: v[0], Name: v[1]})
	op.Install.Choice.Slaves[v[1]] = v[2]
	return nil
}

func (op *Operation) check() error {
	if op.Kind != OpInstall {
		return CheckName(op.Name)
	}
	return op.Install.Check()
}

// Check refuses what the real programs refuse: names that are no file names, and links and paths that are not absolute.
func (in *Install) Check() error {
	names, paths := []string{in.Name}, []string{in.Link, in.Choice.Path}
	for _, s := range in.SlaveLinks {
		names, paths = append(names, s.Name), append(paths, s.Link, in.Choice.Slaves[s.Name])
	}
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	for _, p := range paths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "\n\x00") {
			return fmt.Errorf("alternative %s: path %q is not absolute", in.Name, p)
		}
	}
	return nil
}

// CheckName accepts the names of groups and slaves.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/ \t\n\x00") {
		return fmt.Errorf("alternative name %q: must be a file name without blanks", name)
	}
	return nil
}
