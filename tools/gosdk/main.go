// Command gosdk fetches the Go SDKs that images hold, and says and takes what is newer. It runs the go command, which asks the proxies of
// GOPROXY and the checksum database; no action runs it.
//
//	gosdk fetch --sdks=F --out=DIR
//	gosdk outdated --sdks=F [--toolchain=MODULE.bazel] [--format=text|json]
//	gosdk update --sdks=F [--toolchain=MODULE.bazel] [SERIES...]
//
// fetch brings the archives into DIR, as go<version>.linux-<arch>.zip, each compared with its hash in sdks.json; what is there already is
// left alone. outdated prints the SDKs of which the series has a newer release for every architecture, and exits with 10 if there are
// any. update writes these releases and their hashes into sdks.json. With --toolchain, both are about the compiler of the build too, which
// is in the programs of ours that images hold.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/gosdk"
)

// exitDue is the exit status of outdated when something is due, as that of rpmlock.
const exitDue = cli.Status(10)

func main() { cli.Main("gosdk", run) }

func run(args []string) error {
	flags := cli.NewFlagSet("gosdk")
	sdks := flags.String("sdks", "", "sdks.json")
	out := flags.String("out", "", "fetch: folder of the archives")
	module := flags.String("toolchain", "", "outdated, update: file that names the compiler of the build, MODULE.bazel")
	format := flags.String("format", "text", "outdated: text or json")
	var words, options []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			options = append(options, arg)
		} else {
			words = append(words, arg)
		}
	}
	if err := cli.Parse(flags, options, "sdks"); err != nil {
		return err
	}
	verb := ""
	if len(words) > 0 {
		verb, words = words[0], words[1:]
	}
	if len(words) > 0 && verb != "update" {
		return fmt.Errorf("%s takes no words, got %q", verb, words)
	}
	f, err := readFile(*sdks)
	if err != nil {
		return err
	}
	var compiler *toolchain
	if *module != "" {
		if compiler, err = readToolchain(*module); err != nil {
			return err
		}
	}
	switch verb {
	case "fetch":
		if *out == "" {
			return errors.New("fetch needs --out")
		}
		return fetch(f, *out)
	case "outdated":
		if *format != "text" && *format != "json" {
			return fmt.Errorf("--format=%s: text or json", *format)
		}
		return outdated(os.Stdout, f, compiler, *format)
	case "update":
		return update(*sdks, f, compiler, words)
	}
	return cli.Hint(fmt.Errorf("unknown verb %q", verb), "fetch, outdated or update")
}

func readFile(name string) (*gosdk.File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return gosdk.Read(r, name)
}

// fetch downloads into a folder beside the archives, since the go command unpacks what it downloads.
func fetch(f *gosdk.File, dir string) error {
	dir, err := filepath.Abs(dir) // the go command refuses others
	if err != nil {
		return err
	}
	for _, sdk := range f.SDKs {
		for _, arch := range sdk.Architectures() {
			name := filepath.Join(dir, fmt.Sprintf("go%s.linux-%s.zip", sdk.Version, arch))
			if _, err := os.Stat(name); err == nil {
				continue
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := fetchOne(f.Module, sdk.Version, arch, sdk.Digests[arch], name); err != nil {
				return fmt.Errorf("fetching Go %s for %s: %w", sdk.Version, arch, err)
			}
		}
	}
	return nil
}

func fetchOne(module, version, arch, digest, name string) error {
	cache, err := os.MkdirTemp(filepath.Dir(name), "modcache")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	m, err := download(cache, module, gosdk.ModuleVersion(version, arch))
	if err != nil {
		return err
	}
	if m.Sum != digest {
		return fmt.Errorf("its hash is %s, but sdks.json has %s", m.Sum, digest)
	}
	return os.Rename(m.Zip, name)
}

// due is one line of outdated.
type due struct {
	Series string `json:"series"`
	From   string `json:"from"`
	To     string `json:"to"`
	File   string `json:"file,omitempty"` // that names the compiler of the build; "" for sdks.json
}

func (d *due) where() string {
	if d.File == "" {
		return ""
	}
	return "  (compiler of the build, " + filepath.Base(d.File) + ")"
}

func newer(f *gosdk.File, compiler *toolchain) ([]due, error) {
	versions, err := listVersions(f.Module)
	if err != nil {
		return nil, err
	}
	out := []due{}
	for i := range f.SDKs {
		sdk := &f.SDKs[i]
		if latest := sdk.Latest(versions); latest != sdk.Version {
			out = append(out, due{Series: sdk.Series, From: sdk.Version, To: latest})
		}
	}
	if compiler != nil {
		if d := compiler.newer(versions); d != nil {
			out = append(out, *d)
		}
	}
	return out, nil
}

func outdated(w io.Writer, f *gosdk.File, compiler *toolchain, format string) error {
	list, err := newer(f, compiler)
	if err != nil {
		return err
	}
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		err = enc.Encode(list)
	} else if len(list) > 0 {
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "series\thave\tnewest")
		for _, d := range list {
			fmt.Fprintf(table, "%s\t%s\t%s%s\n", d.Series, d.From, d.To, d.where())
		}
		err = table.Flush()
	}
	if err == nil && len(list) > 0 {
		return exitDue
	}
	return err
}

func update(name string, f *gosdk.File, compiler *toolchain, series []string) error {
	for _, s := range series {
		if !slices.ContainsFunc(f.SDKs, func(sdk gosdk.SDK) bool { return sdk.Series == s }) {
			return cli.Hint(fmt.Errorf("%s has no series %s", name, s), "add it by hand, with a version and the hashes that `go mod download -json` prints")
		}
	}
	list, err := newer(f, compiler)
	if err != nil {
		return err
	}
	for _, d := range list {
		if len(series) > 0 && !slices.Contains(series, d.Series) {
			continue
		}
		if d.File != "" {
			if err := compiler.set(d.To); err != nil {
				return err
			}
			fmt.Printf("Go %s: %s -> %s%s\n", d.Series, d.From, d.To, d.where())
			continue
		}
		sdk := &f.SDKs[slices.IndexFunc(f.SDKs, func(s gosdk.SDK) bool { return s.Series == d.Series })]
		sdk.Version = d.To
		for _, arch := range sdk.Architectures() {
			if sdk.Digests[arch], err = sumOf(f.Module, gosdk.ModuleVersion(d.To, arch)); err != nil {
				return fmt.Errorf("updating Go %s to %s: %w", d.Series, d.To, err)
			}
		}
		fmt.Printf("Go %s: %s -> %s\n", d.Series, d.From, d.To)
	}
	return replaceFile(name, func(w io.Writer) error { return gosdk.Write(w, f) })
}

// replaceFile writes beside the file, so that an interrupted run leaves the old one.
func replaceFile(name string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // Bazel's runfiles are links
	}
	if err := cli.WriteFile(name+".new", write); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
