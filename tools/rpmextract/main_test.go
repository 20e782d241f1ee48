package main

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rpmextract": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Dir:           "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"mkrpm":    mkrpm,
			"truncate": truncate,
			"tarlist":  tarlist,
			"sha256":   sum,
		},
	})
}

// mkrpm writes a package of a fixed content: mkrpm file compressor.
func mkrpm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mkrpm file compressor")
	}
	p := rpmtest.Package{
		Name: "hello", Version: "2.12", Release: "3.el9", Compressor: args[1],
		Files: []rpmtest.File{
			{Path: "/etc/hello.conf", Data: "greeting=hello\n", Flags: pkgindex.FlagConfig},
			{Path: "/usr/bin/hello", Mode: 0o104755, Data: "#!/bin/sh\necho hello\n"},
			{Path: "/usr/bin/hi", Link: "hello"},
			{Path: "/usr/share/hello/"},
			{Path: "/usr/share/hello/large", Data: strings.Repeat("0123456789abcdef", 100_000)},
			{Path: "/var/log/hello", Flags: pkgindex.FlagGhost, User: "hello"},
		},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Program: []string{"/sbin/ldconfig"}}},
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), rpmtest.Build(p), 0o666))
}

// truncate cuts a file to a size: truncate file bytes; a negative number cuts so many bytes off.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if n < 0 {
		info, err := os.Stat(ts.MkAbs(args[0]))
		ts.Check(err)
		n += info.Size()
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// tarlist prints the entries of a tar.
func tarlist(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		ts.Check(err)
		fmt.Fprintf(ts.Stdout(), "%c %04o %s:%s %d %d %s%s\n", h.Typeflag, h.Mode, h.Uname, h.Gname, h.ModTime.Unix(), h.Size, h.Name, strings.TrimSuffix(" -> "+h.Linkname, " -> "))
	}
}

// sum sets an environment variable to the hash of a file: sha256 VAR file.
func sum(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], fmt.Sprintf("%x", sha256.Sum256([]byte(ts.ReadFile(args[1])))))
}
