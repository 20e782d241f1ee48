// Package lockfile defines the two files of a release: the hand-written manifest (rpms.yaml) and the generated lock
// (rpms.lock.json), with their reading, validation and deterministic writing.
package lockfile

// Schema is the version of the lock format.
const Schema = 1

// Imported stands for the manifest's digest in a lock that was made from another program's list: packages and digests are known, edges,
// sizes and signatures are not. Nothing is built from it; `rpmlock lock` completes it and keeps every package as it is.
const Imported = "imported"

// Lock is rpms.lock.json. Writing is byte-identical for equal values: keys in the order of the struct, lists sorted as said.
type Lock struct {
	Schema         int    `json:"schema"`
	Release        string `json:"release"`
	ManifestDigest string `json:"manifest"` // "sha256:hex" of rpms.yaml as it was when the lock was made; Imported
	// SourceDateEpoch is the time that the images of the release carry, in seconds: the newest build time among the packages.
	SourceDateEpoch int64                    `json:"source_date_epoch"`
	RPMDB           RPMDB                    `json:"rpmdb"`
	Repositories    []Repository             `json:"repositories"`  // by (id, arch)
	Architectures   map[string]*Architecture `json:"architectures"` // x86_64, aarch64
}

// RPMDB says where and in which format the images of the release keep their package database.
type RPMDB struct {
	Backend string `json:"backend" yaml:"backend"` // sqlite, ndb, bdb
	Path    string `json:"path" yaml:"path"`       // such as /var/lib/rpm
}

// Repository is one repository as it was read for one architecture.
type Repository struct {
	ID   string `json:"id"`
	Arch string `json:"arch"`
	// URLs are base URLs in the order to try, each ending in "/". One without a scheme is relative to the folder of the lock.
	URLs         []string `json:"urls"`
	Revision     string   `json:"revision"`
	RepomdSHA256 string   `json:"repomd_sha256"`
	Fingerprints []string `json:"fingerprints,omitempty"` // upper-case hex of the keys that may sign packages
	GPGCheck     bool     `json:"gpgcheck"`
	RepoGPGCheck bool     `json:"repo_gpgcheck"`
}

// Architecture holds the packages locked for one architecture, noarch ones included.
type Architecture struct {
	Roots    []string            `json:"roots"`            // names, sorted
	Groups   map[string][]string `json:"groups,omitempty"` // names of the roots of each group of the manifest, sorted
	Packages []Package           `json:"packages"`         // by name; one version per name
}

// Package is one locked RPM. Edges are names of packages of the same architecture section, sorted.
type Package struct {
	Name       string `json:"name"`
	NEVRA      string `json:"nevra"`
	Arch       string `json:"arch"`
	Repository string `json:"repository"`
	Path       string `json:"path"` // relative to each base URL
	// URLs are further places of exactly this file, by full URL, such as mirrors that name files by digest.
	URLs      []string `json:"urls,omitempty"`
	SHA256    string   `json:"sha256"`
	SizeBytes int64    `json:"size_bytes"`
	// InstalledBytes is primary.xml's size/@installed.
	InstalledBytes int64  `json:"installed_bytes"`
	SourceRPM      string `json:"source_rpm"`
	License        string `json:"license"`
	BuildTime      int64  `json:"build_time"`
	Signature      string `json:"signature"` // "RSA/SHA256 <fingerprint>", or "none" under gpgcheck: false

	ELF       []string `json:"elf,omitempty"`       // soname requires
	Requires  []string `json:"requires,omitempty"`  // other run-time requires
	Script    []string `json:"script,omitempty"`    // requires only script files of the package generated
	Scriptlet []string `json:"scriptlet,omitempty"` // needed by scriptlets only
	Weak      []string `json:"weak,omitempty"`
	Cut       []Cut    `json:"cut,omitempty"`
	// Groups are the groups that have the package, sorted; without any it is of the default group only.
	Groups []string `json:"groups,omitempty"`
	// Conflicts are the locked packages that cannot be in one root file system with this one, both ways, sorted. Only packages of
	// different groups can have some.
	Conflicts []string `json:"conflicts,omitempty"`

	// Executables are the package's files in bin and sbin directories (primary.xml lists them), sorted.
	Executables []string `json:"executables,omitempty"`
}

// Cut is a requirement that was left out on purpose.
type Cut struct {
	Requires string `json:"requires"`
	Reason   string `json:"reason"`
}
