// Package docker_client_test runs the docker command line against a server that speaks enough of Docker's API.
package docker_client_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// engine answers as Docker's daemon does, and remembers what it was asked.
type engine struct {
	mu    sync.Mutex
	asked []string
}

var versioned = regexp.MustCompile(`^/v1\.[0-9]+`)

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := versioned.ReplaceAllString(r.URL.Path, "")
	e.mu.Lock()
	e.asked = append(e.asked, r.Method+" "+path)
	e.mu.Unlock()
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Ostype", "linux")
	answers := map[string]any{
		"/_ping":           "OK",
		"/version":         map[string]any{"Version": "9.8.7", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "GitCommit": "smoke", "GoVersion": "go1", "Os": "linux", "Arch": "amd64"},
		"/info":            map[string]any{"ID": "smoke-engine", "Name": "engine-of-the-test", "ServerVersion": "9.8.7", "Containers": 3, "Images": 42, "OSType": "linux", "Architecture": "x86_64", "NCPU": 2, "MemTotal": 1 << 30},
		"/containers/json": []any{map[string]any{"Id": strings.Repeat("ab", 32), "Image": "image-of-the-test", "Command": "serve", "State": "running", "Status": "Up 3 hours", "Names": []string{"/container-of-the-test"}, "Created": 1}},
	}
	answer, ok := answers[path]
	if !ok {
		http.Error(w, `{"message":"the test has no `+path+`"}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (e *engine) wasAsked(request string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.asked, request)
}

// socket serves at a path that is short enough for one.
func (e *engine) socket(t *testing.T) string {
	dir, err := os.MkdirTemp("", "smoke-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: e}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return path
}

func docker(args ...string) imagerun.Process {
	return imagerun.Process{Args: append([]string{"/usr/bin/docker"}, args...), ReadOnly: true, Mounts: []imagerun.Mount{imagerun.Tmpfs("/run")}}
}

func Test(t *testing.T) {
	image := smoke.Open(t)
	image.NoShell(t)
	image.Match(t, docker("--version"), `^Docker version [0-9]`)

	e := &engine{}
	socket := imagerun.Bind(e.socket(t), "/run/docker.sock")
	for _, test := range []struct {
		command       []string
		want, request string
	}{
		{[]string{"version"}, `(?s)Client:.*Server:.*Version: +9\.8\.7.*Git commit: +smoke`, "GET /version"},
		{[]string{"info"}, `(?s)Containers: 3\n.*Images: 42\n.*Server Version: 9\.8\.7\n.*Name: engine-of-the-test\n`, "GET /info"},
		{[]string{"ps"}, `(?s)abababababab +image-of-the-test .*Up 3 hours +container-of-the-test\n`, "GET /containers/json"},
	} {
		p := docker(test.command...)
		p.Mounts = append(p.Mounts, socket)
		image.Match(t, p, test.want)
		if !e.wasAsked(test.request) {
			t.Errorf("docker %s did not ask for %s", test.command, test.request)
		}
		image.Fail(t, docker(test.command...), "Cannot connect to the Docker daemon at unix:///var/run/docker.sock")
	}

	network := smoke.NewNetwork(t)
	smoke.Serve(t, network, "127.0.0.1:2375", nil, &engine{})
	p := docker("info", "--format", "{{.Name}}")
	p.Network, p.Env = network, []string{"DOCKER_HOST=tcp://127.0.0.1:2375"}
	image.Match(t, p, "^engine-of-the-test\n$")
}
