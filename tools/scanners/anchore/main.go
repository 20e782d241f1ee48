// Anchore prints the RPM packages that syft or grype finds in an OCI layout, or Trivy's go-rpmdb in a package database: a line of
// tab-separated name, epoch:version-release, source RPM and licence each. Of the source, grype keeps name and version, and only where the
// name is another.
//
// Usage:
//
//	anchore syft|grype LAYOUT PLATFORM
//	anchore go-rpmdb FILE
//	anchore bom FILE
//
// The last one lists what syft reads of a bill of materials; the source RPM is that of the package URL.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	grypepkg "github.com/anchore/grype/grype/pkg"
	"github.com/anchore/stereoscope/pkg/image"
	"github.com/anchore/syft/syft"
	"github.com/anchore/syft/syft/cataloging"
	"github.com/anchore/syft/syft/format"
	"github.com/anchore/syft/syft/pkg"
	rpmdb "github.com/knqyf263/go-rpmdb/pkg"

	_ "modernc.org/sqlite" // syft and go-rpmdb leave the choice of the driver to the program
)

func main() {
	lines, err := list(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "anchore:", err)
		os.Exit(1)
	}
	slices.Sort(lines)
	fmt.Print(strings.Join(lines, ""))
}

func list(args []string) ([]string, error) {
	if len(args) == 2 && args[0] == "go-rpmdb" {
		return databaseLines(args[1])
	}
	if len(args) == 2 && args[0] == "bom" {
		return bomLines(args[1])
	}
	if len(args) != 3 {
		return nil, errors.New("want syft or grype, an OCI layout and a platform, go-rpmdb and a package database, or bom and a bill of materials")
	}
	config := syft.DefaultCreateSBOMConfig().WithoutFiles().WithCatalogerSelection(cataloging.SelectionRequest{}.WithDefaults("rpm-db-cataloger"))
	switch args[0] {
	case "grype":
		return grypeLines(args[1], args[2], config)
	case "syft":
		return syftLines(args[1], args[2], config)
	}
	return nil, fmt.Errorf("unknown scanner %q", args[0])
}

func grypeLines(layout, platform string, config *syft.CreateSBOMConfig) ([]string, error) {
	found, _, _, err := grypepkg.Provide(layout, grypepkg.ProviderConfig{
		SyftProviderConfig: grypepkg.SyftProviderConfig{SBOMOptions: config, Platform: platform, Sources: []string{"oci-dir"}},
	})
	var lines []string
	for _, p := range found {
		source := ""
		for _, u := range p.Upstreams {
			source += u.Name + "-" + u.Version
		}
		lines = append(lines, line(p.Name, p.Version, source, p.Licenses))
	}
	return lines, err
}

func syftLines(layout, platform string, config *syft.CreateSBOMConfig) ([]string, error) {
	wanted, err := image.NewPlatform(platform)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	source, err := syft.GetSource(ctx, layout, syft.DefaultGetSourceConfig().WithPlatform(wanted).WithSources("oci-dir"))
	if err != nil {
		return nil, err
	}
	defer source.Close()
	sbom, err := syft.CreateSBOM(ctx, source, config)
	if err != nil {
		return nil, err
	}
	var lines []string
	for p := range sbom.Artifacts.Packages.Enumerate() {
		entry, ok := p.Metadata.(pkg.RpmDBEntry)
		if !ok {
			return nil, fmt.Errorf("%s is no RPM package", p.Name)
		}
		var licenses []string
		for _, l := range p.Licenses.ToSlice() {
			licenses = append(licenses, l.Value)
		}
		lines = append(lines, line(p.Name, p.Version, entry.SourceRpm, licenses))
	}
	return lines, nil
}

func bomLines(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	bom, _, _, err := format.Decode(file)
	if err != nil {
		return nil, err
	}
	if bom == nil {
		return nil, errors.New("syft knows no such format")
	}
	var lines []string
	for p := range bom.Artifacts.Packages.Enumerate() {
		if p.Type != pkg.RpmPkg {
			continue
		}
		purl, err := url.Parse(p.PURL)
		if err != nil {
			return nil, err
		}
		var licenses []string
		for _, l := range p.Licenses.ToSlice() {
			licenses = append(licenses, l.Value)
		}
		lines = append(lines, line(p.Name, p.Version, purl.Query().Get("upstream"), licenses))
	}
	return lines, nil
}

func databaseLines(path string) ([]string, error) {
	db, err := rpmdb.Open(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	found, err := db.ListPackages()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, p := range found {
		version := p.Version + "-" + p.Release
		if p.Epoch != nil {
			version = fmt.Sprintf("%d:%s", *p.Epoch, version)
		}
		lines = append(lines, line(p.Name, version, p.SourceRpm, []string{p.License}))
	}
	return lines, nil
}

func line(name, version, source string, licenses []string) string {
	if !strings.Contains(version, ":") {
		version = "0:" + version
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\n", name, version, source, strings.Join(licenses, " AND "))
}
