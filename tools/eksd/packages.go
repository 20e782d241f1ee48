package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// measured is an image of ours beside what EKS Distro's scripts would make of the same packages. What tools make besides the database (stores of
// certificates, ld.so.cache, accounts) is left out on both sides.
type measured struct {
	image, arch             string
	packages, partial       int
	oursFiles, theirsFiles  int64 // bytes of regular files of packages
	oursRPMDB, theirsRPMDB  int64
	oursMade, oursTotal     int64 // what tools make; everything
	oursNumber, theirsCount int   // of regular files of packages
}

func (m measured) name() string { return m.image + " " + m.arch }

func (m measured) sizes() (ours, theirs int64) {
	return m.oursFiles + m.oursRPMDB, m.theirsFiles + m.theirsRPMDB
}

func measureTrees(rpms string, trees []string) ([]measured, error) {
	if _, err := exec.LookPath("rpm"); err != nil {
		return nil, cli.Hint(err, "rpm reads the packages and writes the database that ours is compared with: apt-get install rpm")
	}
	where := map[string]string{} // file name to path
	err := filepath.WalkDir(rpms, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".rpm") {
			where[d.Name()] = p
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	lines := map[string]string{} // path of a package to what rpm says about its files
	var rows []measured
	for _, tree := range trees {
		m, err := measureTree(where, lines, tree)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tree, err)
		}
		rows = append(rows, *m)
	}
	return rows, nil
}

func measureTree(where, lines map[string]string, file string) (*measured, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tree, err := rootfs.Read(f, file)
	if err != nil {
		return nil, err
	}
	image, _, _ := strings.Cut(strings.TrimPrefix(tree.Label, "//variants/"), ":")
	m := &measured{image: image, arch: tree.Arch, packages: len(tree.Packages)}
	shipped := map[string]bool{}
	for _, e := range tree.Entries {
		shipped[e.Path] = true
	}
	ghosts := map[string]bool{}
	files := make([]string, len(tree.Packages))
	for i, p := range tree.Packages {
		if files[i] = where[fileName(p.NEVRA)]; files[i] == "" {
			return nil, fmt.Errorf("package %s is not among the files", p.NEVRA)
		}
		if p.Partial {
			m.partial++
		}
		if _, ok := lines[files[i]]; !ok {
			out, err := exec.Command("rpm", "-qp", "--nosignature", "--nodigest", "--qf", fileFormat, files[i]).Output()
			if err != nil {
				return nil, fmt.Errorf("reading package %s with rpm: %w", p.NEVRA, err)
			}
			lines[files[i]] = string(out)
		}
		if err := m.countTheirs(lines[files[i]], p.Partial, shipped, ghosts); err != nil {
			return nil, fmt.Errorf("package %s: %w", p.NEVRA, err)
		}
	}
	m.countOurs(tree, ghosts)
	m.theirsRPMDB, err = writeRPMDB(files)
	return m, err
}

// epoch is the part of a NEVRA that names of files lack.
var epoch = regexp.MustCompile(`-[0-9]+:`)

func fileName(nevra string) string { return epoch.ReplaceAllString(nevra, "-") + ".rpm" }

// countOurs adds up a tree. What a package only announces (a ghost) is made by tools, on their side as on ours.
func (m *measured) countOurs(tree *rootfs.Tree, ghosts map[string]bool) {
	nevras := map[string]bool{}
	for _, p := range tree.Packages {
		nevras[p.NEVRA] = true
	}
	for _, e := range tree.Entries {
		if e.Type != pkgindex.TypeFile || e.HardLink != "" && e.HardLink != e.Path {
			continue
		}
		m.oursTotal += e.SizeBytes
		switch {
		case strings.HasPrefix(e.Path, tree.RPMDB.Path+"/"):
			m.oursRPMDB += e.SizeBytes
		case len(e.Owners) > 0 && nevras[e.Owners[0]] && !ghosts[e.Path]:
			m.oursFiles += e.SizeBytes
			m.oursNumber++
		default:
			m.oursMade += e.SizeBytes
		}
	}
}

// fileFormat prints a line for each file of a package: mode, size, flags, inode, number of links, path.
const fileFormat = `[%{FILEMODES:octal} %{LONGFILESIZES} %{FILEFLAGS} %{FILEINODES} %{FILENLINKS} %{FILENAMES}\n]`

// countTheirs adds the files of a package that EKS Distro's scripts would ship. Of a package of which ours takes single files they take these, its
// configuration and its licences; of every other all, without build identifiers, caches, logs and what of documentation and manuals has
// no name that a licence could have. Its ghosts are added to ghosts.
func (m *measured) countTheirs(lines string, partial bool, shipped, ghosts map[string]bool) error {
	seen := map[string]bool{} // inodes of hard links
	for line := range strings.Lines(lines) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
		if len(fields) != 6 {
			continue // a package without files
		}
		mode, err1 := strconv.ParseUint(fields[0], 8, 32)
		size, err2 := strconv.ParseInt(fields[1], 10, 64)
		flags, err3 := strconv.ParseUint(fields[2], 10, 32)
		if err1 != nil || err2 != nil || err3 != nil {
			return fmt.Errorf("rpm printed %q", line)
		}
		name := fields[5]
		if flags&pkgindex.FlagGhost != 0 {
			ghosts[name] = true
		}
		switch {
		case mode&0o170000 != 0o100000, flags&pkgindex.FlagGhost != 0, fields[4] != "1" && seen[fields[3]]:
			continue
		case !theyKeep(name), partial && !theyCopy(name, shipped):
			continue
		}
		seen[fields[3]] = true
		m.theirsFiles += size
		m.theirsCount++
	}
	return nil
}

// theyKeep follows the cleaning at the end of each of EKS Distro's builds.
func theyKeep(file string) bool {
	for _, dir := range []string{"/usr/lib/.build-id/", "/usr/lib/debug/.build-id/", "/var/cache/yum/", "/var/cache/dnf/"} {
		if strings.HasPrefix(file, dir) {
			return false
		}
	}
	if path.Dir(file) == "/var/log" && strings.HasSuffix(file, ".log") {
		return false
	}
	if !strings.HasPrefix(file, "/usr/share/doc/") && !strings.HasPrefix(file, "/usr/share/man/") {
		return true
	}
	base := strings.ToLower(path.Base(file))
	return slices.ContainsFunc([]string{"lice", "copy", "gpl", "not", "credits"}, func(word string) bool { return strings.Contains(base, word) })
}

// theyCopy follows what EKS Distro copies of a package from which it installs single programs.
func theyCopy(file string, shipped map[string]bool) bool {
	if shipped[file] || shipped["/usr"+file] {
		return true
	}
	for _, dir := range []string{"/etc/", "/usr/share/licenses/", "/usr/share/doc/", "/usr/share/man/"} {
		if strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}

// writeRPMDB lets rpm register packages in a new database and returns its size.
func writeRPMDB(files []string) (int64, error) {
	root, err := os.MkdirTemp("", "eksd-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(root)
	args := []string{"--root", root, "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps", "--noscripts", "--notriggers",
		"--nosignature", "--nodigest", "--ignorearch", "--ignoreos", "--noplugins"}
	if out, err := exec.Command("rpm", append(args, files...)...).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("registering %d packages with rpm: %w\n%s", len(files), err, out)
	}
	var size int64
	err = filepath.WalkDir(filepath.Join(root, "var/lib/rpm"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err == nil && size == 0 {
		return 0, fmt.Errorf("rpm left no database in %s", root)
	}
	return size, err
}

func printMeasured(w io.Writer, rows []measured) {
	fmt.Fprintln(w, "| image | architecture | packages | of them partly | files, ours MiB | theirs | rpmdb, ours MiB | theirs | sum, ours MiB | theirs | | made besides |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, m := range rows {
		ours, theirs := m.sizes()
		fmt.Fprintf(w, "| %s | %s | %d | %d | %s | %s | %s | %s | %s | %s | %.1f %% | %s |\n", m.image, m.arch, m.packages, m.partial, mib(m.oursFiles), mib(m.theirsFiles),
			mib(m.oursRPMDB), mib(m.theirsRPMDB), mib(ours), mib(theirs), 100*float64(ours)/float64(theirs), mib(m.oursMade))
	}
}
