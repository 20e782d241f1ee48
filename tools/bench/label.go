package main

import (
	"errors"
	"strings"
	"sync/atomic"
)

var serial atomic.Int64

// labelSerial makes every run change the label to something new.
func labelSerial() int64 { return serial.Add(1) }

// setLabel gives the variant of a BUILD file one label.
func setLabel(build, value string) (string, error) {
	const call = "variant(\n"
	if strings.Count(build, call) != 1 {
		return "", errors.New("expected one call of variant in the BUILD file")
	}
	return strings.Replace(build, call, call+"    labels = {\"bench\": \""+value+"\"},\n", 1), nil
}
