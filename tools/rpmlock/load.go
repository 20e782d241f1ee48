package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/modulemd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// repository is one repository of the manifest, read for one architecture.
type repository struct {
	client  *fetch.Client
	config  *lockfile.ManifestRepository
	arch    string
	keys    *keyring
	urls    []string // in the order of the manifest or mirror list, for the lock
	bases   []string // the same, the mirror that gave repomd.xml in front
	index   *repomd.Index
	locked  *lockfile.Repository // what the lock says of it; nil when it says nothing
	older   bool                 // an older version than one already seen is welcome
	sum     [sha256.Size]byte    // of repomd.xml
	primary *repomd.Primary
	streams *modulemd.Index   // nil when the repository has no modules
	modules *modulemd.Active  // of all repositories together; nil when none has modules
	found   []string          // bases at which packages were found that the metadata does not list
	heads   map[string][]byte // sha256 -> start of the file, for packages that the metadata does not list; see rescue
}

// load reads every repository of the manifest for an architecture, all at once; the second time it returns what it has.
func (c *command) load(ctx context.Context, m *lockfile.Manifest, arch string) ([]*repository, error) {
	if repos, ok := c.loaded.Load(arch); ok {
		return repos.([]*repository), nil
	}
	var repos []*repository
	for i := range m.Repositories {
		if m.Repositories[i].For(arch) {
			repos = append(repos, &repository{
				client: c.client, config: &m.Repositories[i], arch: arch, older: c.allowOlder,
				locked: c.lockedRepository(m.Repositories[i].ID, arch),
			})
		}
	}
	errs := make([]error, len(repos))
	var wait sync.WaitGroup
	for i, r := range repos {
		wait.Go(func() {
			if err := r.load(ctx, m, filepath.Dir(c.manifestPath)); err != nil {
				errs[i] = fmt.Errorf("repository %s for %s: %w", r.config.ID, arch, err)
				return
			}
			c.progress.say("metadata "+r.config.ID+" "+arch, "read the metadata of %s for %s", r.config.ID, arch)
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := activateModules(m, arch, repos); err != nil {
		return nil, err
	}
	c.loaded.Store(arch, repos)
	return repos, nil
}

func (r *repository) load(ctx context.Context, m *lockfile.Manifest, manifestDir string) (err error) {
	if r.keys, err = loadKeys(manifestDir, r.config); err != nil {
		return err
	}
	source, err := r.source(m)
	if err != nil {
		return err
	}
	mirrors, err := r.client.Mirrors(ctx, source)
	if err != nil {
		return err
	}
	r.urls, r.bases = mirrors.Bases, mirrors.Bases
	if err := r.loadFrom(ctx, mirrors, seenName(source, r.arch)); err != nil {
		return err
	}
	return r.loadModules(ctx)
}

// variables are those of the manifest and of the architecture.
func (r *repository) variables(m *lockfile.Manifest) map[string]string {
	vars := maps.Clone(m.Vars)
	if vars == nil {
		vars = map[string]string{}
	}
	vars["basearch"], vars["arch"] = r.arch, r.arch
	if m.ReleaseVer != "" {
		vars["releasever"] = m.ReleaseVer
	}
	return vars
}

// source expands the variables of the URLs.
func (r *repository) source(m *lockfile.Manifest) (s fetch.Source, err error) {
	vars := r.variables(m)
	s.Vars = vars
	for _, base := range r.config.BaseURL {
		if base, err = fetch.Expand(base, vars); err != nil {
			return s, err
		}
		s.BaseURLs = append(s.BaseURLs, base)
	}
	if s.MirrorList, err = fetch.Expand(r.config.MirrorList, vars); err != nil {
		return s, err
	}
	s.MetaLink, err = fetch.Expand(r.config.MetaLink, vars)
	return s, err
}

// maxSignature bounds repomd.xml.asc.
const maxSignature = 1 << 20

// open returns a metadata file, verified against repomd.xml.
func (r *repository) open(ctx context.Context, kind string) (*os.File, *repomd.Record, error) {
	record := r.index.Find(kind)
	if record == nil {
		for _, other := range []string{"_zck", "_db"} {
			if r.index.Find(kind+other) != nil {
				err := fmt.Errorf("repomd.xml offers %s as zchunk or sqlite (type %q) only; XML is needed", kind, kind+other)
				return nil, nil, cli.Hint(err, "let createrepo_c write XML, which it does unless it is told otherwise")
			}
		}
		return nil, nil, fmt.Errorf("repomd.xml names no file of type %q", kind)
	}
	f, err := r.client.File(ctx, r.bases, record.Location, fetch.Digest{
		Type: record.ChecksumType, Hex: record.Checksum, SizeBytes: record.SizeBytes,
	})
	var mismatch *fetch.MismatchError
	if errors.As(err, &mismatch) {
		err = cli.Hint(err, "the mirror is damaged or was being updated; try again")
	}
	return f, record, err
}

// unpack is open and opens the content.
func (r *repository) unpack(ctx context.Context, kind string, read func(io.Reader) error) error {
	f, record, err := r.open(ctx, kind)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := repomd.Decompress(f, record.OpenBytes)
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", record.Location, err)
	}
	defer content.Close()
	err = read(content)
	var size *repomd.SizeError
	if errors.As(err, &size) {
		err = cli.Hint(fmt.Errorf("unpacking %s: %w", record.Location, err), "the repository is damaged or hostile; try another mirror, and tell those who publish it")
	}
	return err
}

// files looks paths up in filelists.xml.
func (r *repository) files(ctx context.Context, wanted map[string]bool) (found []repomd.FoundFile, err error) {
	err = r.unpack(ctx, "filelists", func(content io.Reader) (err error) {
		found, err = repomd.ScanFilelists(content, wanted)
		return err
	})
	return found, err
}

// advisories reads updateinfo.xml; a repository without one has none.
func (r *repository) advisories(ctx context.Context) (list []repomd.Advisory, err error) {
	if r.index.Find("updateinfo") == nil {
		return nil, nil
	}
	err = r.unpack(ctx, "updateinfo", func(content io.Reader) (err error) {
		list, err = repomd.ParseUpdateinfo(content)
		return err
	})
	return list, err
}

// universe indexes repositories for the resolver, and returns the pins that match nothing there.
func universe(m *lockfile.Manifest, arch string, repos []*repository) (*resolve.Universe, []*resolve.PinError) {
	var list []resolve.Repository
	for _, r := range repos {
		list = append(list, resolve.Repository{
			ID: r.config.ID, Priority: r.config.Priority, Primary: r.primary, Exclude: r.config.Exclude, Hides: r.hides(),
		})
	}
	u := resolve.NewUniverse(arch, list, m.Exclude)
	return u, u.Pin(m.Pin)
}

// options are what the manifest asks of the resolver for the architecture of a universe.
func options(ctx context.Context, m *lockfile.Manifest, u *resolve.Universe, repos []*repository) resolve.Options {
	out := resolve.Options{
		Weak: m.Weak, Best: m.Best, Policy: resolve.Policy(m.Policy), Budget: m.Budget, Files: addFiles(ctx, u, repos),
	}
	out.Roots = rootNames(m.For(u.Arch))
	return out
}

// addFiles is resolve.Options.Files for repositories.
func addFiles(ctx context.Context, u *resolve.Universe, repos []*repository) func(paths []string) error {
	return func(paths []string) error {
		wanted := make(map[string]bool, len(paths))
		for _, path := range paths {
			wanted[path] = true
		}
		for i, r := range repos {
			found, err := r.files(ctx, wanted)
			if err != nil {
				return fmt.Errorf("repository %s for %s: looking up %s: %w", r.config.ID, r.arch, paths[0], err)
			}
			u.AddFiles(i, found)
		}
		return nil
	}
}

// entry is the repository's line in the lock.
func (r *repository) entry() lockfile.Repository {
	return lockfile.Repository{
		ID: r.config.ID, Arch: r.arch, URLs: r.urls, Revision: r.index.Revision, RepomdSHA256: hex.EncodeToString(r.sum[:]),
		Fingerprints: r.config.Fingerprints, GPGCheck: r.config.CheckPackages(), RepoGPGCheck: r.config.RepoGPGCheck,
	}
}
