// Rpmlock makes and queries rpms.lock.json, the exact list of packages that a release may use.
//
//	rpmlock init      DISTRIBUTION [--version=V] [--dir=D | --manifest=F] [--release=NAME]
//	rpmlock import    FILE... --manifest=F --lock=F [--release=NAME]
//	rpmlock lock      --manifest=F --lock=F [--check]
//	rpmlock update    [NAME...] [--only=NAME] [--security] [--dry-run] [--releasever=V] [--format=F] [--images=F [--record=F]] --manifest=F --lock=F
//	rpmlock outdated  [--security] [--releasever=V] [--format=F] [--arch=A] [--images=F] --manifest=F --lock=F
//	rpmlock summary   RECORD --images=F [--format=F]
//	rpmlock diff      OLD [NEW] [--lock=F] [--manifest=F [--advisories]] [--format=F] [--images=F [--record=F]]
//	rpmlock provides  WHAT... --manifest=F --lock=F [--arch=A]
//	rpmlock why       NAME... --lock=F [--all] [--arch=A]
//	rpmlock why-not   WHAT... --manifest=F [--arch=A]
//	rpmlock verify    --manifest=F --lock=F [--full] [--arch=A]
//	rpmlock export    --lock=F [--out=F]
//
// All take --cache=DIR, --mirror=URL and --quiet. lock reads the repositories of the manifest, resolves its roots for every architecture, reads
// and verifies the header of each package, and writes the lock; what an earlier lock holds stays. update moves to newer versions,
// outdated says what that would bring and exits with 10 when something is due. With --images, both say which images it is for, and
// summary says it of images that are built again. rules/docs/locking.md tells the whole story.
//
// Servers are reached through the proxies of the environment, with the credentials of ~/.netrc or $NETRC, and with the
// certificates that --client-cert, --client-key and --ca name. Only this program and rpmfetch use the network, and neither
// runs in a build action.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

func main() { cli.Main("rpmlock", run) }

// command is one parsed command line.
type command struct {
	verb         *verb
	manifestPath string
	lockPath     string
	words        []string

	check, security, all, full, dryRun, advisories bool
	arch, format, releasever                       string
	version, dir, release, outPath                 string
	imagesPath, recordPath                         string
	only                                           []string
	mirrors                                        []string // base URLs of folders in rpmfetch's layout mirror, each ending in "/"

	client     *fetch.Client
	allowOlder bool     // older repositories than those seen before are welcome
	loaded     sync.Map // architecture -> []*repository

	lockOnce        sync.Once // reads oldRepositories
	oldRepositories []lockfile.Repository

	progress *progress
	out      io.Writer
}

func run(args []string) error {
	usage := "verbs: " + strings.Join(verbNames(), ", ")
	args, err := targetArgs(args)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return cli.Hint(errors.New("no verb"), "%s", usage)
	}
	v := findVerb(args[0])
	if v == nil {
		err := fmt.Errorf("unknown verb %q", args[0])
		if near := lockfile.NearMisses(args[0], verbNames(), 1); len(near) > 0 {
			err = cli.Hint(err, "did you mean %s?", near[0])
		}
		return cli.Hint(err, "%s", usage)
	}
	c, err := parse(v, args[1:])
	if err != nil {
		return err
	}
	return c.do()
}

func (c *command) do() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer c.progress.done()
	c.sweepCache()
	return c.verb.do(ctx, c)
}

// parse reads the flags and words of a verb.
func parse(v *verb, args []string) (*command, error) {
	c := &command{verb: v, progress: newProgress(os.Stderr), out: os.Stdout}
	fs := cli.NewFlagSet("rpmlock " + v.name)
	access := fetch.Access{Proxy: http.ProxyFromEnvironment, Credentials: []fetch.Credentials{fetch.NetrcCredentials(os.Getenv)}}
	access.Flags(fs)
	cache := fs.String("cache", "", "folder for verified downloads")
	fs.StringVar(&c.manifestPath, "manifest", "", "the manifest, rpms.yaml")
	fs.StringVar(&c.lockPath, "lock", "", "the lock, rpms.lock.json")
	retries := fs.Int("retries", 3, "how often a server that is overloaded or breaks off is asked again")
	fs.BoolVar(&c.allowOlder, "allow-older", false, "take repositories that are older than the lock or an earlier run has seen them")
	quiet := fs.Bool("quiet", false, "show no progress")
	mirrors := (*cli.Strings)(&c.mirrors)
	fs.Var(mirrors, "mirror", "folder or URL in rpmfetch's layout mirror to look for packages that a repository has dropped; may be repeated")
	c.ownFlags(fs, v)
	var flags []string
	c.words, flags = v.split(args)
	if err := cli.Parse(fs, flags, v.required...); err != nil {
		return nil, err
	}
	if *quiet {
		c.progress.out = nil
	}
	if err := c.checkWords(args); err != nil {
		return nil, err
	}
	if *cache == "" {
		if user, err := os.UserCacheDir(); err == nil {
			*cache = filepath.Join(user, "slimrpm")
		}
	}
	for _, path := range []*string{&c.manifestPath, &c.lockPath, cache, &access.ClientCert, &access.ClientKey, &access.CA, &c.imagesPath, &c.recordPath} {
		*path = atCaller(*path)
	}
	for i, mirror := range c.mirrors {
		if !strings.Contains(mirror, "://") {
			mirror = atCaller(mirror)
			if abs, err := filepath.Abs(mirror); err == nil {
				mirror = abs
			}
		}
		c.mirrors[i] = strings.TrimSuffix(mirror, "/") + "/"
	}
	httpClient, err := fetch.NewHTTPClient(access)
	if err != nil {
		return nil, err
	}
	c.client = &fetch.Client{
		HTTP: httpClient, CacheDir: *cache, Root: filepath.Dir(c.lockPath), Retries: *retries, Pause: 500 * time.Millisecond,
		Progress: c.progress.fetching,
	}
	return c, nil
}

// ownFlags adds the flags that only some verbs have.
func (c *command) ownFlags(fs *flag.FlagSet, v *verb) {
	only := (*cli.Strings)(&c.only)
	for name, add := range map[string]func(name string){
		"check": func(name string) { fs.BoolVar(&c.check, name, false, "fail when the lock would change; write nothing") },
		"only":  func(name string) { fs.Var(only, name, "name of a package to update, with nothing but what it needs") },
		"security": func(name string) {
			fs.BoolVar(&c.security, name, false, "update packages with a security advisory only")
		},
		"format":  func(name string) { fs.StringVar(&c.format, name, "text", "text, markdown or json") },
		"dry-run": func(name string) { fs.BoolVar(&c.dryRun, name, false, "say what would change; write nothing") },
		"releasever": func(name string) {
			fs.StringVar(&c.releasever, name, "", "another value of releasever than the manifest's")
		},
		"arch":    func(name string) { fs.StringVar(&c.arch, name, "", "only this architecture") },
		"version": func(name string) { fs.StringVar(&c.version, name, "", "version of the distribution") },
		"dir":     func(name string) { fs.StringVar(&c.dir, name, ".", "folder to write to") },
		"release": func(name string) { fs.StringVar(&c.release, name, "", "name of the release in the manifest") },
		"images": func(name string) {
			fs.StringVar(&c.imagesPath, name, "", "inventory.json of the images of the release")
		},
		"record": func(name string) { fs.StringVar(&c.recordPath, name, "", "file to write for summary") },
		"out":    func(name string) { fs.StringVar(&c.outPath, name, "", "file to write; stdout when empty") },
		"all":    func(name string) { fs.BoolVar(&c.all, name, false, "every chain, not only the shortest") },
		"full":   func(name string) { fs.BoolVar(&c.full, name, false, "read every package and compare its checksum") },
		"advisories": func(name string) {
			fs.BoolVar(&c.advisories, name, false, "name the advisories of each change; reads the repositories")
		},
	} {
		if slices.Contains(v.flags, name) {
			add(name)
		}
	}
}

// checkWords looks at the words and at values that only some words may have.
func (c *command) checkWords(args []string) error {
	v := c.verb
	if v.minWords > 0 && len(c.words) == 0 {
		return fmt.Errorf("%s: nothing asked: it takes %s", v.name, v.words)
	}
	if len(c.words) < v.minWords || v.maxWords > 0 && len(c.words) > v.maxWords {
		return fmt.Errorf("%s takes %s; %d given", v.name, v.words, len(c.words))
	}
	if slices.Contains(v.flags, "format") && !slices.Contains([]string{"text", "markdown", "json"}, c.format) {
		return fmt.Errorf("unknown format %q (known: text, markdown, json)", c.format)
	}
	if c.recordPath != "" && c.imagesPath == "" {
		return errors.New("--record needs --images: it keeps what the images are before the update")
	}
	if slices.Contains(args, "--only") && len(c.words) == 0 {
		return errors.New("--only names no package")
	}
	return nil
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

// updateCommand is what moves the lock to the newest versions, for hints.
func (c *command) updateCommand() string {
	return fmt.Sprintf("rpmlock update --manifest=%s --lock=%s", c.manifestPath, c.lockPath)
}
