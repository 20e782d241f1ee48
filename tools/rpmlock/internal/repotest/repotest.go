// Package repotest writes small RPM repositories for tests, the way createrepo_c does. It is imported by tests only.
package repotest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/primaryxml"
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
	Revision    string           // default 1700000000
	Installed   map[string]int64 // installed sizes by name; 1234 for the rest
	Updateinfo  string           // the <update> elements of updateinfo.xml; without any there is none
}

// Write makes a repository in dir. Each package provides its name and version, as rpmbuild makes it.
func Write(t testing.TB, dir string, options Options, packages ...rpmtest.Package) {
	t.Helper()
	var primary, filelists bytes.Buffer
	var listed []primaryxml.Package
	fmt.Fprintf(&filelists, `<?xml version="1.0" encoding="UTF-8"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="%d">
`, len(packages))
	for _, p := range packages {
		p.Provides = append([]string{p.Name + " = " + evrOf(p)}, p.Provides...)
		data := rpmtest.Build(p)
		save(t, filepath.Join(dir, PackagePath(p)), data)
		pkg, err := rpm.ReadPackage(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		installed, given := options.Installed[p.Name]
		if !given {
			installed = 1234
		}
		listed = append(listed, primaryxml.Package{
			Package: pkg, SHA256: hex.EncodeToString(sum[:]), SizeBytes: int64(len(data)), Location: PackagePath(p), InstalledBytes: installed,
			NoHeaderRange: options.NoHeaderRange,
		})
		if err := describeFiles(&filelists, pkg, sum); err != nil {
			t.Fatal(err)
		}
	}
	filelists.WriteString("</filelists>\n")
	if err := primaryxml.Write(&primary, listed, repomd.InPrimary); err != nil {
		t.Fatal(err)
	}
	text := primary.Bytes()
	if options.EditPrimary != nil {
		text = options.EditPrimary(text)
	}
	index := `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>` + or(options.Revision, "1700000000") + "</revision>\n" +
		record(t, dir, "primary", text, options.Compressor) + record(t, dir, "filelists", filelists.Bytes(), options.Compressor)
	if options.Updateinfo != "" {
		index += record(t, dir, "updateinfo", []byte("<updates>\n"+options.Updateinfo+"</updates>\n"), options.Compressor)
	}
	index += "</repomd>\n"
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

func describeFiles(filelists *bytes.Buffer, pkg *rpm.Package, sum [sha256.Size]byte) error {
	id, err := pkg.Main.NEVRA()
	if err != nil {
		return err
	}
	fmt.Fprintf(filelists, "<package pkgid=\"%x\" name=\"%s\" arch=\"%s\"><version epoch=\"%d\" ver=\"%s\" rel=\"%s\"/>\n", sum,
		primaryxml.Escape(id.Name), id.Arch, id.Epoch, primaryxml.Escape(id.Version), primaryxml.Escape(id.Release))
	files, err := rpm.Files(pkg.Main)
	if err != nil {
		return err
	}
	for i := range files {
		filelists.WriteString(primaryxml.FileElement(&files[i]))
	}
	filelists.WriteString("</package>\n")
	return nil
}

// PackagePath is where Write puts a package, relative to the repository.
func PackagePath(p rpmtest.Package) string { return path.Join("Packages", p.NEVRA()+".rpm") }
