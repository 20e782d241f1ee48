package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

var rpmdbEntries = []entry{
	{name: "rpmdb: 100 packages, sqlite, against rpm --justdb -i", target: "<= 60 ms, <= 64 MiB", ours: registered("sqlite", 100), peer: registeredByRPM(100)},
	{name: "rpmdb: 1,000 packages, sqlite, against rpm --justdb -i", target: "<= 600 ms, <= 64 MiB", ours: registered("sqlite", 1000), peer: registeredByRPM(1000)},
	{name: "rpmdb: 1,000 packages, ndb", target: "no demand", ours: registered("ndb", 1000), why: "few rpms write ndb"},
	{name: "rpmdb: 1,000 packages, bdb", target: "no demand", ours: registered("bdb", 1000), why: "no rpm since 4.17 writes Berkeley DB"},
}

// packagesToRegister lists n packages: those of the release, of both architectures, and where they are too few the same headers under
// other names.
func (e *env) packagesToRegister(n int) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(e.release, "repo", "*", "Packages", "*.rpm"))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{} // noarch packages are there for each architecture
	files = slices.DeleteFunc(files, func(file string) bool {
		twice := seen[filepath.Base(file)]
		seen[filepath.Base(file)] = true
		return twice
	})
	if len(files) == 0 {
		return nil, skip("no packages")
	}
	if len(files) >= n {
		return files[:n], nil
	}
	dir := filepath.Join(e.scratch, "renamed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	originals := len(files)
	for i := originals; i < n; i++ {
		file := filepath.Join(dir, fmt.Sprintf("%04d.rpm", i))
		if _, err := os.Stat(file); err != nil {
			if err := renamed(files[i%originals], file, i/originals); err != nil {
				return nil, err
			}
		}
		files = append(files, file)
	}
	return files, nil
}

func registered(backend string, n int) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		files, err := e.packagesToRegister(n)
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

func registeredByRPM(n int) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		files, err := e.packagesToRegister(n)
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
		args := []string{"--dbpath", dir, "--define", "_db_backend sqlite", "--define", "__systemd_sysusers true", "--ignoresize", "--ignorearch",
			"--justdb", "--nodeps", "--noscripts", "--notriggers", "--noorder", "--nosignature", "--replacefiles", "-i"}
		_, f, err := output(exec.Command("rpm", append(args, files...)...))
		if err != nil {
			return f, err
		}
		listed, _, err := output(exec.Command("rpm", "--dbpath", dir, "--define", "_db_backend sqlite", "--nosignature", "-qa", "--qf", "x"))
		if err == nil && len(listed) != len(files) {
			err = fmt.Errorf("rpm registered %d of %d packages", len(listed), len(files))
		}
		f.note = "checks payloads too"
		return f, err
	}
}
