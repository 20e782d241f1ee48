package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rpmfetch": main})
}

// serveFiles is a static server that tries the patience of its clients: below /faults/ every file is first refused, then
// broken off in the middle, then served; below /login/ it wants the password of test.netrc.
func serveFiles(t *testing.T, dir string) string {
	tries := map[string]int{}
	turn := make(chan func(map[string]int))
	go func() {
		for do := range turn {
			do(tries)
		}
	}()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)
		if parts[0] == "login" {
			if user, password, _ := r.BasicAuth(); user+":"+password != "me:secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(r.URL.Path[len("/"+parts[0]):])))
		if err != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if parts[0] == "faults" {
			try := make(chan int)
			turn <- func(m map[string]int) { m[r.URL.Path]++; try <- m[r.URL.Path] }
			switch <-try {
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			case 2:
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				w.Write(data[:len(data)/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
		}
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(func() { server.Close(); close(turn) })
	return server.URL
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Dir:           "testdata/script",
		Setup: func(e *testscript.Env) error {
			url := serveFiles(t, e.WorkDir)
			e.Setenv("URL", url)
			e.Setenv("HOME", e.WorkDir)
			for _, name := range []string{"http_proxy", "HTTP_PROXY", "NETRC"} {
				e.Setenv(name, "")
			}
			// The scripts' locks name the server as URL.
			names, err := filepath.Glob(filepath.Join(e.WorkDir, "*.json"))
			if err != nil {
				return err
			}
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				if err := os.WriteFile(name, bytes.ReplaceAll(data, []byte("URL"), []byte(url)), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
