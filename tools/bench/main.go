// Bench prints our figures beside those of the peers, measured in one run on one machine. It reports; it never fails because
// something is slow.
//
// Run it from the workspace, as root, after `./bazelw build //variants:iptables`:
//
//	go run ./tools/bench [--only=REGEXP] [--runs=3] [--bazeldnf=PATH]
//
// It measures with the release that the last build used, or that in the folder $SLIMRPM_DEBRPM. Wall and CPU times are medians of the runs. Peak memory is the largest resident set of any one process that took part.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

func main() { cli.Main("bench", run) }

// figure is one measurement.
type figure struct {
	wall, cpu time.Duration
	peakKiB   int64
	note      string
}

// entry is one row of the report. A nil peer means that there is none here; why says so.
type entry struct {
	name       string
	target     string // what an issue demands
	ours, peer func(*env) (figure, error)
	why        string
	once       bool // takes long, and one run tells
}

// env is what measurements share.
type env struct {
	workspace, scratch, bazelw string
	release                    string // folder of the debrpm release: repo/ and rpms.lock.json
	tools                      string // folder of our programs
	bazeldnf                   string // program, "" if there is none
	printed                    []byte // what our reader of headers printed
	largeRepository            func() (*largeRepo, error)
}

func run(args []string) error {
	fs := cli.NewFlagSet("bench")
	only := fs.String("only", "", "regular expression of the names to run")
	runs := fs.Int("runs", 3, "runs of each measurement")
	bazeldnf := fs.String("bazeldnf", "", "program of the peer bazeldnf")
	if err := cli.Parse(fs, args); err != nil {
		return err
	}
	filter, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("reading --only: %w", err)
	}
	e, err := prepare()
	if err != nil {
		return err
	}
	defer os.RemoveAll(e.scratch)
	e.bazeldnf = *bazeldnf
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "benchmark\twho\twall\tCPU\tpeak memory\tnote")
	for _, b := range allEntries() {
		if !filter.MatchString(b.name) {
			continue
		}
		if err := b.measure(e, *runs, out); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return out.Flush()
}

// measure prints the rows of an entry.
func (b *entry) measure(e *env, runs int, out io.Writer) error {
	name := b.name + " (" + b.target + ")"
	if b.once {
		runs = 1
	}
	var ours, peers []figure
	var reason string
	for range max(runs, 1) { // in turns, so that the load of the machine is fair to both
		f, err := b.ours(e)
		if why, ok := skipped(err); ok {
			fmt.Fprintf(out, "%s\tours\t-\t-\t-\t%s\n", name, why)
			return nil
		}
		if err != nil {
			return err
		}
		ours = append(ours, f)
		if b.peer == nil || reason != "" {
			continue
		}
		f, err = b.peer(e)
		if why, ok := skipped(err); ok {
			reason = why
			continue
		}
		if err != nil {
			return fmt.Errorf("peer: %w", err)
		}
		peers = append(peers, f)
	}
	our := median(ours)
	show(out, name, "ours", our)
	if len(peers) == 0 {
		fmt.Fprintf(out, "\tpeer\t-\t-\t-\t%s\n", b.why+reason)
		return nil
	}
	peer := median(peers)
	peer.note = strings.TrimPrefix(fmt.Sprintf("%s; ours takes %.2fx its time, %.2fx its CPU", peer.note,
		our.wall.Seconds()/peer.wall.Seconds(), our.cpu.Seconds()/peer.cpu.Seconds()), "; ")
	show(out, "", "peer", peer)
	return nil
}

func show(out io.Writer, name, who string, f figure) {
	peak := "-"
	if f.peakKiB > 0 {
		peak = fmt.Sprintf("%.0f MiB", float64(f.peakKiB)/1024)
	}
	fmt.Fprintf(out, "%s\t%s\t%.2f s\t%.2f s\t%s\t%s\n", name, who, f.wall.Seconds(), f.cpu.Seconds(), peak, f.note)
}

// median returns the run with the median time, with the largest peak memory of all.
func median(all []figure) figure {
	slices.SortFunc(all, func(a, b figure) int { return int(a.wall - b.wall) })
	m := all[len(all)/2]
	for _, f := range all {
		m.peakKiB = max(m.peakKiB, f.peakKiB)
	}
	return m
}

func prepare() (*env, error) {
	workspace, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat("MODULE.bazel"); err != nil {
		return nil, cli.Hint(fmt.Errorf("finding the workspace: %w", err), "run from the folder of MODULE.bazel: go run ./tools/bench")
	}
	e := &env{workspace: workspace, bazelw: filepath.Join(workspace, "bazelw")}
	if e.release, err = e.findRelease(); err != nil {
		return nil, err
	}
	if e.scratch, err = os.MkdirTemp("/var/tmp", "bench-"); err != nil {
		return nil, err
	}
	e.tools = filepath.Join(e.scratch, "tools")
	e.largeRepository = e.newLargeRepo()
	if err := os.Mkdir(e.tools, 0o755); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", e.tools, "./tools/rpmextract", "./tools/elfresolve", "./tools/rootfs", "./tools/rootcheck",
		"./tools/bench/headers", "./tools/bench/largetest")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the tools: %w\n%s", err, out)
	}
	return e, nil
}

// findRelease returns the folder of the debrpm release that the last build of the workspace used.
func (e *env) findRelease() (string, error) {
	if dir := os.Getenv("SLIMRPM_DEBRPM"); dir != "" {
		return dir, nil
	}
	base, err := exec.Command(e.bazelw, "info", "output_base").Output()
	if err != nil {
		return "", fmt.Errorf("asking Bazel for its output base: %w", err)
	}
	link := filepath.Join(strings.TrimSpace(string(base)), "external", "_main~_repo_rules~debrpm_release", "rpms.lock.json")
	lock, err := filepath.EvalSymlinks(link)
	if err != nil {
		return "", cli.Hint(fmt.Errorf("finding the debrpm release: %w", err), "./bazelw build //variants:iptables")
	}
	return filepath.Dir(lock), nil
}

// measure runs a command and adds what it took to f; peak memory is the largest of all commands added.
func (f *figure) measure(cmd *exec.Cmd) error {
	debug.FreeOSMemory() // Linux counts our memory as the command's until it runs
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w\n%s", strings.Join(cmd.Args[:min(len(cmd.Args), 8)], " "), err, out)
	}
	f.wall += time.Since(start)
	f.add(cmd.ProcessState)
	return nil
}

func (f *figure) add(state *os.ProcessState) {
	f.cpu += state.UserTime() + state.SystemTime()
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		f.peakKiB = max(f.peakKiB, usage.Maxrss)
	}
}
