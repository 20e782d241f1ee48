package main

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
			// architecture, and requires=, provides=, conflicts= with commas, installed= with bytes. Files of other packages in DIR stay.
			"packages": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 || len(args) > 3 {
					ts.Fatalf("usage: packages DIR LIST [ADVISORIES]")
				}
				options := repotest.Options{}
				if len(args) == 3 {
					options.Updateinfo = ts.ReadFile(args[2])
				}
				options.Installed = map[string]int64{}
				repotest.Write(t, ts.MkAbs(args[0]), options, packageList(ts, ts.ReadFile(args[1]), options.Installed)...)
			},
			// append FILE LINE adds a line.
			"append": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: append FILE LINE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[0])+args[1]+"\n"), 0o644))
			},
			// serve DIR makes a folder reachable over HTTP, at $SERVER.
			"serve": func(ts *testscript.TestScript, neg bool, args []string) {
				server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
				ts.Defer(server.Close)
				ts.Setenv("SERVER", server.URL)
			},
			// workspace DIR FILE writes a WORKSPACE for bazeldnf with the packages of a repository that is served.
			"workspace": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(bazeldnfRules(ts, args[0])), 0o644))
			},
			// digests FROM TO copies files under the names of their checksums.
			"digests": func(ts *testscript.TestScript, neg bool, args []string) {
				for _, data := range filesOf(ts, args[0]) {
					ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[1]), fmt.Sprintf("%x", sha256.Sum256(data))), data, 0o644))
				}
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

// packageList reads the lines of the command packages; installed gets the installed sizes that they name.
func packageList(ts *testscript.TestScript, text string, installed map[string]int64) []rpmtest.Package {
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
		if epoch, version, ok := strings.Cut(p.Version, ":"); ok {
			n, err := strconv.ParseUint(epoch, 10, 32)
			ts.Check(err)
			p.Epoch, p.Version = uint32(n), version
		}
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
			case "installed":
				n, err := strconv.ParseInt(list, 10, 64)
				ts.Check(err)
				installed[p.Name] = n
			default:
				ts.Fatalf("packages: unknown word %q", word)
			}
		}
		out = append(out, p)
	}
	return out
}

func filesOf(ts *testscript.TestScript, dir string) map[string][]byte {
	out := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(ts.MkAbs(dir), "*.rpm"))
	ts.Check(err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		ts.Check(err)
		out[filepath.Base(name)] = data
	}
	return out
}

// bazeldnfRules are the rules that bazeldnf would write, each with the place in the repository and one in a mirror by digest.
func bazeldnfRules(ts *testscript.TestScript, repo string) string {
	var out strings.Builder
	out.WriteString("load(\"@bazeldnf//:deps.bzl\", \"rpm\")\n")
	files := filesOf(ts, filepath.Join(repo, "Packages"))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		epoch := "0"
		if strings.HasPrefix(name, "tool-") {
			epoch = "2"
		}
		pkg, rest, _ := strings.Cut(strings.TrimSuffix(name, ".rpm"), "-")
		rest = strings.Replace(rest, ".noarch", ".x86_64", 1)
		sum := sha256.Sum256(files[name])
		fmt.Fprintf(&out, "\nrpm(\n    name = \"%s-%s__%s\",\n    sha256 = \"%x\",\n    urls = [\n        \"%s/%s/Packages/%s\",\n        \"%s/mirror/%x\",\n    ],\n)\n",
			pkg, epoch, rest, sum, ts.Getenv("SERVER"), repo, name, ts.Getenv("SERVER"), sum)
	}
	return out.String()
}
