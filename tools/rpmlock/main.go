// Rpmlock makes and queries rpms.lock.json, the exact list of packages that a release may use.
//
//	rpmlock lock      --manifest=rpms.yaml --lock=rpms.lock.json [--cache=DIR] [--check]
//	rpmlock provides  WHAT... --manifest=rpms.yaml --lock=rpms.lock.json [--cache=DIR] [--arch=A]
//	rpmlock why       NAME... --lock=rpms.lock.json [--manifest=F] [--arch=A]
//	rpmlock verify    --manifest=rpms.yaml --lock=rpms.lock.json [--cache=DIR]
//
// lock reads the repositories of the manifest, resolves its roots for every architecture, reads and verifies the header of
// each package, and writes the lock. With --check nothing is written and a lock that would change is an error. provides says
// which packages of the repositories have a file or capability, why shows the chain of edges from a root to a package, verify
// looks whether everything the lock names is still there and unchanged.
//
// Servers are reached through the proxies of the environment, with the credentials of ~/.netrc or $NETRC, and with the
// certificates that --client-cert, --client-key and --ca name. Only this program and rpmfetch use the network, and neither
// runs in a build action.
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
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

func main() { cli.Main("rpmlock", run) }

// command is one parsed command line.
type command struct {
	manifestPath string
	lockPath     string
	check        bool
	arch         string
	words        []string

	client   *fetch.Client
	progress *progress
}

func run(args []string) error {
	verbs := map[string]func(context.Context, *command) error{
		"lock": lock, "provides": provides, "why": why, "verify": verify,
	}
	usage := "verbs: lock, provides, why, verify; flags: --manifest --lock --cache --check --arch"
	if len(args) == 0 {
		return cli.Hint(errors.New("no verb"), "%s", usage)
	}
	do := verbs[args[0]]
	if do == nil {
		return cli.Hint(fmt.Errorf("unknown verb %q", args[0]), "%s", usage)
	}
	c, err := parse(args[0], args[1:])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer c.progress.done()
	return do(ctx, c)
}

// parse reads the flags of a verb. provides and why also take words.
func parse(verb string, args []string) (*command, error) {
	c := &command{progress: newProgress(os.Stderr)}
	fs := cli.NewFlagSet("rpmlock " + verb)
	cache := ""
	fs.StringVar(&c.manifestPath, "manifest", "", "the manifest, rpms.yaml")
	fs.StringVar(&c.lockPath, "lock", "", "the lock, rpms.lock.json")
	fs.StringVar(&cache, "cache", "", "folder for verified downloads")
	fs.BoolVar(&c.check, "check", false, "lock: fail when the lock would change")
	fs.StringVar(&c.arch, "arch", "", "why, provides: only this architecture")
	required := []string{"lock", "manifest"}
	if verb == "why" {
		required = required[:1]
	}
	access := fetch.Access{Proxy: http.ProxyFromEnvironment, Credentials: []fetch.Credentials{fetch.NetrcCredentials(os.Getenv)}}
	access.Flags(fs)
	var flags []string
	for _, arg := range args {
		if (verb == "why" || verb == "provides") && !strings.HasPrefix(arg, "-") {
			c.words = append(c.words, arg)
		} else {
			flags = append(flags, arg)
		}
	}
	if err := cli.Parse(fs, flags, required...); err != nil {
		return nil, err
	}
	if (verb == "why" || verb == "provides") && len(c.words) == 0 {
		return nil, fmt.Errorf("%s: nothing asked", verb)
	}
	if cache == "" {
		if user, err := os.UserCacheDir(); err == nil {
			cache = filepath.Join(user, "slimrpm")
		}
	}
	c.manifestPath, c.lockPath, cache = atCaller(c.manifestPath), atCaller(c.lockPath), atCaller(cache)
	access.ClientCert, access.ClientKey, access.CA = atCaller(access.ClientCert), atCaller(access.ClientKey), atCaller(access.CA)
	httpClient, err := fetch.NewHTTPClient(access)
	if err != nil {
		return nil, err
	}
	c.client = &fetch.Client{
		HTTP: httpClient, CacheDir: cache, Root: filepath.Dir(c.lockPath), Retries: 3, Pause: 500 * time.Millisecond,
	}
	return c, nil
}

// atCaller makes a path relative to the folder where the user typed "bazel run", which runs programs elsewhere.
func atCaller(path string) string {
	if dir := os.Getenv("BUILD_WORKING_DIRECTORY"); dir != "" && path != "" && !filepath.IsAbs(path) {
		return filepath.Join(dir, path)
	}
	return path
}

// manifest reads the manifest and its bytes.
func (c *command) manifest() (*lockfile.Manifest, []byte, error) {
	data, err := os.ReadFile(c.manifestPath)
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifest: %w", err)
	}
	m, err := lockfile.ParseManifest(data, c.manifestPath)
	return m, data, err
}

// locked reads the lock.
func (c *command) locked() (*lockfile.Lock, error) {
	f, err := os.Open(c.lockPath)
	if err != nil {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	defer f.Close()
	return lockfile.Read(f, c.lockPath)
}

// lockCommand is what makes the lock, for hints.
func (c *command) lockCommand() string {
	return fmt.Sprintf("rpmlock lock --manifest=%s --lock=%s", c.manifestPath, c.lockPath)
}
