package importer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/distro"
)

// trust is what the versions and hosts of a list tell about keys and the package database.
type trust struct {
	keys  map[string][]distro.Key // repository id -> keys
	rpmdb lockfile.RPMDB
	lost  []string
	files []distro.File
}

// hosts tell the distribution of a URL. The version is that of the first group of its pattern.
var hosts = []struct {
	distro  string
	pattern *regexp.Regexp
}{
	{"centos-stream", regexp.MustCompile(`/([0-9]+)-stream/`)},
	{"fedora", regexp.MustCompile(`fedora/(?:linux/)?(?:releases|updates)/([0-9]+)/`)},
	{"ubi", regexp.MustCompile(`/ubi([0-9]+)/`)},
	{"ubi", regexp.MustCompile(`cdn\.redhat\.com/content/.*/rhel([0-9]+)/`)},
	{"rocky", regexp.MustCompile(`/rocky(?:linux)?/([0-9.]+)/`)},
	{"alma", regexp.MustCompile(`/almalinux/([0-9.]+)/`)},
	{"al2023", regexp.MustCompile(`/(al2023)/`)},
	{"al2", regexp.MustCompile(`cdn\.amazonlinux\.com/(2)/`)},
	{"opensuse-leap", regexp.MustCompile(`/leap/([0-9.]+)/`)},
	{"opensuse-tumbleweed", regexp.MustCompile(`/(tumbleweed)/`)},
}

// trust looks for the keys of repositories that are those of a distribution.
func (b *builder) trust(lock *lockfile.Lock) *trust {
	t := &trust{keys: map[string][]distro.Key{}, rpmdb: lockfile.RPMDB{Backend: "sqlite", Path: "/var/lib/rpm"}}
	files := map[string]bool{}
	guessed := false
	for _, r := range b.repos {
		d, v := known(r.bases[0])
		if v == nil {
			t.lost = append(t.lost, fmt.Sprintf("signatures of repository %s: its keys are not known here, so the manifest says gpgcheck: false until you add them", r.id))
			continue
		}
		t.keys[r.id] = v.Repositories[0].Keys
		if !guessed {
			t.rpmdb, guessed = v.RPMDB, true
		}
		_, keyFiles, err := distro.Manifest(d, v, "x")
		if err != nil {
			continue
		}
		for _, f := range keyFiles {
			if !files[f.Name] && slices.ContainsFunc(t.keys[r.id], func(k distro.Key) bool { return k.File == f.Name }) {
				files[f.Name] = true
				t.files = append(t.files, f)
			}
		}
	}
	return t
}

func known(base string) (*distro.Distribution, *distro.Version) {
	for _, host := range hosts {
		f := host.pattern.FindStringSubmatch(base)
		if f == nil {
			continue
		}
		version := f[1]
		if version == host.distro {
			version = ""
		}
		if d, v, err := distro.Find(host.distro, version); err == nil {
			return d, v
		}
	}
	return nil, nil
}

func (t *trust) known(r *repo) bool { return len(t.keys[r.id]) > 0 }

func (t *trust) fingerprints(r *repo) []string {
	var out []string
	for _, key := range t.keys[r.id] {
		out = append(out, key.Fingerprints...)
	}
	return out
}

// manifest writes the manifest of the lock.
func (b *builder) manifest(lock *lockfile.Lock, t *trust, lost []string) []byte {
	var out strings.Builder
	out.WriteString("# Made by `rpmlock import`. The lock beside it holds every package at the digest of the list; `rpmlock lock` completes it.\n")
	if len(lost) > 0 {
		out.WriteString("# Not carried over:\n")
	}
	for _, line := range lost {
		fmt.Fprintf(&out, "# - %s\n", strings.Map(printable, line))
	}
	archs := slices.Sorted(maps.Keys(lock.Architectures))
	fmt.Fprintf(&out, "schema: %d\nrelease: %s\narchitectures: [%s]\nrpmdb: {backend: %s, path: %s} # a guess from the URLs\n\nrepositories:\n",
		lockfile.ManifestSchema, lock.Release, strings.Join(archs, ", "), t.rpmdb.Backend, t.rpmdb.Path)
	for _, r := range b.repos {
		r.write(&out, archs, t)
	}
	out.WriteString("\ninstall:\n")
	only := map[string][]string{}
	for _, arch := range archs {
		for _, root := range lock.Architectures[arch].Roots {
			only[root] = append(only[root], arch)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(only)) {
		if len(only[name]) == len(archs) {
			fmt.Fprintf(&out, "  - %s\n", scalar(name))
		} else {
			fmt.Fprintf(&out, "  - {name: %s, only: [%s]}\n", scalar(name), strings.Join(only[name], ", "))
		}
	}
	return []byte(out.String())
}

// scalar quotes what YAML could take for a number, a truth or nothing.
func scalar(name string) string {
	if c := name[0]; c >= '0' && c <= '9' || slices.Contains([]string{"y", "n", "yes", "no", "true", "false", "null", "on", "off"}, strings.ToLower(name)) {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// printable keeps a sentence on one line of a comment.
func printable(c rune) rune {
	if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x2028 || c == 0x2029 || c == 0xfeff || c >= 0xfffd {
		return ' '
	}
	return c
}

func (r *repo) write(out *strings.Builder, archs []string, t *trust) {
	fmt.Fprintf(out, "  - id: %s\n", r.id)
	if len(r.bases) == 1 {
		fmt.Fprintf(out, "    baseurl: %s\n", r.bases[0])
	} else {
		out.WriteString("    baseurl:\n")
		for _, base := range r.bases {
			fmt.Fprintf(out, "      - %s\n", base)
		}
	}
	if used := slices.Sorted(maps.Keys(r.archs)); len(used) < len(archs) {
		fmt.Fprintf(out, "    only: [%s]\n", strings.Join(used, ", "))
	}
	if !t.known(r) {
		out.WriteString("    gpgcheck: false\n")
		return
	}
	var files []string
	for _, key := range t.keys[r.id] {
		files = append(files, key.File)
	}
	fmt.Fprintf(out, "    keys: [%s]\n    fingerprints: [%s]\n", strings.Join(files, ", "), strings.Join(t.fingerprints(r), ", "))
}

// KeyFiles are the files that the manifest names.
func (r *Result) KeyFiles() []distro.File { return r.keyFiles }
