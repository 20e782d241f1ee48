// Scalibr prints the RPM packages that osv-scalibr finds in an unpacked image: a line of tab-separated name,
// epoch:version-release, source RPM and licence each, as ../anchore prints them.
//
// Usage:
//
//	scalibr DIR
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/os/rpm"
	"github.com/google/osv-scalibr/extractor/filesystem/os/rpm/metadata"
	scalibrfs "github.com/google/osv-scalibr/fs"
	"github.com/google/osv-scalibr/stats"
)

func main() {
	lines, err := list(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "scalibr:", err)
		os.Exit(1)
	}
	fmt.Print(strings.Join(lines, ""))
}

func list(dir string) ([]string, error) {
	extractor, err := rpm.New(&cpb.PluginConfig{})
	if err != nil {
		return nil, err
	}
	found, status, err := filesystem.Run(context.Background(), &filesystem.Config{
		Extractors: []filesystem.Extractor{extractor},
		ScanRoots:  scalibrfs.RealFSScanRoots(dir),
		Stats:      stats.NoopCollector{},
	})
	if err != nil {
		return nil, err
	}
	for _, s := range status {
		if s.Status.FailureReason != "" {
			return nil, fmt.Errorf("%s: %s", s.Name, s.Status.FailureReason)
		}
	}
	var lines []string
	for _, p := range found.Packages {
		m, ok := p.Metadata.(*metadata.Metadata)
		if !ok {
			return nil, fmt.Errorf("%s is no RPM package", p.Name)
		}
		lines = append(lines, fmt.Sprintf("%s\t%d:%s\t%s\t%s\n", m.PackageName, m.Epoch, p.Version, m.SourceRPM, strings.Join(p.Licenses, " AND ")))
	}
	slices.Sort(lines)
	return lines, nil
}
