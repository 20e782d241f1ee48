// Command content makes of programs built elsewhere and of archives what rootfs can put into an image.
//
//	content --spec=F --payload=OUT.tar --index=OUT.json
//
// The spec names the files, or one archive with the digest that it must have, and says what they are: name, version, package URL,
// licence, and where newer versions are found. The payload is a tar of the files by their paths in the image, with modes and owners that
// do not depend on the archive; the index describes each. Nothing is written when the digest differs, or when something in the archive
// cannot be in an image.
package main

import (
	"errors"
	"io"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/content"
)

func main() { cli.Main("content", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("content")
	specPath := fs.String("spec", "", "what to make")
	payload := fs.String("payload", "", "tar to write")
	index := fs.String("index", "", "content.json to write")
	if err := cli.Parse(fs, args, "spec", "payload", "index"); err != nil {
		return err
	}
	f, err := os.Open(*specPath)
	if err != nil {
		return err
	}
	defer f.Close()
	spec, err := content.ReadSpec(f, *specPath)
	if err != nil {
		return err
	}
	made, err := build(spec, *payload)
	if err != nil {
		return err
	}
	return cli.WriteFile(*index, func(w io.Writer) error { return content.Write(w, made) })
}

func build(spec *content.Spec, payload string) (index *content.Index, err error) {
	out, err := os.Create(payload)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			os.Remove(payload)
		}
	}()
	return content.Build(spec, out)
}
