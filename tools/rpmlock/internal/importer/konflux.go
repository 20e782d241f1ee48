package importer

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/konflux"
)

// Konflux reads rpms.lock.yaml.
func Konflux(data []byte) (*List, error) {
	in, err := konflux.Read(data)
	if err != nil {
		return nil, err
	}
	list := &List{}
	for _, arch := range in.Arches {
		for _, from := range arch.Packages {
			p := Package{Section: arch.Arch, SizeBytes: from.Size, SourceRPM: from.SourceRPM, Repository: from.RepoID}
			sum, ok := strings.CutPrefix(from.Checksum, "sha256:")
			if p.SHA256 = strings.ToLower(sum); !ok || !isSHA256(p.SHA256) {
				list.Lost = append(list.Lost, fmt.Sprintf("%s for %s: its checksum %q is no sha256", from.URL, arch.Arch, from.Checksum))
				continue
			}
			if !p.locate([]string{from.URL}) {
				list.Lost = append(list.Lost, fmt.Sprintf("%s for %s: the file is not called name-version-release.architecture.rpm", from.URL, arch.Arch))
				continue
			}
			if from.Name != "" {
				p.Name = from.Name
			}
			if from.EVR != "" {
				p.EVR = from.EVR
			}
			list.Packages = append(list.Packages, p)
		}
		if n := len(arch.Source); n > 0 {
			list.Lost = append(list.Lost, fmt.Sprintf("%d source packages for %s: a lock names them by source_rpm only", n, arch.Arch))
		}
		for _, m := range arch.Modules {
			list.Lost = append(list.Lost, fmt.Sprintf("module metadata %s for %s: streams are named in the manifest", m.URL, arch.Arch))
		}
	}
	return list, nil
}
