package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// root is the checkout: where go.mod is, upwards from the working directory. Under Bazel that is a link in the runfiles, which
// leads to the checkout because the test runs outside the sandbox. SLIMRPM_SOURCE_ROOT names another one.
func root(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SLIMRPM_SOURCE_ROOT"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Dir(target)
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above the working directory: under Bazel the sources must be data of this test")
		}
		dir = filepath.Dir(dir)
	}
}

func TestArchitecture(t *testing.T) {
	problems, err := Check(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

const page = `# Architecture

| layer | packages | may import |
|---|---|---|
| formats | evr, rpm | codecs |
| model | pkgindex | formats |
| operations | extract, resolve | formats, model |
| network | fetch | standard library |
| programs | rpmlock, rootfs | all |
| test support | rpmtest | all |

More.
`

// TestCheck has a small module per rule that breaks exactly that rule.
func TestCheck(t *testing.T) {
	const m = "module example.com/m\n\ngo 1.26\n"
	good := map[string]string{
		"evr": "package evr\nimport _ \"strings\"\n", "rpm": "package rpm\nimport _ \"example.com/m/tools/internal/pkgindex\"\nimport _ \"example.com/m/tools/internal/evr\"\n",
		"pkgindex": "package pkgindex\n", "extract": "package extract\nimport _ \"example.com/m/tools/internal/rpm\"\n",
		"resolve": "package resolve\n", "fetch": "package fetch\nimport _ \"net/http\"\n", "cli": "package cli\nimport \"os\"\nfunc Main() { os.Exit(1) }\n",
	}
	for _, test := range []struct {
		summary, file, text string
		want                []string
	}{
		{"a good module", "", "", nil},
		{"a format that imports an operation", "tools/internal/evr/x.go", "package evr\nimport _ \"example.com/m/tools/internal/extract\"\n",
			[]string{"tools/internal/evr/x.go:2: evr (formats) imports extract (operations)"}},
		{"an operation that imports an operation", "tools/internal/resolve/x.go", "package resolve\nimport _ \"example.com/m/tools/internal/extract\"\n",
			[]string{"tools/internal/resolve/x.go:2: resolve (operations) imports extract (operations)"}},
		{"a model that imports an operation, in a subfolder", "tools/internal/pkgindex/sub/x.go", "package sub\nimport _ \"example.com/m/tools/internal/extract\"\n",
			[]string{"tools/internal/pkgindex/sub/x.go:2: pkgindex (model) imports extract (operations)"}},
		{"tests may import anything", "tools/internal/evr/x_test.go", "package evr\nimport _ \"example.com/m/tools/internal/extract\"\nimport _ \"net/http\"\nimport _ \"os/exec\"\n", nil},
		{"test support in a product", "tools/internal/extract/x.go", "package extract\nimport _ \"example.com/m/tools/internal/rpmtest\"\n",
			[]string{"tools/internal/extract/x.go:2: imports rpmtest, which is for tests"}},
		{"a package without a layer", "tools/internal/util/x.go", "package util\n",
			[]string{"tools/internal/util/x.go:1: package util is in no layer of ARCHITECTURE.md"}},
		{"cli that imports something", "tools/internal/cli/x.go", "package cli\nimport _ \"example.com/m/tools/internal/evr\"\n",
			[]string{"tools/internal/cli/x.go:2: cli imports evr: all programs share it, so it imports nothing of ours"}},
		{"a library that imports a program", "tools/internal/extract/x.go", "package extract\nimport _ \"example.com/m/tools/rpmlock/fetch\"\n",
			[]string{"tools/internal/extract/x.go:2: extract imports program rpmlock, a program"}},
		{"network in an operation", "tools/internal/resolve/x.go", "package resolve\nimport _ \"net/http\"\n",
			[]string{"tools/internal/resolve/x.go:2: imports net/http: only rpmlock and rpmfetch talk to a network"}},
		{"the network layer in an operation", "tools/internal/resolve/x.go", "package resolve\nimport _ \"example.com/m/tools/internal/fetch\"\n",
			[]string{"tools/internal/resolve/x.go:2: resolve (operations) imports fetch (network)"}},
		{"the network layer in a program that actions run", "tools/rootfs/x.go", "package main\nimport _ \"example.com/m/tools/internal/fetch\"\n",
			[]string{"tools/rootfs/x.go:2: imports fetch: only rpmlock and rpmfetch talk to a network"}},
		{"the network layer in rpmlock", "tools/rpmlock/x.go", "package main\nimport _ \"example.com/m/tools/internal/fetch\"\n", nil},
		{"a model in the network layer", "tools/internal/fetch/x.go", "package fetch\nimport _ \"example.com/m/tools/internal/pkgindex\"\n",
			[]string{"tools/internal/fetch/x.go:2: fetch (network) imports pkgindex (model)"}},
		{"data of third_party in a program", "tools/rpmlock/x.go", "package main\nimport _ \"example.com/m/third_party/keys\"\n", nil},
		{"data of third_party in an operation", "tools/internal/resolve/x.go", "package resolve\nimport _ \"example.com/m/third_party/keys\"\n",
			[]string{"tools/internal/resolve/x.go:2: resolve (operations) imports third_party/keys: what is not below tools is data for programs"}},
		{"network in rpmlock", "tools/rpmlock/x.go", "package main\nimport _ \"net/http\"\n", nil},
		{"programs run in a program", "tools/rpmlock/x.go", "package main\nimport _ \"os/exec\"\n",
			[]string{"tools/rpmlock/x.go:2: imports os/exec: actions run no programs"}},
		{"programs run in a benchmark", "tools/bench/x.go", "package main\nimport _ \"os/exec\"\n", nil},
		{"a log", "tools/rpmlock/x.go", "package main\nimport _ \"log\"\n", []string{"tools/rpmlock/x.go:2: imports log: errors are returned; cli prints them"}},
		{"the environment, under another name", "tools/internal/rpm/x.go", "package rpm\nimport sys \"os\"\nvar x = sys.Getenv(\"x\")\n",
			[]string{"tools/internal/rpm/x.go:3: rpm uses os.Getenv: the caller decides that, not a library"}},
		{"the clock", "tools/internal/rpm/x.go", "package rpm\nimport \"time\"\nvar x = time.Now\n",
			[]string{"tools/internal/rpm/x.go:3: rpm uses time.Now: the caller decides that, not a library"}},
		{"the clock in a program", "tools/rpmlock/x.go", "package main\nimport \"time\"\nvar x = time.Now\n", nil},
		{"sources of tests are no sources", "tools/internal/rpm/testdata/x.go", "package rpm\nimport _ \"log\"\n", nil},
	} {
		t.Run(test.summary, func(t *testing.T) {
			files := fstest.MapFS{"go.mod": {Data: []byte(m)}, "ARCHITECTURE.md": {Data: []byte(page)},
				"tools/rpmlock/main.go": {Data: []byte("package main\n")}, "tools/rootfs/main.go": {Data: []byte("package main\n")}}
			for name, text := range good {
				files["tools/internal/"+name+"/a.go"] = &fstest.MapFile{Data: []byte(text)}
			}
			if test.file != "" {
				files[test.file] = &fstest.MapFile{Data: []byte(test.text)}
			}
			got, err := Check(files)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// TestIncomplete: sources that are not there must not pass.
func TestIncomplete(t *testing.T) {
	got, err := Check(fstest.MapFS{"go.mod": {Data: []byte("module m\n")}, "ARCHITECTURE.md": {Data: []byte(page)}, "tools/x/a.go": {Data: []byte("package main\n")}})
	if err != nil {
		t.Fatal(err)
	}
	want := "ARCHITECTURE.md: evr of layer formats has no Go files"
	if len(got) != 8 || got[0] != want {
		t.Errorf("got %q, want 8 problems, first %q", got, want)
	}
	if _, err := Check(fstest.MapFS{"go.mod": {Data: []byte("module m\n")}, "ARCHITECTURE.md": {Data: []byte("# x\n")}}); err == nil {
		t.Error("a page without a table passed")
	}
}
