package build

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// IndexRepository writes repodata for a directory of RPMs and signs it. Everything in it is a function of the RPMs: revision and
// all times are those of the newest package.
func IndexRepository(dir string, revision int64, s *Signer) error {
	c := exec.Command("createrepo_c", "--quiet", "--no-database", "--general-compress-type=zstd", "--revision="+strconv.FormatInt(revision, 10),
		"--set-timestamp-to-revision", "--checksum=sha256", "--workers=2", dir)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + s.Home}
	if _, err := run(c); err != nil {
		return fmt.Errorf("indexing %s: %w", filepath.Base(dir), err)
	}
	return s.Detach(filepath.Join(dir, "repodata/repomd.xml"))
}

// Header is what the checks need of a built RPM.
type Header struct {
	File      string
	Name      string
	BuildTime int64
	Requires  []string
	Provides  []string
	Paths     []string
}

// headerFormat has one line per fact, marked by its first letter.
const headerFormat = `N %{NAME}\nB %{BUILDTIME}\n[R %{REQUIRENAME}\n][P %{PROVIDENAME}\n][F %{FILENAMES}\n]`

// ReadHeaders asks rpm for the headers of many files.
func ReadHeaders(files []string) ([]Header, error) {
	if len(files) == 0 {
		return nil, nil
	}
	c := exec.Command("rpm", append([]string{"-qp", "--nosignature", "--nodigest", "--nomanifest", "--qf", headerFormat}, files...)...)
	out, err := run(c)
	if err != nil {
		return nil, fmt.Errorf("reading the built packages: %w", err)
	}
	var headers []Header
	for _, line := range bytes.Split(out, []byte("\n")) {
		if len(line) < 2 {
			continue
		}
		value := string(line[2:])
		if line[0] == 'N' {
			if len(headers) == len(files) {
				return nil, fmt.Errorf("reading the built packages: more headers than files")
			}
			headers = append(headers, Header{File: files[len(headers)], Name: value})
			continue
		}
		if len(headers) == 0 {
			return nil, fmt.Errorf("reading the built packages: unexpected answer %.60q", line)
		}
		h := &headers[len(headers)-1]
		switch line[0] {
		case 'B':
			if h.BuildTime, err = strconv.ParseInt(value, 10, 64); err != nil {
				return nil, fmt.Errorf("build time of %s: %w", h.Name, err)
			}
		case 'R':
			h.Requires = append(h.Requires, value)
		case 'P':
			h.Provides = append(h.Provides, value)
		case 'F':
			h.Paths = append(h.Paths, value)
		}
	}
	if len(headers) != len(files) {
		return nil, fmt.Errorf("reading the built packages: %d headers of %d files", len(headers), len(files))
	}
	return headers, nil
}

// Unresolved lists the requires that nothing in the release provides, as "package: requires", sorted.
func Unresolved(headers []Header) []string {
	have := map[string]bool{}
	for _, h := range headers {
		for _, list := range [][]string{h.Provides, h.Paths} {
			for _, x := range list {
				have[x] = true
			}
		}
	}
	missing := map[string]bool{}
	for _, h := range headers {
		for _, x := range h.Requires {
			if !have[x] && !strings.HasPrefix(x, "rpmlib(") {
				missing[h.Name+": "+x] = true
			}
		}
	}
	out := sortedKeys(missing)
	sort.Strings(out)
	return out
}

// Place hard-links a file, or copies it where that is not possible.
func Place(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
