package rpm

import (
	"fmt"
	"slices"
	"strings"
)

// features are the rpmlib() capabilities this package implements, or that only concern scriptlets and dependencies.
var features = []string{
	"BuiltinLuaScripts", "CaretInVersions", "CompressedFileNames", "ConcurrentAccess", "DynamicBuildRequires",
	"ExplicitPackageProvide", "FileCaps", "FileDigests", "HeaderLoadSortsTags", "HeaderTranslatedStrings", "LargeFiles",
	"PartialHardlinkSets", "PayloadFilesHavePrefix", "PayloadIsBzip2", "PayloadIsLzma", "PayloadIsXz", "PayloadIsZstd",
	"RichDependencies", "ScriptletExpansion", "ScriptletInterpreterArgs", "TildeInVersions", "VersionedDependencies",
}

// CheckFeatures refuses a package that requires a feature of rpm which is not known here, because its payload or header may mean
// something else than this package reads.
func CheckFeatures(requires []Dependency) error {
	for _, d := range requires {
		name, ok := strings.CutPrefix(d.Name, "rpmlib(")
		if !ok {
			continue
		}
		if !slices.Contains(features, strings.TrimSuffix(name, ")")) {
			return fmt.Errorf("requires %s, which is not supported", d)
		}
	}
	return nil
}
