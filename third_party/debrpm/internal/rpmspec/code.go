package rpmspec

import "embed"

// Code is this package's own source text, part of the key of cached RPMs: a change of the program remakes what it made.
//
//go:embed *.go
var Code embed.FS
