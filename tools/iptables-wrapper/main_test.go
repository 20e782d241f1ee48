package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/alternatives"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

const selfPath = "/usr/sbin/iptables-wrapper"

// machine is an image in a temporary folder, with programs that do nothing and a kernel that is a map.
type machine struct {
	t      *testing.T
	root   string
	saved  map[string]string // program such as "ip6tables-nft-save" to what it prints; absent: it fails
	tables map[string]string // contents of /proc/net/ip_tables_names and its like

	mu       sync.Mutex
	probes   []string
	warnings []string
}

const emptyMangle = "# Generated\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\nCOMMIT\n"

func hinted(chain string) string {
	return strings.Replace(emptyMangle, ":INPUT", ":"+chain+" - [0:0]\n:INPUT", 1)
}

// newMachine has the programs of both kinds, each a file of its own behind links, as multi-call programs are.
func newMachine(t *testing.T, layout string) *machine {
	m := &machine{t: t, root: t.TempDir(), saved: map[string]string{}, tables: map[string]string{"ip": "filter\nmangle\n", "ip6": "mangle\n"}}
	m.file("/usr/sbin/iptables-wrapper", "wrapper", 0o755)
	for _, kind := range []string{"nft", "legacy"} {
		m.file("/usr/sbin/xtables-"+kind+"-multi", kind, 0o755)
		for _, family := range families {
			for _, verb := range []string{"", "-save", "-restore"} {
				m.link("/usr/sbin/"+family.name+"-"+kind+verb, "xtables-"+kind+"-multi")
			}
			m.saved[family.name+"-"+kind+"-save"] = emptyMangle
		}
	}
	m.link("/sbin", "usr/sbin")
	m.register(layout)
	return m
}

func (m *machine) at(p string) string { return filepath.Join(m.root, p) }

func (m *machine) file(p, data string, mode os.FileMode) {
	m.t.Helper()
	if err := os.MkdirAll(path.Dir(m.at(p)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.at(p), []byte(data), mode); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) link(p, target string) {
	m.t.Helper()
	if err := os.MkdirAll(path.Dir(m.at(p)), 0o755); err != nil {
		m.t.Fatal(err)
	}
	os.Remove(m.at(p))
	if err := os.Symlink(target, m.at(p)); err != nil {
		m.t.Fatal(err)
	}
}

// register makes the alternatives of an image, by the package that makes them in real ones: with dpkg's program a slave must not have the
// name of a master, with Red Hat's everything follows iptables.
func (m *machine) register(layout string) {
	m.t.Helper()
	install := func(g *alternatives.Group, family, choice string, priority int, others ...string) {
		in := alternatives.Install{Name: family, Link: "/usr/sbin/" + family, Choice: alternatives.Choice{Path: choice, Priority: priority, Slaves: map[string]string{}}}
		for _, f := range append([]string{family}, others...) {
			for _, verb := range []string{"", "-save", "-restore"} {
				if name := f + verb; name != family {
					in.SlaveLinks = append(in.SlaveLinks, alternatives.SlaveLink{Name: name, Link: "/usr/sbin/" + name})
					in.Choice.Slaves[name] = choice
					if choice != selfPath {
						in.Choice.Slaves[name] = strings.Replace(choice, family, f, 1) + verb
					}
				}
			}
		}
		if err := g.Apply(layout, &alternatives.Operation{Kind: alternatives.OpInstall, Name: family, Install: in}); err != nil {
			m.t.Fatal(err)
		}
	}
	groups := []*alternatives.Group{{}, {}}
	for i, family := range families {
		var others []string
		if layout == alternatives.Chkconfig {
			if i == 1 {
				continue
			}
			others = []string{"ip6tables"}
		}
		install(groups[i], family.name, "/usr/sbin/"+family.name+"-legacy", 10, others...)
		install(groups[i], family.name, "/usr/sbin/"+family.name+"-nft", 20, others...)
		install(groups[i], family.name, selfPath, 100, others...)
		m.choose(layout, groups[i], selfPath)
	}
}

func (m *machine) choose(layout string, g *alternatives.Group, choice string) {
	m.t.Helper()
	if err := g.Apply(layout, &alternatives.Operation{Kind: alternatives.OpSet, Name: g.Name, Path: choice}); err != nil {
		m.t.Fatal(err)
	}
	for _, l := range g.Links(func(string) bool { return true }) {
		m.link(l.Path, l.Target)
	}
	data, err := g.Encode(layout)
	if err != nil {
		m.t.Fatal(err)
	}
	m.file(alternatives.StateDir(layout)+"/"+g.Name, string(data), 0o644)
}

// call is one call of the wrapper; it returns the program executed, links followed, and its arguments.
func (m *machine) call(argv ...string) (string, error) {
	for name, tables := range m.tables {
		m.file("/proc/net/"+name+"_tables_names", tables, 0o644)
	}
	var executed string
	w := &wrapper{fs: dir(m.root), self: selfPath, path: "/usr/local/sbin:/usr/sbin:/sbin"}
	w.warn = func(err error) { m.warnings = append(m.warnings, err.Error()) }
	w.run = func(program string, args ...string) ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.probes = append(m.probes, path.Base(program))
		out, ok := m.saved[path.Base(program)]
		if !ok || strings.Join(args, " ") != "-t mangle" {
			return nil, errors.New("exit status 1")
		}
		return []byte(out), nil
	}
	stop := errors.New("executed")
	w.exec = func(program string, argv []string) error {
		real, err := w.fs.real(program, true)
		if err != nil {
			return err
		}
		executed = strings.TrimPrefix(real, m.root) + " " + strings.Join(argv, " ")
		return stop
	}
	err := w.handle(argv)
	if errors.Is(err, stop) {
		err = nil
	}
	return executed, err
}

// leads says where the six names lead to.
func (m *machine) leads() string {
	var out []string
	for _, name := range names {
		real, err := dir(m.root).real("/usr/sbin/"+name, true)
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, name+">"+path.Base(real))
	}
	return strings.Join(out, " ")
}

func all(program string) string {
	var out []string
	for _, name := range names {
		out = append(out, name+">"+program)
	}
	return strings.Join(out, " ")
}

// TestMatrix: wherever the hint is, all six names follow it, whichever of them is called first.
func TestMatrix(t *testing.T) {
	for _, layout := range []string{alternatives.Dpkg, alternatives.Chkconfig} {
		for _, kind := range []string{"nft", "legacy"} {
			for _, family := range families {
				for _, chain := range hints {
					for _, first := range names {
						m := newMachine(t, layout)
						m.saved[family.name+"-"+kind+"-save"] = hinted(chain)
						// Chains that mean nothing, in the other kind.
						other := map[string]string{"nft": "legacy", "legacy": "nft"}[kind]
						m.saved[family.name+"-"+other+"-save"] = strings.Replace(hinted("BAD-1"), ":BAD-1", ":BAD-2 - [0:0]\n:KUBE-IPTABLES-HINT-2 - [0:0]\n:BAD-1", 1)
						where := fmt.Sprintf("%s: %s in %s of %s, %s called", layout, chain, kind, family.name, first)
						got, err := m.call("/usr/sbin/"+first, "-t", "mangle", "-L")
						want := "/usr/sbin/xtables-" + kind + "-multi /usr/sbin/" + first + " -t mangle -L"
						if err != nil || got != want {
							t.Fatalf("%s: got %s, %v; want %s", where, got, err, want)
						}
						if leads := m.leads(); leads != all("xtables-"+kind+"-multi") {
							t.Errorf("%s: %s", where, leads)
						}
						if len(m.warnings) > 0 {
							t.Errorf("%s: %q", where, m.warnings)
						}
						m.checkState(where, layout, kind)
					}
				}
			}
		}
	}
}

// checkState reads the state files as the program of the layout does.
func (m *machine) checkState(where, layout, kind string) {
	m.t.Helper()
	for i, family := range families {
		if layout == alternatives.Chkconfig && i == 1 {
			continue
		}
		entries, err := os.ReadDir(m.at(alternatives.StateDir(layout)))
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "iptables" && e.Name() != "ip6tables" {
				m.t.Errorf("%s: %s is left in the state", where, e.Name())
			}
		}
		data, err := os.ReadFile(m.at(alternatives.StateDir(layout) + "/" + family.name))
		if err != nil {
			m.t.Fatal(err)
		}
		choice, err := os.Readlink(m.at("/etc/alternatives/" + family.name))
		if err != nil {
			m.t.Fatal(err)
		}
		g, err := alternatives.Parse(layout, family.name, data, choice)
		if err != nil || !g.Manual || g.Choice != "/usr/sbin/"+family.name+"-"+kind || len(g.Choices) != 3 {
			m.t.Errorf("%s: state of %s: %+v, %v", where, family.name, g, err)
		}
	}
}

func TestDecisions(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*machine)
		want   string // program
		leads  string
		probes string
	}{
		{"nothing anywhere", func(m *machine) {}, "nft", "nft",
			"iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save"},
		{"no table of ip_tables is made by looking", func(m *machine) { m.tables = map[string]string{"ip": "filter\n", "ip6": ""} }, "nft", "nft",
			"iptables-nft-save ip6tables-nft-save"},
		{"hints of both: nf_tables first", func(m *machine) {
			m.saved["ip6tables-nft-save"], m.saved["iptables-legacy-save"] = hinted(hints[1]), hinted(hints[0])
		}, "nft", "nft", "iptables-nft-save ip6tables-nft-save"},
		{"a kernel without nf_tables that has the hint", func(m *machine) {
			delete(m.saved, "iptables-nft-save")
			delete(m.saved, "ip6tables-nft-save")
			m.saved["iptables-legacy-save"] = hinted(hints[0])
		}, "legacy", "legacy", "iptables-nft-save ip6tables-nft-save iptables-legacy-save"},
		{"no privileges: nothing is decided for good", func(m *machine) { m.saved = nil }, "nft", "wrapper",
			"iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save"},
		{"an image with ip_tables only", func(m *machine) {
			for _, name := range names {
				family, verb, _ := strings.Cut(name, "-")
				os.Remove(m.at("/usr/sbin/" + strings.TrimSuffix(family+"-nft-"+verb, "-")))
			}
		}, "legacy", "legacy", "iptables-legacy-save ip6tables-legacy-save"},
		{"a chain with the hint in its name", func(m *machine) { m.saved["iptables-legacy-save"] = hinted("X-KUBE-IPTABLES-HINT") }, "nft", "nft",
			"iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save"},
		{"a rule that names the hint", func(m *machine) {
			m.saved["iptables-legacy-save"] = strings.Replace(emptyMangle, "COMMIT", "-A INPUT -j KUBE-IPTABLES-HINT\nCOMMIT", 1)
		}, "nft", "nft", "iptables-nft-save ip6tables-nft-save iptables-legacy-save ip6tables-legacy-save"},
	} {
		m := newMachine(t, alternatives.Dpkg)
		c.change(m)
		got, err := m.call("iptables-save", "-c")
		if want := "/usr/sbin/xtables-" + c.want + "-multi iptables-save -c"; err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", c.why, got, err, want)
		}
		if probes := strings.Join(m.probes, " "); probes != c.probes {
			t.Errorf("%s: asked %s, want %s", c.why, probes, c.probes)
		}
		want := all("xtables-" + c.leads + "-multi")
		if c.leads == "wrapper" {
			want = all("iptables-wrapper")
		}
		if leads := m.leads(); leads != want {
			t.Errorf("%s: %s", c.why, leads)
		}
	}
}

// TestReadOnly: what cannot be written is not needed.
func TestReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root, permissions do not stop the wrapper; the smoke test of the image has a read-only file system")
	}
	m := newMachine(t, alternatives.Dpkg)
	m.saved["iptables-legacy-save"] = hinted(hints[0])
	for _, d := range []string{"/usr/sbin", "/etc/alternatives", "/var/lib/dpkg/alternatives"} {
		os.Chmod(m.at(d), 0o555)
		defer os.Chmod(m.at(d), 0o755)
	}
	if got, err := m.call("ip6tables", "-L"); err != nil || got != "/usr/sbin/xtables-legacy-multi ip6tables -L" || len(m.warnings) > 0 {
		t.Errorf("got %s, %v, %q", got, err, m.warnings)
	}
}

// TestDamage: whatever the alternatives are like, the right program runs, and links are never made of what is none.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*machine)
		warn   string
	}{
		{"no state", func(m *machine) { os.RemoveAll(m.at("/var")) }, ""},
		{"a damaged state", func(m *machine) { m.file("/var/lib/dpkg/alternatives/ip6tables", "magic\n", 0o644) }, "reading alternative ip6tables: mode"},
		{"no such choice", func(m *machine) {
			g := &alternatives.Group{}
			g.Apply(alternatives.Dpkg, &alternatives.Operation{Kind: alternatives.OpInstall, Name: "iptables", Install: alternatives.Install{Name: "iptables",
				Link: "/usr/sbin/iptables", Choice: alternatives.Choice{Path: selfPath}}})
			m.choose(alternatives.Dpkg, g, selfPath)
		}, "alternative iptables has no choice iptables-nft"},
		{"a program where a link should be", func(m *machine) {
			os.Remove(m.at("/usr/sbin/iptables-save"))
			m.file("/usr/sbin/iptables-save", "a script that calls iptables-save", 0o755)
		}, "/usr/sbin/iptables-save: it is no symbolic link"},
	} {
		m := newMachine(t, alternatives.Dpkg)
		c.change(m)
		for range 2 {
			got, err := m.call("iptables-save")
			if err != nil || got != "/usr/sbin/xtables-nft-multi iptables-save" {
				t.Errorf("%s: got %s, %v", c.why, got, err)
			}
		}
		if warnings := strings.Join(m.warnings, "\n"); c.warn == "" && warnings != "" || !strings.Contains(warnings, c.warn) {
			t.Errorf("%s: warnings %q, want %q", c.why, warnings, c.warn)
		}
	}
}

// TestPointedElsewhere: a derived image that chose one of the two kinds for one family keeps it.
func TestPointedElsewhere(t *testing.T) {
	m := newMachine(t, alternatives.Dpkg)
	data, err := os.ReadFile(m.at("/var/lib/dpkg/alternatives/ip6tables"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := alternatives.Parse(alternatives.Dpkg, "ip6tables", data, selfPath)
	if err != nil {
		t.Fatal(err)
	}
	m.choose(alternatives.Dpkg, g, "/usr/sbin/ip6tables-legacy")
	if got, err := m.call("iptables", "-L"); err != nil || got != "/usr/sbin/xtables-nft-multi iptables -L" {
		t.Errorf("got %s, %v", got, err)
	}
	if leads := m.leads(); !strings.Contains(leads, "ip6tables>xtables-legacy-multi") || !strings.Contains(leads, "iptables-restore>xtables-nft-multi") {
		t.Errorf("%s", leads)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		why, called string
		change      func(*machine)
		want, hint  string
	}{
		{"its own name", "/usr/sbin/iptables-wrapper", func(*machine) {}, `called as "iptables-wrapper"`, "stands in for iptables, iptables-save"},
		{"no programs", "iptables", func(m *machine) {
			for _, kind := range []string{"nft", "legacy"} {
				os.Remove(m.at("/usr/sbin/xtables-" + kind + "-multi"))
			}
		}, "there are no programs of nf_tables, and none of ip_tables", "/usr/sbin must have iptables-nft-save or iptables-legacy-save"},
		{"programs that are the wrapper: no loop", "iptables", func(m *machine) {
			os.Remove(m.at("/usr/sbin/xtables-nft-multi"))
			m.link("/usr/sbin/xtables-nft-multi", "iptables-wrapper")
		}, "/usr/sbin/iptables-nft is this program itself", "install the program again"},
		{"a program is missing", "iptables-restore", func(m *machine) { os.Remove(m.at("/usr/sbin/iptables-nft-restore")) },
			"iptables-restore: there is no iptables-nft-restore in /usr/sbin", "the image must have the programs of nf_tables"},
	} {
		m := newMachine(t, alternatives.Dpkg)
		c.change(m)
		got, err := m.call(c.called)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
			t.Errorf("%s: got %s, %v; want %q", c.why, got, err, c.want)
		} else if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, c.hint) {
			t.Errorf("%s: hints %q", c.why, hints)
		}
	}
}

// TestTwoAtOnce: processes that are started together decide once, and all get an answer.
func TestTwoAtOnce(t *testing.T) {
	m := newMachine(t, alternatives.Dpkg)
	m.saved["ip6tables-legacy-save"] = hinted(hints[1])
	m.call() // makes the files of /proc
	var wait sync.WaitGroup
	got := make([]string, 16)
	for i := range got {
		wait.Add(1)
		go func() {
			defer wait.Done()
			w := &wrapper{fs: dir(m.root), self: selfPath, path: "/usr/sbin", warn: func(err error) { t.Error(err) }}
			w.run = func(program string, args ...string) ([]byte, error) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.probes = append(m.probes, path.Base(program))
				return []byte(m.saved[path.Base(program)]), nil
			}
			w.exec = func(program string, argv []string) error {
				real, err := w.fs.real(program, true)
				got[i] = path.Base(real)
				return errors.Join(err, syscall.ENOSYS)
			}
			w.handle([]string{names[i%len(names)]})
		}()
	}
	wait.Wait()
	for i, program := range got {
		if program != "xtables-legacy-multi" {
			t.Errorf("call %d: %s", i, program)
		}
	}
	if len(m.probes) != 4 {
		t.Errorf("%d looks at tables, want 4: %v", len(m.probes), m.probes)
	}
}
