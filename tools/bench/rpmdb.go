package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var rpmdbEntries = []entry{
	{name: "rpmdb: all x86_64 packages of the release, sqlite, against rpm --justdb -i", target: "<= 60 ms per 100 packages, <= 64 MiB", ours: registered("sqlite"), peer: registeredByRPM},
	{name: "rpmdb: the same, ndb", target: "no demand", ours: registered("ndb"), why: "few rpms write ndb"},
	{name: "rpmdb: the same, bdb", target: "no demand", ours: registered("bdb"), why: "no rpm since 4.17 writes Berkeley DB"},
}

// packagesToRegister lists one package of each name.
func (e *env) packagesToRegister() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(e.release, "repo", arch, "Packages", "*.rpm"))
	if err == nil && len(files) == 0 {
		err = skip("no packages")
	}
	return files, err
}

func registered(backend string) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		files, err := e.packagesToRegister()
		if err != nil {
			return figure{}, err
		}
		program := filepath.Join(e.tools, "rpmdb")
		if _, err := os.Stat(program); err != nil {
			build := exec.Command("go", "build", "-o", program, "./tools/bench/rpmdb")
			build.Dir = e.workspace
			if out, err := build.CombinedOutput(); err != nil {
				return figure{}, fmt.Errorf("building tools/bench/rpmdb: %w\n%s", err, out)
			}
		}
		dir, err := os.MkdirTemp(e.scratch, "rpmdb-")
		if err != nil {
			return figure{}, err
		}
		params := filepath.Join(dir, "params")
		text := "--out=" + dir + "\n--backend=" + backend + "\n--rpm=" + strings.Join(files, "\n--rpm=") + "\n"
		if err := os.WriteFile(params, []byte(text), 0o644); err != nil {
			return figure{}, err
		}
		_, f, err := output(exec.Command(program, "@"+params))
		f.note = fmt.Sprintf("%d packages", len(files))
		return f, err
	}
}

func registeredByRPM(e *env) (figure, error) {
	files, err := e.packagesToRegister()
	if err != nil {
		return figure{}, err
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		return figure{}, skip("no rpm here")
	}
	dir, err := os.MkdirTemp(e.scratch, "rpmdb-")
	if err != nil {
		return figure{}, err
	}
	args := []string{"--dbpath", dir, "--define", "_db_backend sqlite", "--define", "__systemd_sysusers true", "--ignoresize", "--justdb", "--nodeps",
		"--noscripts", "--notriggers", "--noorder", "--nosignature", "-i"}
	_, f, err := output(exec.Command("rpm", append(args, files...)...))
	return f, err
}
