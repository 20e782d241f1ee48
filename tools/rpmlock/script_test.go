package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

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
			"mkrepo": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("usage: mkrepo DIR ARCH")
				}
				repotest.Write(t, ts.MkAbs(args[0]), repotest.Options{}, distribution(args[1])...)
			},
		},
	})
}
