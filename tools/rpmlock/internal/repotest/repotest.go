// Package repotest writes small RPM repositories for tests, the way createrepo_c does. It is imported by tests only.
package repotest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// Options are how a repository is written.
type Options struct {
	Compressor string // gzip (default), zstd, none
	// Sign makes repomd.xml.asc out of repomd.xml; nil writes none.
	Sign func(repomd []byte) []byte
	// NoHeaderRange leaves header-range out of primary.xml.
	NoHeaderRange bool
	// EditPrimary changes primary.xml before it is compressed and checksummed.
	EditPrimary func([]byte) []byte
	Revision    string // default 1700000000
}

// Write makes a repository in dir. Each package provides its name and version, as rpmbuild makes it.
func Write(t testing.TB, dir string, options Options, packages ...rpmtest.Package) {
	t.Helper()
	var primary, filelists bytes.Buffer
	fmt.Fprintf(&primary, `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">
`, len(packages))
	fmt.Fprintf(&filelists, `<?xml version="1.0" encoding="UTF-8"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="%d">
`, len(packages))
	for _, p := range packages {
		p.Provides = append([]string{p.Name + " = " + evrOf(p)}, p.Provides...)
		data := rpmtest.Build(p)
		name := "Packages/" + p.NEVRA() + ".rpm"
		save(t, filepath.Join(dir, name), data)
		w := writer{p: p, data: data, name: name, options: options}
		if err := w.describe(&primary, &filelists); err != nil {
			t.Fatal(err)
		}
	}
	primary.WriteString("</metadata>\n")
	filelists.WriteString("</filelists>\n")
	text := primary.Bytes()
	if options.EditPrimary != nil {
		text = options.EditPrimary(text)
	}
	index := `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>` + or(options.Revision, "1700000000") + "</revision>\n" +
		record(t, dir, "primary", text, options.Compressor) + record(t, dir, "filelists", filelists.Bytes(), options.Compressor) + "</repomd>\n"
	save(t, filepath.Join(dir, "repodata", "repomd.xml"), []byte(index))
	if options.Sign != nil {
		save(t, filepath.Join(dir, "repodata", "repomd.xml.asc"), options.Sign([]byte(index)))
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func evrOf(p rpmtest.Package) string {
	evr := or(p.Version, "1") + "-" + or(p.Release, "1")
	if p.Epoch != 0 {
		evr = fmt.Sprintf("%d:%s", p.Epoch, evr)
	}
	return evr
}

func save(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func record(t testing.TB, dir, kind string, text []byte, compressor string) string {
	t.Helper()
	packed, suffix := pack(t, text, compressor)
	sum := sha256.Sum256(packed)
	name := "repodata/" + hex.EncodeToString(sum[:]) + "-" + kind + ".xml" + suffix
	save(t, filepath.Join(dir, name), packed)
	return fmt.Sprintf(`  <data type="%s">
    <checksum type="sha256">%x</checksum>
    <location href="%s"/>
    <timestamp>1700000000</timestamp>
    <size>%d</size>
    <open-size>%d</open-size>
  </data>
`, kind, sum, name, len(packed), len(text))
}

func pack(t testing.TB, text []byte, compressor string) (packed []byte, suffix string) {
	t.Helper()
	var out bytes.Buffer
	switch compressor {
	case "", "gzip":
		w := gzip.NewWriter(&out)
		w.Write(text)
		w.Close()
		return out.Bytes(), ".gz"
	case "zstd":
		w, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text)
		w.Close()
		return out.Bytes(), ".zst"
	case "none":
		return text, ""
	}
	t.Fatalf("unknown compressor %q", compressor)
	return nil, ""
}

// writer describes one package.
type writer struct {
	p       rpmtest.Package
	data    []byte
	name    string
	options Options
}

func (w *writer) describe(primary, filelists *bytes.Buffer) error {
	pkg, err := rpm.ReadPackage(bytes.NewReader(w.data))
	if err != nil {
		return err
	}
	id, err := pkg.Main.NEVRA()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(w.data)
	version := fmt.Sprintf(`<version epoch="%d" ver="%s" rel="%s"/>`, id.Epoch, escape(id.Version), escape(id.Release))
	build, _, err := pkg.Main.Uint32(rpm.TagBuildTime)
	if err != nil {
		return err
	}
	fmt.Fprintf(primary, `<package type="rpm"><name>%s</name><arch>%s</arch>%s<checksum type="sha256" pkgid="YES">%x</checksum>
  <summary>a &lt;test&gt; package</summary><description>with an &amp; in it</description>
  <time file="1" build="%d"/><size package="%d" installed="1234" archive="1"/><location href="%s"/>
  <format><rpm:license>%s</rpm:license><rpm:sourcerpm>%s-%s-%s.src.rpm</rpm:sourcerpm>
`, escape(id.Name), id.Arch, version, sum, build, len(w.data), escape(w.name), escape(or(w.p.License, "MIT")), id.Name, id.Version, id.Release)
	if !w.options.NoHeaderRange {
		fmt.Fprintf(primary, "  <rpm:header-range start=\"%d\" end=\"%d\"/>\n", pkg.HeaderStart, pkg.HeaderEnd)
	}
	for _, list := range []struct {
		tag  string
		kind rpm.DependencyKind
	}{
		{"provides", rpm.KindProvide}, {"requires", rpm.KindRequire}, {"conflicts", rpm.KindConflict}, {"obsoletes", rpm.KindObsolete},
		{"recommends", rpm.KindRecommend}, {"suggests", rpm.KindSuggest}, {"supplements", rpm.KindSupplement}, {"enhances", rpm.KindEnhance},
	} {
		deps, err := rpm.Relations(pkg.Main, list.kind)
		if err != nil {
			return err
		}
		writeDeps(primary, list.tag, deps)
	}
	fmt.Fprintf(filelists, "<package pkgid=\"%x\" name=\"%s\" arch=\"%s\">%s\n", sum, escape(id.Name), id.Arch, version)
	files, err := rpm.Files(pkg.Main)
	if err != nil {
		return err
	}
	for _, f := range files {
		kind := ""
		switch {
		case f.Ghost():
			kind = ` type="ghost"`
		case f.Type == "dir":
			kind = ` type="dir"`
		}
		line := fmt.Sprintf("  <file%s>%s</file>\n", kind, escape(f.Path))
		filelists.WriteString(line)
		if repomd.InPrimary(f.Path) {
			primary.WriteString(line)
		}
	}
	primary.WriteString("  </format></package>\n")
	filelists.WriteString("</package>\n")
	return nil
}

func writeDeps(out *bytes.Buffer, tag string, deps []rpm.Dependency) {
	var lines strings.Builder
	for _, d := range deps {
		if d.RPMLib() {
			continue // createrepo_c leaves them out, too
		}
		fmt.Fprintf(&lines, `    <rpm:entry name="%s"`, escape(d.Name))
		flags := map[string]string{"=": "EQ", "<": "LT", ">": "GT", "<=": "LE", ">=": "GE"}[d.Flags.Operator()]
		if flags != "" {
			version, release, _ := strings.Cut(d.EVR, "-")
			epoch, version, ok := cutEpoch(version)
			fmt.Fprintf(&lines, ` flags="%s" epoch="%s" ver="%s"`, flags, epoch, escape(version))
			if ok = release != ""; ok {
				fmt.Fprintf(&lines, ` rel="%s"`, escape(release))
			}
		}
		if d.Flags&(rpm.SensePre|rpm.SensePost) != 0 {
			lines.WriteString(` pre="1"`)
		}
		lines.WriteString("/>\n")
	}
	if lines.Len() > 0 {
		fmt.Fprintf(out, "  <rpm:%s>\n%s  </rpm:%s>\n", tag, lines.String(), tag)
	}
}

func cutEpoch(version string) (epoch, rest string, ok bool) {
	if epoch, rest, ok = strings.Cut(version, ":"); ok {
		return epoch, rest, true
	}
	return "0", version, false
}

func escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		panic(err) // a strings.Builder never fails
	}
	return out.String()
}

// PackagePath is where Write puts a package, relative to the repository.
func PackagePath(p rpmtest.Package) string { return path.Join("Packages", p.NEVRA()+".rpm") }
