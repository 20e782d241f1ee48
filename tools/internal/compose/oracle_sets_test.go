package compose

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// rpmModes are options of rpm with the policies that must leave the same behind.
type rpmMode struct {
	name, policies string
	options        []string
}

var rpmModes = []rpmMode{
	{"plain", keepAll, nil},
	{"excludedocs", keepAll + `,"docs":"rpm"`, []string{"--excludedocs"}},
	{"languages", keepAll + `,"locales":["de","en_US"]`, []string{"--define", "_install_langs de:en_US"}},
	{"both", keepAll + `,"docs":"rpm","locales":["de","en_US"]`, []string{"--excludedocs", "--define", "_install_langs de:en_US"}},
}

// accountsDiffer is true of every set.
var accountsDiffer = differences{
	"/etc/passwd":  "made from the accounts of all packages; rpm runs no scriptlet here, and the test gives it ours",
	"/etc/group":   "likewise",
	"/etc/shadow":  "likewise",
	"/etc/gshadow": "likewise",
}

// TestAgainstRPM_EL7 lets rpm install 113 packages of CentOS 7, and compares every path and every file state.
func TestAgainstRPM_EL7(t *testing.T) {
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	rpms, err := filepath.Glob(filepath.Join(dir, "el7-httpd", "*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Skip("no CentOS 7 packages (SLIMRPM_SHARED_DATA); not checked: a whole image against rpm -i")
	}
	compareSet(t, rpms, rpmModes[:3], [][]string{{"setup"}, {"filesystem"}}, differences{
		"state:/etc/passwd": "the image replaces it, so it is not the package's file", "state:/etc/group": "likewise",
		"state:/etc/shadow": "likewise", "state:/etc/gshadow": "likewise",
		"/usr/lib64/gconv/gconv-modules.cache":       "empty in the package; iconvconfig fills it in a scriptlet, which rpm does not run here",
		"state:/usr/lib64/gconv/gconv-modules.cache": "so it is not the package's file",
		"/var/run":     "a ghost link to ../run, which a lua scriptlet of filesystem makes first; rpm without scriptlets makes a directory",
		"/var/lib/rpm": "the directory of rpm's database, which the walk leaves out",
		"/var/run/*":   "what lies beyond that link",
		"/run/*":       "likewise",
	})
}

// TestAgainstRPM_Debrpm does the same with packages made of Debian's.
func TestAgainstRPM_Debrpm(t *testing.T) {
	rpms := debrpmPackages(t, "a whole image against rpm -i")
	compareSet(t, rpms, []rpmMode{rpmModes[0], rpmModes[3]}, [][]string{{"base-passwd"}, {"base-files"}}, differences{
		"state:/etc/passwd": "a ghost of base-passwd, which the image fills", "state:/etc/group": "likewise",
		"/etc/machine-id": "empty where there is systemd, as its scriptlet would leave it; rpm runs none here",
	})
}

// debrpmPackages returns the x86_64 packages of the prepared release; without one the test is skipped, and says what it did not check.
func debrpmPackages(t *testing.T, unchecked string) []string {
	t.Helper()
	dir := os.Getenv("SLIMRPM_DEBRPM")
	if dir == "" {
		t.Skipf("no debrpm release (SLIMRPM_DEBRPM); not checked: %s", unchecked)
	}
	rpms, err := filepath.Glob(filepath.Join(dir, "repo", "x86_64", "Packages", "*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Fatalf("no packages in %s: %v", dir, err)
	}
	return rpms
}

// compareSet composes the packages and lets rpm install them, the names of first in transactions of their own.
func compareSet(t *testing.T, rpms []string, modes []rpmMode, first [][]string, known differences) {
	if testing.Short() {
		t.Skip("-short: it extracts and installs a whole image; not checked: a whole image against rpm -i")
	}
	needRPM(t)
	packages, transactions := unpackAll(t, rpms), make([][]string, len(first)+1)
	in := &Input{Packages: packages, Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: "x86_64"}}
	for i, p := range packages {
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Index.Name, NEVRA: p.Index.NEVRA})
		n := len(first)
		for k, names := range first {
			for _, name := range names {
				if name == p.Index.Name {
					n = k
				}
			}
		}
		transactions[n] = append(transactions[n], rpms[i])
	}
	accountsOnly := withoutScriptlets(t, in)
	used := map[string]bool{}
	for path, why := range accountsDiffer {
		known[path] = why
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			in.Spec = spec(t, `"accounts":`+accountsOnly+`,"policies":{`+mode.policies+`}`)
			r, err := Compose(in)
			if err != nil {
				t.Fatal(err)
			}
			var layer bytes.Buffer
			if err := rootfs.WriteLayer(&layer, r.Layer); err != nil {
				t.Fatal(err)
			}
			accounts := map[string]string{}
			for _, e := range r.Tree.Entries {
				if e.Path == "/etc/passwd" || e.Path == "/etc/group" {
					accounts[rootfs.Base(e.Path)] = e.Text
				}
			}
			root := installWithRPM(t, transactions, accounts, mode.options...)
			ours, rpms := describeLayer(t, layer.Bytes()), describeRoot(t, root)
			if _, listed := ours["/"]; !listed {
				delete(rpms, "/") // no package has it, and the test made it
			}
			paths := known.compare(t, "", ours, rpms, used)
			states := known.compare(t, "state:", statesOfTree(r.Tree, packages), statesOfRPM(t, root), used)
			t.Logf("%d packages, %d paths and %d file states compared", len(packages), paths, states)
		})
	}
	for _, pattern := range sortedKeys(known) {
		if !used[pattern] {
			t.Errorf("nothing differs in %s any more: take it out of the list", pattern)
		}
	}
}

// unpackAll extracts packages on all CPUs.
func unpackAll(t *testing.T, rpms []string) []Package {
	t.Helper()
	out := make([]Package, len(rpms))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, name := range rpms {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			out[i] = unpackFile(t, name)
		}()
	}
	wg.Wait()
	for i, p := range out {
		if p.Index == nil {
			t.Fatalf("extracting %s failed", strings.TrimSuffix(filepath.Base(rpms[i]), ".rpm"))
		}
	}
	return out
}

// withoutScriptlets takes the scriptlets off the packages, and returns the accounts that they would have made, as an attribute.
func withoutScriptlets(t *testing.T, in *Input) string {
	t.Helper()
	in.Spec = spec(t, `"accounts":{},"policies":{},"scriptlets":"report"`)
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, a := range r.Report.Accounts {
		made[a.Kind+" "+a.Name] = true
	}
	var a Accounts
	for line := range strings.Lines(treeFile(r)("/etc/passwd")) {
		v := strings.Split(strings.TrimSpace(line), ":")
		if made["user "+v[0]] {
			a.Users = append(a.Users, User{Name: v[0], UID: atoi(t, v[2]), GID: atoi(t, v[3]), Gecos: v[4], Home: v[5], Shell: v[6]})
		}
	}
	for line := range strings.Lines(treeFile(r)("/etc/group")) {
		if v := strings.Split(strings.TrimSpace(line), ":"); made["group "+v[0]] {
			a.Groups = append(a.Groups, Group{Name: v[0], GID: atoi(t, v[2])})
		}
	}
	for i := range in.Packages {
		in.Packages[i].Index.Scriptlets = nil
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
