// Rebuilds counts the actions that run again when one package gets newer, and fails when an image runs any that does not ship it.
//
// It builds all images, lays a release beside that of the last build in which the package has another release number, builds again in
// the same output base, and reads from Bazel's events which actions were run, whose inputs had changed, that is. Which images ship the package it
// reads from their trees.
//
// Run it from the workspace:
//
//	go run ./tools/rebuilds [--package=ipset] [--targets=//variants:all] [--trees=//variants:debrpm_trees] [--bazel=./bazelw]
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func main() { cli.Main("rebuilds", run) }

func run(args []string) error {
	fs := cli.NewFlagSet("rebuilds")
	name := fs.String("package", "ipset", "package that changes")
	targets := fs.String("targets", "//variants:all", "images to build")
	trees := fs.String("trees", "//variants:debrpm_trees", "rootfs_trees of the same images")
	bazel := fs.String("bazel", "./bazelw", "program to run")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	if _, err := os.Stat("MODULE.bazel"); err != nil {
		return cli.Hint(fmt.Errorf("finding the workspace: %w", err), "run from the folder of MODULE.bazel: go run ./tools/rebuilds")
	}
	scratch, err := os.MkdirTemp("/var/tmp", "rebuilds-") // actions have a /tmp of their own
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := builder{program: *bazel}
	start := time.Now()
	if err := b.run("build", *targets, *trees); err != nil {
		return err
	}
	ships, all, err := b.shippers(*trees, *name)
	if err != nil {
		return err
	}
	release, err := b.release()
	if err != nil {
		return err
	}
	changed, err := changeRelease(release, scratch, *name)
	if err != nil {
		return err
	}
	fmt.Printf("all images are built (%.0f s); now %s\n", time.Since(start).Seconds(), changed)
	start = time.Now()
	events := filepath.Join(scratch, "events.json")
	if err := b.run("build", *targets, "--repo_env=SLIMRPM_DEBRPM="+scratch, "--build_event_json_file="+events, "--build_event_publish_all_actions"); err != nil {
		return err
	}
	ran, err := readActions(events)
	if err != nil {
		return err
	}
	printActions(os.Stdout, ran)
	problems := judge(ran, *name, ships, all)
	fmt.Printf("%d actions in %.0f s; %d of %d images ship %s: %s\n", len(ran), time.Since(start).Seconds(), len(ships), len(all), *name, strings.Join(ships, " "))
	return errors.Join(problems...)
}

// builder runs Bazel.
type builder struct{ program string }

func (b builder) run(verb string, args ...string) error {
	cmd := exec.Command(b.program, append([]string{verb, "--noshow_progress"}, args...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %s: %w", b.program, verb, err)
	}
	return nil
}

func (b builder) output(args ...string) (string, error) {
	cmd := exec.Command(b.program, append([]string{args[0], "--noshow_progress"}, args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w", b.program, args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}

// release returns the folder of the release that the build used.
func (b builder) release() (string, error) {
	base, err := b.output("info", "output_base")
	if err != nil {
		return "", err
	}
	lock, err := filepath.EvalSymlinks(filepath.Join(base, "external", "_main~_repo_rules~debrpm_release", "rpms.lock.json"))
	if err != nil {
		return "", fmt.Errorf("finding the release of the last build: %w", err)
	}
	return filepath.Dir(lock), nil
}

// shippers returns the names of the images whose trees have the package, on any platform, and of all.
func (b builder) shippers(target, name string) (ships, all []string, err error) {
	out, err := b.output("cquery", "--output=files", target)
	if err != nil {
		return nil, nil, err
	}
	root, err := b.output("info", "execution_root")
	if err != nil {
		return nil, nil, err
	}
	found := map[string]bool{}
	for _, file := range strings.Fields(out) {
		image, _, ok := cutLast(strings.TrimSuffix(filepath.Base(file), ".tree.json"), "_")
		if !ok {
			return nil, nil, fmt.Errorf("%s is no tree of an image", file)
		}
		f, err := os.Open(filepath.Join(root, file))
		if err != nil {
			return nil, nil, err
		}
		tree, err := rootfs.Read(f, file)
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		found[image] = found[image] || slices.ContainsFunc(tree.Packages, func(p rootfs.Package) bool { return p.Name == name })
	}
	for _, image := range slices.Sorted(maps.Keys(found)) {
		all = append(all, image)
		if found[image] {
			ships = append(ships, image)
		}
	}
	if len(ships) == 0 || len(ships) == len(all) {
		return nil, nil, fmt.Errorf("%d of %d images ship %s: choose a package that some ship and some do not", len(ships), len(all), name)
	}
	return ships, all, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// judge says what ran and should not have, and what did not run and should have.
func judge(ran []action, name string, ships, all []string) []error {
	var problems []error
	composed := map[string]int{}
	unpacked := 0
	for _, a := range ran {
		image := a.image()
		switch {
		case a.label == "" || strings.HasPrefix(a.label, "//variants:"): // Bazel's own, and what lists or links all images
		case a.mnemonic == "RpmExtract":
			if !strings.Contains(a.label, "_"+name+"_") { // the repository of one RPM: <release>_<package>_<architecture>
				problems = append(problems, fmt.Errorf("%s of %s ran again", a.mnemonic, a.label))
			}
			unpacked++
		case image == "":
			problems = append(problems, fmt.Errorf("%s of %s ran again, which is no image", a.mnemonic, a.label))
		case !slices.Contains(ships, image):
			problems = append(problems, fmt.Errorf("%s of %s ran again, and the image does not ship %s", a.mnemonic, a.label, name))
		case a.mnemonic == "Rootfs":
			composed[image]++
		}
	}
	if unpacked == 0 {
		problems = append(problems, fmt.Errorf("%s was not unpacked again", name))
	}
	for _, image := range ships {
		if composed[image] == 0 {
			problems = append(problems, fmt.Errorf("//variants/%s ships %s, and no action composed it again", image, name))
		}
	}
	if len(all) <= len(ships) {
		problems = append(problems, errors.New("no image is left that must not be built again"))
	}
	return problems
}

// printActions prints how many actions of each kind ran, by package of the target.
func printActions(w io.Writer, ran []action) {
	counts := map[string]map[string]int{}
	for _, a := range ran {
		pkg, _, _ := strings.Cut(a.label, ":")
		if counts[pkg] == nil {
			counts[pkg] = map[string]int{}
		}
		counts[pkg][a.mnemonic]++
	}
	for _, pkg := range slices.Sorted(maps.Keys(counts)) {
		var kinds []string
		for _, mnemonic := range slices.Sorted(maps.Keys(counts[pkg])) {
			kinds = append(kinds, fmt.Sprintf("%s %d", mnemonic, counts[pkg][mnemonic]))
		}
		fmt.Fprintf(w, "  %s: %s\n", pkg, strings.Join(kinds, ", "))
	}
}
