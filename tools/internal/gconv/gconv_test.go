package gconv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
)

// decode reads a cache: what each name leads to, as text.
func decode(t *testing.T, data []byte) map[string]string {
	t.Helper()
	le := binary.LittleEndian
	if len(data) < headerSize || le.Uint32(data) != magic {
		t.Fatal("no cache")
	}
	u := func(at int) int { return int(le.Uint16(data[at:])) }
	stringsAt, hashAt, hashSize, recordsAt, directAt := u(4), u(6), u(8), u(10), u(12)
	text := func(at int) string {
		s := data[stringsAt+at:]
		return string(s[:bytes.IndexByte(s, 0)])
	}
	record := func(i int) string {
		at := recordsAt + 12*i
		out := fmt.Sprintf("%s from %s%s to %s%s", text(u(at)), text(u(at+2)), text(u(at+4)), text(u(at+6)), text(u(at+8)))
		if first := u(at + 10); first > 0 {
			for p := directAt + first - 1; u(p) != 0; p += 8 {
				if u(p) != 1 {
					t.Fatalf("a conversion of %d steps", u(p))
				}
				out += fmt.Sprintf(", %s by %s%s", text(u(recordsAt+12*u(p+2))), text(u(p+4)), text(u(p+6)))
			}
		}
		return out
	}
	out := map[string]string{}
	for i := range hashSize {
		if at := u(hashAt + 4*i); at != 0 {
			out[text(at)] = record(u(hashAt + 4*i + 2))
		}
	}
	// Every name is found from where its hash says.
	for name := range out {
		h := hashOf(name)
		at, step := h%uint32(hashSize), 1+h%uint32(hashSize-2)
		for text(u(hashAt+4*int(at))) != name {
			if u(hashAt+4*int(at)) == 0 {
				t.Fatalf("%s is not found by its hash", name)
			}
			at = (at + step) % uint32(hashSize)
		}
	}
	return out
}

const config = `# comment
alias	B2//	BETA//
alias	B1	BETA
alias	B3//	B1//
module	BETA//	INTERNAL	BETASO	1
module	INTERNAL	BETA//	BETASO	1
module	ALPHA//	INTERNAL	DEAR	3
module	ALPHA//	INTERNAL	ALPHASO.so	1
module	INTERNAL	ALPHA//	/opt/x/ALPHASO
module	ALPHA//	BETA//	ALBE	1
module	GAMMA//	INTERNAL	GAMMASO	1
module	INTERNAL	GAMMA//	GAMMASO	1
module	ALPHA//	GAMMA//	ALGA	1
module	ONEWAY//	INTERNAL	ONE	2
alias	NOWHERE//	NOTHING//
alias	UTF-8//	BETA//
nonsense
module	TOO	FEW
`

// TestIconvconfig compares with the real program: made-up configurations, those of this machine, and that of CentOS 7.
func TestIconvconfig(t *testing.T) {
	real := ""
	for _, name := range []string{"iconvconfig", "/usr/sbin/iconvconfig", "/sbin/iconvconfig"} {
		if p, err := exec.LookPath(name); err == nil {
			real = p
		}
	}
	if real == "" {
		t.Skip("no iconvconfig on this machine; not checked: gconv-modules.cache")
	}
	compare := func(name, root, dir string) {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "cache")
			if text, err := exec.Command(real, "--prefix="+root, "--nostdlib", "-o", out, dir).CombinedOutput(); err != nil {
				t.Fatalf("iconvconfig: %v\n%s", err, text)
			}
			theirs, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := Build(os.DirFS(root), dir)
			if err != nil {
				t.Fatal(err)
			}
			a, b := decode(t, ours), decode(t, theirs)
			for _, m := range []map[string]string{a, b} {
				for k := range m {
					if a[k] != b[k] {
						t.Errorf("%s: ours %q, iconvconfig's %q", k, a[k], b[k])
					}
				}
			}
			t.Logf("%d names lead to the same", len(a))
		})
	}
	root := t.TempDir()
	for name, text := range map[string]string{"made-up": config, "empty": ""} {
		dir := "/lib/" + name
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, dir, "gconv-modules"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		compare(name, root, dir)
	}
	machine, _ := filepath.Glob("/usr/lib/*/gconv/gconv-modules")
	for _, name := range machine {
		compare("machine", "/", filepath.Dir(name))
	}
}

// TestIconv lets the iconv of this machine convert by our cache, which is laid over the real one.
func TestIconv(t *testing.T) {
	if _, err := exec.LookPath("iconv"); err != nil {
		t.Skip("no iconv on this machine; not checked: that glibc reads the cache")
	}
	found, _ := filepath.Glob("/usr/lib/*/gconv/" + FileName)
	if len(found) != 1 {
		t.Skipf("%d caches on this machine; not checked: that glibc reads ours", len(found))
	}
	data, err := Build(os.DirFS("/"), filepath.Dir(found[0]))
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(mine, data, 0o644); err != nil {
		t.Fatal(err)
	}
	empty, err := Build(fstest.MapFS{"e/gconv-modules": {}}, "/e")
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, empty, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(cache, from, to, text string) (string, error) {
		var out []byte
		var err error
		mounttest.Over(t, "that glibc reads the cache", []mounttest.Bind{{From: cache, To: found[0]}}, func() {
			cmd := exec.Command("iconv", "-f", from, "-t", to)
			cmd.Stdin = strings.NewReader(text)
			out, err = cmd.Output()
		})
		return string(out), err
	}
	for _, c := range []struct{ from, to, text, want string }{
		{"UTF-8", "LATIN1", "Stra\u00dfe", "Stra\xdfe"}, {"cp1252", "utf8", "\x80", "\u20ac"}, {"EUC-CN", "BIG5", "\xd6\xd0", "\xa4\xa4"}, {"UCS-2BE", "ASCII", "\x00a", "a"},
	} {
		if got, err := run(mine, c.from, c.to, c.text); err != nil || got != c.want {
			t.Errorf("%s to %s: got %q %v, want %q", c.from, c.to, got, err, c.want)
		}
	}
	// A cache that knows no modules shows that it is the cache that iconv reads.
	if got, err := run(none, "UTF-8", "LATIN1", "x"); err == nil {
		t.Errorf("without modules: got %q", got)
	}
}

func TestErrors(t *testing.T) {
	if _, err := Build(fstest.MapFS{}, "/lib/gconv"); err == nil || !strings.Contains(err.Error(), "reading /lib/gconv/gconv-modules") {
		t.Errorf("got %v", err)
	}
	var many strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&many, "module SET%d// INTERNAL X%d 1\n", i, i)
	}
	if _, err := Build(fstest.MapFS{"l/gconv-modules": {Data: []byte(many.String())}}, "/l"); err == nil || !strings.Contains(err.Error(), "more than 65535 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add(config)
	f.Fuzz(func(t *testing.T, text string) {
		data, err := Build(fstest.MapFS{"l/gconv-modules": {Data: []byte(text)}}, "/l")
		if err != nil {
			return
		}
		if again, err := Build(fstest.MapFS{"l/gconv-modules": {Data: []byte(text)}}, "/l"); err != nil || !bytes.Equal(data, again) {
			t.Fatalf("twice: %v", err)
		}
		decode(t, data)
	})
}
