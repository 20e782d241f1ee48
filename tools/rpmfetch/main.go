// Rpmfetch downloads every package that a lock names, so that builds can run without the repositories.
//
//	rpmfetch DIR --lock=rpms.lock.json [--layout=mirror|distdir] [--arch=A ...] [--check]
//	             [--mirror=URL ...] [--jobs=N] [--retries=N]
//	             [--client-cert=F [--client-key=F]] [--ca=F] [--credential-helper=[HOST=]PROGRAM ...]
//
// The layout "mirror" is <repository>/<architecture>/<path>, as SLIMRPM_MIRROR wants it; DIR can be served over HTTP or used
// as it is. The layout "distdir" is flat, for Bazel's --distdir. What is there already is compared with the lock and fetched
// again when it is wrong; unfinished files end in ".partial" and are gone on with. Servers are reached through the proxies of
// the environment, with the credentials that helpers, ~/.netrc or the file of $NETRC know for exactly their host. With
// --check nothing is downloaded. Exit status 1 means that DIR is not complete; every package that is missing is named.
//
// No build action runs this program.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

func main() { cli.Main("rpmfetch", run) }

const (
	defaultJobs    = 8
	maxJobs        = 64
	defaultRetries = 3
	maxRetries     = 100
	firstPause     = 500 * time.Millisecond
)

// command is one parsed command line.
type command struct {
	lockPath string
	out      string
	layout   string
	archs    cli.Strings
	mirrors  cli.Strings
	jobs     int
	check    bool

	client   *fetch.Client
	progress *progress
}

func run(args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	f, err := os.Open(c.lockPath)
	if err != nil {
		return fmt.Errorf("reading lock: %w", err)
	}
	defer f.Close()
	lock, err := lockfile.Read(f, c.lockPath)
	if err != nil {
		return err
	}
	items, err := plan(lock, c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return c.fetch(ctx, items)
}

func parse(args []string) (*command, error) {
	c := &command{}
	access := fetch.Access{Proxy: http.ProxyFromEnvironment}
	var helpers cli.Strings
	retries := 0
	fs := cli.NewFlagSet("rpmfetch")
	fs.StringVar(&c.lockPath, "lock", "", "the lock, rpms.lock.json")
	fs.StringVar(&c.out, "out", "", "the folder to fill, the same as DIR")
	fs.StringVar(&c.layout, "layout", layoutMirror, "mirror or distdir")
	fs.Var(&c.archs, "arch", "only this architecture; may be repeated")
	fs.Var(&c.mirrors, "mirror", "URL or folder of the layout mirror, to try before the repositories; may be repeated")
	fs.IntVar(&c.jobs, "jobs", defaultJobs, "how many files to download at a time")
	fs.IntVar(&retries, "retries", defaultRetries, "how often to ask a server again that is overloaded or breaks off")
	fs.BoolVar(&c.check, "check", false, "download nothing; fail when something is missing or wrong")
	fs.Var(&helpers, "credential-helper", "[HOST=]PROGRAM that knows credentials, as for Bazel; may be repeated")
	access.Flags(fs)
	var flags, words []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags = append(flags, arg)
		} else {
			words = append(words, arg)
		}
	}
	if err := cli.Parse(fs, flags, "lock"); err != nil {
		return nil, err
	}
	if c.out != "" {
		words = append(words, c.out)
	}
	switch {
	case len(words) != 1:
		return nil, cli.Hint(fmt.Errorf("%d folders to fill, not one", len(words)), "rpmfetch DIR --lock=rpms.lock.json, or bazel run @<release>//:mirror -- DIR")
	case c.layout != layoutMirror && c.layout != layoutDistdir:
		return nil, fmt.Errorf("unknown layout %q; known are %s and %s", c.layout, layoutMirror, layoutDistdir)
	case c.jobs < 1 || c.jobs > maxJobs:
		return nil, fmt.Errorf("--jobs=%d is not between 1 and %d", c.jobs, maxJobs)
	case retries < 0 || retries > maxRetries:
		return nil, fmt.Errorf("--retries=%d is not between 0 and %d", retries, maxRetries)
	}
	c.lockPath, c.out = atCaller(c.lockPath), atCaller(words[0])
	for i, mirror := range c.mirrors {
		if !strings.Contains(mirror, "://") {
			c.mirrors[i] = atCaller(mirror)
		}
	}
	return c, c.connect(access, helpers, retries)
}

// connect makes the client.
func (c *command) connect(access fetch.Access, helpers []string, retries int) error {
	asked, err := parseHelpers(helpers)
	if err != nil {
		return err
	}
	access.Credentials = []fetch.Credentials{asked.credentials, fetch.NetrcCredentials(os.Getenv)}
	access.ClientCert, access.ClientKey, access.CA = atCaller(access.ClientCert), atCaller(access.ClientKey), atCaller(access.CA)
	httpClient, err := fetch.NewHTTPClient(access)
	if err != nil {
		return err
	}
	c.client = &fetch.Client{HTTP: httpClient, Root: filepath.Dir(c.lockPath), Retries: retries, Pause: firstPause, Advise: advise}
	return nil
}

func advise(err error) error {
	var mismatch *fetch.MismatchError
	switch {
	case errors.As(err, &mismatch):
		return cli.Hint(err, "the repository has another file now than when the lock was made: make the lock again, or name a --mirror that kept the old one")
	case fetch.IsNotFound(err):
		return cli.Hint(err, "repositories drop old versions: make the lock again, or name a --mirror that kept them")
	case fetch.IsNetwork(err):
		return cli.Hint(err, "check the network and the proxy variables, then run again: what has come is kept")
	}
	return err
}

// atCaller makes a path relative to the folder where the user typed "bazel run", which runs programs elsewhere.
func atCaller(path string) string {
	if dir := os.Getenv("BUILD_WORKING_DIRECTORY"); dir != "" && path != "" && !filepath.IsAbs(path) {
		return filepath.Join(dir, path)
	}
	return path
}
