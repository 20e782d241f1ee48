// Largerepotest writes the metadata of a large repository, to measure parsers and resolvers with: made up, or with the graph of Debian's
// own packages.
//
//	largerepotest --out=DIR [--packages=64000] [--seed=1] [--compressor=gzip|zstd|none]
//	largerepotest --out=DIR --debian=Packages [--packages=N]
//
// Packages is an index of Debian as plain text, /dev/stdin for a pipe:
//
//	/usr/lib/apt/apt-helper cat-file /var/lib/apt/lists/*_main_binary-amd64_Packages* | go run ./tools/bench/largerepotest --out=DIR --debian=/dev/stdin
package main

import (
	"fmt"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/metatest"
)

func main() { cli.Main("largerepotest", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("largerepotest")
	out := fs.String("out", "", "folder to write repodata into")
	debian := fs.String("debian", "", "index of Debian to convert; without it the packages are made up")
	count := fs.Int("packages", 0, "how many packages; 64,000, or all of the index")
	seed := fs.Uint64("seed", 1, "of the made-up packages")
	compressor := fs.String("compressor", "gzip", "gzip, zstd or none")
	if err := cli.Parse(fs, args, "out"); err != nil {
		return err
	}
	var packages []metatest.Package
	if *debian == "" {
		if *count == 0 {
			*count = 64_000
		}
		packages = metatest.Synthetic(*count, *seed)
	} else {
		f, err := os.Open(*debian)
		if err != nil {
			return err
		}
		defer f.Close()
		if packages, err = metatest.Debian(f); err != nil {
			return fmt.Errorf("reading %s: %w", *debian, err)
		}
		if *count > 0 {
			packages = packages[:min(*count, len(packages))]
		}
	}
	return metatest.Write(*out, *compressor, packages)
}
