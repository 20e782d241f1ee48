package pkgindex_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

func TestEscapeString(t *testing.T) {
	for _, test := range []struct{ summary, in, want string }{
		{"plain text", "/usr/bin/a", "/usr/bin/a"},
		{"letters beyond ASCII", "/usr/share/é", "/usr/share/é"},
		{"what other notations escape", `/a\x2db%20c` + "\n\t\"", `/a\x2db%20c` + "\n\t\""},
		{"Latin-1", "/caf\xe9", "/caf\uFFFDe9"},
		{"a cut sequence", "/a\xc3", "/a\uFFFDc3"},
		{"a surrogate in UTF-8 form", "/\xed\xa0\x80", "/\uFFFDed\uFFFDa0\uFFFD80"},
		{"the escape character itself", "/\uFFFD41", "/\uFFFDef\uFFFDbf\uFFFDbd41"},
		{"every byte", "\x00\x01\x7f\x80\xff", "\x00\x01\x7f\uFFFD80\uFFFDff"},
	} {
		got := pkgindex.EscapeString(test.in)
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.summary, got, test.want)
		}
		if back, err := pkgindex.UnescapeString(got); err != nil || back != test.in {
			t.Errorf("%s: back %q, %v", test.summary, back, err)
		}
	}
}

func TestUnescapeRefuses(t *testing.T) {
	for _, test := range []struct{ summary, in, err string }{
		{"nothing after it", "/a\uFFFD", "without a byte value"},
		{"one digit", "/a\uFFFDf", "without a byte value"},
		{"no digits", "/a\uFFFDzz", "without a byte value"},
		{"capital digits", "/a\uFFFDFF", "escapes what needs no escape"},
		{"a letter", "/\uFFFD61", "escapes what needs no escape"},
		{"valid UTF-8", "/\uFFFDc3\uFFFDa9", "escapes what needs no escape"},
	} {
		if got, err := pkgindex.UnescapeString(test.in); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, error %v", test.summary, got, err)
		}
	}
}

func TestIndexCarriesAnyBytes(t *testing.T) {
	x := &pkgindex.Index{Schema: pkgindex.Schema, Name: "a", License: "\xa9", Files: []pkgindex.File{
		{Path: "/plain"},
		{Path: "/b\xff\n\uFFFD", LinkTarget: "\xfe", User: "\xfd", ELF: &pkgindex.ELF{Needed: []string{"lib\xfc.so", "libc.so.6"}}},
	}}
	var b bytes.Buffer
	if err := pkgindex.Write(&b, x); err != nil {
		t.Fatal(err)
	}
	if x.Files[1].Path != "/b\xff\n\uFFFD" || x.Files[1].ELF.Needed[0] != "lib\xfc.so" {
		t.Errorf("writing changed the index: %+v", x.Files[1])
	}
	got, err := pkgindex.Read(bytes.NewReader(b.Bytes()), "x")
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := pkgindex.Read(strings.NewReader(`{"schema":1,"name":"`+"\xff"+`"}`), "x"); err == nil {
		t.Error("JSON that is not UTF-8 was read")
	}
}

func TestEscapeBytes(t *testing.T) {
	type inner struct{ S string }
	type value struct {
		M map[string][]string
		P *inner
		A [2]string
		I any
		N int
		B []byte
		X string `json:"-"`
	}
	v := value{M: map[string][]string{"\xff": {"a", "\xfe"}}, P: &inner{"\xfd"}, A: [2]string{"a", "\xfc"}, N: 7, B: []byte("\xff"), X: "\xff"}
	before := v.P
	e := pkgindex.EscapeBytes(v)
	if e.P == before || before.S != "\xfd" || e.P.S != "\uFFFDfd" || e.M["\uFFFDff"][1] != "\uFFFDfe" || e.X != "\xff" || string(e.B) != "\xff" {
		t.Errorf("%+v", e)
	}
	if err := pkgindex.UnescapeBytes(&e); err != nil || !reflect.DeepEqual(e, v) {
		t.Errorf("%+v, %v", e, err)
	}
	plain := &inner{"plain"}
	if pkgindex.EscapeBytes(plain) != plain {
		t.Error("a plain value was copied")
	}
	if got := pkgindex.EscapeBytes[any](map[string]any{"a": []any{"\xff", nil}}); !reflect.DeepEqual(got, map[string]any{"a": []any{"\uFFFDff", nil}}) {
		t.Errorf("%q", got)
	}
}

func FuzzEscapeString(f *testing.F) {
	f.Add("/a\xff\uFFFDef")
	f.Fuzz(func(t *testing.T, s string) {
		e := pkgindex.EscapeString(s)
		if back, err := pkgindex.UnescapeString(e); err != nil || back != s {
			t.Fatalf("%q became %q, then %q, %v", s, e, back, err)
		}
		if plain, err := pkgindex.UnescapeString(s); err == nil && pkgindex.EscapeString(plain) != s {
			t.Fatalf("%q has two meanings", s)
		}
	})
}
