package accounts

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// program finds a program that a test asks; without it, or without root, the test is skipped.
func program(t *testing.T, name string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("not root; not checked: accounts against %s", name)
	}
	for _, p := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if p, err := exec.LookPath(p); err == nil {
			return p
		}
	}
	t.Skipf("no %s on this machine; not checked: accounts against it", name)
	return ""
}

func writeAccounts(t *testing.T, root string, f Files) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"passwd": f.Passwd, "group": f.Group, "shadow": f.Shadow, "gshadow": f.GShadow} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// lines reads one of the files below root: sorted, without the date of the last change and with any of the ways to write "no
// password".
func lines(t *testing.T, root, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "etc", name))
	if err != nil {
		t.Fatal(err)
	}
	return normal(name, data)
}

func normal(name string, data []byte) []string {
	var out []string
	for line := range strings.Lines(string(data)) {
		v := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		// "!unprovisioned" is how systemd 257 says that somebody may set one at the first start.
		if strings.HasSuffix(name, "shadow") && strings.Trim(strings.TrimSuffix(v[1], "unprovisioned"), "!*") == "" {
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

func compareFiles(t *testing.T, ours Files, root string) {
	t.Helper()
	for name, data := range map[string][]byte{"passwd": ours.Passwd, "group": ours.Group, "shadow": ours.Shadow, "gshadow": ours.GShadow} {
		if got, want := normal(name, data), lines(t, root, name); !slices.Equal(got, want) {
			t.Errorf("%s: ours\n%s\ntheirs\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestSystemdSysusers lets the real systemd-sysusers read files of every kind of line. Numbers that it would choose itself stand
// in a table of ours, which is given to it as more lines.
func TestSystemdSysusers(t *testing.T) {
	real := program(t, "systemd-sysusers")
	const pinned = "u nginx 900\nu dyn 901\nu lock 902\ng og 903\nu withg 904\nu late 905\ng pool 906\nu taken 907\n"
	for _, text := range []string{
		"g tty 5\nu nginx - \"Nginx user\" /var/lib/nginx\nu svc 412\nu in 413:tty \"x\"\nm nginx tty\nu dyn -\nu root 0 \"Super User\" /root\n",
		"# c\nu lock - 'a %% b' %T/x /bin/bash\ng og -\nu withg -:og\nm late pool\nr - 600-650\n",
		"g nogroup 65534\ng shadow 42\nu _apt 42:65534 - /nonexistent\ng tty 5\ng games 60\nu games 5:60\ng adm 4\nu sync 4:65534 - /bin /bin/sync\n",
		"u first 300\nu taken 300\ng g300 301\n",
	} {
		root := t.TempDir()
		dir := filepath.Join(root, "usr/lib/sysusers.d")
		for _, dir := range []string{dir, filepath.Join(root, "etc")} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		ids, err := ParseIDs([]byte(pinned), "table")
		if err != nil {
			t.Fatal(err)
		}
		requests, err := ParseSysusers([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		db := New()
		db.IDs = ids
		if err := db.Apply(requests); err != nil {
			t.Fatal(err)
		}
		// The numbers that we chose go to the real program by its own means.
		theirs := text
		for _, u := range db.Users {
			for _, kind := range []string{" -", " 300"} {
				if ids.user(u.Name) >= 0 {
					theirs = strings.Replace(theirs, "u "+u.Name+kind, "u "+u.Name+" "+itoa(u.UID), 1)
				}
			}
			if u.Name == "late" {
				theirs = "u late " + itoa(u.UID) + "\n" + theirs
			}
		}
		for _, g := range db.Groups {
			if ids.groups[g.Name] > 0 {
				theirs = strings.Replace("g "+g.Name+" "+itoa(g.GID)+"\n"+theirs, "\ng "+g.Name+" -", "", 1)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "a.conf"), []byte(theirs), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(real, "--root="+root).CombinedOutput(); err != nil {
			t.Fatalf("systemd-sysusers: %v\n%s\n%s", err, out, theirs)
		}
		compareFiles(t, db.Write(), root)
		check(t, db.Write())
	}
}

// TestShadowUtils runs the same command lines with the real programs, in a root directory of their own.
func TestShadowUtils(t *testing.T) {
	root := t.TempDir()
	base := Files{[]byte("root:x:0:0:root:/root:/bin/sh\n"), []byte("root:x:0:\nmail:x:8:\n"), []byte("root:*:19000:0:99999:7:::\n"), []byte("root:*::\nmail:*::\n")}
	writeAccounts(t, root, base)
	db, err := Load(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"groupadd -r -g 101 web", "useradd -r -M -u 101 -g web -d /srv -s /usr/sbin/nologin -c Web web", "groupadd --system --gid=102 --force data",
		"useradd -r -M -u 103 -U -d /x -s /bin/false own", "useradd -r -M -u 104 -g 8 -G web,data -d /y -s /bin/false many",
		"usermod -a -G data web", "usermod -d /z -s /bin/sh own", "usermod -G web many", "groupadd -r -g 107 gone", "groupdel gone",
		"useradd -r -M -u 108 -U -d /x -s /bin/false left", "userdel left", "groupdel left", // userdel --prefix leaves the group
	} {
		words := strings.Fields(line)
		real := program(t, words[0])
		if out, err := exec.Command(real, append([]string{"--prefix", root}, words[1:]...)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		requests, err := ParseCommand(words)
		if err == nil {
			err = db.Apply(requests)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	compareFiles(t, db.Write(), root)
	check(t, db.Write())
}

// check lets pwck and grpck look at the files.
func check(t *testing.T, f Files) {
	t.Helper()
	root := t.TempDir()
	writeAccounts(t, root, f)
	at := func(name string) string { return filepath.Join(root, "etc", name) }
	for _, c := range []struct {
		name  string
		files []string
	}{{"pwck", []string{at("passwd"), at("shadow")}}, {"grpck", []string{at("group"), at("gshadow")}}} {
		real, err := exec.LookPath(c.name)
		if err != nil {
			real, err = exec.LookPath("/usr/sbin/" + c.name)
		}
		if err != nil {
			t.Logf("no %s on this machine; not checked: that it finds nothing wrong with the files", c.name)
			continue
		}
		out, err := exec.Command(real, append([]string{"-r"}, c.files...)...).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			// Both look up groups, homes and shells on the machine; what they say of the files themselves counts.
			if !strings.Contains(line, "does not exist") && !strings.Contains(line, "no changes") && !strings.Contains(line, "no group") && !strings.Contains(line, "no user") && !strings.Contains(line, "delete member") {
				t.Errorf("%s: %s", c.name, line)
			}
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
