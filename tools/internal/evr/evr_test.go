package evr

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var vercmpTable = []struct {
	summary string
	a, b    string
	want    int
}{
	{"equal strings", "1.0", "1.0", 0},
	{"numbers compare by value", "1.9", "1.10", -1},
	{"leading zeros do not count", "1.05", "1.5", 0},
	{"numbers beyond 64 bits compare by value", "20240101010101010101", "9223372036854775808", 1},
	{"a longer rest wins", "1.0", "1.0.1", -1},
	{"digits beat letters", "1.1", "1.a", 1},
	{"letters compare bytewise", "1.a", "1.B", 1},
	{"different separators are equal", "1.0_1", "1.0+1", 0},
	{"trailing separators are equal", "1.0", "1.0.", 0},
	{"a letter run after digits is newer than the end", "10xyz", "10", 1},
	{"a letter run is older than a number", "10xyz", "10.1xyz", -1},
	{"a tilde sorts before the end", "1.0~rc1", "1.0", -1},
	{"a tilde sorts before anything else", "1.0~rc1", "1.0.1", -1},
	{"two tildes sort before one", "1.0~~", "1.0~", -1},
	{"a caret sorts after the end", "1.0^git1", "1.0", 1},
	{"a caret sorts before another continuation", "1.0^git1", "1.0.1", -1},
	{"a caret after a tilde part", "1.0~rc1^git1", "1.0~rc1", 1},
	{"a tilde within a caret part", "1.0^git1~pre", "1.0^git1", -1},
	{"bytes above 127 only separate", "1.\xc3\xa9.1", "1.1", 0},
	{"empty against something", "", "0", -1},
}

func TestVercmp(t *testing.T) {
	for _, test := range vercmpTable {
		if got := Vercmp(test.a, test.b); got != test.want {
			t.Errorf("%s: Vercmp(%q, %q) = %d, want %d", test.summary, test.a, test.b, got, test.want)
		}
		if got := Vercmp(test.b, test.a); got != -test.want {
			t.Errorf("%s: Vercmp(%q, %q) = %d, want %d", test.summary, test.b, test.a, got, -test.want)
		}
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		summary, in string
		want        EVR
		err         string
	}{
		{"all three parts", "2:1.0-3.el9", EVR{2, "1.0", "3.el9"}, ""},
		{"no epoch", "1.0-3", EVR{0, "1.0", "3"}, ""},
		{"only a version", "1.0", EVR{0, "1.0", ""}, ""},
		{"the release starts at the last dash", "1.0-2-3", EVR{0, "1.0-2", "3"}, ""},
		{"an empty epoch is 0", ":1.0", EVR{0, "1.0", ""}, ""},
		{"an epoch of letters", "a:1.0", EVR{}, `reading version "a:1.0": epoch "a" is not a number`},
		{"a huge epoch", "4294967296:1", EVR{}, `reading version "4294967296:1": epoch "4294967296" is larger than 32 bits`},
		{"nothing", "", EVR{}, `reading version "": the version is empty`},
	}
	for _, test := range tests {
		got, err := Parse(test.in)
		if fmt.Sprint(err) != test.err && !(err == nil && test.err == "") {
			t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
		}
		if got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.summary, got, test.want)
		}
	}
}

func TestSatisfies(t *testing.T) {
	tests := []struct {
		summary   string
		prov, req string // "op evr"
		want      bool
	}{
		{"no version asked", "= 1.0-1", "", true},
		{"no version provided", "", ">= 1", true},
		{"equal", "= 1.0-1", "= 1.0-1", true},
		{"a requirement without release takes any release", "= 1.0-1", "= 1.0", true},
		{"greater than a version excludes its releases", "= 1.0-1", "> 1.0", false},
		{"less than a version excludes its releases", "= 1.0-1", "< 1.0", false},
		{"at least a version includes its releases", "= 1.0-1", ">= 1.0", true},
		{"a provide without release may be any release", "= 1.0", "> 1.0-7", true},
		{"a newer epoch beats a version", "= 1:0.5-1", ">= 2.0", true},
		{"an older version", "= 1.0-1", ">= 1.0-2", false},
		{"open ranges in one direction always meet", "> 1", "> 5", true},
		{"open ranges that do not meet", "< 1", "> 5", false},
		{"open ranges that meet", "> 1", "< 5", true},
		{"ranges that touch in a point", "<= 1", ">= 1", true},
		{"ranges that touch but exclude the point", "<= 1", "> 1", false},
	}
	for _, test := range tests {
		po, pe := split(t, test.prov)
		ro, re := split(t, test.req)
		if got := Satisfies(po, pe, ro, re); got != test.want {
			t.Errorf("%s: %q meets %q = %v", test.summary, test.prov, test.req, got)
		}
	}
}

func split(t *testing.T, s string) (Op, EVR) {
	t.Helper()
	if s == "" {
		return 0, EVR{}
	}
	opText, evrText, _ := strings.Cut(s, " ")
	op, ok := ParseOp(opText)
	if !ok {
		t.Fatalf("bad operator %q", opText)
	}
	e, err := Parse(evrText)
	if err != nil {
		t.Fatal(err)
	}
	return op, e
}

// TestVercmpAgainstLibrpmTable uses the answers of librpm that cavaliergopher/rpm publishes as data.
func TestVercmpAgainstLibrpmTable(t *testing.T) {
	cache := os.Getenv("GOMODCACHE")
	if cache == "" {
		out, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			t.Skip("not checked: no go command to find the module cache")
		}
		cache = strings.TrimSpace(string(out))
	}
	data, err := os.ReadFile(filepath.Join(cache, "github.com/cavaliergopher/rpm@v1.2.0/testdata/vercmp.json"))
	if err != nil {
		t.Skipf("not checked: %v", err)
	}
	var table []struct {
		A      string `json:"a"`
		B      string `json:"b"`
		Expect int    `json:"expect"`
	}
	if err := json.Unmarshal(data, &table); err != nil {
		t.Fatal(err)
	}
	if len(table) < 1000 {
		t.Fatalf("only %d rows read", len(table))
	}
	for _, test := range table {
		if got := Vercmp(test.A, test.B); got != test.Expect {
			t.Errorf("Vercmp(%q, %q) = %d, librpm says %d", test.A, test.B, got, test.Expect)
		}
	}
	t.Logf("%d rows of the table compared", len(table))
}

// TestVercmpAgainstRpm asks the real rpm about generated pairs, all in one process.
func TestVercmpAgainstRpm(t *testing.T) {
	rpm, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("not checked: no rpm on PATH")
	}
	pairs := 100_000
	if os.Getenv("SLIMRPM_LONG") != "" {
		pairs = 1_000_000
	}
	if text := os.Getenv("SLIMRPM_EVR_PAIRS"); text != "" {
		if pairs, err = strconv.Atoi(text); err != nil || pairs < 1 {
			t.Fatalf("SLIMRPM_EVR_PAIRS=%s is no number of pairs", text)
		}
	}
	rnd := rand.New(rand.NewSource(1))
	words := make([][2]string, pairs)
	var input strings.Builder
	for i := range words {
		words[i] = [2]string{randomVersion(rnd), ""}
		words[i][1] = mutate(rnd, words[i][0])
		fmt.Fprintf(&input, "%s\n%s\n", words[i][0], words[i][1])
	}
	dir := t.TempDir()
	in, script := filepath.Join(dir, "in"), filepath.Join(dir, "cmp.lua")
	if err := os.WriteFile(in, []byte(input.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	lua := `local f = io.open("` + in + `") local out = {} while true do local a = f:read() if not a then break end ` +
		`out[#out+1] = tostring(rpm.vercmp(a, f:read())) end print(table.concat(out, "\n"))`
	if err := os.WriteFile(script, []byte(lua), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(rpm, "--eval", `%{lua:dofile("`+script+`")}`).Output()
	if err != nil {
		t.Skipf("not checked: rpm has no Lua: %v", err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != pairs {
		t.Skipf("not checked: rpm gave %d answers to %d questions", len(answers), pairs)
	}
	bad := 0
	for i, w := range words {
		if got := fmt.Sprint(Vercmp(w[0], w[1])); got != answers[i] {
			if bad++; bad < 20 {
				t.Errorf("Vercmp(%q, %q) = %s, rpm says %s", w[0], w[1], got, answers[i])
			}
		}
	}
	t.Logf("%d pairs compared with rpm, %d differ", pairs, bad)
}

// alphabet has no "-" and ":", at which rpm.vercmp would split epoch and release.
const alphabet = "0019ab.Z~^_+"

func randomVersion(rnd *rand.Rand) string {
	b := make([]byte, 1+rnd.Intn(8))
	for i := range b {
		b[i] = alphabet[rnd.Intn(len(alphabet))]
	}
	return string(b)
}

func mutate(rnd *rand.Rand, s string) string {
	b := []byte(s)
	for n := rnd.Intn(3); n >= 0; n-- {
		i := rnd.Intn(len(b))
		switch c := alphabet[rnd.Intn(len(alphabet))]; rnd.Intn(3) {
		case 0:
			b[i] = c
		case 1:
			b = append(b[:i], append([]byte{c}, b[i:]...)...)
		case 2:
			if len(b) > 1 {
				b = append(b[:i], b[i+1:]...)
			}
		}
	}
	return string(b)
}

func FuzzVercmp(f *testing.F) {
	for _, test := range vercmpTable {
		f.Add(test.a, test.b, "1.0")
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, ba := Vercmp(a, b), Vercmp(b, a)
		if ab != -ba {
			t.Errorf("Vercmp(%q, %q) = %d but reversed %d", a, b, ab, ba)
		}
		if Vercmp(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		if ab <= 0 && Vercmp(b, c) <= 0 && Vercmp(a, c) > 0 {
			t.Errorf("not transitive: %q %q %q", a, b, c)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1:2-3", "1.0", ":1", "1-", "0:1-2-3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(e.String())
		if err != nil || again != e {
			t.Errorf("%q reads as %+v, its text %q as %+v (%v)", s, e, e.String(), again, err)
		}
	})
}

func BenchmarkVercmp(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for _, test := range vercmpTable {
			Vercmp(test.a, test.b)
		}
	}
}
