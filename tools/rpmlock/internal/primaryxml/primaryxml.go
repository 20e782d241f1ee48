// Package primaryxml writes primary.xml from the headers of packages, the way createrepo_c does. It is for packages that no
// repository lists: those that a repository has dropped while a lock still holds them, and those of imported lists.
package primaryxml

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Package is what is said about one package besides its header.
type Package struct {
	*rpm.Package
	SHA256    string // of the whole file, lower-case hex
	SizeBytes int64
	Location  string // relative to the repository
	// InstalledBytes is size/@installed; 0 takes the header's.
	InstalledBytes int64
	// AllFiles lists every file, which createrepo leaves to filelists.xml.
	AllFiles bool
	// NoHeaderRange leaves header-range out, as old programs did.
	NoHeaderRange bool
}

// Write writes a document.
func Write(w io.Writer, packages []Package, inPrimary func(path string) bool) error {
	var out strings.Builder
	fmt.Fprintf(&out, `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">
`, len(packages))
	for i := range packages {
		if err := packages[i].write(&out, inPrimary); err != nil {
			return err
		}
	}
	out.WriteString("</metadata>\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func (p *Package) write(out *strings.Builder, inPrimary func(path string) bool) error {
	id, err := p.Main.NEVRA()
	if err != nil {
		return err
	}
	build, _, err := p.Main.Uint32(rpm.TagBuildTime)
	if err != nil {
		return err
	}
	license, err := text(p.Main, rpm.TagLicense)
	if err != nil {
		return err
	}
	source, err := text(p.Main, rpm.TagSourceRPM)
	if err != nil {
		return err
	}
	installed, err := p.installed()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `<package type="rpm"><name>%s</name><arch>%s</arch><version epoch="%d" ver="%s" rel="%s"/>
  <checksum type="sha256" pkgid="YES">%s</checksum><summary/><description/>
  <time file="1" build="%d"/><size package="%d" installed="%d" archive="1"/><location href="%s"/>
  <format><rpm:license>%s</rpm:license><rpm:sourcerpm>%s</rpm:sourcerpm>
`, Escape(id.Name), Escape(id.Arch), id.Epoch, Escape(id.Version), Escape(id.Release), p.SHA256, build, p.SizeBytes, installed,
		Escape(p.Location), Escape(license), Escape(source))
	if !p.NoHeaderRange {
		fmt.Fprintf(out, "  <rpm:header-range start=\"%d\" end=\"%d\"/>\n", p.HeaderStart, p.HeaderEnd)
	}
	if err := p.writeRelations(out); err != nil {
		return err
	}
	if err := p.writeFiles(out, inPrimary); err != nil {
		return err
	}
	out.WriteString("  </format></package>\n")
	return nil
}

func text(h *rpm.Header, tag rpm.Tag) (string, error) {
	value, _, err := h.String(tag)
	return value, err
}

func (p *Package) installed() (int64, error) {
	if p.InstalledBytes > 0 {
		return p.InstalledBytes, nil
	}
	if long, ok, err := p.Main.Uint64(rpm.TagLongSize); err != nil || ok {
		return int64(long), err
	}
	size, _, err := p.Main.Uint32(rpm.TagSize)
	return int64(size), err
}

func (p *Package) writeRelations(out *strings.Builder) error {
	for _, list := range []struct {
		tag  string
		kind rpm.DependencyKind
	}{
		{"provides", rpm.KindProvide}, {"requires", rpm.KindRequire}, {"conflicts", rpm.KindConflict}, {"obsoletes", rpm.KindObsolete},
		{"recommends", rpm.KindRecommend}, {"suggests", rpm.KindSuggest}, {"supplements", rpm.KindSupplement}, {"enhances", rpm.KindEnhance},
	} {
		deps, err := rpm.Relations(p.Main, list.kind)
		if err != nil {
			return err
		}
		writeDeps(out, list.tag, deps)
	}
	return nil
}

func (p *Package) writeFiles(out *strings.Builder, inPrimary func(path string) bool) error {
	files, err := rpm.Files(p.Main)
	if err != nil {
		return err
	}
	for i := range files {
		if p.AllFiles || inPrimary(files[i].Path) {
			out.WriteString(FileElement(&files[i]))
		}
	}
	return nil
}

// FileElement writes <file>, as it stands in primary.xml and filelists.xml.
func FileElement(f *rpm.File) string {
	kind := ""
	switch {
	case f.Ghost():
		kind = ` type="ghost"`
	case f.Type == pkgindex.TypeDir:
		kind = ` type="dir"`
	}
	return fmt.Sprintf("  <file%s>%s</file>\n", kind, Escape(f.Path))
}

func writeDeps(out *strings.Builder, tag string, deps []rpm.Dependency) {
	var lines strings.Builder
	for _, d := range deps {
		if d.RPMLib() {
			continue // createrepo_c leaves them out, too
		}
		fmt.Fprintf(&lines, `    <rpm:entry name="%s"`, Escape(d.Name))
		flags := map[string]string{"=": "EQ", "<": "LT", ">": "GT", "<=": "LE", ">=": "GE"}[d.Flags.Operator()]
		if flags != "" {
			version, release, _ := strings.Cut(d.EVR, "-")
			epoch, version := cutEpoch(version)
			fmt.Fprintf(&lines, ` flags="%s" epoch="%s" ver="%s"`, flags, Escape(epoch), Escape(version))
			if release != "" {
				fmt.Fprintf(&lines, ` rel="%s"`, Escape(release))
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

func cutEpoch(version string) (epoch, rest string) {
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		return epoch, rest
	}
	return "0", version
}

// Escape writes a text for XML.
func Escape(text string) string {
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		panic(err) // a strings.Builder never fails
	}
	return out.String()
}
