package resolve

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// dnfScript resolves root sets with the real dnf against an empty root: argv is the repository and a scratch folder, stdin one
// root set a line, stdout one solution a line, or "-" when there is none.
const dnfScript = `
import sys, dnf, dnf.exceptions
base = dnf.Base()
conf = base.conf
conf.cachedir = sys.argv[2] + "/cache"
conf.persistdir = sys.argv[2] + "/persist"
conf.installroot = sys.argv[2] + "/root"
conf.install_weak_deps = False
conf.best = True
conf.gpgcheck = False
conf.plugins = False
if hasattr(conf, "optional_metadata_types"):  # newer ones leave filelists out, and with them krb5-server
    conf.optional_metadata_types = ["filelists"]
conf.substitutions["releasever"] = "9"
conf.substitutions["arch"] = "x86_64"
conf.substitutions["basearch"] = "x86_64"
base.repos.add_new_repo("r", conf, baseurl=["file://" + sys.argv[1]])
base.fill_sack(load_system_repo=False)
excluded = base.sack.query().filter(arch__neq=["x86_64", "noarch"])
base.sack.add_excludes(excluded)
for line in sys.stdin:
    base.reset(goal=True)
    try:
        for root in sorted(line.split()):
            base.install(root)
        base.resolve()
        print(" ".join(sorted("%s-%s%s-%s.%s" % (p.name, "" if p.epoch == 0 else "%d:" % p.epoch, p.version, p.release, p.arch)
                              for p in base.transaction.install_set)))
    except dnf.exceptions.Error:
        print("-")
`

// askDNF returns the solutions of dnf, or skips the test.
func askDNF(t *testing.T, repository string, rootSets [][]string) [][]string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not checked: no python3 on PATH")
	}
	if err := exec.Command(python, "-c", "import dnf").Run(); err != nil {
		t.Skip("not checked: python3 has no module dnf (Debian: python3-dnf)")
	}
	var in, out, errs bytes.Buffer
	for _, roots := range rootSets {
		fmt.Fprintln(&in, strings.Join(roots, " "))
	}
	cmd := exec.Command(python, "-c", dnfScript, repository, t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("dnf: %v\n%s", err, errs.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(rootSets) {
		t.Fatalf("dnf gave %d answers to %d questions:\n%s", len(lines), len(rootSets), errs.String())
	}
	solutions := make([][]string, len(lines))
	for i, line := range lines {
		if line != "-" {
			solutions[i] = strings.Fields(line)
		}
	}
	return solutions
}

func TestLikeDNF(t *testing.T) {
	for _, name := range []string{"cs9-baseos", "el7-httpd"} {
		t.Run(name, func(t *testing.T) {
			dir := sharedData(t, name)
			u, files := realUniverse(t, dir)
			sets := 200
			if os.Getenv("SLIMRPM_LONG") != "" {
				sets = 2000
			}
			rootSets := randomRoots(u, sets, 2)
			if name == "el7-httpd" {
				rootSets = append(rootSets[:50], []string{"httpd"})
			}
			differ := 0
			for i, theirs := range askDNF(t, dir, rootSets) {
				sol, err := u.Resolve(Options{Roots: rootSets[i], Files: files})
				var ours []string
				if err == nil {
					for _, p := range sol.Packages {
						ours = append(ours, u.NEVRA(p))
					}
					slices.Sort(ours)
				}
				if !slices.Equal(ours, theirs) {
					differ++
					t.Errorf("%v: only we install %v, only dnf %v (we: %v)", rootSets[i], minus(ours, theirs), minus(theirs, ours), err)
				}
			}
			t.Logf("%d of %d root sets resolve as dnf does", len(rootSets)-differ, len(rootSets))
		})
	}
}
