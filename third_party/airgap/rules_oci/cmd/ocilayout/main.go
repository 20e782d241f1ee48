// Ocilayout makes OCI image layouts for the stand-in of rules_oci. Each form is one Bazel action:
//
//	ocilayout layer   --in=LAYER --created-by=TEXT --out=DESCRIPTION.json
//	ocilayout image   [--base=DIR | --os=OS --architecture=ARCH [--variant=V]] [--layer=LAYER --description=FILE ...]
//	                  [--created-file=F] [--entrypoint-file=F] [--cmd-file=F] [--env-file=F] [--labels-file=F]
//	                  [--annotations-file=F] [--exposed-ports-file=F] [--volumes-file=F] [--user=U] [--workdir=D] --out=DIR
//	ocilayout index   --image=DIR ... [--annotations-file=F] --out=DIR
//	ocilayout digest  --layout=DIR --out=FILE
//	ocilayout archive --layout=DIR --format=docker|oci --tags-file=F --out=TAR
//
// The i-th --layer and the i-th --description belong together. The files are those of rules_oci's attributes: one
// entry per line for entrypoint and cmd, NAME=value lines for env, labels and annotations, a comma separated list for
// ports and volumes.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "ocilayout: error: %v\n", err)
		os.Exit(1)
	}
}

// stringList is a repeatable flag that keeps its order.
type stringList []string

func (l *stringList) String() string     { return strings.Join(*l, " ") }
func (l *stringList) Set(v string) error { *l = append(*l, v); return nil }

func run(args []string) error {
	commands := map[string]func(*flag.FlagSet, []string) error{
		"layer": layer, "image": image, "index": index, "digest": digest, "archive": archive,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return errors.New("reading the command line: want layer, image, index, digest or archive")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	return commands[args[0]](flags, args[1:])
}

// parse parses args and refuses positional arguments and empty required flags.
func parse(flags *flag.FlagSet, args []string, required ...string) error {
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading the command line: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reading the command line: unexpected argument %q", flags.Arg(0))
	}
	for _, name := range required {
		if flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("reading the command line: missing flag --%s", name)
		}
	}
	return nil
}

func layer(flags *flag.FlagSet, args []string) error {
	in := flags.String("in", "", "layer file")
	createdBy := flags.String("created-by", "", "text of the history")
	out := flags.String("out", "", "description to write")
	if err := parse(flags, args, "in", "out"); err != nil {
		return err
	}
	described, err := imagelayout.DescribeLayer(*in, *createdBy)
	if err != nil {
		return err
	}
	data, err := json.Marshal(described)
	if err != nil {
		return fmt.Errorf("encoding the description of %s: %w", *in, err)
	}
	return os.WriteFile(*out, data, 0o644)
}

func image(flags *flag.FlagSet, args []string) error {
	var o imagelayout.ImageOptions
	var layers, descriptions stringList
	flags.StringVar(&o.Base, "base", "", "layout of the base image")
	flags.StringVar(&o.Platform.OS, "os", "", "operating system")
	flags.StringVar(&o.Platform.Architecture, "architecture", "", "architecture")
	flags.StringVar(&o.Platform.Variant, "variant", "", "variant of the architecture")
	flags.StringVar(&o.User, "user", "", "user of the process")
	flags.StringVar(&o.WorkDir, "workdir", "", "working directory of the process")
	flags.Var(&layers, "layer", "layer file; repeatable")
	flags.Var(&descriptions, "description", "description of the layer file; repeatable")
	files := map[string]*string{}
	for _, name := range []string{"created", "entrypoint", "cmd", "env", "labels", "annotations", "exposed-ports", "volumes"} {
		files[name] = flags.String(name+"-file", "", "file with the attribute of that name")
	}
	out := flags.String("out", "", "layout to write")
	if err := parse(flags, args, "out"); err != nil {
		return err
	}
	if len(layers) != len(descriptions) {
		return fmt.Errorf("reading the command line: %d --layer for %d --description", len(layers), len(descriptions))
	}
	for i, path := range layers {
		described, err := imagelayout.ReadLayer(descriptions[i])
		if err != nil {
			return err
		}
		o.Layers = append(o.Layers, imagelayout.ImageLayer{Path: path, Layer: described})
	}
	if err := readAttributes(&o, files); err != nil {
		return err
	}
	return imagelayout.WriteImage(*out, o)
}

// readAttributes reads the files of attributes that are given.
func readAttributes(o *imagelayout.ImageOptions, files map[string]*string) error {
	read := map[string]func(text string) error{
		"created":       func(text string) error { o.Created = text; return nil },
		"entrypoint":    func(text string) error { o.Entrypoint = words(text); return nil },
		"cmd":           func(text string) error { o.Cmd = words(text); return nil },
		"env":           func(text string) error { o.Env = lines(text); return nil },
		"labels":        func(text string) (err error) { o.Labels, err = pairs(text); return err },
		"annotations":   func(text string) (err error) { o.Annotations, err = pairs(text); return err },
		"exposed-ports": func(text string) error { o.ExposedPorts = commaSeparated(text); return nil },
		"volumes":       func(text string) error { o.Volumes = commaSeparated(text); return nil },
	}
	for name, path := range files {
		if *path == "" {
			continue
		}
		data, err := os.ReadFile(*path)
		if err != nil {
			return fmt.Errorf("reading attribute %s: %w", name, err)
		}
		if err := read[name](string(data)); err != nil {
			return fmt.Errorf("reading attribute %s: %w", name, err)
		}
	}
	return nil
}

// lines gives the lines that are not empty.
func lines(text string) []string {
	list := []string{}
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			list = append(list, line)
		}
	}
	return list
}

// words gives the arguments of a command, one per line. The macro writes a newline inside one as %5Cn.
func words(text string) []string {
	list := lines(text)
	for i, word := range list {
		list[i] = strings.ReplaceAll(word, "%5Cn", "\n")
	}
	return list
}

func commaSeparated(text string) []string {
	var list []string
	for word := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		if word != "" {
			list = append(list, word)
		}
	}
	return list
}

// pairs reads NAME=value lines.
func pairs(text string) (map[string]string, error) {
	m := map[string]string{}
	for _, line := range lines(text) {
		name, value, found := strings.Cut(line, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("line %q: want NAME=value", line)
		}
		m[name] = value
	}
	return m, nil
}

func index(flags *flag.FlagSet, args []string) error {
	var images stringList
	flags.Var(&images, "image", "layout of an image; repeatable")
	annotationsFile := flags.String("annotations-file", "", "NAME=value lines")
	out := flags.String("out", "", "layout to write")
	if err := parse(flags, args, "image", "out"); err != nil {
		return err
	}
	var annotations map[string]string
	if *annotationsFile != "" {
		data, err := os.ReadFile(*annotationsFile)
		if err != nil {
			return fmt.Errorf("reading attribute annotations: %w", err)
		}
		if annotations, err = pairs(string(data)); err != nil {
			return fmt.Errorf("reading attribute annotations: %w", err)
		}
	}
	return imagelayout.WriteIndex(*out, images, annotations)
}

func digest(flags *flag.FlagSet, args []string) error {
	dir := flags.String("layout", "", "layout to read")
	out := flags.String("out", "", "file to write")
	if err := parse(flags, args, "layout", "out"); err != nil {
		return err
	}
	root, err := imagelayout.Root(*dir)
	if err != nil {
		return err
	}
	return os.WriteFile(*out, []byte(root.Digest.String()+"\n"), 0o644)
}

func archive(flags *flag.FlagSet, args []string) (err error) {
	dir := flags.String("layout", "", "layout to read")
	format := flags.String("format", "docker", "docker or oci")
	tagsFile := flags.String("tags-file", "", "one tag per line")
	out := flags.String("out", "", "archive to write")
	if err := parse(flags, args, "layout", "tags-file", "out"); err != nil {
		return err
	}
	tags, err := os.ReadFile(*tagsFile)
	if err != nil {
		return fmt.Errorf("reading the tags: %w", err)
	}
	f, err := os.Create(*out)
	if err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := imagelayout.WriteArchive(w, *dir, *format, lines(string(tags))); err != nil {
		return err
	}
	return w.Flush()
}
