package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// action is one that Bazel ran; those whose inputs had not changed are not told.
type action struct {
	label, mnemonic string
}

// image returns the folder of the variant that the action belongs to, or "".
func (a action) image() string {
	label := strings.TrimLeft(a.label, "@")
	rest, ok := strings.CutPrefix(label, "//variants/")
	if !ok {
		return ""
	}
	image, _, _ := strings.Cut(rest, ":")
	return image
}

// maxEvent bounds one line of events; the largest lists all files of a target.
const maxEvent = 64 << 20

// readActions reads Bazel's event file, one JSON object a line (build_event_stream.proto).
func readActions(file string) ([]action, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ran []action
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		var event struct {
			ID struct {
				ActionCompleted *struct {
					Label string `json:"label"`
				} `json:"actionCompleted"`
			} `json:"id"`
			Action struct {
				Type string `json:"type"`
			} `json:"action"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if done := event.ID.ActionCompleted; done != nil {
			ran = append(ran, action{label: done.Label, mnemonic: event.Action.Type})
		}
	}
	return ran, lines.Err()
}
