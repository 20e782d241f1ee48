package lockfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	identifier = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:+-]*$`)
	release    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// validate checks what the types cannot say and fills in defaults. It reports everything that is wrong, not the first.
func (m *Manifest) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if m.Schema != ManifestSchema {
		return fmt.Errorf("schema %d, this tool reads %d", m.Schema, ManifestSchema)
	}
	if !release.MatchString(m.Release) {
		bad("release %q is not a name of lower-case letters, digits and underscores", m.Release)
	}
	if len(m.Architectures) == 0 {
		bad("architectures is empty; it lists some of %s", strings.Join(KnownArchitectures(), ", "))
	}
	for i, arch := range m.Architectures {
		if !slices.Contains(KnownArchitectures(), arch) {
			bad("unknown architecture %q%s", arch, nearArch(arch, KnownArchitectures()))
		}
		if slices.Contains(m.Architectures[:i], arch) {
			bad("architecture %q is listed twice", arch)
		}
	}
	if !slices.Contains(KnownBackends(), m.RPMDB.Backend) {
		bad("rpmdb: unknown backend %q%s", m.RPMDB.Backend, near(m.RPMDB.Backend, KnownBackends()))
	}
	if !strings.HasPrefix(m.RPMDB.Path, "/") || path.Clean(m.RPMDB.Path) != m.RPMDB.Path {
		bad("rpmdb: path %q is not a clean absolute path such as /var/lib/rpm", m.RPMDB.Path)
	}
	errs = append(errs, m.validateRepositories()...)
	errs = append(errs, m.validateCoverage()...)
	if len(m.Install) == 0 {
		errs = append(errs, errors.New("install is empty: nothing to lock"))
	}
	errs = append(errs, m.validateRoots("install", m.Install)...)
	errs = append(errs, m.validateGroups()...)
	errs = append(errs, m.validateModules()...)
	errs = append(errs, m.validatePins()...)
	errs = append(errs, m.validatePolicy()...)
	for _, c := range m.Cut {
		if c.Package == "" || c.Requires == "" || c.Reason == "" {
			bad("cut: each entry needs package, requires and reason")
		}
	}
	for _, name := range m.Churn {
		if _, err := path.Match(name, ""); err != nil || name == "" {
			bad("churn: %q is not a name or glob", name)
		}
	}
	for _, name := range m.Exclude {
		if _, err := path.Match(name, ""); err != nil || name == "" {
			bad("exclude: %q is not a name, NEVRA or glob", name)
		}
	}
	return errors.Join(errs...)
}

var (
	moduleStream = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*:[A-Za-z0-9][A-Za-z0-9._+-]*$`)
	moduleOff    = regexp.MustCompile(`^-[A-Za-z0-9][A-Za-z0-9._+-]*$`)
)

func (m *Manifest) validateModules() (errs []error) {
	seen := map[string]string{}
	for _, text := range m.Modules {
		if !moduleStream.MatchString(text) && !moduleOff.MatchString(text) {
			errs = append(errs, fmt.Errorf(`modules: %q is neither "name:stream" nor "-name"`, text))
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "-"), ":")
		if first, twice := seen[name]; twice {
			errs = append(errs, fmt.Errorf("modules: %s and %s are of the same module", first, text))
		}
		seen[name] = text
	}
	return errs
}

// nearArch is near for architectures, which other ecosystems name otherwise.
func nearArch(arch string, known []string) string {
	alias := map[string]string{"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64", "armv8": "aarch64"}[strings.ToLower(arch)]
	if slices.Contains(known, alias) {
		return fmt.Sprintf(" (did you mean %q?)", alias)
	}
	return near(arch, known)
}

func (m *Manifest) validateRepositories() []error {
	var errs []error
	if len(m.Repositories) == 0 {
		errs = append(errs, errors.New("repositories is empty"))
	}
	seen := map[string]bool{}
	for i := range m.Repositories {
		r := &m.Repositories[i]
		if !identifier.MatchString(r.ID) {
			errs = append(errs, fmt.Errorf("repository %d: id %q is not a name", i+1, r.ID))
			continue
		}
		if seen[r.ID] {
			errs = append(errs, fmt.Errorf("repository %q is listed twice", r.ID))
		}
		seen[r.ID] = true
		for _, err := range r.validate() {
			errs = append(errs, fmt.Errorf("repository %q: %w", r.ID, err))
		}
		for _, arch := range r.Only {
			if !slices.Contains(m.Architectures, arch) {
				errs = append(errs, fmt.Errorf("repository %q: only: unknown architecture %q%s", r.ID, arch, nearArch(arch, m.Architectures)))
			}
		}
	}
	return errs
}

func (r *ManifestRepository) validate() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	sources := 0
	for _, given := range []bool{len(r.BaseURL) > 0, r.MirrorList != "", r.MetaLink != ""} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		bad("needs exactly one of baseurl, mirrorlist and metalink")
	}
	if r.Priority == 0 {
		r.Priority = DefaultPriority
	}
	if r.Priority < 0 || r.Priority > 1000 {
		bad("priority %d is not between 1 and 1000", r.Priority)
	}
	for i, fp := range r.Fingerprints {
		fp = strings.ToUpper(strings.ReplaceAll(fp, " ", ""))
		if b, err := hex.DecodeString(fp); err != nil || len(b) != 20 && len(b) != 32 {
			bad("fingerprint %q is not 40 or 64 hexadecimal digits", r.Fingerprints[i])
		}
		r.Fingerprints[i] = fp
	}
	if (r.CheckPackages() || r.RepoGPGCheck) && (len(r.Keys) == 0 || len(r.Fingerprints) == 0) {
		bad("signatures are to be checked but keys or fingerprints are missing")
	}
	for _, key := range r.Keys {
		if key == "" || strings.HasPrefix(key, "/") || strings.Contains(key, "://") {
			bad("key %q is not a path relative to the manifest", key)
		}
	}
	for _, name := range r.Exclude {
		if _, err := path.Match(name, ""); err != nil || name == "" {
			bad("exclude: %q is not a name, NEVRA or glob", name)
		}
	}
	return errs
}

// validateCoverage makes sure that each architecture has a repository.
func (m *Manifest) validateCoverage() []error {
	var errs []error
	for _, arch := range m.Architectures {
		if len(m.Repositories) > 0 && !slices.ContainsFunc(m.Repositories, func(r ManifestRepository) bool { return r.For(arch) }) {
			errs = append(errs, fmt.Errorf("no repository is for architecture %s", arch))
		}
	}
	return errs
}

// validateRoots checks the roots below a key.
func (m *Manifest) validateRoots(key string, roots []Root) []error {
	var errs []error
	seen := map[string]int{}
	for _, root := range roots {
		if strings.TrimSpace(root.Name) == "" || strings.ContainsAny(root.Name, "\n\r\x00") {
			errs = append(errs, fmt.Errorf("line %d: %s: %q is not a package", root.Line, key, root.Name))
			continue
		}
		if first, dup := seen[root.Name]; dup {
			errs = append(errs, fmt.Errorf("line %d: %s: %q is already given in line %d", root.Line, key, root.Name, first))
		}
		seen[root.Name] = root.Line
		for _, arch := range root.Only {
			if !slices.Contains(m.Architectures, arch) {
				errs = append(errs, fmt.Errorf("line %d: %s: %q: only: unknown architecture %q%s", root.Line, key, root.Name, arch,
					nearArch(arch, m.Architectures)))
			}
		}
	}
	return errs
}
