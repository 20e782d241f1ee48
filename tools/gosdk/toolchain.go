package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/gosdk"
)

// A module file of Bazel names the compiler of the build in one such line. Programs of ours that images hold are built with it, and their
// standard library is as old as it is.
var downloadLine = regexp.MustCompile(`(?m)^(go_sdk\.download\(version = ")([0-9]+\.[0-9]+\.[0-9]+)("\))`)

// toolchain is the compiler that a module file names.
type toolchain struct {
	path    string
	text    []byte
	version string
}

func readToolchain(path string) (*toolchain, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the compiler of the build: %w", err)
	}
	found := downloadLine.FindAllSubmatch(text, 2)
	if len(found) != 1 {
		return nil, cli.Hint(fmt.Errorf("reading the compiler of the build: %s has %d lines of the form go_sdk.download(version = \"1.26.0\"), want one", path, len(found)),
			"leave out --toolchain where the compiler is chosen otherwise")
	}
	return &toolchain{path, text, string(found[0][2])}, nil
}

// newer is the newer release of the compiler's series, nil when there is none. Builds on any machine need it, and it is published for all
// of them at once, so one architecture tells.
func (t *toolchain) newer(versions []string) *due {
	series := t.version[:strings.LastIndexByte(t.version, '.')]
	sdk := gosdk.SDK{Series: series, Version: t.version, Digests: map[string]string{"amd64": ""}}
	if latest := sdk.Latest(versions); latest != t.version {
		return &due{Series: series, From: t.version, To: latest, File: t.path}
	}
	return nil
}

// set writes another version into the module file; the rest keeps its bytes.
func (t *toolchain) set(version string) error {
	text := downloadLine.ReplaceAll(t.text, []byte("${1}"+version+"${3}"))
	return replaceFile(t.path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
