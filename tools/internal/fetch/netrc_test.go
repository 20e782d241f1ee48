package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var netrcs = []struct {
	summary, text string
	host, want    string // login:password, or "" for none
	err           string
}{
	{"one line", "machine h.example login me password secret", "h.example", "me:secret", ""},
	{"many lines, and a comment", "# mine\nmachine h.example # work\n\tlogin me\n\tpassword secret\n", "h.example", "me:secret", ""},
	{"the first entry counts", "machine h login a password b machine h login c password d", "h", "a:b", ""},
	{"another host", "machine h login a password b", "sub.h", "", ""},
	{"hosts have no case", "machine H.Example login a password b", "h.eXample", "a:b", ""},
	{"default is not used", "machine h login a password b\ndefault login c password d", "other", "", ""},
	{"quoted words", `machine h login "a b" password "c\"d\\"`, "h", `a b:c"d\`, ""},
	{"a number sign in a password", "machine h login a password #b", "h", "a:#b", ""},
	{"a macro", "macdef init\ncd /x\nmachine no\n\nmachine h login a password b", "h", "a:b", ""},
	{"an account", "machine h login a account x password b", "h", "a:b", ""},
	{"a token alone", "machine h password b", "h", ":b", ""},
	{"nothing", "", "h", "", ""},
	{"a word that is none", "machine h\nlogin a\npassword my secret", "", "", "line 3: not one of machine, default, login, password, account and macdef"},
	{"no machine", "login a", "", "", "line 1: login before the first machine"},
	{"no value", "machine h\nlogin", "", "", "line 2: login has no value"},
	{"no closing quote", "machine h login \"a\npassword b", "", "", "line 1: a closing quote is missing"},
}

func lookUp(t testing.TB, n *Netrc, host string) string {
	t.Helper()
	header, err := n.Credentials(context.Background(), &url.URL{Scheme: "https", Host: host})
	if err != nil {
		t.Fatal(err)
	}
	if len(header) == 0 {
		return ""
	}
	user, password, _ := (&http.Request{Header: header}).BasicAuth()
	return user + ":" + password
}

func TestParseNetrc(t *testing.T) {
	for _, test := range netrcs {
		n, err := ParseNetrc([]byte(test.text))
		if test.err != "" {
			if fmt.Sprint(err) != test.err {
				t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.summary, err)
		} else if got := lookUp(t, n, test.host); got != test.want {
			t.Errorf("%s: got %q, want %q", test.summary, got, test.want)
		}
	}
}

func FuzzParseNetrc(f *testing.F) {
	for _, test := range netrcs {
		f.Add([]byte(test.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNetrc(data)
		if err == nil {
			lookUp(t, n, "h")
			return
		}
		// A message may end in a log; of the file it holds only what it would say of any file.
		if text := err.Error(); !strings.HasPrefix(text, "line ") && !strings.HasPrefix(text, "larger than ") || len(text) > 100 {
			t.Errorf("error %s", text)
		}
	})
}

func TestNetrcFrom(t *testing.T) {
	home := t.TempDir()
	for name, text := range map[string]string{".netrc": "machine h login home password p", "chosen": "machine h login chosen password p", "bad": "x"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		summary   string
		env       map[string]string
		want, err string
	}{
		{"the one of the home folder", map[string]string{"HOME": home}, "home:p", ""},
		{"the one that NETRC names", map[string]string{"HOME": home, "NETRC": home + "/chosen"}, "chosen:p", ""},
		{"none in the home folder", map[string]string{"HOME": home + "/none"}, "", ""},
		{"no home folder", nil, "", ""},
		{"the one that NETRC names is missing", map[string]string{"NETRC": home + "/none"}, "", "reading netrc: open " + home + "/none: no such file or directory"},
		{"a bad one", map[string]string{"NETRC": home + "/bad"}, "", "reading netrc " + home + "/bad: line 1: not one of "},
	}
	for _, test := range tests {
		n, err := NetrcFrom(func(name string) string { return test.env[name] })
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", test.summary, err)
		} else if got := lookUp(t, n, "h"); got != test.want {
			t.Errorf("%s: got %q, want %q", test.summary, got, test.want)
		}
	}
}
