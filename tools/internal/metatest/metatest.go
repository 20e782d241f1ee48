// Package metatest makes repository metadata without packages: small repositories for tests of the resolver, and large ones, with
// the graph of Debian's own index or a made-up one, to measure with. Only tests and benchmarks import it.
package metatest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Package is one package. Dependencies are texts: "name", "name >= 1:2-3", "/path", "(a or b)". It always provides its name and version.
type Package struct {
	Name, EVR                                                      string // EVR is [epoch:]version-release
	Arch                                                           string // x86_64 when empty
	Provides, Requires, Conflicts, Obsoletes, Recommends, Suggests []string
	Supplements, Enhances                                          []string
	Files                                                          []string // in primary.xml and filelists.xml
	Listed                                                         []string // in filelists.xml only
	Summary, Description                                           string
	InstalledBytes                                                 int64
}

func (p *Package) arch() string {
	if p.Arch == "" {
		return "x86_64"
	}
	return p.Arch
}

// checksum stands for the digest of the package that does not exist.
func (p *Package) checksum() string {
	sum := sha256.Sum256([]byte(p.Name + "-" + p.EVR + "." + p.arch()))
	return hex.EncodeToString(sum[:])
}

// Primary writes primary.xml as createrepo_c does.
func Primary(w io.Writer, packages []Package) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">
`, len(packages))
	for i := range packages {
		packages[i].primary(&b)
		if b.Len() > 1<<20 {
			if _, err := b.WriteTo(w); err != nil {
				return err
			}
		}
	}
	b.WriteString("</metadata>\n")
	_, err := b.WriteTo(w)
	return err
}

func (p *Package) primary(b *bytes.Buffer) {
	epoch, version, release := split(p.EVR)
	size := max(p.InstalledBytes, 0)
	fmt.Fprintf(b, `<package type="rpm">
  <name>%s</name>
  <arch>%s</arch>
  <version epoch="%s" ver="%s" rel="%s"/>
  <checksum type="sha256" pkgid="YES">%s</checksum>
  <summary>%s</summary>
  <description>%s</description>
  <packager>nobody</packager>
  <url>https://example.com/%s</url>
  <time file="1700000000" build="1700000000"/>
  <size package="%d" installed="%d" archive="%d"/>
  <location href="Packages/%s-%s-%s.%s.rpm"/>
  <format>
    <rpm:license>MIT</rpm:license>
    <rpm:vendor>metatest</rpm:vendor>
    <rpm:group>Unspecified</rpm:group>
    <rpm:buildhost>localhost</rpm:buildhost>
    <rpm:sourcerpm>%s-%s-%s.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="8520"/>
`, escape(p.Name), p.arch(), epoch, escape(version), escape(release), p.checksum(), escape(p.Summary), escape(p.Description), escape(p.Name),
		size/3+1, size, size+512, escape(p.Name), escape(version), escape(release), p.arch(), escape(p.Name), escape(version), escape(release))
	for _, list := range []struct {
		tag  string
		deps []string
	}{
		{"provides", append([]string{p.Name + " = " + p.EVR}, p.Provides...)}, {"requires", p.Requires}, {"conflicts", p.Conflicts},
		{"obsoletes", p.Obsoletes}, {"suggests", p.Suggests}, {"enhances", p.Enhances}, {"recommends", p.Recommends},
		{"supplements", p.Supplements},
	} {
		if len(list.deps) == 0 {
			continue
		}
		fmt.Fprintf(b, "    <rpm:%s>\n", list.tag)
		for _, dep := range list.deps {
			entry(b, dep)
		}
		fmt.Fprintf(b, "    </rpm:%s>\n", list.tag)
	}
	for _, f := range p.Files {
		fmt.Fprintf(b, "    <file>%s</file>\n", escape(f))
	}
	b.WriteString("  </format>\n</package>\n")
}

// Filelists writes filelists.xml as createrepo_c does.
func Filelists(w io.Writer, packages []Package) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="%d">
`, len(packages))
	for i := range packages {
		p := &packages[i]
		epoch, version, release := split(p.EVR)
		fmt.Fprintf(&b, "<package pkgid=\"%s\" name=\"%s\" arch=\"%s\">\n  <version epoch=\"%s\" ver=\"%s\" rel=\"%s\"/>\n",
			p.checksum(), escape(p.Name), p.arch(), epoch, escape(version), escape(release))
		for _, list := range [][]string{p.Files, p.Listed} {
			for _, f := range list {
				fmt.Fprintf(&b, "  <file>%s</file>\n", escape(f))
			}
		}
		b.WriteString("</package>\n")
		if b.Len() > 1<<20 {
			if _, err := b.WriteTo(w); err != nil {
				return err
			}
		}
	}
	b.WriteString("</filelists>\n")
	_, err := b.WriteTo(w)
	return err
}

func split(evr string) (epoch, version, release string) {
	epoch = "0"
	if before, after, ok := strings.Cut(evr, ":"); ok {
		epoch, evr = before, after
	}
	if i := strings.LastIndexByte(evr, '-'); i >= 0 {
		return epoch, evr[:i], evr[i+1:]
	}
	return epoch, evr, ""
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(s string) string {
	if !strings.ContainsAny(s, `&<>"`) {
		return s
	}
	return escaper.Replace(s)
}

var flags = map[string]string{"=": "EQ", "<": "LT", ">": "GT", "<=": "LE", ">=": "GE"}

// entry writes a dependency; what does not read as "name op evr" is a name as a whole.
func entry(b *bytes.Buffer, dep string) {
	fields := strings.Fields(dep)
	if strings.HasPrefix(dep, "(") || len(fields) != 3 || flags[fields[1]] == "" {
		fmt.Fprintf(b, "      <rpm:entry name=\"%s\"/>\n", escape(dep))
		return
	}
	epoch, version, release := split(fields[2])
	fmt.Fprintf(b, `      <rpm:entry name="%s" flags="%s" epoch="%s" ver="%s"`, escape(fields[0]), flags[fields[1]], epoch, escape(version))
	if release != "" {
		fmt.Fprintf(b, ` rel="%s"`, escape(release))
	}
	b.WriteString("/>\n")
}

// Write makes dir/repodata with primary.xml, filelists.xml and repomd.xml. compressor is "gzip", "zstd" or "none".
func Write(dir, compressor string, packages []Package) error {
	if err := os.MkdirAll(filepath.Join(dir, "repodata"), 0o755); err != nil {
		return err
	}
	index := `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1700000000</revision>
`
	for _, file := range []struct {
		kind  string
		write func(io.Writer, []Package) error
	}{{"primary", Primary}, {"filelists", Filelists}} {
		record, err := save(dir, file.kind, compressor, func(w io.Writer) error { return file.write(w, packages) })
		if err != nil {
			return fmt.Errorf("writing %s.xml: %w", file.kind, err)
		}
		index += record
	}
	return os.WriteFile(filepath.Join(dir, "repodata", "repomd.xml"), []byte(index+"</repomd>\n"), 0o644)
}

// save writes one metadata file under the name of its checksum and returns its record for repomd.xml.
func save(dir, kind, compressor string, write func(io.Writer) error) (string, error) {
	var packed bytes.Buffer
	opened := sha256.New()
	count := &counter{}
	var to io.WriteCloser
	suffix := ""
	switch compressor {
	case "gzip":
		to, suffix = gzip.NewWriter(&packed), ".gz"
	case "zstd":
		z, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return "", err
		}
		to, suffix = z, ".zst"
	case "none":
		to = plain{&packed}
	default:
		return "", fmt.Errorf("compressor %q is not gzip, zstd or none", compressor)
	}
	if err := write(io.MultiWriter(to, opened, count)); err != nil {
		return "", err
	}
	if err := to.Close(); err != nil {
		return "", err
	}
	sum := sha256.Sum256(packed.Bytes())
	name := fmt.Sprintf("repodata/%x-%s.xml%s", sum, kind, suffix)
	record := fmt.Sprintf(`  <data type="%s">
    <checksum type="sha256">%x</checksum>
    <open-checksum type="sha256">%x</open-checksum>
    <location href="%s"/>
    <timestamp>1700000000</timestamp>
    <size>%d</size>
    <open-size>%d</open-size>
  </data>
`, kind, sum, opened.Sum(nil), name, packed.Len(), count.bytes)
	return record, os.WriteFile(filepath.Join(dir, name), packed.Bytes(), 0o644)
}

type counter struct{ bytes int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	return len(p), nil
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }
