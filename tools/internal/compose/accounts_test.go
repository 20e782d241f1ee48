package compose

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// provide is what rpm 4.19 makes of a line of sysusers.d.
func provide(name, line string) string {
	return name + " = " + base64.StdEncoding.EncodeToString([]byte(line))
}

func TestProvidedAccounts(t *testing.T) {
	web := rpmtest.Package{Name: "web", Provides: []string{
		provide("user(web)", "u web 48 \"Web %w\" %S/web"), provide("group(web)", "u web 48"), provide("group(data)", "g data 50"),
		provide("groupmember(web/data)", "m web data"), "user(odd) = 1.0", "user(plain)",
	}, Files: []rpmtest.File{{Path: "/srv/web", User: "web", Group: "data"}, {Path: "/usr/bin/web"}}}
	for _, c := range []struct {
		why     string
		partial map[string][]string
		want    string
	}{
		{"a package that ships", nil, "web:x:48:48"},
		{"one file that an account owns", map[string][]string{"web": {"/srv/web"}}, "web:x:48:48"},
		{"one file that root owns", map[string][]string{"web": {"/usr/bin/web"}}, ""},
	} {
		im := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{web}, partial: c.partial}
		b, err := im.try(t)
		if c.why == "a package that ships" {
			if err == nil || !strings.Contains(err.Error(), "package web-1-1.x86_64: provides user(web)") || !strings.Contains(err.Error(), "specifier %w") {
				t.Errorf("a specifier of a running system: got %v", err)
			}
			web.Provides[0] = provide("user(web)", "u web 48 \"Web\" %S/web")
			im.pkgs = []rpmtest.Package{web}
			b, err = im.try(t)
		}
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		passwd := ""
		for _, e := range b.Tree.Entries {
			if e.Path == "/etc/passwd" {
				passwd = e.Text
			}
		}
		if c.want == "" && passwd != "" || !strings.Contains(passwd, c.want) {
			t.Errorf("%s: got %q, want %q", c.why, passwd, c.want)
		}
	}
}

func TestAccountIDs(t *testing.T) {
	pkg := rpmtest.Package{Name: "p", Files: []rpmtest.File{{Path: "/usr/lib/sysusers.d/p.conf", Data: "u nginx -\ng ssh_keys -\n"}}}
	fields := func(ids string) string {
		return `"accounts":{"ids":{"name":"releases/r/accounts.conf","text":"` + ids + `"}},"policies":{}`
	}
	b := image{spec: fields(`u nginx 900\ng ssh_keys 901\n`), pkgs: []rpmtest.Package{pkg}}.build(t)
	if got := b.entry(t, "/etc/group").Text; got != "ssh_keys:x:901:\nnginx:x:900:\n" {
		t.Errorf("got %q", got)
	}
	_, err := image{spec: fields(`u nginx 900\n`), pkgs: []rpmtest.Package{pkg}}.try(t)
	if err == nil || !strings.Contains(err.Error(), "adding group ssh_keys: releases/r/accounts.conf has no id for it") {
		t.Fatalf("got %v", err)
	}
	if hints := strings.Join(cli.Hints(err), "|"); !strings.HasPrefix(hints, "add this line to releases/r/accounts.conf: g ssh_keys ") || strings.Contains(hints, "|") {
		t.Errorf("hints %q", hints)
	}
	if _, err = (image{spec: fields(`u nginx 900 text\n`), pkgs: []rpmtest.Package{pkg}}).try(t); err == nil || !strings.Contains(err.Error(), "account_ids: reading releases/r/accounts.conf: user nginx: a line has a name and an id") {
		t.Errorf("got %v", err)
	}
}

// TestPeople: accounts that are no system accounts, by a scriptlet, with numbers from 1000 on that no other package moves.
func TestPeople(t *testing.T) {
	pkg := func(name, post string) rpmtest.Package {
		return rpmtest.Package{Name: name, Files: []rpmtest.File{{Path: "/etc/login.defs." + name, Data: ""}}, Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: post}}}
	}
	jo := pkg("jo", "useradd -m jo && groupadd wheel && useradd -G wheel ann\n")
	alone := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{jo}}.build(t)
	more := image{spec: `"accounts":{},"policies":{}`, pkgs: []rpmtest.Package{jo, pkg("a", "useradd aaron; useradd -r zed\n")}}.build(t)
	for _, line := range strings.Split(strings.TrimSpace(alone.entry(t, "/etc/passwd").Text), "\n") {
		v := strings.Split(line, ":")
		if id := atoi(t, v[2]); id < 1000 || id > 59999 || v[2] != v[3] || v[5] != "/home/"+v[0] {
			t.Errorf("got %s", line)
		}
		if !strings.Contains(more.entry(t, "/etc/passwd").Text, line+"\n") {
			t.Errorf("%s moved: %s", line, more.entry(t, "/etc/passwd").Text)
		}
	}
	if got := alone.entry(t, "/etc/shadow").Text; got != "" && !strings.Contains(got, "jo:!::0:99999:7:::\n") {
		t.Errorf("shadow %q", got)
	}
	if got := more.read(t, "etc/shadow"); !strings.Contains(got, "aaron:!::0:99999:7:::\n") || !strings.Contains(got, "zed:!*:::::::\n") && !strings.Contains(got, "zed:!:::::::\n") {
		t.Errorf("shadow %q", got)
	}
	home := alone.entry(t, "/home/jo")
	if home.Mode != 0o700 || itoa(home.UID) != strings.Split(alone.entry(t, "/etc/passwd").Text, ":")[2] {
		t.Errorf("home %o %d", home.Mode, home.UID)
	}
	table := image{spec: `"accounts":{"ids":{"name":"t","text":"u jo 2000\nu ann 2001\n"}},"policies":{}`, pkgs: []rpmtest.Package{jo}}
	if _, err := table.try(t); err == nil || !strings.Contains(strings.Join(cli.Hints(err), " "), "add this line to t: g wheel ") {
		t.Errorf("got %v, hints %v", err, cli.Hints(err))
	}
}

func TestAccountsOfSpecDoNotShareNumbers(t *testing.T) {
	base := image{spec: `"accounts":{"users":[{"name":"nonroot","uid":65532,"gid":65532}],"groups":[{"name":"nonroot","gid":65532}]},"policies":{}`}.build(t)
	for fields, want := range map[string]string{
		`"users":[{"name":"app","uid":65532,"gid":65532}]`:     "accounts: user app: uid 65532 is that of user nonroot",
		`"groups":[{"name":"app","gid":65532}]`:                "",
		`"users":[{"name":"nonroot","uid":65532,"gid":65532}]`: "",
		`"users":[{"name":"nonroot","uid":1,"gid":65532}]`:     "",
		`"replace":true,"groups":[{"name":"app","gid":65532}]`: "",
	} {
		_, err := image{spec: `"accounts":{` + fields + `},"policies":{}`, base: base}.try(t)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", fields, err, want)
		}
	}
}
