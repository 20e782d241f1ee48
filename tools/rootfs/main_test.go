package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rootfs": func() { cli.Main("rootfs", run) }})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"rpms":   makeRPMs,
			"target": makeSelection,
		},
	})
}

// makeRPMs is "rpms FILE...": from each FILE.json, an rpmtest.Package, it makes FILE.tar, FILE.index and FILE.header.
func makeRPMs(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		var p rpmtest.Package
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name+".json")), &p))
		at := ts.MkAbs(name)
		ts.Check(os.WriteFile(at+".rpm", rpmtest.Build(p), 0o644))
		ts.Check(extract.Run(extract.Options{RPM: at + ".rpm", Payload: at + ".tar", Index: at + ".index", Header: at + ".header"}))
	}
}

// makeSelection is "target FILE.json PACKAGE...": a selection of whole packages.
func makeSelection(ts *testscript.TestScript, _ bool, args []string) {
	s := &selection.Selection{Schema: selection.Schema, Label: "//test", Release: "test", Arch: "x86_64", Packages: []selection.Package{}}
	for _, name := range args[1:] {
		var p rpmtest.Package
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(name+".json")), &p))
		s.Packages = append(s.Packages, selection.Package{Name: p.Name, NEVRA: p.NEVRA(), Why: []selection.Reason{}})
	}
	f, err := os.Create(filepath.Clean(ts.MkAbs(args[0])))
	ts.Check(err)
	ts.Check(selection.Write(f, s))
	ts.Check(f.Close())
}
