// Rpmdb registers packages in a new database, as `rpm --justdb -i` does. It is the program that the benchmark of databases runs.
//
//	rpmdb --out=DIR --backend=sqlite --rpm=F [--rpm=F ...]
package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

func main() { cli.Main("rpmdb", run) }

func run(args []string) error {
	var names cli.Strings
	fs := cli.NewFlagSet("rpmdb")
	out := fs.String("out", "", "folder of the database")
	backend := fs.String("backend", "", "format")
	fs.Var(&names, "rpm", "package to register; may be repeated")
	if err := cli.Parse(fs, args, "out", "backend", "rpm"); err != nil {
		return err
	}
	opts := rpmdb.Options{Backend: rpmdb.Backend(*backend), Arch: "x86_64"}
	for _, name := range names {
		p, err := read(name)
		if err != nil {
			return err
		}
		files, _ := p.Main.Lookup(rpm.TagBasenames)
		end := int64(p.HeaderEnd)
		open := func() (io.ReadCloser, error) {
			f, err := os.Open(name)
			return headers{io.LimitReader(f, end), f}, err
		}
		opts.Packages = append(opts.Packages, rpmdb.Installed{Open: open, FileStates: make([]byte, files.Count)})
	}
	db, err := rpmdb.Plan(opts)
	if err != nil {
		return err
	}
	for _, f := range db.Files {
		write := func(w io.Writer) error { _, err := f.WriteTo(w); return err }
		if err := cli.WriteFile(filepath.Join(*out, f.Name), write); err != nil {
			return err
		}
	}
	return nil
}

// headers are the bytes of a package before its payload.
type headers struct {
	io.Reader
	io.Closer
}

func read(name string) (*rpm.Package, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rpm.ReadPackage(f)
}
