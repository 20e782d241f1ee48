package compose

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// wanted is what the scriptlets of the packages ask for.
type wanted struct {
	accounts     []accounts.Request
	alternatives []alternatives.Operation
}

// noEffect are commands that change nothing in an image at rest: they only look, or speak to a running system.
var noEffect = map[string]bool{
	":": true, "true": true, "false": true, "[": true, "test": true, "exit": true, "return": true, "set": true, "echo": true,
	"printf": true, "getent": true, "getconf": true, "id": true, "uname": true, "umask": true, "export": true, "local": true,
	"command": true, "which": true, "type": true, "shift": true, "unset": true, "grep": true, "cmp": true, "sleep": true,
	"systemctl": true, "systemd-update-helper": true, "deb-systemd-helper": true, "deb-systemd-invoke": true, "invoke-rc.d": true,
	"udevadm": true, "journalctl": true, "restorecon": true, "selinuxenabled": true, "semodule": true, "depmod": true,
	"dbus-send": true, "killall": true, "systemd-sysctl": true, "dpkg-trigger": true, "service": true,
}

// settledElsewhere are commands whose work other steps do for the whole image.
var settledElsewhere = map[string]string{
	"ldconfig": "ld_so_cache", "systemd-sysusers": "accounts", "update-ca-certificates": "ca_trust", "update-ca-trust": "ca_trust",
}

// neverRuns tells why a kind of scriptlet does not run when a package is installed for the first time.
func neverRuns(kind string) string {
	switch kind {
	case "preun", "postun", "preuntrans", "postuntrans", "triggerun", "triggerpostun", "filetriggerun", "filetriggerpostun",
		"transfiletriggerun", "transfiletriggerpostun":
		return "runs only when a package is removed"
	case "verify":
		return "runs only for rpm -V"
	}
	return ""
}

// readScriptlets classifies every scriptlet of the new packages and collects the accounts and alternatives they ask for.
func (c *composer) readScriptlets() error {
	for _, p := range c.own {
		for i := range p.Index.Scriptlets {
			c.readScriptlet(p, &p.Index.Scriptlets[i])
		}
	}
	return nil
}

func (c *composer) readScriptlet(p *pkg, s *pkgindex.Scriptlet) {
	r := ReportScriptlet{Package: p.Index.NEVRA, Kind: s.Kind, Program: strings.Join(s.Program, " ")}
	interpreter := ""
	if len(s.Program) > 0 {
		interpreter = path.Base(s.Program[0])
	}
	shell := interpreter == "" || interpreter == "sh" || interpreter == "bash" || interpreter == "dash"
	switch why := neverRuns(s.Kind); {
	case why != "":
		r.Status, r.Detail = "skipped", []string{why}
	case s.Body == "" && !shell:
		c.command(p, shellCommand{words: s.Program}, &r)
	case !shell:
		r.uncovered("program " + s.Program[0])
	default:
		commands, compound := parseShell(s.Body)
		if compound {
			r.uncovered("loops, cases or functions")
		}
		for _, cmd := range commands {
			c.command(p, cmd, &r)
		}
	}
	if r.Status == "" {
		r.Status = "emulated"
	}
	c.report.Scriptlets = append(c.report.Scriptlets, r)
}

// command takes note of one command line. Its words are unclear only where that matters.
func (c *composer) command(p *pkg, cmd shellCommand, r *ReportScriptlet) {
	name := path.Base(cmd.words[0])
	if noEffect[name] {
		return
	}
	if step, ok := settledElsewhere[name]; ok {
		if step == "ca_trust" && c.spec.CATrust == nil {
			r.uncovered(name + ": the image has no ca_trust attribute")
		}
		return
	}
	var err error
	switch {
	case accounts.IsCommand(name):
		err = c.accountCommand(p, cmd)
	case alternatives.IsCommand(name):
		err = c.alternativesCommand(cmd)
	default:
		err = fmt.Errorf("command %s", name)
	}
	if err != nil {
		r.uncovered(err.Error())
	}
}

var errUnclear = errors.New("depends on what only a shell knows")

func (c *composer) accountCommand(p *pkg, cmd shellCommand) error {
	if cmd.unclear {
		return fmt.Errorf("%s: %w", cmd, errUnclear)
	}
	requests, err := accounts.ParseCommand(cmd.words)
	if err != nil {
		return err
	}
	// A package of which only some files ship was not installed, so its accounts would be noise.
	if !p.partial {
		c.want.accounts = append(c.want.accounts, requests...)
	}
	return nil
}

func (c *composer) alternativesCommand(cmd shellCommand) error {
	if cmd.unclear {
		return fmt.Errorf("%s: %w", cmd, errUnclear)
	}
	op, err := alternatives.ParseCommand(cmd.words)
	if err != nil {
		return err
	}
	if op.Kind != alternatives.OpRemove { // of an older version of the package
		c.want.alternatives = append(c.want.alternatives, *op)
	}
	return nil
}

// checkScriptlets fails under the policy "error" when a scriptlet is not covered.
func (c *composer) checkScriptlets() error {
	if c.spec.Scriptlets != "error" {
		return nil
	}
	var errs []error
	for _, s := range c.report.Scriptlets {
		if s.Status == "not covered" {
			errs = append(errs, fmt.Errorf("scriptlet %s of %s: not covered: %s", s.Kind, s.Package, strings.Join(s.Detail, "; ")))
		}
	}
	return cli.Hint(errors.Join(errs...), "leave the package out, or accept what its scriptlets would do with scriptlets = \"report\"")
}
