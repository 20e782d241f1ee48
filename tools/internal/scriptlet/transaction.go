package scriptlet

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Transaction walks through a first installation in rpm's order: %pretrans of all packages; then for each package
// %triggerprein, %pre, its files, file triggers of high priority, %post, %triggerin, the other file triggers; at the end
// %posttrans of all, and transaction file triggers, each once with the files of the whole transaction.
type Transaction struct {
	Packages []*Package // new ones, in their order; see Order
	Base     []*Package
	// Begin is called before anything else of a package, to make the accounts that its provides ask for.
	Begin func(*Package)
	// Lay puts the files of a package into the tree.
	Lay func(*Package) error
	// Run runs a script of a package. args are its parameters, files those of a file trigger.
	Run func(p *Package, s *pkgindex.Scriptlet, args []string, files []string) error

	installed []*Package
}

// highPriority separates the file triggers that run before %post from those that run after the triggers.
const highPriority = 10000

// Walk runs everything.
func (t *Transaction) Walk() error {
	t.installed = slices.Clone(t.Base)
	if err := t.all("pretrans"); err != nil {
		return err
	}
	for _, p := range t.Packages {
		if err := t.install(p); err != nil {
			return err
		}
	}
	if err := t.all("posttrans"); err != nil {
		return err
	}
	return t.transFileTriggers()
}

func (t *Transaction) all(kind string) error {
	for _, p := range t.Packages {
		if err := t.plain(p, kind); err != nil {
			return err
		}
	}
	return nil
}

// plain runs the script of one kind. $1 is how many instances of the package there are when it is done.
func (t *Transaction) plain(p *Package, kind string) error {
	for i := range p.Index.Scriptlets {
		if s := &p.Index.Scriptlets[i]; s.Kind == kind {
			if err := t.Run(p, s, []string{"1"}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Transaction) install(p *Package) error {
	t.Begin(p)
	steps := []func() error{
		func() error { return t.triggers(p, "triggerprein") },
		func() error { return t.plain(p, "pre") },
		func() error {
			t.installed = append(t.installed, p)
			return t.Lay(p)
		},
		func() error { return t.fileTriggers(p, true) },
		func() error { return t.plain(p, "post") },
		func() error { return t.triggers(p, "triggerin") },
		func() error { return t.fileTriggers(p, false) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// triggers runs those of installed packages that p sets off, and then those of p that installed packages set off.
func (t *Transaction) triggers(p *Package, kind string) error {
	for _, other := range t.installed {
		if other == p {
			continue
		}
		for i := range other.Index.Scriptlets {
			if s := &other.Index.Scriptlets[i]; s.Kind == kind && setsOff(p.Index, s) {
				if err := t.Run(other, s, []string{"1", "1"}, nil); err != nil {
					return err
				}
			}
		}
	}
	for i := range p.Index.Scriptlets {
		s := &p.Index.Scriptlets[i]
		if s.Kind != kind {
			continue
		}
		for _, other := range t.installed {
			if setsOff(other.Index, s) {
				if err := t.Run(p, s, []string{"1", "1"}, nil); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// setsOff reports whether a package meets a condition of a trigger: its name and, where given, its version.
func setsOff(x *pkgindex.Index, s *pkgindex.Scriptlet) bool {
	for _, c := range s.Conditions {
		v := strings.Fields(c)
		if len(v) == 0 || v[0] != x.Name {
			continue
		}
		if len(v) < 3 {
			return true
		}
		want, err := evr.Parse(v[2])
		if err != nil {
			continue
		}
		have := evr.EVR{Epoch: x.Epoch, Version: x.Version, Release: x.Release}
		if want.Release == "" {
			have.Release = ""
		}
		d := evr.Compare(have, want)
		if strings.Contains(v[1], "<") && d < 0 || strings.Contains(v[1], ">") && d > 0 || strings.Contains(v[1], "=") && d == 0 {
			return true
		}
	}
	return false
}

// trigger is a file trigger that has something to do.
type trigger struct {
	p     *Package
	s     *pkgindex.Scriptlet
	files []string
}

// byPriority sorts triggers: high ones first, of equal ones in the order of the packages.
func byPriority(list []trigger) {
	slices.SortStableFunc(list, func(a, b trigger) int { return int(int64(b.s.Priority) - int64(a.s.Priority)) })
}

// fileTriggers runs %filetriggerin: those of p with the files of all installed packages, those of others with the files of p.
func (t *Transaction) fileTriggers(p *Package, high bool) error {
	var list []trigger
	for _, other := range t.installed {
		for i := range other.Index.Scriptlets {
			s := &other.Index.Scriptlets[i]
			if s.Kind != "filetriggerin" || (s.Priority >= highPriority) != high {
				continue
			}
			from := []*Package{p}
			if other == p {
				from = t.installed
			}
			if files := matching(from, s); len(files) > 0 {
				list = append(list, trigger{other, s, files})
			}
		}
	}
	return t.runTriggers(list)
}

func (t *Transaction) transFileTriggers() error {
	var list []trigger
	for _, other := range t.installed {
		for i := range other.Index.Scriptlets {
			s := &other.Index.Scriptlets[i]
			if s.Kind != "transfiletriggerin" {
				continue
			}
			from := t.Packages
			if !other.Base {
				from = t.installed
			}
			if files := matching(from, s); len(files) > 0 {
				list = append(list, trigger{other, s, files})
			}
		}
	}
	return t.runTriggers(list)
}

func (t *Transaction) runTriggers(list []trigger) error {
	byPriority(list)
	for _, x := range list {
		if err := t.Run(x.p, x.s, []string{"1"}, x.files); err != nil {
			return err
		}
	}
	return nil
}

// matching returns the installed files of packages that begin with a prefix of the trigger.
func matching(from []*Package, s *pkgindex.Scriptlet) []string {
	var out []string
	for _, p := range from {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if f.Ghost() || p.Installed != nil && !p.Installed(i) {
				continue
			}
			for _, prefix := range s.Conditions {
				if strings.HasPrefix(f.Path, prefix) {
					out = append(out, f.Path)
					break
				}
			}
		}
	}
	return out
}
