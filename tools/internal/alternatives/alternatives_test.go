package alternatives

import (
	"reflect"
	"strings"
	"testing"
)

func group(t *testing.T, lines ...string) *Group {
	t.Helper()
	g := &Group{}
	for _, line := range lines {
		op, err := ParseCommand(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Apply(Dpkg, op); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

const (
	legacy = "update-alternatives --install /usr/sbin/iptables iptables /usr/sbin/iptables-legacy 10 --slave /usr/sbin/iptables-save iptables-save /usr/sbin/iptables-legacy-save"
	nft    = "update-alternatives --install /usr/sbin/iptables iptables /usr/sbin/iptables-nft 20 --slave /usr/sbin/iptables-save iptables-save /usr/sbin/iptables-nft-save --slave /usr/sbin/iptables-restore iptables-restore /usr/sbin/iptables-nft-restore"
)

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		why   string
		lines []string
		want  string
	}{
		{"the highest priority wins, with its slaves", []string{legacy, nft},
			"/usr/sbin/iptables>/etc/alternatives/iptables /etc/alternatives/iptables>/usr/sbin/iptables-nft /usr/sbin/iptables-save>/etc/alternatives/iptables-save /etc/alternatives/iptables-save>/usr/sbin/iptables-nft-save /usr/sbin/iptables-restore>/etc/alternatives/iptables-restore /etc/alternatives/iptables-restore>/usr/sbin/iptables-nft-restore"},
		{"a choice by hand wins, slaves it lacks get no link", []string{legacy, nft, "alternatives --set iptables /usr/sbin/iptables-legacy"},
			"/usr/sbin/iptables>/etc/alternatives/iptables /etc/alternatives/iptables>/usr/sbin/iptables-legacy /usr/sbin/iptables-save>/etc/alternatives/iptables-save /etc/alternatives/iptables-save>/usr/sbin/iptables-legacy-save"},
		{"of equal priorities the first", []string{"alternatives --install /x x /x1 5", "alternatives --install /x x /x2 5"}, "/x>/etc/alternatives/x /etc/alternatives/x>/x1"},
		{"removing the choice goes back to automatic", []string{legacy, nft, "alternatives --set iptables /usr/sbin/iptables-nft", "alternatives --remove iptables /usr/sbin/iptables-nft"},
			"/usr/sbin/iptables>/etc/alternatives/iptables /etc/alternatives/iptables>/usr/sbin/iptables-legacy /usr/sbin/iptables-save>/etc/alternatives/iptables-save /etc/alternatives/iptables-save>/usr/sbin/iptables-legacy-save"},
		{"an empty group has no links", []string{"alternatives --install /x x /x1 5", "alternatives --remove x /x1"}, ""},
	} {
		var got []string
		for _, l := range group(t, c.lines...).Links(func(string) bool { return true }) {
			got = append(got, l.Path+">"+l.Target)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.why, s, c.want)
		}
	}
	if got := group(t, legacy).Links(func(p string) bool { return false }); len(got) != 2 {
		t.Errorf("slaves whose file is missing: %v", got)
	}
}

func TestEncodeParse(t *testing.T) {
	g := group(t, nft, legacy, "alternatives --set iptables /usr/sbin/iptables-legacy")
	g.Choices[0].Family, g.Choices[0].Initscript = "net", "iptables"
	g.linked = "" // chkconfig has no such memory
	for layout, want := range map[string]string{
		Dpkg:      "manual\n/usr/sbin/iptables\niptables-restore\n/usr/sbin/iptables-restore\niptables-save\n/usr/sbin/iptables-save\n\n/usr/sbin/iptables-legacy\n10\n\n/usr/sbin/iptables-legacy-save\n/usr/sbin/iptables-nft\n20\n/usr/sbin/iptables-nft-restore\n/usr/sbin/iptables-nft-save\n\n",
		Chkconfig: "manual\n/usr/sbin/iptables\niptables-save\n/usr/sbin/iptables-save\niptables-restore\n/usr/sbin/iptables-restore\n\n/usr/sbin/iptables-nft\n@net@20 iptables\n/usr/sbin/iptables-nft-save\n/usr/sbin/iptables-nft-restore\n/usr/sbin/iptables-legacy\n10\n/usr/sbin/iptables-legacy-save\n\n",
	} {
		data, err := g.Encode(layout)
		if err != nil {
			t.Fatal(err)
		}
		if string(data) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", layout, data, want)
		}
		again, err := Parse(layout, "iptables", data, "/usr/sbin/iptables-legacy")
		if err != nil {
			t.Errorf("%s: %v", layout, err)
			continue
		}
		if layout == Chkconfig && !reflect.DeepEqual(again, g) {
			t.Errorf("%s: got %+v, want %+v", layout, again, g)
		}
		if twice, err := again.Encode(layout); err != nil || string(twice) != want {
			t.Errorf("%s: written again:\n%s %v", layout, twice, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ why, layout, text, want string }{
		{"empty", Dpkg, "", "mode"},
		{"no link", Dpkg, "auto\n\n", "no link"},
		{"cut off", Dpkg, "auto\n/x\nslave\n", "too early"},
		{"no priority", Dpkg, "auto\n/x\n\n/a\n", "too early"},
		{"a priority that is no number", Dpkg, "auto\n/x\n\n/a\nhigh\n", `priority "high"`},
		{"a family in the layout of dpkg", Dpkg, "auto\n/x\n\n/a\n@f@1\n", `priority "@f@1"`},
		{"a choice twice", Chkconfig, "auto\n/x\n\n/a\n1\n/a\n2\n", "choice /a is there twice"},
		{"a slave twice", Chkconfig, "auto\n/x\ns\n/s\ns\n/s\n\n", "slave s is there twice"},
		{"NUL", Chkconfig, "auto\n/\x00\n\n", "NUL byte"},
	} {
		if _, err := Parse(c.layout, "x", []byte(c.text), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func TestCommandErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"update-alternatives --install /x x /a", "needs 4 values"},
		{"update-alternatives --install x x /a 1", `path "x" is not absolute`},
		{"update-alternatives --install /x ../x /a 1", `alternative name "../x"`},
		{"update-alternatives --config x", "option --config is not covered"},
		{"update-alternatives --quiet", "nothing to do"},
		{"ln -s", "not an alternatives command"},
		{"alternatives --set a/b /x", `alternative name "a/b"`},
	} {
		if _, err := ParseCommand(strings.Fields(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.line, err, c.want)
		}
	}
	g := group(t, legacy)
	if err := g.Set("/other"); err == nil || !strings.Contains(err.Error(), "/other is not registered; there are /usr/sbin/iptables-legacy") {
		t.Errorf("got %v", err)
	}
	if err := g.Install(Install{Name: "iptables", Link: "/bin/iptables"}); err == nil || !strings.Contains(err.Error(), "registered as /usr/sbin/iptables") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, layout := range []string{Dpkg, Chkconfig} {
		f.Add(layout, "manual\n/usr/sbin/iptables\ns\n/s\n\n/a\n10\n/sa\n/b\n20\n\n\n", "/a")
	}
	f.Fuzz(func(t *testing.T, layout, text, choice string) {
		g, err := Parse(layout, "x", []byte(text), choice)
		if err != nil {
			return
		}
		data, err := g.Encode(layout)
		if err != nil {
			return // a line that only a reader of damaged files meets
		}
		again, err := Parse(layout, "x", data, choice)
		if err != nil {
			t.Fatalf("written but cannot be read: %v\n%q", err, data)
		}
		if twice, err := again.Encode(layout); err != nil || string(twice) != string(data) {
			t.Fatalf("writing twice differs: %v\n%q\n%q", err, data, twice)
		}
	})
}
