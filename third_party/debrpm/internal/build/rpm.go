package build

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/mapping"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

// generators are the fileattrs that may add dependencies. The others (pkgconfig, python, fonts ...) ask for names that Debian
// does not use; its own relations say the same.
var generators = []string{"elf", "script", "sysusers", "usergroup"}

// RPMArch maps Debian's architecture names.
var RPMArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "all": "noarch"}

// Builder makes RPMs.
type Builder struct {
	Mapping *mapping.Mapping
	Shared  map[string]bool // directories and links of debrpm-filesystem
	Work    string          // scratch directory, on the file system of the result
	Signer  *Signer
	// Extra are files that join a package, by its RPM name.
	Extra map[string][]mapping.File
	attrs string // private fileattrs directory
}

// Prepare makes the scratch directory ready.
func (b *Builder) Prepare() error {
	b.attrs = filepath.Join(b.Work, "fileattrs")
	if err := os.MkdirAll(b.attrs, 0o755); err != nil {
		return err
	}
	out, err := run(exec.Command("rpm", "--eval", "%_fileattrsdir"))
	if err != nil {
		return err
	}
	for _, name := range generators {
		source := filepath.Join(strings.TrimSpace(string(out)), name+".attr")
		if _, err := os.Stat(source); err != nil {
			return fmt.Errorf("dependency generator of rpmbuild: %w", err)
		}
		if err := os.Symlink(source, filepath.Join(b.attrs, name+".attr")); err != nil {
			return err
		}
	}
	return nil
}

// Key identifies the RPM made of a .deb: anything that may change its bytes changes the key. tools is the fingerprint of this
// program, of rpm and of the signing key.
func Key(tools, debSHA256, fingerprint string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", tools, debSHA256, fingerprint)
	return hex.EncodeToString(h.Sum(nil))
}

// Result is a built RPM.
type Result struct {
	RPM     string   // file
	Dropped []string // lines for the report
}

// Repack makes an RPM of a .deb for an RPM architecture; a package of Architecture: all becomes noarch.
func (b *Builder) Repack(deb, arch string) (res Result, err error) {
	d, err := OpenDeb(deb)
	if err != nil {
		return res, err
	}
	name := d.Paragraph["Package"]
	defer func() {
		if err != nil {
			err = fmt.Errorf("repacking %s (%s): %w", name, d.Paragraph["Architecture"], err)
		}
	}()
	dir, err := os.MkdirTemp(b.Work, name+"-")
	if err != nil {
		return res, err
	}
	root := filepath.Join(dir, "root")
	if err := d.Unpack(root); err != nil {
		return res, err
	}
	spec, dropped, err := b.spec(d, root)
	if err != nil {
		return res, err
	}
	res.Dropped = dropped
	res.RPM, err = b.rpmbuild(dir, spec, arch, d.NewestSec)
	return res, err
}

// spec applies the rules and mapping.yaml to the unpacked tree.
func (b *Builder) spec(d *Deb, root string) (*rpmspec.Spec, []string, error) {
	name := d.Paragraph["Package"]
	p := b.Mapping.Packages[name].For(d.Paragraph["Architecture"])
	s := &rpmspec.Spec{Tree: root, Exclude: sortedKeys(p.ExcludeRequires)}
	if err := s.Control(d.Paragraph); err != nil {
		return nil, nil, err
	}
	s.Name = b.rename(name)
	t := newTree(root, d.Files, d.NewestSec)
	t.remove = b.Mapping.Remove
	p.Files = append(append([]mapping.File(nil), p.Files...), b.Extra[s.Name]...)
	if err := t.apply(p); err != nil {
		return nil, nil, err
	}
	a, err := rpmspec.Analyse(d.Scripts, b.Mapping, p)
	if err != nil {
		return nil, nil, err
	}
	if len(a.Uncovered) > 0 {
		return nil, nil, fmt.Errorf("maintainer scripts do what no rule knows; map it in mapping.yaml or say under covers: why it can go:\n  %s",
			strings.Join(a.Uncovered, "\n  "))
	}
	if err := t.alternatives(a.Alternatives); err != nil {
		return nil, nil, err
	}
	t.configFiles(d.Conffiles)
	t.withoutShared(b.Shared)
	copyright, err := t.read("/usr/share/doc/" + name + "/copyright")
	if err != nil {
		return nil, nil, err
	}
	s.License = rpmspec.License(copyright)
	rel, err := b.relations(d.Paragraph, p)
	if err != nil {
		return nil, nil, err
	}
	scriptlets, needs := rpmspec.Scriptlets(a, p, d.Ldconfig || p.Ldconfig)
	s.Scriptlets, s.Files = scriptlets, t.list()
	s.Relations = append(rel.Lines, needs...)
	s.Relations = append(s.Relations, "Requires: debrpm-filesystem")
	for _, x := range p.Requires {
		s.Relations = append(s.Relations, "Requires: "+x)
	}
	for _, x := range p.Provides {
		s.Relations = append(s.Relations, "Provides: "+x)
	}
	for _, u := range p.Users {
		s.Relations = append(s.Relations, "Provides: user("+u.Name+")")
	}
	for _, g := range p.Groups {
		s.Relations = append(s.Relations, "Provides: group("+g.Name+")")
	}
	if s.Name != name && len(p.Keep) == 0 { // a part of a package does not stand for the whole
		s.Relations = append(s.Relations, "Provides: "+name+" = "+s.Version.String())
	}
	dropped := append(a.Dropped, rel.Dropped...)
	for _, x := range s.Exclude {
		dropped = append(dropped, "generated requires "+x+": "+p.ExcludeRequires[x])
	}
	return s, dropped, nil
}

func (b *Builder) rename(debianName string) string {
	if to := b.Mapping.Packages[debianName].Rename; to != "" {
		return to
	}
	return debianName
}

// Closure is how dependencies are followed, the same for the closure of packages.txt and for the relations of each RPM.
func Closure(m *mapping.Mapping) debian.ClosureOptions {
	return debian.ClosureOptions{Drop: m.DropDepends, Choose: m.Choose, PackageDrop: func(pkg, name string) bool {
		_, ok := m.Packages[pkg].DropDepends[name]
		return ok
	}}
}

func (b *Builder) relations(control debian.Paragraph, p mapping.Package) (rpmspec.Relations, error) {
	version, err := debian.ParseVersion(control["Version"])
	if err != nil {
		return rpmspec.Relations{}, err
	}
	return rpmspec.MapRelations(control, rpmspec.RelationOptions{
		ClosureOptions: Closure(b.Mapping), Name: control["Package"], Version: version, Rename: b.rename,
		Reason: func(group []debian.Relation) string {
			for _, r := range group {
				if reason, ok := p.DropDepends[r.Name]; ok {
					return reason
				}
				if reason, ok := b.Mapping.DropDepends[r.Name]; ok {
					return reason
				}
			}
			return ""
		},
	})
}

// rpmbuild writes the spec file and builds it. Nothing of the machine gets into the RPM: time, host and codecs are fixed, no
// script may change the files, and the generators are architecture independent.
func (b *Builder) rpmbuild(dir string, s *rpmspec.Spec, arch string, epoch int64) (string, error) {
	specFile := filepath.Join(dir, s.Name+".spec")
	if err := os.WriteFile(specFile, []byte(s.Text()), 0o644); err != nil {
		return "", err
	}
	args := []string{"-bb", "--nodeps", "--quiet", "--target", arch}
	for _, macro := range append(b.Signer.Macros(),
		"_topdir "+filepath.Join(dir, "top"), "_tmppath "+dir, "_fileattrsdir "+b.attrs, "_rpmformat 4", "_buildhost debrpm",
		"use_source_date_epoch_as_buildtime 1", "build_mtime_policy clamp_to_source_date_epoch", "__os_install_post %{nil}",
		"debug_package %{nil}", "_build_id_links none", "__check_files %{nil}", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
		"_rpmdir "+dir, "dist %{nil}",
		// The accounts of basic.conf are those of base-passwd; nothing may take systemd for the owner of group(mail).
		`__sysusers_exclude_path /usr/lib/sysusers\\.d/basic\\.conf$`,
	) {
		args = append(args, "--define", macro)
	}
	c := exec.Command("rpmbuild", append(args, specFile)...)
	c.Dir = dir
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + dir, "SOURCE_DATE_EPOCH=" + strconv.FormatInt(epoch, 10)}
	if _, err := run(c); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("rpmbuild left %d packages, not 1", len(found))
	}
	return found[0], nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
