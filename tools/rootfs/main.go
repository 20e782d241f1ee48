// Command rootfs composes the root filesystem of an image and writes it as one layer.
//
//	rootfs --spec=F --selection=F [--index=F --payload=F --header=F ...] [--base-index=F --base-header=F ...] [--base-tree=F]
//	       [--content=F --content-payload=F ...] [--base-layer=F ...] [--base-foreign=F] [--provided-index=F --provided-header=F ...] --layer=OUT.tar --tree=OUT.json --report=OUT.json [--unused-inputs=OUT]
//
// The i-th --index, --payload and --header are what rpmextract made of one package; packages that the selection does not
// name are ignored. With --base-tree the layer holds only what the base lacks, and --base-index and --base-header name all
// packages of the base, because the package database is written anew for both. --base-layer names the layers of the base, the
// oldest first: what a step must read of the base's files (certificates, say) it reads there. --base-foreign is what basetree made of
// the package database of an image of others, which the base is or stands on. --provided-index and --provided-header name packages that are registered although no layer ships them.
// The i-th --content and --content-payload are what program content made of something that is no RPM package.
//
// The layer is an uncompressed tar; tree.json describes the whole root filesystem, base included; report.json says what was
// left out and what became of every scriptlet. --unused-inputs lists the files of packages that neither the selection nor the
// base names, one path a line as given: Bazel need not run the action again when only they change.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/content"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func main() { cli.Main("rootfs", run) }

type options struct {
	spec, selection, baseTree, layer, tree, report     string
	unused, baseForeign                                string
	indexes, payloads, headers, baseIndexes, baseHeads cli.Strings
	baseLayers, givenIndexes, givenHeads               cli.Strings
	contents, contentPayloads                          cli.Strings
}

func run(args []string) error {
	var o options
	fs := cli.NewFlagSet("rootfs")
	fs.StringVar(&o.spec, "spec", "", "spec written by the rules")
	fs.StringVar(&o.selection, "selection", "", "selection.json of elfresolve")
	fs.Var(&o.indexes, "index", "index.json of a package that may ship")
	fs.Var(&o.payloads, "payload", "payload.tar of that package")
	fs.Var(&o.headers, "header", "header.bin of that package")
	fs.Var(&o.baseIndexes, "base-index", "index.json of a package of the base")
	fs.Var(&o.baseHeads, "base-header", "header.bin of that package")
	fs.StringVar(&o.baseTree, "base-tree", "", "tree.json of the base")
	fs.Var(&o.givenIndexes, "provided-index", "index.json of a package to register only")
	fs.Var(&o.givenHeads, "provided-header", "header.bin of that package")
	fs.StringVar(&o.baseForeign, "base-foreign", "", "stored headers of packages of an image of others")
	fs.Var(&o.baseLayers, "base-layer", "layer of the base, the oldest first")
	fs.Var(&o.contents, "content", "content.json of what is no RPM package")
	fs.Var(&o.contentPayloads, "content-payload", "payload of that content")
	fs.StringVar(&o.layer, "layer", "", "layer to write")
	fs.StringVar(&o.tree, "tree", "", "tree.json to write")
	fs.StringVar(&o.report, "report", "", "report.json to write")
	fs.StringVar(&o.unused, "unused-inputs", "", "list of inputs without influence to write")
	if err := cli.Parse(fs, args, "spec", "selection", "layer", "tree", "report"); err != nil {
		return err
	}
	in, err := o.read()
	if err != nil {
		return err
	}
	result, err := compose.Compose(in)
	if err != nil {
		return err
	}
	if err := cli.WriteFile(o.layer, func(w io.Writer) error { return rootfs.WriteLayer(w, result.Layer) }); err != nil {
		return err
	}
	if err := cli.WriteFile(o.tree, func(w io.Writer) error { return rootfs.Write(w, result.Tree) }); err != nil {
		return err
	}
	if err := cli.WriteFile(o.report, func(w io.Writer) error { return compose.WriteReport(w, result.Report) }); err != nil || o.unused == "" {
		return err
	}
	return cli.WriteFile(o.unused, func(w io.Writer) error { return o.writeUnused(w, in) })
}

// writeUnused lists what the composition did not depend on, in the order of the flags. Whether a package ships was told by the
// NEVRA in its index; but whatever its index says, the result is the same as long as selection and base are. A file that is
// given in two roles counts as used if one of them is.
func (o *options) writeUnused(w io.Writer, in *compose.Input) error {
	selected, based := map[string]bool{}, map[string]bool{}
	for _, p := range in.Selection.Packages {
		selected[p.NEVRA] = true
	}
	if in.Base != nil {
		for _, p := range in.Base.Packages {
			based[p.NEVRA] = true
		}
	}
	var unused []string
	done := map[string]bool{} // used, or listed already
	file := func(used bool, names ...string) {
		for _, name := range names {
			if used {
				done[name] = true
			} else {
				unused = append(unused, name)
			}
		}
	}
	for i, p := range in.Packages {
		file(selected[p.Index.NEVRA], o.indexes[i], o.payloads[i], o.headers[i])
	}
	for i, p := range in.BasePackages {
		file(based[p.Index.NEVRA], o.baseIndexes[i], o.baseHeads[i])
	}
	file(true, o.givenIndexes...)
	file(true, o.givenHeads...)
	for _, name := range unused {
		if done[name] {
			continue
		}
		done[name] = true
		if _, err := fmt.Fprintln(w, name); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) read() (*compose.Input, error) {
	if len(o.indexes) != len(o.payloads) || len(o.indexes) != len(o.headers) {
		return nil, fmt.Errorf("%d --index, %d --payload and %d --header: each package needs one of each", len(o.indexes), len(o.payloads), len(o.headers))
	}
	if len(o.baseIndexes) != len(o.baseHeads) {
		return nil, fmt.Errorf("%d --base-index and %d --base-header: each package needs one of each", len(o.baseIndexes), len(o.baseHeads))
	}
	if len(o.givenIndexes) != len(o.givenHeads) {
		return nil, fmt.Errorf("%d --provided-index and %d --provided-header: each package needs one of each", len(o.givenIndexes), len(o.givenHeads))
	}
	if len(o.contents) != len(o.contentPayloads) {
		return nil, fmt.Errorf("%d --content and %d --content-payload: each content needs one of each", len(o.contents), len(o.contentPayloads))
	}
	in := &compose.Input{BaseForeign: o.baseForeign}
	var err error
	for i, name := range o.contents {
		x, err := read(name, content.Read)
		if err != nil {
			return nil, err
		}
		in.NonRPM = append(in.NonRPM, compose.NonRPM{Index: x, Payload: o.contentPayloads[i]})
	}
	if in.Spec, err = read(o.spec, compose.ReadSpec); err != nil {
		return nil, err
	}
	if in.Selection, err = read(o.selection, selection.Read); err != nil {
		return nil, err
	}
	if o.baseTree != "" {
		if in.Base, err = read(o.baseTree, rootfs.Read); err != nil {
			return nil, err
		}
		if n := len(o.baseLayers); n > 0 && n != in.Base.Layers {
			return nil, fmt.Errorf("%d --base-layer, but the base %s has %d layers", n, in.Base.Label, in.Base.Layers)
		}
		in.BaseLayers = o.baseLayers
	}
	if in.Packages, err = readPackages(o.indexes, o.payloads, o.headers); err != nil {
		return nil, err
	}
	if in.Provided, err = readPackages(o.givenIndexes, nil, o.givenHeads); err != nil {
		return nil, err
	}
	in.BasePackages, err = readPackages(o.baseIndexes, nil, o.baseHeads)
	return in, err
}

// readPackages decodes indexes on all CPUs; the result has their order.
func readPackages(indexes, payloads, headers []string) ([]compose.Package, error) {
	out := make([]compose.Package, len(indexes))
	errs := make([]error, len(indexes))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range indexes {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			out[i].Index, errs[i] = read(indexes[i], pkgindex.Read)
			out[i].Header = headers[i]
			if payloads != nil {
				out[i].Payload = payloads[i]
			}
		}()
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

func read[T any](name string, decode func(io.Reader, string) (*T, error)) (*T, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decode(bufio.NewReaderSize(f, 1<<16), name)
}
