package main

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindHelper(t *testing.T) {
	h := helpers{{"", "all"}, {"*.example.com", "domain"}, {"*.sub.example.com", "subdomain"}, {"a.example.com", "first"}, {"a.example.com", "host"}}
	for host, want := range map[string]string{
		"a.example.com": "host", "b.example.com": "domain", "x.sub.example.com": "subdomain", "example.com": "all", "badexample.com": "all",
	} {
		if got := h.find(host); got == nil || got.program != want {
			t.Errorf("%s: got %v, want %s", host, got, want)
		}
	}
	if got := (helpers{{"*.example.com", "x"}}).find("example.org"); got != nil {
		t.Errorf("a host of no helper got %v", got)
	}
}

func TestAskHelper(t *testing.T) {
	tests := []struct{ summary, script, want, err string }{
		{"an answer", `read q; case $1$q in 'get{"uri":"https://h.example/a.rpm"}') echo '{"expires":"2030-01-01T00:00:00Z","headers":{"authorization":["Bearer x"]}}';; esac`, "Bearer x", ""},
		{"nothing to say", `echo '{}'`, "", ""},
		{"a failure in words", `echo 'not logged in' >&2; exit 3`, "", "exit status 3: not logged in"},
		{"no JSON", `echo secret`, "", `its answer is not of the form {"headers": {"name": ["value"]}}`},
		{"an endless answer", `head -c 2000000 /dev/zero`, "", "its answer is larger than 1048576 bytes"},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "helper")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			h, err := parseHelpers([]string{"h.example=" + program})
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.credentials(context.Background(), &url.URL{Scheme: "https", Host: "h.example", Path: "/a.rpm"})
			if test.err != "" {
				if err == nil || !strings.HasSuffix(err.Error(), test.err) {
					t.Errorf("error %v, want %s", err, test.err)
				}
			} else if err != nil || got.Get("Authorization") != test.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestParseHelpers(t *testing.T) {
	t.Setenv("BUILD_WORKSPACE_DIRECTORY", "")
	for text, want := range map[string]string{
		"a/b=/bin/sh":         `"a/b" is not a host`,
		"*=/bin/sh":           `"*" is not a host`,
		"/nowhere/helper":     "no such file",
		"%workspace%/x":       "%workspace% is known to bazel run only",
		"h.example=/etc/none": "no such file",
	} {
		if _, err := parseHelpers([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}
