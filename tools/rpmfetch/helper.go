package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

const (
	helperWithin    = 10 * time.Second // Bazel's default
	maxHelperAnswer = 1 << 20
	maxHelperError  = 1 << 10
)

// helper is a program that speaks Bazel's protocol for credential helpers: called with the word "get" it reads {"uri": ...}
// and writes {"headers": {name: [values]}}.
type helper struct {
	scope   string // a host, "*.domain", or empty for all
	program string
}

type helpers []helper

// parseHelpers reads [HOST=]PROGRAM.
func parseHelpers(texts []string) (helpers, error) {
	var out helpers
	for _, text := range texts {
		scope, program, ok := strings.Cut(text, "=")
		if !ok {
			scope, program = "", text
		} else if domain := strings.TrimPrefix(scope, "*."); domain == "" || strings.ContainsAny(domain, "*/: ") {
			return nil, cli.Hint(fmt.Errorf("--credential-helper=%s: %q is not a host", text, scope), "a host, or *. and a domain, such as *.example.com=PROGRAM")
		}
		if rest, ok := strings.CutPrefix(program, "%workspace%"); ok {
			workspace := os.Getenv("BUILD_WORKSPACE_DIRECTORY")
			if workspace == "" {
				return nil, fmt.Errorf("--credential-helper=%s: %%workspace%% is known to bazel run only", text)
			}
			program = workspace + rest
		} else if strings.Contains(program, "/") {
			program = atCaller(program)
		}
		path, err := exec.LookPath(program)
		if err != nil {
			return nil, fmt.Errorf("--credential-helper=%s: %w", text, err)
		}
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		out = append(out, helper{strings.ToLower(scope), path})
	}
	return out, nil
}

// find returns the helper of a host: that of the host itself, of its nearest domain, or of all hosts. The last one given of a
// scope counts, as in Bazel.
func (h helpers) find(host string) *helper {
	var best *helper
	length := -1
	for i := range h {
		scope := h[i].scope
		n := -1
		switch domain, wild := strings.CutPrefix(scope, "*"); {
		case scope == "":
			n = 0
		case wild && strings.HasSuffix(host, domain):
			n = len(domain)
		case scope == host:
			n = len(host) + 1
		}
		if n >= 0 && n >= length {
			best, length = &h[i], n
		}
	}
	return best
}

// credentials asks the helper of the URL's host, every time: an answer may be short-lived or for one path only.
func (h helpers) credentials(ctx context.Context, u *url.URL) (http.Header, error) {
	found := h.find(strings.ToLower(u.Hostname()))
	if found == nil {
		return nil, nil
	}
	header, err := found.ask(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("credential helper %s: %w", found.program, err)
	}
	return header, nil
}

func (h *helper) ask(ctx context.Context, u *url.URL) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, helperWithin)
	defer cancel()
	question, err := json.Marshal(map[string]string{"uri": u.String()})
	if err != nil {
		return nil, err
	}
	answer, complaint := &bounded{limit: maxHelperAnswer}, &bounded{limit: maxHelperError}
	cmd := exec.CommandContext(ctx, h.program, "get")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(question), answer, complaint
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if text := strings.TrimSpace(complaint.kept.String()); text != "" {
			return nil, fmt.Errorf("%w: %s", err, text)
		}
		return nil, err
	}
	if answer.more {
		return nil, fmt.Errorf("its answer is larger than %d bytes", maxHelperAnswer)
	}
	var got struct {
		Headers map[string][]string `json:"headers"`
	}
	if json.Unmarshal(answer.kept.Bytes(), &got) != nil { // the error might show a password
		return nil, errors.New(`its answer is not of the form {"headers": {"name": ["value"]}}`)
	}
	header := http.Header{}
	for name, values := range got.Headers {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return header, nil
}

// bounded keeps the first bytes of what is written. It hides the buffer, whose ReadFrom knows no limit.
type bounded struct {
	kept  bytes.Buffer
	limit int
	more  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-b.kept.Len())
	b.more = b.more || n < len(p)
	b.kept.Write(p[:n])
	return len(p), nil
}
