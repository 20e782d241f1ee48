package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

const indexLocation = "repodata/repomd.xml"

// skewed marks what a repository that is being published, or mirrors of different age, look like: files that do not fit
// together. Another mirror, or the same one a moment later, may be whole.
type skewed struct{ error }

func (s skewed) Unwrap() error { return s.error }

// loadFrom reads repomd.xml and primary.xml. The first mirror whose repomd.xml is signed, current and whole counts: what is
// older than the metalink says, than the lock or than an earlier run saw, is taken from another mirror or refused.
func (r *repository) loadFrom(ctx context.Context, mirrors *fetch.Mirrors, seen string) error {
	for round := 0; ; round++ {
		err := r.loadRound(ctx, mirrors, seen, round > 0)
		var skew skewed
		if err == nil || round > 0 || !errors.As(err, &skew) {
			return err
		}
		select { // the repository was probably replaced between two requests
		case <-ctx.Done():
			return err
		case <-time.After(r.client.Pause):
		}
	}
}

// loadRound tries every mirror once; full asks for repomd.xml even if the server says that it has not changed.
func (r *repository) loadRound(ctx context.Context, mirrors *fetch.Mirrors, seen string, full bool) error {
	var errs []error
	var older []*candidate
	use := func(c *candidate) bool {
		err := r.use(ctx, mirrors, c)
		if err == nil {
			c.keep()
			r.remember(seen)
			return true
		}
		errs = append(errs, err)
		return false
	}
	for _, base := range mirrors.Bases {
		c, err := r.candidate(ctx, mirrors, base, seen, full)
		switch {
		case err != nil:
			errs = append(errs, err)
		case c.rank > 0:
			older = append(older, c)
		case use(c):
			return nil
		}
		if ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
	slices.SortStableFunc(older, func(a, b *candidate) int { return a.rank - b.rank })
	if slices.ContainsFunc(older, use) {
		return nil
	}
	return errors.Join(errs...)
}

// candidate is a repomd.xml whose signature and age are right.
type candidate struct {
	base  string
	data  []byte
	index *repomd.Index
	rank  int // see fetch.Mirrors
	keep  func()
}

// candidate reads repomd.xml from a mirror and, when asked to, checks its signature.
func (r *repository) candidate(ctx context.Context, mirrors *fetch.Mirrors, base, seen string, full bool) (*candidate, error) {
	got, err := r.client.GetCurrent(ctx, base, indexLocation, repomd.MaxIndexBytes, full)
	if err != nil {
		return nil, err
	}
	c := &candidate{base: base, data: got.Data, keep: got.Keep}
	if c.rank, err = mirrors.Rank(got.Data); err != nil {
		return nil, cli.Hint(skewed{fmt.Errorf("%s%s: %w", base, indexLocation, err)}, "the mirror is out of date or damaged")
	}
	if r.config.RepoGPGCheck {
		signature, err := r.client.GetCurrent(ctx, base, indexLocation+".asc", maxSignature, full)
		if err != nil {
			return nil, cli.Hint(err, "repo_gpgcheck is on, so repomd.xml.asc must exist")
		}
		if err := r.keys.verifyDetached(got.Data, signature.Data); err != nil {
			return nil, cli.Hint(skewed{fmt.Errorf("%s%s: %w", base, indexLocation, err)},
				"if the vendor changed its key, review the new one and pin its fingerprint")
		}
		c.keep = func() { got.Keep(); signature.Keep() }
	}
	if c.index, err = repomd.ParseIndex(got.Data); err != nil {
		return nil, fmt.Errorf("%w (from %s)", err, base)
	}
	if !r.older && !fetch.IsLocal(base) {
		err = r.checkAge(c, seen)
	}
	return c, err
}

// use reads primary.xml as a candidate says. Each file may come from any mirror that has it.
func (r *repository) use(ctx context.Context, mirrors *fetch.Mirrors, c *candidate) error {
	r.index, r.sum = c.index, sha256.Sum256(c.data)
	r.bases = append([]string{c.base}, slices.DeleteFunc(slices.Clone(mirrors.Bases), func(b string) bool { return b == c.base })...)
	err := r.loadPrimary(ctx)
	var mismatch *fetch.MismatchError
	if errors.As(err, &mismatch) || fetch.IsNotFound(err) {
		err = skewed{err}
	}
	return err
}

// loadPrimary reads primary.xml, or its tables as an earlier run stored them.
func (r *repository) loadPrimary(ctx context.Context) (err error) {
	name := ""
	if record := r.index.Find("primary"); record != nil && record.Strong() {
		name = record.ChecksumType + "-" + record.Checksum
		if r.primary = r.loadStored(name); r.primary != nil {
			return nil
		}
	}
	err = r.unpack(ctx, "primary", func(content io.Reader) (err error) {
		r.primary, err = repomd.ParsePrimary(content)
		return err
	})
	if err == nil && name != "" {
		r.client.StoreDerived(storedKind, name, r.primary.Store)
	}
	return err
}

// storedPrefix begins the names of the folders for parsed metadata.
const storedPrefix = "parsed-"

var storedKind = storedPrefix + strconv.Itoa(repomd.StoredVersion)

// loadStored returns nil when there is nothing, or nothing whole.
func (r *repository) loadStored(name string) *repomd.Primary {
	f := r.client.Derived(storedKind, name)
	if f == nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	p, err := repomd.LoadPrimary(f, info.Size())
	if err != nil {
		return nil
	}
	return p
}

// sight is the newest state of a repository that this machine has seen, by its timestamps.
type sight struct {
	Source string `json:"source"`
	Time   int64  `json:"time"`
}

const seenKind = "seen"

// seenName names the file that remembers a repository.
func seenName(s fetch.Source, arch string) string {
	text := strings.Join(append([]string{arch, s.MirrorList, s.MetaLink}, s.BaseURLs...), "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (r *repository) lastSeen(name string) (s sight) {
	f := r.client.Derived(seenKind, name)
	if f == nil {
		return s
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, 64<<10)).Decode(&s) != nil {
		return sight{}
	}
	return s
}

// remember notes how new a repository is that was read as a whole.
func (r *repository) remember(name string) {
	if fetch.IsLocal(r.bases[0]) {
		return
	}
	now := sight{r.bases[0], r.index.Time()}
	if now.Time > r.lastSeen(name).Time || r.older {
		r.client.StoreDerived(seenKind, name, func(w io.Writer) error { return json.NewEncoder(w).Encode(now) })
	}
}

// checkAge refuses a repomd.xml that is older than the one of the lock or of an earlier run: a mirror that is stuck, or someone
// who replays old metadata, takes updates away. A folder of one's own may go back, and URLs that differ are another repository.
func (r *repository) checkAge(c *candidate, seen string) error {
	at := c.index.Time()
	if last := r.lastSeen(seen); at < last.Time {
		return staleError(c.base, fmt.Sprintf("it is of %s, and an earlier run has seen the one of %s", date(at), date(last.Time)))
	}
	if r.locked == nil || !slices.ContainsFunc(r.locked.URLs, func(url string) bool { return slices.Contains(r.urls, url) }) {
		return nil
	}
	have, err := strconv.ParseInt(c.index.Revision, 10, 64)
	want, err1 := strconv.ParseInt(r.locked.Revision, 10, 64)
	if err == nil && err1 == nil && have < want {
		return staleError(c.base, fmt.Sprintf("its revision is %d, and the lock was made from revision %d", have, want))
	}
	return nil
}

func staleError(base, why string) error {
	return cli.Hint(fmt.Errorf("%s%s is out of date: %s", base, indexLocation, why),
		"try again later or with another mirror; if the repository was really set back, add --allow-older")
}

func date(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("2006-01-02 15:04:05 UTC") }

// lockedRepository is what the lock says of a repository, nil when there is no lock yet or it cannot be read.
func (c *command) lockedRepository(id, arch string) *lockfile.Repository {
	c.lockOnce.Do(func() {
		if l, err := c.locked(); err == nil {
			c.oldRepositories = l.Repositories
		}
	})
	for i := range c.oldRepositories {
		if r := &c.oldRepositories[i]; r.ID == id && r.Arch == arch {
			return r
		}
	}
	return nil
}

// sweepCache removes what killed runs left in the cache, and parsed metadata that is probably of the past.
func (c *command) sweepCache() {
	now := time.Now()
	c.client.Sweep(now.AddDate(0, 0, -1), now.AddDate(0, 0, -30), func(folder string) bool { return strings.HasPrefix(folder, storedPrefix) })
}
