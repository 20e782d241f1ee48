// Elfresolve decides which packages and files go into a root filesystem, so that every ELF file in it finds its libraries.
//
//	elfresolve --spec=F --graph=F [--index=F ...] [--base-tree=F] --out=selection.json
//
// It reads indexes, never payloads. The order of --index does not matter.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfresolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func main() { cli.Main("elfresolve", run) }

type flags struct {
	spec, graph, baseTree, out string
	indexes                    cli.Strings
}

func run(args []string) error {
	var f flags
	fs := cli.NewFlagSet("elfresolve")
	fs.StringVar(&f.spec, "spec", "", "selection spec")
	fs.StringVar(&f.graph, "graph", "", "graph.json of the release")
	fs.Var(&f.indexes, "index", "index.json of a candidate package")
	fs.StringVar(&f.baseTree, "base-tree", "", "tree.json of the base")
	fs.StringVar(&f.out, "out", "", "selection.json to write")
	if err := cli.Parse(fs, args, "spec", "graph", "out"); err != nil {
		return err
	}
	in, err := read(&f)
	if err != nil {
		return err
	}
	s, err := elfresolve.Resolve(in)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := selection.Write(&out, s); err != nil {
		return fmt.Errorf("writing %s: %w", f.out, err)
	}
	return os.WriteFile(f.out, out.Bytes(), 0o644)
}

func read(f *flags) (*elfresolve.Input, error) {
	in := &elfresolve.Input{}
	var errs [4]error
	in.Spec, errs[0] = readFile(f.spec, selection.ReadSpec)
	in.Graph, errs[1] = readFile(f.graph, selection.ReadGraph)
	if f.baseTree != "" {
		in.Base, errs[2] = readFile(f.baseTree, rootfs.Read)
	}
	in.Indexes, errs[3] = readIndexes(f.indexes)
	return in, errors.Join(errs[:]...)
}

// readIndexes reads on all processors: decoding is most of the work of this program.
func readIndexes(names []string) ([]*pkgindex.Index, error) {
	out := make([]*pkgindex.Index, len(names))
	errs := make([]error, len(names))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i], errs[i] = readFile(names[i], pkgindex.Read)
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	wg.Wait()
	return out, errors.Join(errs...)
}

func readFile[T any](name string, decode func(r io.Reader, name string) (*T, error)) (*T, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return decode(bytes.NewReader(data), name)
}
