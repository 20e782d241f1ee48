// Package keys holds the public keys of RPM vendors, for the manifests that `rpmlock init` writes. README.md says where they are from.
package keys

import "embed"

// Files are the key files, by name.
//
//go:embed RPM-GPG-KEY-*
var Files embed.FS
