package apt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
)

// Architectures are the Debian architectures of the release.
var Architectures = []string{"amd64", "arm64"}

// dropSettings are Acquire settings of the machine that would change what lands in the private directory.
var dropSettings = []string{"Acquire::IndexTargets", "Acquire::Languages", "Acquire::GzipIndexes", "Acquire::CompressionTypes", "Acquire::Changelogs"}

// Root is a private apt root.
type Root struct {
	Dir     string // private directory
	Machine string // where the machine's file system appears: "/", or a directory with etc/apt and usr/share/keyrings
	Suite   string
	// Security is whether the machine has a source for security updates.
	Security bool
}

// Open writes the private configuration.
func Open(dir, machine, suite string) (*Root, error) {
	r := &Root{Dir: dir, Machine: machine, Suite: suite}
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	sources, err := ReadSources(filepath.Join(machine, "etc/apt"))
	if err != nil {
		return nil, err
	}
	sources = ForSuite(sources, suite)
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s names no mirror of Debian", filepath.Join(machine, "etc/apt"))
	}
	for _, s := range sources {
		r.Security = r.Security || s.Suites[0] == suite+"-security"
	}
	settings, err := r.settings()
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(`APT::Architecture "amd64";
APT::Architectures { "%s"; };
APT::Sandbox::User "root";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "%[2]s/sources.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "%[3]s/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "%[3]s/etc/apt/trusted.gpg.d";
Dir::State "%[2]s";
Dir::State::status "%[2]s/status";
Dir::Cache "%[2]s";
`, strings.Join(Architectures, `"; "`), dir, strings.TrimSuffix(machine, "/")) + settings +
		"Acquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\n"
	for name, content := range map[string]string{"apt.conf": conf, "sources.sources": text(sources, machine, Architectures), "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// settings reads the machine's Acquire settings, such as proxies.
func (r *Root) settings() (string, error) {
	conf := filepath.Join(r.Dir, "machine.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf("Dir %q;\n", strings.TrimSuffix(r.Machine, "/")+"/")), 0o600); err != nil {
		return "", err
	}
	c := exec.Command("apt-config", "dump")
	c.Env = append(os.Environ(), "APT_CONFIG="+conf, "LC_ALL=C.UTF-8")
	out, err := run(c)
	if err != nil {
		return "", err
	}
	var kept strings.Builder
lines:
	for _, line := range strings.SplitAfter(string(out), "\n") {
		if !strings.HasPrefix(line, "Acquire::") {
			continue
		}
		for _, prefix := range dropSettings {
			if strings.HasPrefix(line, prefix) {
				continue lines
			}
		}
		kept.WriteString(line)
	}
	return kept.String(), nil
}

func (r *Root) apt(args ...string) *exec.Cmd {
	c := exec.Command("apt-get", append([]string{"-q"}, args...)...)
	c.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(r.Dir, "apt.conf"), "LC_ALL=C.UTF-8")
	return c
}

// Update refreshes the lists; any list that cannot be had is an error.
func (r *Root) Update() error {
	if _, err := run(r.apt("update", "--error-on=any")); err != nil {
		return fmt.Errorf("refreshing the package lists of %s: %w", r.Suite, err)
	}
	return nil
}

// Lists returns the Packages files by Debian architecture, sorted; empty if there are none yet.
func (r *Root) Lists() (map[string][]string, error) {
	out, err := run(r.apt("indextargets", "--format", "$(ARCHITECTURE) $(FILENAME)", "Created-By: Packages"))
	if err != nil {
		return nil, err
	}
	lists := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		architecture, name, ok := strings.Cut(line, " ")
		if ok && exists(name) {
			lists[architecture] = append(lists[architecture], name)
		}
	}
	for _, names := range lists {
		sort.Strings(names)
	}
	return lists, nil
}

// Index reads the lists of one architecture.
func Index(architecture string, lists []string) (*debian.Index, error) {
	x := debian.NewIndex(architecture)
	for _, name := range lists {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		err = x.Add(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Base(name), err)
		}
	}
	if x.Len() == 0 {
		return nil, fmt.Errorf("the package lists for %s are empty", architecture)
	}
	return x, nil
}

// Download gets packages into dir as <sha256>.deb. Those that are there stay untouched; a file only gets its name after its
// digest was compared with the signed list.
func (r *Root) Download(packages []*debian.Package, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	wanted := map[string]*debian.Package{}
	var args []string
	for _, p := range packages {
		if wanted[p.SHA256] != nil || exists(DebFile(dir, p)) {
			continue
		}
		wanted[p.SHA256] = p
		architecture := p.Architecture
		if architecture == "all" {
			architecture = Architectures[0]
		}
		args = append(args, fmt.Sprintf("%s:%s=%s", p.Name, architecture, p.VersionText))
	}
	if len(args) == 0 {
		return nil
	}
	sort.Strings(args)
	tmp, err := os.MkdirTemp(dir, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	c := r.apt(append([]string{"download"}, args...)...)
	c.Dir = tmp
	_, aptErr := run(c)
	if err := adopt(tmp, dir, wanted); err != nil {
		return err
	}
	if len(wanted) == 0 {
		return nil
	}
	var missing []string
	for _, p := range wanted {
		missing = append(missing, fmt.Sprintf("%s %s (%s)", p.Name, p.VersionText, p.Architecture))
	}
	sort.Strings(missing)
	if aptErr == nil {
		aptErr = errors.New("apt-get download succeeded, but with other files than the lists promise")
	}
	return fmt.Errorf("the mirror did not deliver %d packages of its lists: %s: %w", len(missing), strings.Join(missing, ", "), aptErr)
}

// adopt moves what was downloaded to its final name and removes it from wanted.
func adopt(tmp, dir string, wanted map[string]*debian.Package) error {
	files, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	for _, name := range files {
		sum, err := fileSHA256(name)
		if err != nil {
			return err
		}
		if p := wanted[sum]; p != nil {
			if err := os.Rename(name, DebFile(dir, p)); err != nil {
				return err
			}
			delete(wanted, sum)
		}
	}
	return nil
}

// DebFile is the name of a downloaded package.
func DebFile(dir string, p *debian.Package) string { return filepath.Join(dir, p.SHA256+".deb") }

func fileSHA256(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// run runs a program and returns its output; an error holds what it said.
func run(c *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
