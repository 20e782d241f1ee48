package build

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

// filesystemEpoch is the time of debrpm-filesystem, the only package without a .deb: the release day of Debian 12.
const filesystemEpoch = 1686355200

// merged are the links of the root that packages write through; they are never owned by anything else.
var merged = []string{"/bin", "/sbin", "/lib", "/lib64"}

var filesystemLine = regexp.MustCompile(`^(/[^\s]*)(?:\s+([0-7]{4})|\s+->\s+(\S+))?$`)

// Filesystem is filesystem.txt for one architecture.
type Filesystem []rpmspec.File

// ParseFilesystem reads the text; see the file's head for the format.
func ParseFilesystem(text, triplet string) (Filesystem, error) {
	var out Filesystem
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := filesystemLine.FindStringSubmatch(strings.ReplaceAll(line, "{triplet}", triplet))
		if m == nil || path.Clean(m[1]) != m[1] {
			return nil, fmt.Errorf("filesystem.txt, line %d: %q is not understood", i+1, line)
		}
		f := rpmspec.File{Path: m[1], Kind: rpmspec.Directory, Mode: 0o755, User: "root", Group: "root"}
		if m[2] != "" {
			mode, err := strconv.ParseUint(m[2], 8, 12)
			if err != nil {
				return nil, err
			}
			f.Mode = uint32(mode)
		}
		if m[3] != "" {
			f.Kind, f.Target = rpmspec.Symlink, m[3]
		}
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

// Shared are the paths that no other package owns.
func (fs Filesystem) Shared() map[string]bool {
	shared := map[string]bool{}
	for _, f := range fs {
		shared[f.Path] = true
	}
	for _, link := range merged {
		shared[link] = true
	}
	return shared
}

// Filesystem makes the package debrpm-filesystem for an RPM architecture.
func (b *Builder) Filesystem(fs Filesystem, version, arch string) (string, error) {
	dir, err := os.MkdirTemp(b.Work, "debrpm-filesystem-")
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	t := newTree(root, nil, filesystemEpoch)
	for _, f := range fs {
		if f.Kind == rpmspec.Symlink {
			if err := t.link(f.Path, f.Target, false); err != nil {
				return "", err
			}
			continue
		}
		if err := os.MkdirAll(t.on(f.Path), 0o755); err != nil {
			return "", err
		}
		f.ExplicitMode = true
		t.files[f.Path] = f
	}
	for i := len(fs) - 1; i >= 0; i-- { // children first: making them changes the time of the parent
		if fs[i].Kind == rpmspec.Directory {
			if err := os.Chtimes(t.on(fs[i].Path), t.time, time.Unix(filesystemEpoch, 0)); err != nil {
				return "", err
			}
		}
	}
	s := &rpmspec.Spec{
		Name: "debrpm-filesystem", SourceName: "debrpm-filesystem", Version: rpmspec.EVR{Version: version, Release: "1"},
		Summary: "Directories and links that all packages of debrpm share", License: "Apache-2.0", Section: "admin",
		Description: "The root file system with a merged /usr. Debian makes it outside of its packages.",
		Relations:   []string{"Provides: filesystem = " + version}, Files: t.list(), Tree: root,
	}
	return b.rpmbuild(dir, s, arch, filesystemEpoch)
}
