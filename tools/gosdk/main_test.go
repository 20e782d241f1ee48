package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gosdk": main, "go": fakeGo})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != ""})
}

// fakeGo stands in for the go command: it lists the versions of the file versions.json, and downloads nothing but what FAKE_SUM says.
func fakeGo() {
	work := os.Getenv("WORK")
	switch os.Args[1] {
	case "list":
		data, err := os.ReadFile(filepath.Join(work, "versions.json"))
		if err != nil {
			fmt.Fprintln(os.Stderr, "go: module lookup disabled")
			os.Exit(1)
		}
		os.Stdout.Write(data)
	case "mod":
		if sum := os.Getenv("FAKE_SUM"); sum != "" {
			zip := filepath.Join(os.Getenv("GOMODCACHE"), "a.zip")
			os.WriteFile(zip, []byte(os.Args[len(os.Args)-1]), 0o644)
			fmt.Printf("{\"Sum\":%q,\"Zip\":%q}\n", sum, zip)
			return
		}
		fmt.Println(`{"Error":"not found"}`)
		os.Exit(1)
	}
}
