package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// downloaded is what `go mod download -json` says.
type downloaded struct{ Sum, Zip, Error string }

// goCommand runs the go command of PATH in an empty folder, where no go.mod of others counts. Proxies and the checksum database are the
// user's; the go command refuses toolchains without the latter.
func goCommand(modcache string, args ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "gosdk")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-modcacherw", "GOWORK=off", "GO111MODULE=on", "GOTOOLCHAIN=local", "PWD="+dir)
	if modcache != "" {
		cmd.Env = append(cmd.Env, "GOMODCACHE="+modcache)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, cli.Hint(fmt.Errorf("running go: %w", err), "install Go, or put it into PATH")
	}
	if err != nil {
		return out, fmt.Errorf("running go %s: %s", strings.Join(args[:min(2, len(args))], " "), strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func listVersions(module string) ([]string, error) {
	out, err := goCommand("", "list", "-m", "-versions", "-json", module+"@latest")
	if err != nil {
		return nil, cli.Hint(err, "GOPROXY must name a proxy that has %s", module)
	}
	var m struct{ Versions []string }
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("reading the answer of go list: %w", err)
	}
	if len(m.Versions) == 0 {
		return nil, cli.Hint(fmt.Errorf("go list knows no version of %s", module), "GOPROXY must name a proxy that lists them")
	}
	return m.Versions, nil
}

func download(modcache, module, version string) (*downloaded, error) {
	out, err := goCommand(modcache, "mod", "download", "-json", module+"@"+version)
	var m downloaded
	if jsonErr := json.Unmarshal(out, &m); jsonErr == nil && m.Error != "" {
		return nil, cli.Hint(errors.New(m.Error), "GOPROXY must name a proxy that has it")
	} else if err == nil {
		err = jsonErr
	}
	return &m, err
}

func sumOf(module, version string) (string, error) {
	cache, err := os.MkdirTemp("", "gosdk")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(cache)
	m, err := download(cache, module, version)
	if err != nil {
		return "", err
	}
	return m.Sum, nil
}
