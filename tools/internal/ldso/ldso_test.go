package ldso

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// tree is a file system without links.
type tree map[string]*pkgindex.ELF

func (t tree) open(_ int, file string, want *Want) *Object {
	file = path.Clean(file)
	if e := t[file]; want.Fits(e) {
		return &Object{Path: file, Identity: file, ELF: e}
	}
	return nil
}

func lib(soname string, needed ...string) *pkgindex.ELF {
	e := elftest.Lib("x86_64", soname, needed...).ELF
	return &e
}

func prog(needed ...string) *pkgindex.ELF {
	e := elftest.Exec("x86_64", needed...).ELF
	return &e
}

func run(e *pkgindex.ELF, change func(*pkgindex.ELF)) *pkgindex.ELF {
	change(e)
	return e
}

// TestTrace: what a program at /opt/bin/p loads, as "asked by > name = path".
func TestTrace(t *testing.T) {
	rpath := func(dirs ...string) func(*pkgindex.ELF) { return func(e *pkgindex.ELF) { e.RPath = dirs } }
	runpath := func(dirs ...string) func(*pkgindex.ELF) { return func(e *pkgindex.ELF) { e.RunPath = dirs } }
	for _, test := range []struct {
		summary string
		program *pkgindex.ELF
		files   tree
		secure  bool
		want    string
	}{
		{"the default directories in their order", prog("a.so"), tree{"/usr/lib64/a.so": lib("a.so"), "/lib64/a.so": lib("a.so")}, false, "p > a.so = /lib64/a.so"},
		{"ld.so.conf before them", prog("liba.so"), tree{"/lib64/liba.so": lib("liba.so"), "/conf/liba.so": lib("liba.so")}, false, "p > liba.so = /conf/liba.so"},
		{"RUNPATH before that", run(prog("a.so"), runpath("/r")), tree{"/conf/a.so": lib("a.so"), "/r/a.so": lib("a.so")}, false, "p > a.so = /r/a.so"},
		{"RUNPATH turns RPATH off", run(run(prog("a.so"), runpath("/none")), rpath("/r")), tree{"/r/a.so": lib("a.so")}, false, "p > a.so = none"},
		{"RPATH of the program serves its libraries", run(prog("a.so"), rpath("/r")), tree{"/r/a.so": lib("a.so", "b.so"), "/r/b.so": lib("b.so")}, false,
			"p > a.so = /r/a.so, a.so > b.so = /r/b.so"},
		{"but not those that have a RUNPATH", run(prog("a.so"), rpath("/r")), tree{"/r/a.so": run(lib("a.so", "b.so"), runpath("/q")), "/r/b.so": lib("b.so")}, false,
			"p > a.so = /r/a.so, a.so > b.so = none"},
		{"RUNPATH of the program does not", run(prog("a.so"), runpath("/r")), tree{"/r/a.so": lib("a.so", "b.so"), "/r/b.so": lib("b.so")}, false,
			"p > a.so = /r/a.so, a.so > b.so = none"},
		{"what is loaded is found by its soname", run(prog("x/../a.so", "a.so"), runpath("/r")), tree{"/r/a.so": lib("a.so")}, false,
			"p > x/../a.so = none, p > a.so = /r/a.so"},
		{"NEEDED with a path", prog("/opt/a.so", "soname.so"), tree{"/opt/a.so": lib("soname.so")}, false, "p > /opt/a.so = /opt/a.so, p > soname.so = /opt/a.so"},
		{"NEEDED with $ORIGIN", prog("$ORIGIN/a.so"), tree{"/opt/bin/a.so": lib("a.so")}, false, "p > $ORIGIN/a.so = /opt/bin/a.so"},
		{"$ORIGIN, $LIB and $PLATFORM", run(prog("a.so"), runpath("${ORIGIN}/../$LIB/$PLATFORM")), tree{"/opt/lib64/x86_64/a.so": lib("a.so")}, false,
			"p > a.so = /opt/bin/../lib64/x86_64/a.so"},
		{"$ORIGIN of a library is where the library is", prog("liba.so"), tree{"/conf/liba.so": run(lib("liba.so", "b.so"), runpath("$ORIGIN/b")), "/conf/b/b.so": lib("b.so")}, false,
			"p > liba.so = /conf/liba.so, liba.so > b.so = /conf/b/b.so"},
		{"$ORIGIN of a setuid program is not trusted", run(prog("a.so"), runpath("$ORIGIN")), tree{"/opt/bin/a.so": lib("a.so")}, true, "p > a.so = none"},
		{"unless it is a default directory", run(prog("a.so"), runpath("$ORIGIN/../../lib64")), tree{"/lib64/a.so": lib("a.so")}, true, "p > a.so = /opt/bin/../../lib64/a.so"},
		{"empty and relative search paths are not searched", run(prog("a.so"), runpath("", ".", "lib", "$UNKNOWN/x")), tree{"/a.so": lib("a.so"), "/opt/bin/a.so": lib("a.so")}, false,
			"p > a.so = none"},
		{"the loader is there from the start", prog("ld-linux-x86-64.so.2"), nil, false, "p > ld-linux-x86-64.so.2 = /lib64/ld-linux-x86-64.so.2"},
		{"an empty RUNPATH turns RPATH off", run(run(prog("a.so"), runpath("")), rpath("/r")), tree{"/r/a.so": lib("a.so")}, false, "p > a.so = none"},
		{"a file linked with -z nodefaultlib does not look in the default directories",
			run(prog("liba.so", "libb.so"), func(e *pkgindex.ELF) { e.NoDefaultLib = true }), tree{"/lib64/liba.so": lib("liba.so"), "/conf/libb.so": lib("libb.so", "libd.so"), "/lib64/libd.so": lib("libd.so")}, false,
			"p > liba.so = none, p > libb.so = /conf/libb.so, libb.so > libd.so = /lib64/libd.so"},
		{"ldconfig does not list other names than lib*.so*", prog("a.so", "libb.so"), tree{"/conf/a.so": lib("a.so"), "/conf/libb.so": lib("libb.so")}, false,
			"p > a.so = none, p > libb.so = /conf/libb.so"},
		{"libraries that need each other", prog("a.so"), tree{"/lib64/a.so": lib("a.so", "b.so"), "/lib64/b.so": lib("b.so", "a.so")}, false,
			"p > a.so = /lib64/a.so, a.so > b.so = /lib64/b.so, b.so > a.so = /lib64/a.so"},
		{"breadth first: the program's own comes before its library's", run(prog("a.so", "b.so"), runpath("/r")),
			tree{"/r/a.so": lib("a.so", "b.so"), "/r/b.so": lib("b.so")}, false, "p > a.so = /r/a.so, p > b.so = /r/b.so, a.so > b.so = /r/b.so"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			s := &Search{Conf: []string{"/conf"}, Default: []string{"/lib64", "/usr/lib64"}, Lib: "lib64", Open: func(pass int, file string, want *Want) *Object {
				if o := test.files.open(pass, file, want); o != nil {
					o.Path = file
					return o
				}
				return nil
			}}
			interp := &Object{Path: "/lib64/ld-linux-x86-64.so.2", Identity: "/lib64/ld-linux-x86-64.so.2", ELF: lib("ld-linux-x86-64.so.2")}
			got := show(s.Trace(&Object{Path: "/opt/bin/p", Identity: "/opt/bin/p", ELF: test.program}, interp, test.secure))
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestLevels: directories for certain processors come before the directory above them, the best first.
func TestLevels(t *testing.T) {
	files := tree{"/r/a.so": lib("a.so", "libb.so"), "/r/glibc-hwcaps/x86-64-v2/a.so": lib("a.so", "libv2.so"), "/r/glibc-hwcaps/x86-64-v3/a.so": lib("a.so"),
		"/lib64/libb.so": lib("libb.so"), "/lib64/glibc-hwcaps/x86-64-v3/libb.so": lib("libb.so"), "/lib64/libv2.so": lib("libv2.so")}
	for _, test := range []struct {
		levels []string
		want   string
	}{
		{nil, "p > a.so = /r/a.so, p > libb.so = /lib64/libb.so, a.so > libb.so = /lib64/libb.so"},
		{[]string{"x86-64-v2"}, "p > a.so = /r/glibc-hwcaps/x86-64-v2/a.so, p > libb.so = /lib64/libb.so, a.so > libv2.so = /lib64/libv2.so"},
		{[]string{"x86-64-v3", "x86-64-v2"}, "p > a.so = /r/glibc-hwcaps/x86-64-v3/a.so, p > libb.so = /lib64/glibc-hwcaps/x86-64-v3/libb.so"},
	} {
		s := &Search{Default: []string{"/lib64"}, Lib: "lib64", Open: files.open, Levels: test.levels}
		program := run(prog("a.so", "libb.so"), func(e *pkgindex.ELF) { e.RunPath = []string{"/r"} })
		if got := show(s.Trace(&Object{Path: "/p", Identity: "/p", ELF: program}, nil, false)); got != test.want {
			t.Errorf("%v:\ngot  %s\nwant %s", test.levels, got, test.want)
		}
	}
	if got := Level("/usr/lib64/glibc-hwcaps/x86-64-v3/a.so"); got != "x86-64-v3" || Level("/usr/lib64/a.so") != "" || Level("/x/glibc-hwcaps/a.so") != "" {
		t.Errorf("level %q", got)
	}
}

func TestMuslPath(t *testing.T) {
	if got := MuslPath("/lib/ld-musl-x86_64.so.1"); got != "/etc/ld-musl-x86_64.path" {
		t.Errorf("got %s", got)
	}
	if got := MuslDirs("/lib:/opt/lib\n/usr/lib\n\n"); !slices.Equal(got, []string{"/lib", "/opt/lib", "/usr/lib"}) {
		t.Errorf("got %q", got)
	}
}

func show(deps []Dep) string {
	var out []string
	for _, d := range deps {
		to := "none"
		if d.To != nil {
			to = d.To.Path
		}
		out = append(out, path.Base(d.By.Path)+" > "+d.Want.Name+" = "+to)
	}
	return strings.Join(out, ", ")
}

func TestVersions(t *testing.T) {
	need := func(versions ...string) *pkgindex.ELF {
		return run(prog("a.so"), func(e *pkgindex.ELF) { e.VerNeed = []pkgindex.VersionNeed{{Soname: "a.so", Versions: versions}} })
	}
	for _, test := range []struct {
		summary string
		program *pkgindex.ELF
		defines []string
		want    []string
	}{
		{"all defined", need("A_1", "A_2"), []string{"A_1", "A_2", "A_3"}, nil},
		{"one lacking", need("A_1", "A_4"), []string{"A_1", "A_2", "A_3"}, []string{"A_4"}},
		{"a library without versions satisfies all", need("A_1"), nil, nil},
	} {
		t.Run(test.summary, func(t *testing.T) {
			files := tree{"/lib64/a.so": run(lib("a.so"), func(e *pkgindex.ELF) { e.VerDef = test.defines })}
			s := &Search{Default: []string{"/lib64"}, Open: files.open}
			deps := s.Trace(&Object{Path: "/p", Identity: "/p", ELF: test.program}, nil, false)
			if len(deps) != 1 || !slices.Equal(deps[0].Versions, test.want) {
				t.Errorf("got %+v, want %v", deps, test.want)
			}
		})
	}
}

func TestLayout(t *testing.T) {
	for _, test := range []struct {
		summary       string
		class         int
		machine, libc string
		musl          bool
		want          string
	}{
		{"RPM distributions", 64, "x86_64", "/usr/lib64", false, "/lib64 /usr/lib64 lib64"},
		{"aarch64 too, though its loader is in /lib", 64, "aarch64", "/usr/lib64", false, "/lib64 /usr/lib64 lib64"},
		{"no C library in sight", 64, "x86_64", "", false, "/lib64 /usr/lib64 lib64"},
		{"Debian", 64, "x86_64", "/usr/lib/x86_64-linux-gnu", false, "/lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib /usr/lib lib/x86_64-linux-gnu"},
		{"Debian on arm", 64, "aarch64", "/usr/lib/aarch64-linux-gnu", false, "/lib/aarch64-linux-gnu /usr/lib/aarch64-linux-gnu /lib /usr/lib lib/aarch64-linux-gnu"},
		{"32-bit", 32, "i386", "/usr/lib", false, "/lib /usr/lib lib"},
		{"Arch and others with lib only", 64, "x86_64", "/usr/lib", false, "/lib /usr/lib lib"},
		{"musl", 64, "x86_64", "", true, "/lib /usr/local/lib /usr/lib lib"},
	} {
		dirs, lib := Layout(test.class, test.machine, test.libc, test.musl)
		if got := strings.Join(append(dirs, lib), " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.summary, got, test.want)
		}
	}
}

func TestConf(t *testing.T) {
	files := []*ConfFile{
		{Path: "/etc/ld.so.conf", Text: "include ld.so.conf.d/*.conf # all\n/opt/last\nhwcap 1 nosegneg\n"},
		{Path: "/etc/ld.so.conf.d/b.conf", Text: "# comment\n/opt/b1:/opt/b2, /opt/b3/\n"},
		{Path: "/etc/ld.so.conf.d/a.conf", Text: "/opt/a=libc6\nrelative\n/opt/b1\n"},
		{Path: "/etc/ld.so.conf.d/x.txt", Text: "/opt/x\n"},
	}
	var got []string
	for _, d := range Conf("/etc/ld.so.conf", files) {
		got = append(got, d.Dir)
		if d.Files[0].Path != "/etc/ld.so.conf" || len(d.Files) > 2 {
			t.Errorf("%s comes from %v", d.Dir, d.Files)
		}
	}
	if want := []string{"/opt/a", "/opt/b1", "/opt/b2", "/opt/b3", "/opt/last"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvProgram(t *testing.T) {
	for argument, want := range map[string]string{
		"python3": "python3", "python3 -u": "python3", "A=b node": "node", "": "", "-i": "", "-": "", "-S": "",
		"-S python3 -s": "python3", "-Spython3": "python3", "-vS python3": "python3", "-iS A=b python3 -c": "python3",
		"--split-string=perl -w": "perl", "--split-string perl": "perl", "-S -u HOME node": "node", "-S -uHOME node": "node",
		"--unset=HOME node": "node", "--unset HOME node": "node", "-S -C /tmp node": "node", "-S -i -- node": "node",
		`-S "/opt/my app/run" x`: "/opt/my app/run", `-S A='b c' /opt/my\_app`: "/opt/my", `-S "a\_b"`: "a b", "-S -a name awk -f": "awk",
	} {
		if got := EnvProgram(argument); got != want {
			t.Errorf("%q: got %q, want %q", argument, got, want)
		}
	}
}

// FuzzConf: files that include each other and themselves end.
func FuzzConf(f *testing.F) {
	f.Add("include /etc/ld.so.conf\n/a:/b\n", "include *.conf\n")
	f.Add("include ld.so.conf.d/*.conf", "include /etc/ld.so.conf.d/* /etc/*\nhwcap 0 x\n/c=libc5,/d\n[")
	f.Fuzz(func(t *testing.T, a, b string) {
		dirs := Conf("/etc/ld.so.conf", []*ConfFile{{Path: "/etc/ld.so.conf", Text: a}, {Path: "/etc/ld.so.conf.d/x.conf", Text: b}})
		seen := map[string]bool{}
		for _, d := range dirs {
			if !strings.HasPrefix(d.Dir, "/") || seen[d.Dir] || len(d.Files) == 0 {
				t.Fatalf("bad directory %+v", d)
			}
			seen[d.Dir] = true
		}
		if len(dirs) > maxConfDirs {
			t.Fatal("more directories than the limit")
		}
	})
}

// FuzzTrace: search paths and names of any shape.
func FuzzTrace(f *testing.F) {
	f.Add("$ORIGIN/../lib:${LIB}", "a.so", "b.so")
	f.Add("::$", "/a/../b.so", "$ORIGIN")
	f.Fuzz(func(t *testing.T, runpath, a, b string) {
		files := tree{"/lib64/" + a: run(lib(b, b, a), func(e *pkgindex.ELF) { e.RPath = strings.Split(runpath, ":") })}
		for _, musl := range []bool{false, true} {
			s := &Search{Default: []string{"/lib64"}, Open: files.open, Musl: musl}
			deps := s.Trace(&Object{Path: "/p", Identity: "/p", ELF: run(prog(a, b), func(e *pkgindex.ELF) { e.RunPath = strings.Split(runpath, ":") })}, nil, false)
			if len(deps) < 2 {
				t.Fatalf("%d needs for two", len(deps))
			}
		}
	})
}
