package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/repotest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rpmlock": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Dir:           "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", e.WorkDir+"/.cache")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// mkrepo DIR ARCH writes the small distribution of the tests.
			// packages DIR LIST [ADVISORIES] writes a repository of the packages that a file lists, a line each: name, version-release,
			// architecture, and requires=, provides=, conflicts= with commas. Files of other packages in DIR stay.
			"packages": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 || len(args) > 3 {
					ts.Fatalf("usage: packages DIR LIST [ADVISORIES]")
				}
				options := repotest.Options{}
				if len(args) == 3 {
					options.Updateinfo = ts.ReadFile(args[2])
				}
				repotest.Write(t, ts.MkAbs(args[0]), options, packageList(ts, ts.ReadFile(args[1]))...)
			},
			"mkrepo": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: mkrepo DIR ARCH")
				}
				repotest.Write(t, ts.MkAbs(args[0]), repotest.Options{}, distribution(args[1])...)
			},
		},
	})
}

// packageList reads the lines of the command packages.
func packageList(ts *testscript.TestScript, text string) []rpmtest.Package {
	var out []rpmtest.Package
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) < 3 {
			ts.Fatalf("packages: %q is not name, version-release and architecture", line)
		}
		p := rpmtest.Package{Name: words[0], Arch: words[2], BuildTime: 1700000000}
		p.Version, p.Release, _ = strings.Cut(words[1], "-")
		for _, word := range words[3:] {
			kind, list, _ := strings.Cut(word, "=")
			items := strings.Split(strings.ReplaceAll(list, "_", " "), ",")
			switch kind {
			case "requires":
				p.Requires = rpmtest.Require(items...)
			case "provides":
				p.Provides = items
			case "conflicts":
				p.Conflicts = items
			case "size":
				p.Files = []rpmtest.File{{Path: "/usr/share/" + p.Name, Data: strings.Repeat("x", len(list))}}
			default:
				ts.Fatalf("packages: unknown word %q", word)
			}
		}
		out = append(out, p)
	}
	return out
}
