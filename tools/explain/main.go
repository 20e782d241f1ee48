// Explain says why something is in an image, what it costs, and what was left out.
//
//	explain --spec=F [--arch=A] [--all] why WORD...
//	explain --spec=F [--arch=A] report
//
// A WORD is the name of a package, a path in the image, or a file name such as libpcap.so.1. Bazel targets beside every root
// filesystem and image run it: `bazel run //variants/iptables:why -- libpcap`, `bazel run //variants/iptables:report`. They
// name the spec, and in it the verb, in the environment variable EXPLAIN_SPEC.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// maxBytes bounds each file; the report of a large image has a few MB, its tree 50.
const maxBytes = 256 << 20

// Spec says which root filesystems to explain. Paths are relative to the working directory (runfiles under Bazel).
type Spec struct {
	Schema int         `json:"schema"`
	Verb   string      `json:"verb"` // "why" or "report"; may be left out where the command line has it
	Images []ImageSpec `json:"images"`
}

// ImageSpec is one root filesystem: one platform of an image.
type ImageSpec struct {
	Tree       string   `json:"tree"`       // tree.json
	Selections []string `json:"selections"` // selection.json of each layer, base first
	Reports    []string `json:"reports"`    // report.json of each layer
}

const specSchema = 1

func main() { cli.Main("explain", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("explain")
	specPath := fs.String("spec", os.Getenv("EXPLAIN_SPEC"), "what to explain")
	arch := fs.String("arch", "", "only the image of this architecture, by RPM's or OCI's name")
	all := fs.Bool("all", false, "why: every chain, however many there are")
	var words, flags []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags = append(flags, arg)
		} else {
			words = append(words, arg)
		}
	}
	if err := cli.Parse(fs, flags); err != nil {
		return err
	}
	spec, err := readFile(*specPath, readSpec)
	if err != nil {
		return fmt.Errorf("reading spec: %w", err)
	}
	if spec.Verb == "" && len(words) > 0 {
		spec.Verb, words = words[0], words[1:]
	}
	images, err := readImages(spec, *arch)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	switch spec.Verb {
	case "why":
		limit := defaultChains
		if *all {
			limit = maxChains
		}
		err = whyAll(&out, images, words, limit)
	case "report":
		if len(words) > 0 {
			return fmt.Errorf("report takes no words, got %q", words)
		}
		for i, im := range images {
			if i > 0 {
				fmt.Fprintln(&out)
			}
			im.report(&out)
		}
	default:
		err = fmt.Errorf("unknown verb %q: why or report", spec.Verb)
	}
	_, writeErr := os.Stdout.Write(out.Bytes())
	return errors.Join(err, writeErr)
}

func readSpec(r io.Reader, name string) (*Spec, error) {
	var s Spec
	if err := strictjson.Decode(r, maxBytes, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.Schema != specSchema {
		return nil, fmt.Errorf("%s: schema %d, this tool reads %d", name, s.Schema, specSchema)
	}
	return &s, nil
}

func readReport(r io.Reader, name string) (*compose.Report, error) {
	var report compose.Report
	err := strictjson.Decode(r, maxBytes, &report)
	if err == nil {
		err = pkgindex.UnescapeBytes(&report)
	}
	if err != nil {
		return nil, fmt.Errorf("reading report %s: %w", name, err)
	}
	return &report, nil
}

func readFile[T any](name string, decode func(io.Reader, string) (*T, error)) (*T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode(f, name)
}

// ociNames are the names that users know from images.
var ociNames = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

func readImages(spec *Spec, arch string) ([]*image, error) {
	var out []*image
	var have []string
	for _, s := range spec.Images {
		tree, err := readFile(s.Tree, rootfs.Read)
		if err != nil {
			return nil, err
		}
		have = append(have, tree.Arch)
		if arch != "" && arch != tree.Arch && arch != ociNames[tree.Arch] {
			continue
		}
		im := newImage(tree)
		for _, name := range s.Selections {
			layer, err := readFile(name, selection.Read)
			if err != nil {
				return nil, err
			}
			im.addLayer(layer)
		}
		for _, name := range s.Reports {
			report, err := readFile(name, readReport)
			if err != nil {
				return nil, err
			}
			im.reports = append(im.reports, report)
		}
		im.finish()
		out = append(out, im)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--arch=%s: the image is for %s", arch, strings.Join(have, ", "))
	}
	return out, nil
}

// whyAll answers for every image. A word that none of them knows is an error.
func whyAll(out io.Writer, images []*image, words []string, limit int) error {
	if len(words) == 0 {
		return cli.Hint(errors.New("why: nothing asked"), "name a package or a path of the image: bazel run TARGET -- libpcap /usr/lib64/libpcap.so.1")
	}
	var errs []error
	for i, word := range words {
		if i > 0 {
			fmt.Fprintln(out)
		}
		known := false
		for k, im := range images {
			if k > 0 {
				fmt.Fprintln(out)
			}
			answered := im.why(out, word, limit)
			known = known || answered
			if !answered {
				fmt.Fprintf(out, "%s is not in %s (%s)\n", word, im.tree.Label, im.tree.Arch)
			}
		}
		if !known {
			errs = append(errs, unknown(images, word))
		}
	}
	return errors.Join(errs...)
}
