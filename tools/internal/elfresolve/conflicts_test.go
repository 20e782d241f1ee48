package elfresolve

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func TestConflictingPackages(t *testing.T) {
	indexes := world(pack("coreutils", reg("/usr/bin/ls")), pack("coreutils-single", reg("/usr/bin/coreutils")), pack("app", reg("/app")))
	graph := func(in *Input) *Input {
		in.Graph = &selection.Graph{Schema: selection.Schema, Packages: map[string]selection.GraphNode{
			"app": {Requires: []string{"coreutils"}}, "coreutils": {Conflicts: []string{"coreutils-single"}},
			"coreutils-single": {Conflicts: []string{"coreutils"}},
		}}
		return in
	}
	app := packages("//:a", "app")
	app.Deps = selection.DepsRequires
	fails(t, graph(input(indexes, app, packages("//:b", "coreutils-single"))),
		"//x:image: packages coreutils-1-1.x86_64 and coreutils-single-1-1.x86_64 conflict, and cannot be in one root file system:\n"+
			"  //:a -request app-> app-1-1.x86_64 -requires coreutils-> coreutils-1-1.x86_64\n"+
			"  //:b -request coreutils-single-> coreutils-single-1-1.x86_64", "leave one of them out with exclude")
	if _, err := Resolve(graph(input(indexes, packages("//:b", "coreutils-single", "app")))); err != nil {
		t.Errorf("one of the two: %v", err)
	}
	if _, err := Resolve(graph(input(indexes, binary("//:ls", "coreutils", "/usr/bin/ls"), packages("//:b", "coreutils-single")))); err != nil {
		t.Errorf("a file of one of the two: %v", err)
	}
}
