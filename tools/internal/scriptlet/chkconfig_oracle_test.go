package scriptlet

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// unpackEL7 writes the regular files of packages of CentOS 7 whose path has one of some parts to a directory, by base name.
func unpackEL7(t *testing.T, to string, packages, parts []string) {
	t.Helper()
	for _, name := range packages {
		rpms, err := filepath.Glob(filepath.Join(os.Getenv("SLIMRPM_SHARED_DATA"), "el7-httpd", name+"-[0-9]*.rpm"))
		if err != nil || len(rpms) != 1 {
			t.Skipf("no %s package of CentOS 7 (SLIMRPM_SHARED_DATA); not checked: services of SysV against chkconfig", name)
		}
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		if err := extract.Run(extract.Options{RPM: rpms[0], Payload: at("p"), Index: at("i"), Header: at("h")}); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(at("i"))
		if err != nil {
			t.Fatal(err)
		}
		x, err := pkgindex.Read(f, at("i"))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		payload, err := os.ReadFile(at("p"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range x.Files {
			if file.Type != pkgindex.TypeFile || !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(file.Path, part) }) {
				continue
			}
			if err := os.WriteFile(filepath.Join(to, filepath.Base(file.Path)), payload[file.Offset:file.Offset+file.SizeBytes], 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAgainstChkconfig runs the same command lines with chkconfig itself, in a directory that lies over the machine's /etc.
func TestAgainstChkconfig(t *testing.T) {
	programs := t.TempDir()
	unpackEL7(t, programs, []string{"chkconfig", "libsepol"}, []string{"/sbin/chkconfig", "libsepol.so"})
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(programs, "chkconfig"), args...)
		cmd.Env = []string{"LD_LIBRARY_PATH=" + programs}
		return cmd
	}
	if out, err := command("--version").CombinedOutput(); err != nil {
		t.Skipf("chkconfig of CentOS 7 does not run here: %v %s; not checked: services of SysV against chkconfig", err, out)
	}
	services := map[string]string{
		"a":    "#!/bin/sh\n# chkconfig: 35 85 15\n# description: a\n",
		"b":    "#!/bin/sh\n# chkconfig: - 20 80\n# description: b\n",
		"c":    "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: c\n# Default-Start: 2 3\n# Required-Start: a\n# Short-Description: c\n### END INIT INFO\n",
		"d":    "#!/bin/sh\n",
		"e":    "#!/bin/sh\n# chkconfig: 345 60 40\n# description: e\n### BEGIN INIT INFO\n# Provides: e thing\n### END INIT INFO\n",
		"f":    "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: f\n# Default-Start: 3 5\n# Required-Start: thing\n# Short-Description: f\n### END INIT INFO\n",
		"both": "#!/bin/sh\n# chkconfig: 2345 10 90\n# description: x\n### BEGIN INIT INFO\n# Provides: both\n# Required-Start: b\n### END INIT INFO\n",
	}
	for _, lines := range [][]string{
		{"--add a"}, {"--add b"}, {"--add a", "--add c"}, {"--add b", "--add both"}, {"--add d"}, {"--add e", "--add f"}, {"--add f"}, {"--add a", "a off"}, {"--add b", "b on"},
		{"--add a", "--level 35 a off", "--add a"}, {"--add a", "--del a"}, {"--add a", "--level 12 a on", "a reset"}, {"a on"}, {"none on"},
	} {
		etc := t.TempDir()
		tree := []string{"/sbin/chkconfig: x", "/etc/rc.d/", "/etc/rc.d/init.d/"}
		dirs := []string{"init.d"}
		for _, level := range runLevels {
			dirs = append(dirs, "rc"+string(level)+".d")
		}
		for _, dir := range dirs {
			tree = append(tree, "/etc/rc.d/"+dir+"/", "/etc/"+dir+" -> rc.d/"+dir)
			if err := errors.Join(os.MkdirAll(etc+"/rc.d/"+dir, 0o755), os.Symlink("rc.d/"+dir, etc+"/"+dir)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range sortedKeys(services) {
			tree = append(tree, "/etc/rc.d/init.d/"+name+": "+services[name])
			if err := os.WriteFile(etc+"/rc.d/init.d/"+name, []byte(services[name]), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		w := newWorld(t, tree...)
		if o := w.sh("chkconfig " + strings.Join(lines, "\nchkconfig ")); o.Err != nil {
			t.Fatalf("%v: %v", lines, o.Err)
		}
		mounttest.Over(t, "services of SysV against chkconfig", []mounttest.Bind{{From: etc, To: "/etc"}}, func() {
			for _, line := range lines {
				out, err := command(strings.Fields(line)...).CombinedOutput() // some are meant to fail
				t.Logf("chkconfig %s: %v %s", line, err, out)
			}
		})
		var ours, theirs []string
		for _, e := range w.FS.Entries() {
			if strings.HasPrefix(e.Path, "/etc/rc.d/") && e.Type == pkgindex.TypeSymlink {
				ours = append(ours, strings.TrimPrefix(e.Path, "/etc/rc.d/")+" -> "+e.Link)
			}
		}
		links, err := filepath.Glob(etc + "/rc.d/rc?.d/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range links {
			target, _ := os.Readlink(name)
			theirs = append(theirs, strings.TrimPrefix(name, etc+"/rc.d/")+" -> "+target)
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		if !slices.Equal(ours, theirs) {
			t.Errorf("%v: ours\n%s\nchkconfig's\n%s", lines, strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
		}
	}
}
