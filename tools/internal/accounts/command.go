package accounts

import (
	"fmt"
	"path"
	"strings"
)

// option describes one option of an account command: whether it takes a value, and what it sets.
type option struct {
	value bool
	set   func(c *command, value string) error
}

// command collects what a command line asks for.
type command struct {
	Request
	system  bool
	noGroup bool // no group of the user's own
	group   bool // adduser --group: a group of the user's own; addgroup and adduser --system without it use nogroup
	append  bool // usermod -a: Groups are further groups
}

var (
	setID = option{true, func(c *command, v string) (err error) {
		c.ID, err = parseID(v)
		return err
	}}
	setGroup  = option{true, func(c *command, v string) error { c.Group = v; return nil }}
	setGroups = option{true, func(c *command, v string) error { c.Groups = splitList(v); return nil }}
	setGecos  = option{true, func(c *command, v string) error { c.Gecos = v; return nil }}
	setHome   = option{true, func(c *command, v string) error { c.Home = v; return nil }}
	setShell  = option{true, func(c *command, v string) error { c.Shell = v; return nil }}
	setSystem = option{false, func(c *command, _ string) error { c.system = true; return nil }}
	noGroup   = option{false, func(c *command, _ string) error { c.noGroup = true; return nil }}
	ownGroup  = option{false, func(c *command, _ string) error { c.group = true; return nil }}
	addGroups = option{false, func(c *command, _ string) error { c.append = true; return nil }}
	addUser   = option{true, func(c *command, v string) error { c.Kind, c.Group = WantMember, v; return nil }}
	nothing   = option{}
	anyValue  = option{true, nil}
)

// useradd(8), groupadd(8) and their siblings of shadow-utils; adduser(8) and addgroup(8) of Debian. Locking a password has no effect:
// accounts of packages have none. -p is left out on purpose: a password in a
// scriptlet must be seen by somebody.
var commands = map[string]map[string]option{
	"groupadd": {
		"-g": setID, "--gid": setID, "-r": setSystem, "--system": setSystem, "-f": nothing, "--force": nothing,
		"-o": nothing, "--non-unique": nothing, "-K": anyValue, "--key": anyValue,
	},
	"useradd": {
		"-u": setID, "--uid": setID, "-g": setGroup, "--gid": setGroup, "-G": setGroups, "--groups": setGroups,
		"-c": setGecos, "--comment": setGecos, "-d": setHome, "--home": setHome, "--home-dir": setHome, "-s": setShell,
		"--shell": setShell, "-r": setSystem, "--system": setSystem, "-M": nothing, "--no-create-home": nothing,
		"-N": noGroup, "--no-user-group": noGroup, "-n": noGroup, "-U": ownGroup, "--user-group": ownGroup, "-o": nothing,
		"--non-unique": nothing, "-l": nothing, "--no-log-init": nothing, "-K": anyValue, "--key": anyValue,
	},
	"usermod": {
		"-u": setID, "--uid": setID, "-g": setGroup, "--gid": setGroup, "-G": setGroups, "--groups": setGroups, "-a": addGroups,
		"--append": addGroups, "-c": setGecos, "--comment": setGecos, "-d": setHome, "--home": setHome, "-s": setShell,
		"--shell": setShell, "-L": nothing, "--lock": nothing,
	},
	"gpasswd":  {"-a": addUser, "--add": addUser},
	"userdel":  {"-f": nothing, "--force": nothing},
	"groupdel": {"-f": nothing, "--force": nothing},
	"addgroup": {
		"--gid": setID, "--system": setSystem, "--quiet": nothing, "--force-badname": nothing, "--allow-bad-names": nothing,
	},
	"adduser": {
		"--uid": setID, "--gid": setGroup, "--ingroup": setGroup, "--gecos": setGecos, "--comment": setGecos, "--home": setHome,
		"--shell": setShell, "--system": setSystem, "--group": ownGroup, "--no-create-home": nothing, "--disabled-password": nothing,
		"--disabled-login": nothing, "--quiet": nothing, "--force-badname": nothing, "--allow-bad-names": nothing,
	},
}

// IsCommand reports whether argv[0] names a command that ParseCommand understands, by its base name.
func IsCommand(program string) bool {
	_, ok := commands[path.Base(program)]
	return ok
}

// ParseCommand reads the command line of groupadd, useradd, usermod, gpasswd, userdel, groupdel, addgroup or adduser. An option that it does not know is an error.
func ParseCommand(argv []string) ([]Request, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("empty command")
	}
	name := path.Base(argv[0])
	options, ok := commands[name]
	if !ok {
		return nil, fmt.Errorf("%s: not an account command", name)
	}
	c := command{Request: Request{ID: -1}}
	operands, err := c.options(options, argv[1:])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := c.requests(name, operands)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, r := range out {
		if err := CheckName(r.Name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func (c *command) options(options map[string]option, args []string) ([]string, error) {
	var operands []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, arg)
			continue
		}
		key, value, inline := arg, "", false
		if strings.HasPrefix(arg, "--") {
			key, value, inline = strings.Cut(arg, "=")
		} else if len(arg) > 2 {
			// "-rg998" and "-rM": the rest is the value of the first option, or more options.
			key = arg[:2]
			if options[key].value {
				value, inline = arg[2:], true
			} else {
				args = append([]string{"-" + arg[2:]}, args...)
			}
		}
		o, ok := options[key]
		if !ok {
			return nil, fmt.Errorf("option %s is not covered", key)
		}
		if o.value && !inline {
			if len(args) == 0 {
				return nil, fmt.Errorf("option %s needs a value", key)
			}
			value, args = args[0], args[1:]
		}
		if o.set != nil {
			if err := o.set(c, value); err != nil {
				return nil, err
			}
		}
	}
	return operands, nil
}

func (c *command) requests(name string, operands []string) ([]Request, error) {
	if len(operands) == 0 || len(operands) > 2 || (len(operands) == 2 && name != "adduser") {
		return nil, fmt.Errorf("%d names", len(operands))
	}
	c.Name = operands[0]
	if len(operands) == 2 {
		return []Request{{Kind: WantMember, Name: operands[0], Group: operands[1]}}, nil
	}
	switch name {
	case "usermod":
		c.Kind, c.Set = WantChange, c.Groups != nil && !c.append
		return []Request{c.Request}, nil
	case "userdel":
		c.Kind = WantRemove
		return []Request{c.Request}, nil
	case "groupdel":
		c.Kind = DropGroup
		return []Request{c.Request}, nil
	case "gpasswd":
		if c.Kind != WantMember {
			return nil, fmt.Errorf("nothing to do")
		}
		c.Name, c.Group = c.Group, c.Name
		return []Request{c.Request}, nil
	}
	c.Regular = !c.system
	switch name {
	case "groupadd", "addgroup":
		c.Kind = WantGroup
	case "adduser":
		c.Kind = WantUser
		if c.Group == "" && !c.group && c.system {
			c.Group = "nogroup"
		}
		if c.Regular {
			break
		}
		if c.Home == "" {
			c.Home = "/nonexistent"
		}
		if c.Shell == "" {
			c.Shell = "/usr/sbin/nologin"
		}
	case "useradd":
		c.Kind = WantUser
		if c.noGroup && c.Group == "" {
			return nil, fmt.Errorf("%s: -N without -g depends on the host", c.Name)
		}
	}
	if c.Kind == WantUser && c.Home == "" {
		c.Home = "/home/" + c.Name
	}
	return []Request{c.Request}, nil
}
