package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// scriptSet is a set of packages that both install with their scriptlets.
type scriptSet struct {
	rpms   []string
	fields string // of the spec
	known  differences
}

// rpm4 begins reasons that are none with rpm 6.
const rpm4 = "rpm 4 "

// TestScriptletsAgainstRPM_EL7 lets rpm install 113 packages of CentOS 7 with all their scriptlets in a chroot, and compares every
// path, owner and account.
func TestScriptletsAgainstRPM_EL7(t *testing.T) {
	dir := os.Getenv("SLIMRPM_SHARED_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	rpms, err := filepath.Glob(filepath.Join(dir, "el7-httpd", "*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Skip("no CentOS 7 packages (SLIMRPM_SHARED_DATA); not checked: scriptlets against rpm -i")
	}
	compareScripts(t, scriptSet{rpms, `"accounts":{},"policies":{` + keepAll + `},"ld_so_cache":true,"scriptlets":"report"`, scriptDifferences(differences{
		"/usr/share/mime/**":                       "update-mime-database is a program of the image whose work is not known here; the report says so",
		"/etc/ld.so.cache":                         "glibc 2.17 writes a format of its own; TestEL7 compares the entries",
		"/etc/pki/ca-trust/extracted/java/cacerts": "every entry of a Java key store has the time at which it was made",
		"/etc/gshadow":                             "theirs lacks a line per group that packages did not list, ours says \"!*\" as systemd-sysusers does",
		"/etc/gshadow-":                            "a copy that groupadd makes of what it changes",
		"/etc/shadow":                              "theirs has the day of the installation",
		"/etc/shadow-":                             "a copy that useradd makes of what it changes",
		"/usr/lib64/gconv/gconv-modules.cache":     "records have places of our own; what names lead to is the same, see package gconv",
		"/usr/share/info/dir":                      "install-info of Texinfo fills entries to columns; the entries are the same",
		"/var/lib/rpm":                             "the directory of rpm's database, which the walk leaves out",
		"/var/log/lastlog":                         "useradd writes an empty record for each user",
		"/var/log/tallylog":                        "likewise",
		"/var/run":                                 "a ghost that a lua scriptlet makes: theirs has its time, ours the package's",
	})})
}

// TestScriptletsAgainstRPM_Debrpm does the same with packages made of Debian's.
func TestScriptletsAgainstRPM_Debrpm(t *testing.T) {
	rpms := debrpmPackages(t, "scriptlets against rpm -i")
	compareScripts(t, scriptSet{rpms, `"accounts":{},"policies":{` + keepAll + `},"ld_so_cache":true,"scriptlets":"error"`, scriptDifferences(differences{
		"/etc/alternatives/which*": rpm4 + "runs %post of debianutils before a shell is installed, because nothing requires one, and it fails",
		"/usr/bin/which":           rpm4 + "likewise", "/usr/share/man/man1/which.1.gz": rpm4 + "likewise", "/usr/share/man/*/man1/which.1.gz": rpm4 + "likewise",
		"/var/lib/dpkg/alternatives/which": rpm4 + "likewise",
		"/etc/machine-id":                  "made empty with the image's identity, as systemd expects of an image; no scriptlet of debrpm makes it", "/etc/passwd": "passwords and new accounts; the accounts are compared one by one", "/etc/group": "likewise",
		"account:/etc/*/systemd-network":     "of sysusers.d, for which no scriptlet of debrpm calls systemd-sysusers",
		"account:/etc/group/systemd-journal": "likewise",
		"/var/log/alternatives.log":          "a log with times",
		"/etc/shadow":                        "nothing makes it in theirs; ours agree with passwd", "/etc/gshadow": "likewise",
	})})
}

// scriptDifferences adds what is true of every set.
func scriptDifferences(own differences) differences {
	for path, why := range map[string]string{
		"/dev/null":                     "the test makes it for rpm's scriptlets; an image gets its devices from the engine",
		"/etc/.pwd.lock":                "a lock of useradd",
		"/etc/group-":                   "a copy that groupadd makes of what it changes",
		"/etc/passwd-":                  "a copy that useradd makes of what it changes",
		"/var/cache/ldconfig/aux-cache": "it holds inode numbers, and must not ship",
	} {
		own[path] = why
	}
	return own
}

// scriptTime is what stands for times that a scriptlet made: "now" for rpm, the image's for us.
var scriptTime = regexp.MustCompile(` @\d+ `)

func compareScripts(t *testing.T, set scriptSet) {
	if testing.Short() {
		t.Skip("-short: it extracts and installs a whole image; not checked: scriptlets against rpm -i")
	}
	needRPM(t)
	packages := unpackAll(t, set.rpms)
	in := &Input{Packages: packages, Spec: spec(t, set.fields), Selection: &selection.Selection{Schema: selection.Schema, Release: "test", Arch: "x86_64"}}
	for _, p := range packages {
		in.Selection.Packages = append(in.Selection.Packages, selection.Package{Name: p.Index.Name, NEVRA: p.Index.NEVRA})
	}
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	if err := rootfs.WriteLayer(&layer, r.Layer); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, s := range r.Report.Scriptlets {
		counts[s.Status]++
		if s.Status == "not covered" || s.ExitCode != 0 {
			t.Logf("%s of %s: %s, exit %d %s %s", s.Kind, s.Package, s.Status, s.ExitCode, s.Output, strings.Join(s.Detail, "; "))
		}
	}
	t.Logf("scriptlets: %v", counts)
	root := t.TempDir()
	installScripts(t, root, set.rpms)
	ours, rpms := describeLayer(t, layer.Bytes()), describeRoot(t, root)
	forgetTimes(ours, rpms, r)
	if _, listed := ours["/"]; !listed {
		delete(rpms, "/") // no package has it, and the test made it
	}
	used := map[string]bool{}
	paths := set.known.compare(t, "", ours, rpms, used)
	accounts := set.known.compare(t, "account:", accountLines(treeFile(r)), accountLines(rootFile(t, root)), used)
	t.Logf("%d packages, %d paths and %d accounts compared", len(packages), paths, accounts)
	for _, pattern := range sortedKeys(set.known) {
		if !used[pattern] && !strings.HasPrefix(set.known[pattern], rpm4) {
			t.Errorf("nothing differs in %s any more: take it out of the list", pattern)
		}
	}
}

// installScripts is rpm -i in one transaction, scriptlets run in the new root.
func installScripts(t *testing.T, root string, rpms []string) {
	t.Helper()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	null := filepath.Join(root, "dev", "null")
	if err := os.WriteFile(null, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"--root", root, "--define", "_dbpath /var/lib/rpm", "--define", "_transaction_color 3", "--define", "_prefer_color 2",
		"--nodeps", "--nosignature", "--ignoresize", "--ignorearch", "--define", "_pkgverify_level none", "--define", "__systemd_sysusers true", "-i"}
	// A device of our own would not work where the file system is mounted without devices.
	mounttest.Over(t, "scriptlets against rpm -i", []mounttest.Bind{{From: "/dev/null", To: null}}, func() {
		out, err := exec.Command("rpm", append(args, rpms...)...).CombinedOutput()
		t.Logf("rpm -i: %v\n%s", err, out)
	})
}

// forgetTimes takes the times off paths that no package laid down as they are.
func forgetTimes(ours, rpms map[string]string, r *Result) {
	for _, e := range r.Tree.Entries {
		if slices.ContainsFunc(e.Owners, rootfs.IsMade) || e.ModTime == epoch {
			ours[e.Path] = scriptTime.ReplaceAllString(ours[e.Path], " ")
			rpms[e.Path] = scriptTime.ReplaceAllString(rpms[e.Path], " ")
		}
	}
}

func treeFile(r *Result) func(string) string {
	return func(p string) string {
		for _, e := range r.Tree.Entries {
			if e.Path == p {
				return e.Text
			}
		}
		return ""
	}
}

func rootFile(t *testing.T, root string) func(string) string {
	return func(p string) string {
		data, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			t.Logf("%v", err)
		}
		return string(data)
	}
}

// accountLines are the accounts of passwd and group, by file and name.
func accountLines(read func(string) string) map[string]string {
	out := map[string]string{}
	for _, p := range []string{"/etc/passwd", "/etc/group"} {
		for line := range strings.Lines(read(p)) {
			name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
			_, rest, _ = strings.Cut(rest, ":") // passwords are in the other two files
			out[p+"/"+name] = rest
		}
	}
	return out
}
