// Package distro writes first manifests for the distributions that rpmlock knows, with the vendors' own URLs and keys.
package distro

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/keys"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// Distribution is a distribution with its versions, the default one first.
type Distribution struct {
	Name     string // as `rpmlock init` takes it
	Title    string
	Comment  []string // for the head of the manifest
	Versions []Version
}

// Version is one release of a distribution.
type Version struct {
	Name         string // value of $releasever
	Comment      []string
	RPMDB        lockfile.RPMDB
	Repositories []Repository
	Install      []string
	// AnyBelow: other names with this prefix are the same but for $releasever, such as a dated state or a minor version.
	AnyBelow string
}

// Repository is one repository. One of the three kinds of URLs is set.
type Repository struct {
	ID                            string
	BaseURL, MirrorList, MetaLink string
	Keys                          []Key
	RepoGPGCheck                  bool
	Only                          []string // architectures
	Comment                       string
}

// Key is a key file of third_party/keys and the fingerprints to believe in it.
type Key struct {
	File         string
	Fingerprints []string
}

// File is a file that Init makes, by name relative to its folder.
type File struct {
	Name string
	Data []byte
}

// Names lists the distributions.
func Names() []string {
	var out []string
	for _, d := range catalogue {
		out = append(out, d.Name)
	}
	return out
}

// Find returns a distribution and one of its versions, the default one when version is empty.
func Find(name, version string) (*Distribution, *Version, error) {
	i := slices.IndexFunc(catalogue, func(d Distribution) bool { return d.Name == name })
	if i < 0 {
		err := fmt.Errorf("unknown distribution %q (known: %s)", name, strings.Join(Names(), ", "))
		if near := lockfile.NearMisses(name, Names(), 1); len(near) > 0 {
			err = cli.Hint(err, "did you mean %s?", near[0])
		}
		return nil, nil, err
	}
	d := &catalogue[i]
	if version == "" {
		return d, &d.Versions[0], nil
	}
	var known []string
	for i := range d.Versions {
		v := d.Versions[i]
		if v.Name == version {
			return d, &v, nil
		}
		if v.AnyBelow != "" && strings.HasPrefix(version, v.AnyBelow) {
			v.Name = version
			return d, &v, nil
		}
		known = append(known, v.Name)
	}
	return nil, nil, cli.Hint(fmt.Errorf("%s has no version %q here (known: %s)", d.Title, version, strings.Join(known, ", ")),
		"for another one, take the manifest of a version that is known, and change its URLs, keys and fingerprints")
}

// Manifest writes the manifest of a version and lists the files of its keys.
func Manifest(d *Distribution, v *Version, release string) (manifest []byte, keyFiles []File, err error) {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s, made by `rpmlock init %s`.\n", d.Title, d.Name)
	for _, line := range slices.Concat(d.Comment, v.Comment) {
		fmt.Fprintf(&out, "# %s\n", line)
	}
	fmt.Fprintf(&out, "schema: %d\nrelease: %s\narchitectures: [x86_64, aarch64]\nreleasever: %q\nrpmdb: {backend: %s, path: %s}\n\nrepositories:\n",
		lockfile.ManifestSchema, release, v.Name, v.RPMDB.Backend, v.RPMDB.Path)
	seen := map[string]bool{}
	for i := range v.Repositories {
		r := &v.Repositories[i]
		r.write(&out)
		for _, key := range r.Keys {
			if seen[key.File] {
				continue
			}
			seen[key.File] = true
			data, err := keys.Files.ReadFile(key.File)
			if err != nil {
				return nil, nil, err
			}
			keyFiles = append(keyFiles, File{key.File, data})
		}
	}
	out.WriteString("\n# What may be used: packages, capabilities or files. Their requirements are locked with them.\ninstall:\n")
	for _, name := range v.Install {
		fmt.Fprintf(&out, "  - %s\n", name)
	}
	return []byte(out.String()), keyFiles, nil
}

func (r *Repository) write(out *strings.Builder) {
	if r.Comment != "" {
		fmt.Fprintf(out, "  # %s\n", r.Comment)
	}
	fmt.Fprintf(out, "  - id: %s\n", r.ID)
	for _, place := range []struct{ key, url string }{{"baseurl", r.BaseURL}, {"mirrorlist", r.MirrorList}, {"metalink", r.MetaLink}} {
		if place.url != "" {
			fmt.Fprintf(out, "    %s: %s\n", place.key, place.url)
		}
	}
	if len(r.Only) > 0 {
		fmt.Fprintf(out, "    only: [%s]\n", strings.Join(r.Only, ", "))
	}
	var files, fingerprints []string
	for _, key := range r.Keys {
		files = append(files, key.File)
		fingerprints = append(fingerprints, key.Fingerprints...)
	}
	fmt.Fprintf(out, "    keys: [%s]\n    fingerprints: [%s]\n    gpgcheck: true\n", strings.Join(files, ", "), strings.Join(fingerprints, ", "))
	if r.RepoGPGCheck {
		out.WriteString("    repo_gpgcheck: true\n")
	} else {
		out.WriteString("    repo_gpgcheck: false # repomd.xml is not signed; packages are, and the lock pins each by digest\n")
	}
}
