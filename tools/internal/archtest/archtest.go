// Package archtest keeps the Go code to the layers and bans that ARCHITECTURE.md states.
//
// It parses the sources itself: asking the go command would give cached passes, and needs a program that a Bazel test does
// not have. The table in ARCHITECTURE.md is the rule, so page and code cannot disagree.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Layers, from the table of ARCHITECTURE.md.
const (
	formats     = "formats"
	model       = "model"
	operations  = "operations"
	network     = "network"
	machine     = "machine"
	programs    = "programs"
	support     = "test support"
	everyone    = "cli" // not a layer: all may import it
	internalDir = "tools/internal/"
)

// mayImport says which layers a layer may import, itself included.
var mayImport = map[string][]string{
	formats:    {formats},
	model:      {formats, model},
	machine:    {formats, model},
	operations: {formats, model, machine},
	network:    {network},
	programs:   {formats, model, machine, operations, network, programs},
	support:    {formats, model, machine, operations, network, support},
}

// networked are the programs that may import the layer network. No action runs them.
var networked = []string{"program rpmlock", "program rpmfetch"}

const onlyNetworked = "only rpmlock and rpmfetch talk to a network"

// formatsAlso are packages of the model that formats may import: pure types.
var formatsAlso = []string{"pkgindex"}

// Bans of imports in code that is not a test, with the folders below which they hold no longer.
var bannedImports = []struct {
	path, why string
	except    []string
}{
	// What runs images makes networks for them.
	{"net/http", onlyNetworked, []string{"tools/publish/registrytest/", "tools/rpmlock/", "tools/rpmfetch/", "tools/internal/fetch/", "tools/imagetest/"}},
	{"net", onlyNetworked, []string{"tools/publish/registrytest/", "tools/rpmlock/", "tools/rpmfetch/", "tools/internal/fetch/", "tools/imagetest/"}},
	// No action runs rpmfetch, and Bazel's credential helpers are programs.
	{"os/exec", "actions run no programs", []string{"tools/bench/", "tools/imagetest/", "tools/determinism/", "tools/gosdk/", "tools/iptables-wrapper/", "tools/publish/", "tools/rpmfetch/", "tools/eksd/", "tools/rebuilds/"}},
	{"github.com/google/go-containerregistry/pkg/v1/remote", "only publish talks to registries, and no action runs it", []string{"tools/publish/"}},
	{"log", "errors are returned; cli prints them", nil},
	{"log/slog", "errors are returned; cli prints them", nil},
	{"math/rand", "results are deterministic", []string{"tools/bench/"}},
	{"math/rand/v2", "results are deterministic", []string{"tools/bench/"}},
}

// bannedCalls must not stand in packages of tools/internal, tests and test support apart.
var bannedCalls = map[string][]string{
	"os":   {"Chdir", "Environ", "Exit", "ExpandEnv", "Getenv", "Hostname", "LookupEnv", "Setenv", "UserHomeDir"},
	"time": {"Now", "Since", "Until", "Sleep", "Local"},
}

// callsAllowed lists the exceptions.
var callsAllowed = map[string][]string{everyone: {"os.Exit"}}

var tableRow = regexp.MustCompile(`(?m)^\| ([a-z ]+) \| ([^|]+) \| [^|]+ \|$`)

// layersOf reads the table of layers: package or program to layer.
func layersOf(page string) (map[string]string, error) {
	_, text, ok := strings.Cut(page, "\n| layer | packages | may import |\n")
	if !ok {
		return nil, fmt.Errorf("ARCHITECTURE.md: no table of layers")
	}
	text, _, _ = strings.Cut(text, "\n\n")
	out := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(text, -1) {
		if mayImport[row[1]] == nil {
			return nil, fmt.Errorf("ARCHITECTURE.md: layer %q is not known here", row[1])
		}
		for name := range strings.SplitSeq(row[2], ",") {
			name = strings.TrimSpace(name)
			if row[1] == programs {
				name = "program " + name // elfresolve and rootfs are packages as well
			}
			if out[name] != "" {
				return nil, fmt.Errorf("ARCHITECTURE.md: %s is in two layers", name)
			}
			out[name] = row[1]
		}
	}
	return out, nil
}

// checker looks at the files of one module.
type checker struct {
	module   string
	layers   map[string]string
	seen     map[string]bool
	problems []string
}

func (c *checker) add(pos token.Position, format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: %s", pos.Filename, pos.Line, fmt.Sprintf(format, args...)))
}

// Check parses every Go file below tools of the module at root, and returns what breaks a rule, sorted. Each package and
// program of the table must be there, test support apart.
func Check(root fs.FS) ([]string, error) {
	page, err := fs.ReadFile(root, "ARCHITECTURE.md")
	if err != nil {
		return nil, err
	}
	layers, err := layersOf(string(page))
	if err != nil {
		return nil, err
	}
	mod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, err
	}
	module, ok := strings.CutPrefix(strings.SplitN(string(mod), "\n", 2)[0], "module ")
	if !ok {
		return nil, fmt.Errorf("go.mod: no module line")
	}
	c := &checker{module: module + "/", layers: layers, seen: map[string]bool{}}
	err = fs.WalkDir(root, "tools", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		return c.file(root, name)
	})
	for name, layer := range layers {
		if layer != support && !c.seen[name] {
			c.problems = append(c.problems, fmt.Sprintf("ARCHITECTURE.md: %s of layer %s has no Go files", name, layer))
		}
	}
	slices.Sort(c.problems)
	return c.problems, err
}

// place tells the layer of a folder; known is false for folders the table must list and does not.
func (c *checker) place(dir string) (name, layer string, known bool) {
	rest, internal := strings.CutPrefix(dir+"/", internalDir)
	if !internal {
		name = "program " + strings.Split(dir, "/")[1]
		return name, programs, true // programs that only developers run need no row
	}
	name, _, _ = strings.Cut(rest, "/")
	layer = c.layers[name]
	return name, layer, layer != "" || name == everyone
}

func (c *checker) file(root fs.FS, name string) error {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, data, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	test := strings.HasSuffix(name, "_test.go")
	own, layer, known := c.place(path.Dir(name))
	c.seen[own] = true
	if !known {
		c.add(set.Position(f.Package), "package %s is in no layer of ARCHITECTURE.md", own)
		return nil
	}
	names := map[string]string{} // local name of an import to its path
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		names[local] = imported
		if !test {
			c.imports(set.Position(spec.Pos()), name, own, layer, imported)
		}
	}
	if strings.HasPrefix(name, internalDir) && !test && layer != support {
		c.calls(set, f, own, names)
	}
	return nil
}

func (c *checker) imports(pos token.Position, file, own, layer, imported string) {
	for _, ban := range bannedImports {
		excepted := slices.ContainsFunc(ban.except, func(dir string) bool { return strings.HasPrefix(file, dir) })
		if imported == ban.path && !excepted && layer != support {
			c.add(pos, "imports %s: %s", imported, ban.why)
		}
	}
	dir, ours := strings.CutPrefix(imported, c.module)
	if !ours {
		return
	}
	if !strings.HasPrefix(dir, "tools/") {
		if layer != programs && layer != support {
			c.add(pos, "%s (%s) imports %s: what is not below tools is data for programs", own, layer, dir)
		}
		return
	}
	name, to, _ := c.place(dir)
	switch {
	case name == own || name == everyone:
	case own == everyone:
		c.add(pos, "cli imports %s: all programs share it, so it imports nothing of ours", name)
	case to == support && layer != support && !strings.HasSuffix(path.Dir(file), "test"):
		c.add(pos, "imports %s, which is for tests", name)
	case to == programs:
		c.add(pos, "%s imports %s, a program", own, name)
	case to == support && layer == programs:
	case to == network && layer == programs && !slices.Contains(networked, own):
		c.add(pos, "imports %s: %s", name, onlyNetworked)
	case !slices.Contains(mayImport[layer], to) && !(layer == formats && slices.Contains(formatsAlso, name)):
		c.add(pos, "%s (%s) imports %s (%s)", own, layer, name, to)
	}
}

// calls finds uses of what library packages must not touch.
func (c *checker) calls(set *token.FileSet, f *ast.File, own string, names map[string]string) {
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok || !slices.Contains(bannedCalls[names[x.Name]], sel.Sel.Name) {
			return true
		}
		call := names[x.Name] + "." + sel.Sel.Name
		if !slices.Contains(callsAllowed[own], call) {
			c.add(set.Position(n.Pos()), "%s uses %s: the caller decides that, not a library", own, call)
		}
		return true
	})
}
