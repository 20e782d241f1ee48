package main

import (
	"path/filepath"
	"sort"
	"strings"
)

// sdkRepository is the repository, by its canonical name, that gazelle's repository rules take Go from. Made by the
// go_sdk extension it names the first SDK of MODULE.bazel, the downloaded one; the override names the second.
const sdkRepository = "rules_go~~go_sdk~go_host_compatible_sdk_label"

// configuration gives the files that make Bazel use the modules in dir, and Go modules out of modcache: overrides maps
// module names to folders.
func configuration(dir, modcache string, overrides map[string]string) map[string]string {
	var rc strings.Builder
	line := func(option, why string) {
		if why != "" {
			rc.WriteString("\n# " + why + "\n")
		}
		rc.WriteString("common " + quote(option) + "\n")
	}
	rc.WriteString("# Written by third_party/airgap/prepare: Bazel without a module registry and without downloads.\n")
	names := make([]string, 0, len(overrides))
	for name := range overrides {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		why := ""
		if i == 0 {
			why = "Each module of the graph, by its folder."
		}
		line("--override_module="+name+"="+overrides[name], why)
	}
	line("--@rules_go//go/toolchain:sdk_version=host", "Go comes from the machine: the second SDK of MODULE.bazel.")
	line("--override_repository="+sdkRepository+"="+filepath.Join(dir, "host_sdk"), "")
	line("--repo_env=GO_REPOSITORY_USE_HOST_MODCACHE=1",
		"Go modules come from the module cache that `prepare downloads` has filled, never from the network.")
	line("--repo_env=GOMODCACHE="+modcache, "")
	line("--repo_env=GOPROXY=off", "")
	line("--experimental_downloader_config="+filepath.Join(dir, "downloader.cfg"),
		"Whatever else wants to download fails at once and by name, instead of after a timeout.")
	line("--lockfile_mode=off", "The module graph differs from the one of a registry, so does its lock.")
	return map[string]string{
		"bazelrc":              rc.String(),
		"downloader.cfg":       "block *\n",
		"host_sdk/REPO.bazel":  "",
		"host_sdk/BUILD.bazel": "",
		"host_sdk/defs.bzl": "\"\"\"Names the Go SDK of the machine.\"\"\"\n\n" +
			"HOST_COMPATIBLE_SDK = Label(\"@@rules_go~~go_sdk~main___host_0//:ROOT\")\n",
	}
}

// quote makes one word of s in a bazelrc, whatever it holds.
func quote(s string) string {
	if !strings.ContainsAny(s, " \t\"'\\#") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
