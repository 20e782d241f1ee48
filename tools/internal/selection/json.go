package selection

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// maxBytes bounds each of the files; a graph of 100,000 packages has about 30 MB.
const maxBytes = 256 << 20

// ReadSpec decodes a spec strictly and checks it. name is used in errors.
func ReadSpec(r io.Reader, name string) (*Spec, error) {
	var s Spec
	if err := decode(r, &s, func() error { return s.check() }); err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	return &s, nil
}

// ReadGraph decodes a graph strictly. name is used in errors.
func ReadGraph(r io.Reader, name string) (*Graph, error) {
	var g Graph
	if err := decode(r, &g, func() error { return checkSchema(g.Schema) }); err != nil {
		return nil, fmt.Errorf("reading graph %s: %w", name, err)
	}
	return &g, nil
}

// Read decodes a selection strictly. name is used in errors.
func Read(r io.Reader, name string) (*Selection, error) {
	var s Selection
	if err := decode(r, &s, func() error { return checkSchema(s.Schema) }); err != nil {
		return nil, fmt.Errorf("reading selection %s: %w", name, err)
	}
	return &s, nil
}

// Write encodes s, paths that are not UTF-8 as pkgindex.EscapeBytes says, and indented: people read it to learn why a package is in their image.
func Write(w io.Writer, s *Selection) error {
	bw := bufio.NewWriter(w)
	enc := json.NewEncoder(bw)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(pkgindex.EscapeBytes(s)); err != nil {
		return err
	}
	return bw.Flush()
}

func decode(r io.Reader, v any, check func() error) error {
	if err := strictjson.Decode(r, maxBytes, v); err != nil {
		return err
	}
	if err := pkgindex.UnescapeBytes(v); err != nil {
		return err
	}
	return check()
}

func checkSchema(n int) error {
	if n != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", n, Schema)
	}
	return nil
}

func (s *Spec) check() error {
	if err := checkSchema(s.Schema); err != nil {
		return err
	}
	if s.Label == "" || s.Arch == "" {
		return fmt.Errorf("label and arch must be set")
	}
	for i := range s.Requests {
		if err := s.Requests[i].check(); err != nil {
			return fmt.Errorf("request %d (%s): %w", i, s.Requests[i].Label, err)
		}
	}
	return nil
}

func (r *Request) check() error {
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{
		{"kind", r.Kind, []string{KindBinary, KindPackage}},
		{"deps", r.Deps, []string{"", DepsELF, DepsRequires, DepsNone}},
		{"config", r.Config, []string{"", ConfigNone, ConfigFiles, ConfigPackage}},
		{"libraries", r.Libraries, []string{"", LibrariesPackage, LibrariesSlice}},
		{"scripts", r.Scripts, []string{"", ScriptsKeep, ScriptsDrop, ScriptsError}},
		{"setuid", r.SetUID, []string{"", SetUIDKeep, SetUIDStrip}},
	} {
		if err := oneOf(f.name, f.value, f.allowed); err != nil {
			return err
		}
	}
	switch {
	case r.Label == "":
		return fmt.Errorf("label must be set")
	case r.Kind == KindBinary && len(r.Packages) != 1:
		return fmt.Errorf("packages: a binary request names exactly one, not %d", len(r.Packages))
	case r.Kind == KindBinary && len(r.Binaries) == 0:
		return fmt.Errorf("binaries: a binary request names at least one file")
	case r.Kind == KindBinary && r.Deps != "" && r.Deps != DepsELF:
		return fmt.Errorf("deps %q: a binary request has deps %q", r.Deps, DepsELF)
	case r.Kind == KindPackage && len(r.Binaries) > 0:
		return fmt.Errorf("binaries: only for binary requests")
	case r.Kind == KindPackage && (r.SetUID != "" || r.Config != ""):
		return fmt.Errorf("setuid and config: only for binary requests")
	case r.Kind == KindBinary && r.Scripts != "":
		return fmt.Errorf("scripts: only for package requests; a script that a binary request names must have its interpreter")
	}
	return nil
}

func oneOf(field, value string, allowed []string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s %q: must be one of %q", field, value, allowed)
}
