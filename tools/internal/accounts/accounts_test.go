package accounts

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

func TestLoadWrite(t *testing.T) {
	for _, c := range []struct {
		why      string
		in, want Files
	}{
		{"files that agree stay as they are",
			Files{[]byte("root:x:0:0:root:/root:/bin/sh\n"), []byte("root:x:0:\nadm:x:4:root\n"), []byte("root:*:19000:0:99999:7:::\n"), []byte("root:*::\nadm:!:root:root\n")},
			Files{[]byte("root:x:0:0:root:/root:/bin/sh\n"), []byte("root:x:0:\nadm:x:4:root\n"), []byte("root:*:19000:0:99999:7:::\n"), []byte("root:*::\nadm:!:root:root\n")}},
		{"missing shadow lines are made, orphans dropped",
			Files{[]byte("a:x:1:1::/:/bin/sh\n"), []byte("a:x:1:\n"), []byte("gone:*:::::::\n"), []byte("gone:*::\n")},
			Files{[]byte("a:x:1:1::/:/bin/sh\n"), []byte("a:x:1:\n"), []byte("a:!*:::::::\n"), []byte("a:!*::\n")}},
		{"a password moves to shadow, an empty one becomes none",
			Files{Passwd: []byte("a:*:1:1::/:\nb::2:2::/:\n")},
			Files{Passwd: []byte("a:x:1:1::/:\nb:x:2:2::/:\n"), Shadow: []byte("a:*:::::::\nb:!*:::::::\n")}},
		{"members of gshadow follow group",
			Files{Group: []byte("g:x:5:a,b\n"), GShadow: []byte("g:*:a:c\n")},
			Files{Group: []byte("g:x:5:a,b\n"), GShadow: []byte("g:*:a:a,b\n")}},
	} {
		db, err := Load(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		got := db.Write()
		for _, x := range []struct {
			name      string
			got, want []byte
		}{{"passwd", got.Passwd, c.want.Passwd}, {"group", got.Group, c.want.Group}, {"shadow", got.Shadow, c.want.Shadow}, {"gshadow", got.GShadow, c.want.GShadow}} {
			if string(x.got) != string(x.want) {
				t.Errorf("%s: %s: got %q, want %q", c.why, x.name, x.got, x.want)
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		why  string
		in   Files
		want string
	}{
		{"too few fields", Files{Passwd: []byte("a:x:1\n")}, "reading passwd: line 1: 3 fields instead of 7"},
		{"NIS", Files{Passwd: []byte("+::::::\n")}, "account name"},
		{"no number", Files{Group: []byte("\ng:x:five:\n")}, `reading group: line 2: id "five"`},
		{"a negative number", Files{Group: []byte("g:x:-1:\n")}, `id "-1"`},
		{"the number that means none", Files{Group: []byte("g:x:4294967295:\n")}, "not a number in range"},
		{"a user twice", Files{Passwd: []byte("a:x:1:1:::\na:x:2:2:::\n")}, "user a: twice"},
		{"a name with a slash", Files{Passwd: []byte("a/b:x:1:1:::\n")}, `character '/'`},
		{"too large", Files{Passwd: make([]byte, maxFileBytes+1)}, "larger than"},
	} {
		if _, err := Load(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func TestSetRefusesInjection(t *testing.T) {
	db := New()
	if err := db.SetUser(User{Name: "a", Gecos: "x:0:0"}); err == nil {
		t.Error("a colon in gecos was accepted")
	}
	if err := db.SetUser(User{Name: "a", Shell: "/bin/sh\nroot2::0:0:::"}); err == nil {
		t.Error("a line break in shell was accepted")
	}
	if err := db.SetGroup(Group{Name: "g", Members: []string{"a,b"}}); err == nil {
		t.Error("a comma in a member was accepted")
	}
}

func TestApply(t *testing.T) {
	requests := []Request{
		{Kind: WantMember, Name: "web", Group: "mail"},
		{Kind: WantUser, Name: "web", ID: -1, Group: "web"},
		{Kind: WantGroup, Name: "web", ID: 48},
		{Kind: WantGroup, Name: "mail", ID: 12},
		{Kind: WantUser, Name: "db", ID: -1},
	}
	db := New()
	if err := db.Apply(requests); err != nil {
		t.Fatal(err)
	}
	if u := db.User("web"); u.UID != 48 || u.GID != 48 {
		t.Errorf("a user takes the number of its own group: %+v", u)
	}
	if u := db.User("db"); u.UID != u.GID || u.UID != idOf("db", systemIDs) {
		t.Errorf("a user without id: %+v", u)
	}
	if g := db.Group("mail"); !reflect.DeepEqual(g.Members, []string{"web"}) {
		t.Errorf("members %v", g.Members)
	}
	before := db.User("db").UID
	if err := db.Apply(requests); err != nil || db.User("db").UID != before {
		t.Errorf("applying twice: %v", err)
	}
}

func TestApplyErrors(t *testing.T) {
	for _, c := range []struct {
		why  string
		r    Request
		want string
	}{
		{"the uid is taken", Request{Kind: WantUser, Name: "b", ID: 1, Group: "a"}, "adding user b: uid 1 is that of user a"},
		{"the gid is taken", Request{Kind: WantGroup, Name: "b", ID: 1}, "adding group b: gid 1 is that of group a"},
		{"no such group", Request{Kind: WantUser, Name: "b", ID: 2, Group: "x"}, "its group x does not exist"},
		{"member of no group", Request{Kind: WantMember, Name: "b", Group: "x"}, "no such group"},
	} {
		db := New()
		if err := db.Apply([]Request{{Kind: WantUser, Name: "a", ID: 1}}); err != nil {
			t.Fatal(err)
		}
		if err := db.Apply([]Request{c.r}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
	db := New()
	if err := db.Apply([]Request{{Kind: WantUser, Name: "a", ID: 1}, {Kind: WantUser, Name: "b", ID: 1, Shift: true}}); err != nil || db.User("b").UID == 1 {
		t.Errorf("sysusers moves on when an id is taken: %v", err)
	}
}

// TestSiblings runs the commands that change what others made.
func TestSiblings(t *testing.T) {
	db := New()
	for _, line := range []string{
		"groupadd -r -g 12 mail", "groupadd -r -g 13 news", "useradd -r -u 5 -d /x web", "usermod -a -G mail,news web", "usermod -s /bin/sh -d /y -L web",
		"usermod -G news web", "useradd -r -u 6 gone", "gpasswd -a gone mail", "userdel gone", "groupdel mail", "gpasswd --add web web",
	} {
		requests, err := ParseCommand(strings.Fields(line))
		if err == nil {
			err = db.Apply(requests)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	f := db.Write()
	if got, want := string(f.Passwd)+string(f.Group), "web:x:5:5::/y:/bin/sh\nnews:x:13:web\nweb:x:5:web\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIDs(t *testing.T) {
	table := func(text string) *IDs {
		ids, err := ParseIDs([]byte(text), "accounts.conf")
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	ids := table("# system accounts\nu nginx 900\ng ssh_keys 101\nu svc 412\n")
	for _, c := range []struct{ why, line, want string }{
		{"the table decides", "useradd -r nginx", "nginx:x:900:900::/home/nginx:/sbin/nologin"},
		{"for groups too", "groupadd -r ssh_keys", "ssh_keys:x:101:"},
		{"a number that agrees", "useradd -r -u 412 svc", "svc:x:412:412::/home/svc:/sbin/nologin"},
		{"a number that does not", "useradd -r -u 413 svc", "error: adding user svc: the package wants id 413, accounts.conf says 412"},
		{"an account that is missing", "groupadd -r other", "error: adding group other: accounts.conf has no id for it; hint add this line to accounts.conf: g other 660"},
	} {
		db := New()
		db.IDs = ids
		requests, err := ParseCommand(strings.Fields(c.line))
		if err == nil {
			err = db.Apply(requests)
		}
		if want, isError := strings.CutPrefix(c.want, "error: "); isError {
			text := ""
			if err != nil {
				if text = err.Error(); strings.Contains(want, "; hint ") {
					text += "; hint " + strings.Join(cli.Hints(err), " ")
				}
			}
			if text != want {
				t.Errorf("%s: got %q, want %q", c.why, text, want)
			}
			continue
		}
		if f := db.Write(); err != nil || !strings.Contains(string(f.Passwd)+string(f.Group), c.want+"\n") {
			t.Errorf("%s: got %v %s%s", c.why, err, f.Passwd, f.Group)
		}
	}
	db := New()
	db.IDs = ids
	sysusers, err := ParseSysusers([]byte("u svc 5\ng tty 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Apply(sysusers); err != nil || db.User("svc").UID != 412 || db.Group("tty").GID != 5 {
		t.Errorf("a number that sysusers only prefers: %v %v", db.User("svc"), err)
	}
	for _, c := range []struct{ text, want string }{
		{"u a 5\nu b 5\n", "user b: a has id 5 already"}, {"u a 5\nu a 6\n", "a has id 5 already"}, {"m a b\n", "a name and an id"},
		{"u a -\n", "a name and an id"}, {"u a 5 \"text\"\n", "nothing else"}, {"g a 7\nu b 7\n", "its group would have the id 7 of group a"},
	} {
		if _, err := ParseIDs([]byte(c.text), "t"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

// TestIDsDoNotMove has two accounts whose names come to the same number: no image may give one of them another number.
func TestIDsDoNotMove(t *testing.T) {
	a, b := "", ""
	for i, seen := 0, map[int]string{}; b == ""; i++ {
		name := fmt.Sprintf("u%d", i)
		if a = seen[idOf(name, systemIDs)]; a != "" {
			b = name
		}
		seen[idOf(name, systemIDs)] = name
	}
	ask := func(name string) Request { return Request{Kind: WantUser, Name: name, ID: -1} }
	db := New()
	err := db.Apply([]Request{ask(a), ask(b)})
	if err == nil || !strings.Contains(err.Error(), "an id must not depend on what else is in an image") || !strings.Contains(strings.Join(cli.Hints(err), " "), "account_ids") {
		t.Errorf("got %v", err)
	}
	ids, err := ParseIDs([]byte("u "+a+" 500\nu "+b+" 501\n"), "t")
	if err != nil {
		t.Fatal(err)
	}
	db = New()
	db.IDs = ids
	if err := db.Apply([]Request{ask(b), ask(a)}); err != nil || db.User(a).UID != 500 || db.User(b).GID != 501 {
		t.Errorf("with a table: %v", err)
	}
}

func TestParseCommand(t *testing.T) {
	for _, c := range []struct {
		line string
		want string // user or group lines after applying, or "error: part"
	}{
		{"groupadd -r -g 22 utmp", "utmp:x:22:"},
		{"/usr/sbin/groupadd -rg48 apache", "apache:x:48:"},
		{"groupadd --system --gid=7 --force g", "g:x:7:"},
		{"useradd -c Apache -u 48 -s /sbin/nologin -r -d /usr/share/httpd apache", "apache:x:48:48:Apache:/usr/share/httpd:/sbin/nologin"},
		{"useradd -rM -u 5 -g 9 x", "error: adding user x: its group 9 does not exist"},
		{"adduser --system --uid 5 --group --home /x --no-create-home x", "x:x:5:5::/x:/usr/sbin/nologin"},
		{"addgroup --system --gid 101 x", "x:x:101:"},
		{"useradd -p secret -r x", "error: option -p is not covered"},
		{"useradd x", fmt.Sprintf("x:x:%d:%d::/home/x:/sbin/nologin", idOf("x", peopleIDs), idOf("x", peopleIDs))},
		{"groupadd wheel", fmt.Sprintf("wheel:x:%d:", idOf("wheel", peopleIDs))},
		{"useradd -r", "error: 0 names"},
		{"useradd -r -u", "error: option -u needs a value"},
		{"useradd -r -u abc x", `error: id "abc"`},
		{"useradd -r -N x", "error: -N without -g"},
		{"groupadd -r ../x", "error: account name"},
		{"gpasswd -a x nobody", "error: adding x to group nobody: adding x to group nobody: no such group"},
		{"gpasswd g", "error: nothing to do"},
		{"usermod -p x y", "error: option -p is not covered"},
		{"usermod -L x", "error: changing user x: no such user"},
		{"chfn x", "error: not an account command"},
	} {
		requests, err := ParseCommand(strings.Fields(c.line))
		if err == nil && strings.HasPrefix(c.want, "error: ") {
			err = New().Apply(requests)
		}
		if part, isError := strings.CutPrefix(c.want, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, want %q", c.line, err, part)
			}
			continue
		}
		db := New()
		if err == nil {
			err = db.Apply(requests)
		}
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		f := db.Write()
		if got := string(f.Passwd) + string(f.Group); !strings.Contains("\n"+got, "\n"+c.want+"\n") {
			t.Errorf("%s: got\n%s", c.line, got)
		}
	}
	member, err := ParseCommand([]string{"adduser", "web", "mail"})
	if err != nil || len(member) != 1 || member[0].Kind != WantMember || member[0].Group != "mail" {
		t.Errorf("adduser USER GROUP: %v %v", member, err)
	}
}

func TestParseSysusers(t *testing.T) {
	got, err := ParseSysusers([]byte("# c\n\ng tty 5\nu a 7:tty \"Some One\" /home/a /bin/sh\nu! b - 'x %% y'\nu c /etc/c\nm a mail\nr - 500-900\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Request{
		{Kind: WantGroup, Name: "tty", ID: 5, Shift: true},
		{Kind: WantUser, Name: "a", ID: 7, Group: "tty", Gecos: "Some One", Home: "/home/a", Shell: "/bin/sh", Shift: true},
		{Kind: WantUser, Name: "b", ID: -1, Gecos: "x % y", Shell: sysusersShell, Shift: true},
		{Kind: WantUser, Name: "c", ID: -1, Shell: sysusersShell, Shift: true},
		{Kind: WantGroup, Name: "mail", ID: -1, Shift: true}, {Kind: WantUser, Name: "a", ID: -1, Shell: sysusersShell, Shift: true}, {Kind: WantMember, Name: "a", Group: "mail"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for _, c := range []struct{ text, want string }{
		{"x a", `line 1: type "x"`}, {"u", "1 fields"}, {"u a 1 2 3 4 5", "7 fields"}, {"u a \"b", "quote is not closed"}, {"u a - %H", `specifier %H in "%H"`}, {"u a - x%", "not complete"}, {"r - 9-5", "ends before it starts"}, {"r - x", "range"}, {"u a 99999999999", "not a number in range"},
	} {
		if _, err := ParseSysusers([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n", "root:*:1:0:99999:7:::\n", "root:*::\n")
	f.Add("a::1:1:::", "a:p:1:b,c", "", "a:!:b:c")
	f.Fuzz(func(t *testing.T, passwd, group, shadow, gshadow string) {
		db, err := Load(Files{[]byte(passwd), []byte(group), []byte(shadow), []byte(gshadow)})
		if err != nil {
			return
		}
		once := db.Write()
		again, err := Load(once)
		if err != nil {
			t.Fatalf("written but cannot be read: %v", err)
		}
		if twice := again.Write(); !reflect.DeepEqual(once, twice) {
			t.Fatalf("writing twice differs:\n%s\n%s", once, twice)
		}
	})
}

func FuzzSysusers(f *testing.F) {
	f.Add("u a 7:tty \"Some One\" /home/a /bin/sh\nm a b\ng c -")
	f.Fuzz(func(t *testing.T, text string) {
		requests, err := ParseSysusers([]byte(text))
		if err != nil {
			return
		}
		for _, r := range requests {
			if err := CheckName(r.Name); err != nil {
				t.Fatal(err)
			}
		}
	})
}
