package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fakeGo stands in for the go command: `mod download` answers with modules below $FAKE_MODULES, `install` makes a
// program, and every call is written to $LOG.
const fakeGo = `#!/bin/sh
echo "$*" >>"$LOG"
case "$1 $2" in
'mod download')
	shift 3
	for module; do
		path=${module%@*}
		case $path in
		*rules_go) sum=${FAKE_SUM:-h1:RLhOwYIqeMgBpKelHEWTfIPjA37so3oa/rX+/qqq/P4=} ;;
		*) sum=h1:g3Rr1ZbkC1Pk20aOgBITxSD/efS1WbaSty5jC786Z3Q= ;;
		esac
		echo "{\"Path\":\"$path\",\"Version\":\"${module#*@}\",\"Sum\":\"$sum\",\"Dir\":\"$FAKE_MODULES\",\"Error\":\"$FAKE_ERROR\"}"
	done ;;
'mod edit') cat "$4" ;;
install*) echo program >"$GOBIN/buildozer" ;;
esac
`

// fakeMachine puts the go command in PATH and makes the folders that `prepare modules` reads.
func fakeMachine(t *testing.T) (modulesOptions, string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	write(t, filepath.Join(dir, "bin", "go"), fakeGo, 0o755)
	write(t, filepath.Join(dir, "module", "BUILD.bazel"), "# build\n", 0o444)
	write(t, filepath.Join(dir, "module", "tool.sh"), "#!/bin/sh\n", 0o444)
	write(t, filepath.Join(dir, "stand-ins", "buildozer", "MODULE.bazel"), "module()\n", 0o644)
	for _, folder := range debianModules {
		write(t, filepath.Join(dir, "debian", folder, "MODULE.bazel"), "module()\n", 0o644)
	}
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	t.Setenv("LOG", log)
	t.Setenv("FAKE_MODULES", filepath.Join(dir, "module"))
	return modulesOptions{
		modcache: filepath.Join(dir, "modcache"), standIns: filepath.Join(dir, "stand-ins"),
		debian: filepath.Join(dir, "debian"), out: filepath.Join(dir, "out"),
	}, log
}

func TestMakeModules(t *testing.T) {
	o, log := fakeMachine(t)
	// What an interrupted run has left.
	write(t, filepath.Join(o.out+".partial", "rules_go", "old"), "", 0o644)
	if err := makeModules(o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(o.out, "rules_go", "old")); err == nil {
		t.Error("a file of the interrupted run is there")
	}
	for name, mode := range map[string]os.FileMode{"rules_go/tool.sh": 0o755, "gazelle/BUILD.bazel": 0o644, "buildozer/buildozer": 0o755} {
		info, err := os.Stat(filepath.Join(o.out, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("got mode %v of %s, want %v", info.Mode(), name, mode)
		}
	}
	rc := read(t, filepath.Join(o.out, "bazelrc"))
	for _, want := range []string{
		"common --override_module=buildozer=" + o.out + "/buildozer\n",
		"common --override_module=gazelle=" + o.out + "/gazelle\n",
		"common --override_module=platforms=" + o.debian + "/tools/platforms\n",
		"common --override_repository=" + sdkRepository + "=" + o.out + "/host_sdk\n",
		"common --repo_env=GOMODCACHE=" + o.modcache + "\n",
	} {
		if !strings.Contains(rc, want) {
			t.Errorf("got configuration\n%s\nwant it to hold %s", rc, want)
		}
	}
	if calls := read(t, log); !strings.Contains(calls, "mod vendor -e\n") {
		t.Errorf("got calls\n%s\nwant gazelle's dependencies vendored", calls)
	}
}

func TestMakeModulesRefuses(t *testing.T) {
	for _, row := range []struct {
		summary string
		change  func(t *testing.T, o modulesOptions)
		want    string
	}{
		{
			"another content under the pinned version",
			func(t *testing.T, _ modulesOptions) { t.Setenv("FAKE_SUM", "h1:other=") },
			"rules_go@v0.59.0: the sum is h1:other=, want h1:RLhO",
		},
		{
			"a proxy that lacks the module",
			func(t *testing.T, _ modulesOptions) { t.Setenv("FAKE_ERROR", "not found") },
			"rules_go@v0.59.0: not found\nhint: GOPROXY",
		},
		{
			"a machine without a package of Debian's",
			func(t *testing.T, o modulesOptions) {
				if err := os.RemoveAll(filepath.Join(o.debian, "rules", "shell")); err != nil {
					t.Fatal(err)
				}
			},
			"missing rules_shell\nhint: install the bazel-* packages",
		},
	} {
		t.Run(row.summary, func(t *testing.T) {
			o, _ := fakeMachine(t)
			row.change(t, o)
			if err := makeModules(o); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
			if _, err := os.Stat(o.out); err == nil {
				t.Error("the folder is there all the same")
			}
		})
	}
}

func TestDownload(t *testing.T) {
	o, log := fakeMachine(t)
	goMod := func(name, text string) string {
		path := filepath.Join(filepath.Dir(o.out), name, "go.mod")
		write(t, path, text, 0o644)
		return path
	}
	goMod("modules/gazelle", `{"Require":[{"Path":"golang.org/x/sync","Version":"v0.10.0"},{"Path":"google.golang.org/protobuf","Version":"v1.36.3"}]}`)
	goMod("modules/rules_go", `{"Require":[{"Path":"golang.org/x/sync","Version":"v0.11.0"},{"Path":"golang.org/x/tools","Version":"v0.30.0"},`+
		`{"Path":"google.golang.org/grpc","Version":"v1.67.3"}]}`)
	ours := goMod("ours", `{"Require":[{"Path":"go.yaml.in/yaml/v3","Version":"v3.0.6"}]}`)
	if err := download(o.modcache, filepath.Join(filepath.Dir(o.out), "modules"), []string{ours}); err != nil {
		t.Fatal(err)
	}
	want := "mod download -json go.yaml.in/yaml/v3@v3.0.6 golang.org/x/sync@v0.10.0 golang.org/x/sync@v0.11.0 golang.org/x/tools@v0.30.0\n"
	if calls := read(t, log); !strings.HasSuffix(calls, want) {
		t.Errorf("got calls\n%s\nwant at last %s", calls, want)
	}
	if err := download(o.modcache, filepath.Dir(o.out), nil); err == nil || !strings.Contains(err.Error(), "gazelle/go.mod") {
		t.Errorf("got error %v, want one that names the missing go.mod", err)
	}
}

func TestVersionsToFetch(t *testing.T) {
	got := versionsToFetch(
		map[string][]string{"b": {"v1", "v2", "v1"}, "a": {"v1"}, "google.golang.org/protobuf": {"v1"}},
		map[string][]string{"b": {"v3"}, "c": {"v1"}},
	)
	if want := []string{"a@v1", "b@v1", "b@v2", "b@v3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQuote(t *testing.T) {
	for _, row := range []struct{ summary, in, want string }{
		{"a plain word stays", "--flag=/path", "--flag=/path"},
		{"a space needs quotes", "--flag=/a b", `"--flag=/a b"`},
		{"quotes and backslashes are escaped", `a"b\c`, `"a\"b\\c"`},
		{"a number sign would start a comment", "a#b", `"a#b"`},
	} {
		if got := quote(row.in); got != row.want {
			t.Errorf("%s: got %s, want %s", row.summary, got, row.want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for _, row := range []struct {
		summary string
		args    []string
		want    string
	}{
		{"no command", nil, "want `modules` or `downloads`"},
		{"an unknown command", []string{"all"}, `unknown command "all"`},
		{"a missing flag", []string{"modules", "--out=x"}, "a required flag is missing"},
		{"a positional argument", []string{"downloads", "x"}, `unexpected argument "x"`},
		{"an unknown flag", []string{"downloads", "--x"}, "reading the command line"},
	} {
		if err := run(row.args); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got error %v, want one with %q", row.summary, err, row.want)
		}
	}
}

func TestParseDownloaded(t *testing.T) {
	got, err := parseDownloaded(strings.NewReader(`{"Path":"a"}{"Path":"b","Error":"no"}`))
	if err != nil || !reflect.DeepEqual(got, []downloaded{{Path: "a"}, {Path: "b", Error: "no"}}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseDownloaded(strings.NewReader("go: error")); err == nil {
		t.Error("text that is no JSON was accepted")
	}
}

// TestPinsAgreeWithModuleFile keeps the versions here equal to those that a registry is asked for.
func TestPinsAgreeWithModuleFile(t *testing.T) {
	text := read(t, "../../../MODULE.bazel")
	for _, m := range goModules {
		want := `bazel_dep(name = "` + m.bazelName + `", version = "` + strings.TrimPrefix(m.module.Version, "v") + `")`
		if !strings.Contains(text, want) {
			t.Errorf("MODULE.bazel does not hold %s", want)
		}
	}
	standIn, err := os.ReadFile("../rules_oci/MODULE.bazel")
	if err != nil {
		t.Skip("Bazel does not show the stand-in of rules_oci to this test, as it is a module of its own")
	}
	if want := versionLine(text, "rules_oci"); want == "" || !strings.Contains(string(standIn), want) {
		t.Errorf("the stand-in of rules_oci does not have the %s of MODULE.bazel", want)
	}
}

// versionLine gives `version = "..."` of a bazel_dep.
func versionLine(text, name string) string {
	_, after, _ := strings.Cut(text, `bazel_dep(name = "`+name+`", `)
	line, _, _ := strings.Cut(after, ")")
	return line
}
