package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// TestDocumentedCommands holds every rpmlock command of the documentation against the verbs and flags that there are.
func TestDocumentedCommands(t *testing.T) {
	data, err := os.ReadFile("../../rules/docs/locking.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the documentation does not lie beside the sources; not checked: its commands (go test ./... does)")
	}
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, line := range strings.Split(string(data), "\n") {
		command, ok := strings.CutPrefix(line, "    rpmlock ")
		if !ok {
			continue
		}
		words := strings.Fields(command)
		v := findVerb(words[0])
		if v == nil {
			t.Errorf("%q: there is no verb %s", line, words[0])
			continue
		}
		if _, err := parse(v, words[1:]); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		checked++
	}
	if checked < 5 {
		t.Errorf("%d commands found; locking.md writes them another way now", checked)
	}
}
