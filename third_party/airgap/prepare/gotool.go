package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goModule is a module version that is pinned by the sum of its content.
type goModule struct {
	Path, Version, Sum string
}

// downloaded is what `go mod download -json` says of one module.
type downloaded struct {
	Path, Version, Sum, Dir, Error string
}

// goTool runs the go command of PATH in dir with a module cache of our own. It keeps what the user has set about
// proxies, but neither build flags nor workspaces. Sums are compared with pinned ones, so the checksum database,
// which is one more site to reach, is not asked.
func goTool(dir, modcache string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOMODCACHE="+modcache, "GOFLAGS=", "GOWORK=off", "GO111MODULE=on",
		"GOTOOLCHAIN=local", "GOSUMDB=off", "PWD="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		cause := strings.TrimSpace(stderr.String())
		if cause == "" {
			cause = err.Error()
		}
		return stdout.Bytes(), fmt.Errorf("running go %s: %s", strings.Join(args[:min(2, len(args))], " "), cause)
	}
	return stdout.Bytes(), nil
}

// downloadModules fetches exact versions ("path@version"), in a folder of its own, because inside a module the go
// command would look at that module's requirements too.
func downloadModules(modcache string, versions []string) ([]downloaded, error) {
	if len(versions) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "airgap")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module airgap\n"), 0o644); err != nil {
		return nil, fmt.Errorf("writing go.mod: %w", err)
	}
	out, runErr := goTool(dir, modcache, append([]string{"mod", "download", "-json"}, versions...)...)
	modules, err := parseDownloaded(bytes.NewReader(out))
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if m.Error != "" {
			return nil, fmt.Errorf("downloading Go module %s@%s: %s\nhint: GOPROXY must name a proxy that has it",
				m.Path, m.Version, m.Error)
		}
	}
	return modules, runErr
}

// parseDownloaded reads the objects that `go mod download -json` writes one after the other.
func parseDownloaded(r io.Reader) ([]downloaded, error) {
	var modules []downloaded
	for dec := json.NewDecoder(r); ; {
		var m downloaded
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return modules, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the answer of go mod download: %w", err)
		}
		modules = append(modules, m)
	}
}
