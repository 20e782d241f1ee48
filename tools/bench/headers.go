package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

// headerCount is how many packages the benchmarks of headers read; packages repeat when there are fewer.
const headerCount = 1000

var headerEntries = []entry{
	{name: "headers: 1,000 packages, against rpm -qp", target: "<= 0.5 s", ours: headers("headers"), peer: headers("rpm")},
	{name: "headers: 1,000 packages, against cavaliergopher/rpm", target: "no demand", ours: headers("headers"), peer: headers("cavaliergopher")},
	{name: "headers: 1,000 packages, against go-rpmutils", target: "no demand", ours: headers("headers"), peer: headers("gorpmutils")},
}

func headers(tool string) func(*env) (figure, error) {
	return func(e *env) (figure, error) {
		files, err := e.headerFiles()
		if err != nil {
			return figure{}, err
		}
		cmd, err := e.headerCommand(tool, files)
		if err != nil {
			return figure{}, err
		}
		text, f, err := output(cmd)
		if err != nil {
			return f, err
		}
		f.note = fmt.Sprintf("%d lines", bytes.Count(text, []byte("\n")))
		return f, e.sameHeaders(tool, text)
	}
}

// headerFiles lists packages of all kinds at hand.
func (e *env) headerFiles() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(e.release, "repo", "*", "Packages", "*.rpm"))
	if err != nil {
		return nil, err
	}
	if xz, err := xzPackages(e); err == nil {
		files = append(files, xz...)
	}
	if len(files) == 0 {
		return nil, skip("no packages")
	}
	for i := 0; len(files) < headerCount; i++ {
		files = append(files, files[i])
	}
	return files[:headerCount], nil
}

func (e *env) headerCommand(tool string, files []string) (*exec.Cmd, error) {
	if tool == "rpm" {
		if _, err := exec.LookPath("rpm"); err != nil {
			return nil, skip("no rpm here")
		}
		args := []string{"-qp", "--nosignature", "--nodigest", "--qf", `%{NEVRA}\n[%{FILENAMES}\n]`}
		return exec.Command("rpm", append(args, files...)...), nil
	}
	program := filepath.Join(e.tools, tool)
	if _, err := os.Stat(program); err != nil {
		if err := e.buildPeers(); err != nil {
			return nil, err
		}
	}
	params := filepath.Join(e.scratch, "headers.params")
	text := "--rpm=" + strings.Join(files, "\n--rpm=") + "\n"
	return exec.Command(program, "@"+params), os.WriteFile(params, []byte(text), 0o644)
}

// buildPeers builds the programs of the module beside this one, whose dependencies the product does not have.
func (e *env) buildPeers() error {
	build := exec.Command("go", "build", "-o", e.tools, "./...")
	build.Dir = filepath.Join(e.workspace, "tools", "bench", "peers")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return skip("building tools/bench/peers: " + strings.Join(strings.Fields(string(out)), " "))
	}
	return nil
}

// sameHeaders fails if a reader prints something else than ours did.
func (e *env) sameHeaders(tool string, text []byte) error {
	if e.printed == nil {
		e.printed = text
		return nil
	}
	ours, theirs := strings.Split(string(e.printed), "\n"), strings.Split(string(text), "\n")
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			return fmt.Errorf("%s prints %q where ours prints %q", tool, theirs[i], ours[i])
		}
	}
	if len(ours) != len(theirs) {
		return fmt.Errorf("%s prints %d lines, ours %d", tool, len(theirs), len(ours))
	}
	return nil
}

// output is like measure, for a command whose standard output is wanted.
func output(cmd *exec.Cmd) ([]byte, figure, error) {
	var f figure
	var text, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &problems
	debug.FreeOSMemory()
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return nil, f, fmt.Errorf("running %s: %w\n%s", filepath.Base(cmd.Path), err, problems.Bytes())
	}
	f.wall = time.Since(start)
	f.add(cmd.ProcessState)
	return text.Bytes(), f, nil
}
