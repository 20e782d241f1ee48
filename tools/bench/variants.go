package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const variantsTarget = "//variants:all"

// warmTargets unpack every RPM that images use, and compile every tool, that of the image iptables for both architectures too.
var warmTargets = []string{"//variants:debrpm_trees", "//variants:iptables"}

var variantEntries = []entry{
	{name: "variants: " + variantsTarget + ", both architectures, RPMs unpacked", target: "<= 360 s, <= 1.5x its parts", ours: buildVariants, why: "no peer for RPM images can be had here", once: true},
}

// buildVariants composes, compresses, checks and describes all images again. What is unpacked RPMs stays: only the outputs below
// variants/ are removed, so Bazel runs the actions that make them, and no cache answers for them.
func buildVariants(e *env) (figure, error) {
	var f figure
	bazel := func(args ...string) *exec.Cmd {
		cmd := exec.Command(e.bazelw, args...)
		cmd.Dir = e.workspace
		return cmd
	}
	if err := new(figure).measure(bazel(append([]string{"build", "--noshow_progress"}, warmTargets...)...)); err != nil {
		return f, err
	}
	out, err := bazel("info", "output_path").Output()
	if err != nil {
		return f, fmt.Errorf("asking Bazel where its outputs are: %w", err)
	}
	made, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*", "bin", "variants"))
	if err != nil || len(made) == 0 {
		return f, errors.Join(err, errors.New("the build left no outputs below variants/"))
	}
	for _, dir := range made {
		if err := os.RemoveAll(dir); err != nil {
			return f, err
		}
	}
	profile := filepath.Join(e.scratch, "variants.profile.gz")
	if err := f.measure(bazel("build", "--noshow_progress", "--disk_cache=", "--profile="+profile, variantsTarget)); err != nil {
		return f, err
	}
	parts, err := readProfile(profile)
	if err != nil {
		return f, err
	}
	if parts["Rootfs"] == 0 || parts["LayerGzip"] == 0 {
		return f, fmt.Errorf("the build composed or compressed nothing: %v", parts)
	}
	f.note = parts.note(f.wall, runtime.NumCPU())
	return f, nil
}

// parts are how long the actions of a build took together, by mnemonic.
type parts map[string]time.Duration

// note says how the wall time compares with that of the parts on all cores, and which parts are the largest.
func (p parts) note(wall time.Duration, cores int) string {
	var sum time.Duration
	for _, d := range p {
		sum += d
	}
	share := sum / time.Duration(cores)
	text := fmt.Sprintf("parts %.0f s on %d cores are %.0f s, wall is %.2fx", sum.Seconds(), cores, share.Seconds(), wall.Seconds()/share.Seconds())
	names := slices.SortedFunc(maps.Keys(p), func(a, b string) int {
		return int(p[b]-p[a]) + strings.Compare(a, b)
	})
	for _, name := range names {
		if p[name] >= sum/200 {
			text += fmt.Sprintf(", %s %.0f s", name, p[name].Seconds())
		}
	}
	return text
}

// readProfile adds up the actions of Bazel's profile (chrome trace format, times in microseconds).
func readProfile(file string) (parts, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("reading profile %s: %w", file, err)
	}
	return parseProfile(unpacked)
}

func parseProfile(r io.Reader) (parts, error) {
	var profile struct {
		TraceEvents []struct {
			Category string `json:"cat"`
			Duration int64  `json:"dur"`
			Args     struct {
				Mnemonic string `json:"mnemonic"`
			} `json:"args"`
		} `json:"traceEvents"`
	}
	if err := json.NewDecoder(r).Decode(&profile); err != nil {
		return nil, fmt.Errorf("reading Bazel's profile: %w", err)
	}
	p := parts{}
	for _, event := range profile.TraceEvents {
		if event.Category == "action processing" && event.Args.Mnemonic != "" {
			p[event.Args.Mnemonic] += time.Duration(event.Duration) * time.Microsecond
		}
	}
	return p, nil
}
