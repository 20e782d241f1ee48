package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// version matches what follows the name of a package of the release made of Debian packages, whose mirrors move on.
// Sizes move with them.
var version = regexp.MustCompile(`-[0-9][^ \]]*\.(x86_64|aarch64|noarch)\b`)
var sizes = regexp.MustCompile(`have [0-9]+ bytes, [0-9]+ more`)

// TestBrokenImages runs the checks of //rules/tests/rootcheck, targets that are broken on purpose, as their validation actions
// would, and compares what a user sees. To write the goldens, build //rules/tests/rootcheck:amd64 and :arm64, then run
//
//	UPDATE_SCRIPTS=1 ROOTCHECK_BROKEN=$PWD/bazel-bin/rules/tests/rootcheck go test ./tools/rootcheck
func TestBrokenImages(t *testing.T) {
	dir := os.Getenv("ROOTCHECK_BROKEN")
	if dir == "" {
		t.Skip("not under Bazel (ROOTCHECK_BROKEN); not checked: what rpm_rootfs and rpm_image tell the check")
	}
	for _, c := range []struct{ spec, tree, golden string }{
		{"tree", "tree", "tree"}, {"child", "child", "child"}, {"config_layers", "config_rootfs", "config"}, {"whole_layers", "unchecked", "whole"},
	} {
		for _, arch := range []string{"amd64", "arm64"} {
			t.Run(c.golden+"/"+arch, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "findings")
				err := run([]string{"--spec=" + filepath.Join(dir, arch, c.spec+".rootcheck_spec.json"), "--tree=" + filepath.Join(dir, arch, c.tree+".tree.json"), "--out=" + out})
				var text strings.Builder
				if err != nil {
					cli.Report(&text, "rootcheck", err)
				}
				findings, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				got := version.ReplaceAllString(text.String()+"-- findings --\n"+string(findings), "-VERSION")
				got = sizes.ReplaceAllString(got, "have SIZE bytes, MORE more")
				golden := filepath.Join("testdata", "broken", c.golden+"."+arch+".txt")
				if os.Getenv("UPDATE_SCRIPTS") != "" {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil || got != string(want) {
					t.Errorf("%s: %v: got\n%s\nwant\n%s", golden, err, got, want)
				}
			})
		}
	}
}
