package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
)

// TestPrograms_Debrpm lets programs of an image's own packages read and change the state that the image got: Java's key store,
// alternatives, accounts.
func TestPrograms_Debrpm(t *testing.T) {
	dir := debrpmRelease(t, "keytool, update-alternatives and useradd of an image")
	if runtime.GOARCH != "amd64" {
		t.Skip("not an x86_64 machine; not checked: keytool, update-alternatives and useradd of an image")
	}
	company, bad := newAuthority(t, "Company"), newAuthority(t, "Bad")
	quote := func(s string) string { data, _ := json.Marshal(s); return string(data) }
	root := libraries(t, dir, "x86_64", `"ca_trust":{"formats":["pem","java"],"anchors":[{"name":"company","text":`+quote(company.root)+`}],"distrust":[{"name":"bad","text":`+quote(bad.root)+`}]}`,
		"ca-certificates", "openssl", "zlib1g", "openjdk-17-jre-headless", "java-common", "debrpm-alternatives", "iptables", "passwd", "login")
	t.Run("keytool", func(t *testing.T) { askKeytool(t, root) })
	t.Run("update-alternatives", func(t *testing.T) { askAlternatives(t, root) })
	t.Run("shadow-utils", func(t *testing.T) { askShadowUtils(t, root) })
}

// askKeytool compares Java's store, where Java looks for it, with the bundle of all others.
func askKeytool(t *testing.T, root string) {
	bundle, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join(root, "proc") // where programs find their libraries
	if err := os.MkdirAll(proc, 0o755); err != nil {
		t.Fatal(err)
	}
	var out []byte
	mounttest.Over(t, "that Java reads the key store", []mounttest.Bind{{From: "/proc", To: proc}}, func() {
		cmd := inRoot(root, "/usr/lib/jvm/java-17-openjdk-amd64/bin/keytool", "-J-Xshare:auto", "-J-XX:TieredStopAtLevel=1", "-J-Duser.language=en", "-list", "-cacerts", "-storepass", "changeit")
		if out, err = cmd.CombinedOutput(); err != nil {
			t.Errorf("keytool: %v\n%s", err, out)
		}
	})
	want := strings.Count(string(bundle), "BEGIN CERTIFICATE")
	if n := strings.Count(string(out), "trustedCertEntry"); n != want || want < 100 {
		t.Errorf("keytool lists %d authorities, the bundle has %d:\n%.2000s", n, want, out)
	}
	if !strings.Contains(string(out), "company") || strings.Contains(string(out), ":bad") {
		t.Errorf("keytool lists\n%.2000s", out)
	}
	t.Logf("keytool lists %d authorities", want)
}

// askAlternatives lets the image's own program go on from our state.
func askAlternatives(t *testing.T, root string) {
	run := func(args ...string) string {
		out, err := inRoot(root, "/usr/bin/update-alternatives", append([]string{"--log", "/dev/null"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("update-alternatives %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	state := func() string {
		data, err := os.ReadFile(filepath.Join(root, "var/lib/dpkg/alternatives/iptables"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	before := state()
	if out := run("--display", "iptables"); !strings.Contains(out, "iptables - auto mode") || !strings.Contains(out, "link currently points to /usr/sbin/iptables-nft") ||
		!strings.Contains(out, "/usr/sbin/iptables-legacy - priority 10") || !strings.Contains(out, "slave iptables-save: /usr/sbin/iptables-legacy-save") {
		t.Errorf("--display: %s", out)
	}
	run("--set", "iptables", "/usr/sbin/iptables-legacy")
	for link, want := range map[string]string{"iptables": "/usr/sbin/iptables-legacy", "iptables-save": "/usr/sbin/iptables-legacy-save"} {
		if target, err := os.Readlink(filepath.Join(root, "etc/alternatives", link)); err != nil || target != want {
			t.Errorf("after --set: %s leads to %q, %v", link, target, err)
		}
	}
	run("--auto", "iptables")
	if after := state(); after != before {
		t.Errorf("--set and --auto leave\n%s\nwhere we left\n%s", after, before)
	}
}

// askShadowUtils runs the same command lines with the image's own programs and with ours, from the accounts of the image on.
func askShadowUtils(t *testing.T, root string) {
	read := func() accounts.Files {
		var f accounts.Files
		for name, to := range map[string]*[]byte{"passwd": &f.Passwd, "group": &f.Group, "shadow": &f.Shadow, "gshadow": &f.GShadow} {
			data, err := os.ReadFile(filepath.Join(root, "etc", name))
			if err != nil {
				t.Fatal(err)
			}
			*to = data
		}
		return f
	}
	db, err := accounts.Load(read())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"groupadd -r -g 901 web", "useradd -r -M -u 901 -g web -d /srv -s /usr/sbin/nologin -c Web web", "groupadd --system --gid=902 --force data",
		"useradd -r -M -u 903 -U -d /x -s /bin/false own", "useradd -r -M -u 904 -g 8 -G web,data -d /y -s /bin/false many",
		"useradd -u 1234 -U -d /home/jo -s /bin/sh jo", "groupadd -g 1235 people", "usermod -a -G data,people web", "usermod -d /z -s /bin/sh own",
		"usermod -G web many", "groupadd -r -g 907 gone", "groupdel gone", "useradd -r -M -u 908 -U -d /x -s /bin/false left", "userdel left",
	} {
		words := strings.Fields(line)
		if out, err := inRoot(root, "/usr/sbin/"+words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		requests, err := accounts.ParseCommand(words)
		if err == nil {
			err = db.Apply(requests)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	ours, theirs := db.Write(), read()
	for name, pair := range map[string][2][]byte{"passwd": {ours.Passwd, theirs.Passwd}, "group": {ours.Group, theirs.Group},
		"shadow": {ours.Shadow, theirs.Shadow}, "gshadow": {ours.GShadow, theirs.GShadow}} {
		if a, b := shadowLines(name, pair[0]), shadowLines(name, pair[1]); !slices.Equal(a, b) {
			t.Errorf("%s: ours\n%s\ntheirs\n%s", name, strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	}
	for _, program := range []string{"pwck", "grpck"} {
		out, err := inRoot(root, "/usr/sbin/"+program, "-r", "-q").CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "does not exist") && !strings.Contains(line, "no changes") { // homes and shells of an image without them
				t.Errorf("%s: %v %s", program, err, line)
			}
		}
	}
}

// shadowLines sorts the lines of a file, without the date of the last change, the aging that people get from the date on, and
// with any of the ways to write "no password".
func shadowLines(name string, data []byte) []string {
	var out []string
	for line := range strings.Lines(string(data)) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if strings.HasSuffix(name, "shadow") && strings.Trim(v[1], "!*") == "" {
			v[1] = "!"
		}
		if name == "shadow" {
			v[2] = ""
		}
		out = append(out, strings.Join(v, ":"))
	}
	slices.Sort(out)
	return out
}
