// Package scriptlets tests what a scriptlet that is not covered does to a build, and the ways out.
package scriptlets

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func read(t *testing.T, variable string) []byte {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		t.Skip("not run by Bazel; not checked: scriptlets that are not covered (bazel test //rules/e2e/scriptlets:scriptlets_test does)")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestRefused: the build says which scriptlet of which package stops where, and the ways out.
func TestRefused(t *testing.T) {
	const want = `rootfs: error: composing //rules/e2e/scriptlets:plain: scriptlet post of vendor-agent-1-1.noarch: not covered: line 4: /usr/bin/vendor-register --offline --out=/etc/vendor/agent.id: ` +
		`/usr/bin/vendor-register is a program of the image (vendor-agent-1-1.noarch), and no program of the image runs
rootfs: hint: say why it is not needed with scriptlets_skip = {"vendor-agent": "..."}, give a shell script of your own with ` +
		`scriptlets_replace = {"vendor-agent": "//label"} ("vendor-agent:post" is this scriptlet alone), or leave the package out
`
	if got := string(read(t, "REFUSED")); got != want {
		t.Errorf("the build says\n%s\nwant\n%s", got, want)
	}
}

// TestReports: each way out builds, and the report tells which one was taken.
func TestReports(t *testing.T) {
	for _, c := range []struct{ variable, status, detail, created string }{
		{"SKIPPED", "skipped", "it registers when it starts", ""},
		{"REPLACED", "replaced", "", "/etc/vendor /etc/vendor/agent.id"},
		{"LEFT_OUT", "", "", ""},
	} {
		var report struct {
			Scriptlets []struct {
				Package, Kind, Status string
				Detail, Created       []string
			}
			Alternatives []struct{ Name, Path string }
		}
		if err := json.Unmarshal(read(t, c.variable), &report); err != nil {
			t.Fatal(err)
		}
		status, detail, created := "", "", ""
		for _, s := range report.Scriptlets {
			if s.Package == "vendor-agent-1-1.noarch" && s.Kind == "post" {
				status, detail, created = s.Status, strings.Join(s.Detail, "; "), strings.Join(s.Created, " ")
			}
		}
		if status != c.status || detail != c.detail || created != c.created {
			t.Errorf("%s: got %q %q %q", c.variable, status, detail, created)
		}
	}
}
