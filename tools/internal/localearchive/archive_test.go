package localearchive

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
)

// sample makes locales with data that several share.
func sample() []Locale {
	var out []Locale
	for _, names := range [][]string{{"C.utf8"}, {"de_AT.utf8"}, {"de_DE", "de_DE.iso88591", "deutsch", "german"}, {"de_DE.utf8"}, {"en_US.utf8"}} {
		l := Locale{Names: names}
		for i := range l.Categories {
			if i != allCategory {
				l.Categories[i] = []byte(fmt.Sprintf("category %d of %.2s", i, names[0]))
			}
		}
		out = append(out, l)
	}
	return out
}

func TestReadWrite(t *testing.T) {
	data, err := Write(sample())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(sample()); a != b {
		t.Errorf("got %s, want %s", a, b)
	}
	again, err := Write(got)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again: %v, %d bytes, before %d", err, len(again), len(data))
	}
	var names []string
	for _, l := range Filter(got, func(name string) bool { return name == "de_DE" }) {
		names = append(names, l.Names...)
	}
	if s := strings.Join(names, " "); s != "de_DE de_DE.iso88591 deutsch german de_DE.utf8" {
		t.Errorf("kept %s", s)
	}
	if empty, err := Write(nil); err != nil {
		t.Error(err)
	} else if list, err := Read(empty); err != nil || len(list) != 0 {
		t.Errorf("an empty archive: %v %v", list, err)
	}
}

func TestReadErrors(t *testing.T) {
	data, err := Write(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why, want string
		data      []byte
	}{
		{"nothing", "no locale archive", nil},
		{"text", "no locale archive", bytes.Repeat([]byte("text"), 100)},
		{"cut off in the names", "beyond its end", data[:100]},
		{"cut off in the data", "category", data[:len(data)-20]},
		{"a large table", "a table for", slices.Concat(data[:16], []byte{255, 255, 255, 255}, data[20:])},
	} {
		if _, err := Read(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.why, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	data, err := Write(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Read(data)
		if err != nil {
			return
		}
		if _, err := Write(list); err != nil {
			t.Log(err)
		}
	})
}

// TestGlibc makes an archive with the real localedef, and lets it list and extend ours, and setlocale use it.
func TestGlibc(t *testing.T) {
	localedef, err := exec.LookPath("localedef")
	if err != nil {
		t.Skip("no localedef on this machine; not checked: our archive against glibc")
	}
	root := t.TempDir()
	archive := filepath.Join(root, "usr/lib/locale/locale-archive")
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(localedef, append([]string{"--prefix=" + root}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("localedef %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	// Compiled from their sources where the machine has them; else the one locale that every machine has, under other names.
	_, err = os.Stat("/usr/share/i18n/locales/de_DE")
	sources := err == nil
	add := func(name, charset string) {
		if sources {
			run("-i", name, "-f", charset, name+"."+charset)
			return
		}
		dir := filepath.Join(t.TempDir(), name+"."+strings.ReplaceAll(strings.ToLower(charset), "-", ""))
		if err := os.CopyFS(dir, os.DirFS("/usr/lib/locale/C.utf8")); err != nil {
			t.Fatal(err)
		}
		run("--add-to-archive", dir)
	}
	add("de_DE", "UTF-8")
	add("de_DE", "ISO-8859-1")
	add("fr_FR", "UTF-8")
	template, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Read(template)
	if err != nil || len(list) != 3 {
		t.Fatalf("localedef's archive: %v, %d locales", err, len(list))
	}
	write := func(list []Locale) {
		data, err := Write(list)
		if err == nil {
			err = os.WriteFile(archive, data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all := run("--list-archive")
	write(list)
	if got := run("--list-archive"); got != all {
		t.Errorf("localedef lists\n%s\nof its own archive\n%s", got, all)
	}
	write(Filter(list, func(name string) bool { return name == "de_DE" }))
	const german = "de_DE.iso88591\nde_DE.utf8\n"
	if got := run("--list-archive"); got != german {
		t.Errorf("localedef lists %q, want %q", got, german)
	}
	add("it_IT", "UTF-8")
	if got := run("--list-archive"); got != german+"it_IT.utf8\n" {
		t.Errorf("localedef, after adding one, lists %q", got)
	}
	write(Filter(list, func(name string) bool { return name == "de_DE" }))
	askSetlocale(t, archive, sources)
}

// askSetlocale lays our archive over the machine's directory of locales.
func askSetlocale(t *testing.T, archive string, sources bool) {
	mounttest.Over(t, "that setlocale uses our archive", []mounttest.Bind{{From: filepath.Dir(archive), To: "/usr/lib/locale"}}, func() {
		cases := map[string]string{"de_DE.UTF-8": "Donnerstag UTF-8 ,", "de_DE.ISO-8859-1": "Donnerstag ISO-8859-1 ,", "fr_FR.UTF-8": "Thursday ANSI_X3.4-1968 ."}
		if !sources {
			cases = map[string]string{"de_DE.UTF-8": "Thursday UTF-8 .", "de_DE.ISO-8859-1": "Thursday UTF-8 .", "fr_FR.UTF-8": "Thursday ANSI_X3.4-1968 ."}
		}
		for locale, want := range cases {
			cmd := exec.Command("locale", "day", "charmap", "decimal_point")
			cmd.Env = []string{"LC_ALL=" + locale, "PATH=/usr/bin:/bin"}
			out, err := cmd.Output()
			v := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err != nil || len(v) != 3 || strings.Split(v[0], ";")[4]+" "+v[1]+" "+v[2] != want {
				t.Errorf("%s: %v %q, want %q", locale, err, out, want)
			}
		}
	})
}
