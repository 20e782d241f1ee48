// Rpmextract turns one RPM into the files the other tools read. It verifies the digests inside the package, the contents of every
// file, and with --sha256 the package as a whole; signatures are a matter of locking.
//
//	rpmextract --rpm=F [--sha256=HEX] [--nevra=N] --payload=OUT --index=OUT --header=OUT
//
//	--rpm      the package
//	--sha256   the hash it must have
//	--nevra    the name-[epoch:]version-release.arch it must have
//	--payload  output: contents as an uncompressed PAX tar, owners as names
//	--index    output: index.json, see package pkgindex
//	--header   output: header.bin, the bytes of the package before its payload
package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
)

func main() { cli.Main("rpmextract", run) }

func run(args []string) error {
	var o extract.Options
	fs := cli.NewFlagSet("rpmextract")
	fs.StringVar(&o.RPM, "rpm", "", "package to read")
	fs.StringVar(&o.SHA256, "sha256", "", "hash the package must have")
	fs.StringVar(&o.NEVRA, "nevra", "", "identity the package must have")
	fs.StringVar(&o.Payload, "payload", "", "tar to write")
	fs.StringVar(&o.Index, "index", "", "index.json to write")
	fs.StringVar(&o.Header, "header", "", "header.bin to write")
	if err := cli.Parse(fs, args, "rpm", "payload", "index", "header"); err != nil {
		return err
	}
	o.SHA256 = strings.ToLower(o.SHA256)
	if sum, err := hex.DecodeString(o.SHA256); err != nil || len(sum) != 0 && len(sum) != 32 {
		return fmt.Errorf("--sha256=%s is not a SHA-256 in hex", o.SHA256)
	}
	return extract.Run(o)
}
