// Package build runs the programs that make the release: dpkg-deb and tar to unpack, rpmbuild, rpmsign, createrepo_c. It is
// preparation, not product, so it may run programs; each gets a fixed environment.
package build

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/rpmspec"
)

const (
	maxControlFile = 16 << 20 // md5sums of the largest package has 2 MB
	maxEntries     = 1 << 20  // files of one package
)

// Deb is an opened .deb.
type Deb struct {
	Path      string
	Paragraph debian.Paragraph
	Scripts   map[string]string // preinst, postinst, prerm, postrm
	Conffiles map[string]bool
	Ldconfig  bool // activates the ldconfig trigger
	Files     []rpmspec.File
	NewestSec int64 // newest mtime of the files
}

// OpenDeb reads the control part.
func OpenDeb(name string) (*Deb, error) {
	d := &Deb{Path: name, Scripts: map[string]string{}, Conffiles: map[string]bool{}}
	files, err := d.control()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Base(name), err)
	}
	err = debian.ReadParagraphs(bytes.NewReader(files["control"]), nil, func(p debian.Paragraph) error {
		d.Paragraph = p
		return nil
	})
	if err != nil || d.Paragraph["Package"] == "" {
		return nil, fmt.Errorf("reading %s: no control paragraph: %w", filepath.Base(name), err)
	}
	for _, script := range []string{"preinst", "postinst", "prerm", "postrm"} {
		if text, ok := files[script]; ok {
			d.Scripts[script] = string(text)
		}
	}
	for _, line := range strings.Split(string(files["conffiles"]), "\n") {
		if path, ok := strings.CutPrefix(line, "/"); ok {
			d.Conffiles["/"+strings.TrimSpace(path)] = true
		}
	}
	for _, line := range strings.Split(string(files["triggers"]), "\n") {
		words := strings.Fields(line)
		d.Ldconfig = d.Ldconfig || len(words) == 2 && strings.HasPrefix(words[0], "activate") && words[1] == "ldconfig"
	}
	return d, nil
}

func (d *Deb) control() (map[string][]byte, error) {
	out, err := run(exec.Command("dpkg-deb", "--ctrl-tarfile", d.Path))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for in := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := in.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(in, maxControlFile+1))
		if err != nil || len(data) > maxControlFile {
			return nil, fmt.Errorf("control file %s: larger than %d bytes or %w", h.Name, maxControlFile, err)
		}
		files[path.Clean(h.Name)] = data
	}
}

// Unpack extracts the files below dir and fills Files. Modes and times are kept; owners are only noted, because the one who
// builds may not be root.
func (d *Deb) Unpack(dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("unpacking %s: %w", filepath.Base(d.Path), err)
		}
	}()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var stderr bytes.Buffer
	source := exec.Command("dpkg-deb", "--fsys-tarfile", d.Path)
	sink := exec.Command("tar", "-x", "-p", "--no-same-owner", "--delay-directory-restore", "-f", "-", "-C", dir)
	source.Stderr, sink.Stderr = &stderr, &stderr
	data, err := source.StdoutPipe()
	if err != nil {
		return err
	}
	feed, err := sink.StdinPipe()
	if err != nil {
		return err
	}
	if err := errors.Join(source.Start(), sink.Start()); err != nil {
		return err
	}
	tee := io.TeeReader(data, feed)
	listErr := d.list(tar.NewReader(tee))
	_, copyErr := io.Copy(io.Discard, tee) // the padding after the last entry
	if err := errors.Join(listErr, copyErr, feed.Close(), source.Wait(), sink.Wait()); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	sort.Slice(d.Files, func(i, j int) bool { return d.Files[i].Path < d.Files[j].Path })
	return nil
}

func (d *Deb) list(in *tar.Reader) error {
	byPath := map[string]rpmspec.File{}
	for n := 0; ; n++ {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n > maxEntries {
			return fmt.Errorf("more than %d entries", maxEntries)
		}
		f := rpmspec.File{Path: path.Clean("/" + h.Name), Mode: uint32(h.Mode) & 0o7777, User: owner(h.Uname, h.Uid), Group: owner(h.Gname, h.Gid)}
		if strings.Contains("/"+h.Name+"/", "/../") {
			return fmt.Errorf("entry %q leaves the root", h.Name)
		}
		if strings.ContainsAny(f.Path, "\n\r\"") {
			return fmt.Errorf("entry %q: line breaks and quotes cannot be written into a spec file", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			f.Kind = rpmspec.Regular
		case tar.TypeLink:
			f = byPath[path.Clean("/"+h.Linkname)]
			f.Path = path.Clean("/" + h.Name)
			if f.Kind != rpmspec.Regular {
				return fmt.Errorf("entry %s: a hard link to %s, which is not a file", h.Name, h.Linkname)
			}
		case tar.TypeDir:
			f.Kind = rpmspec.Directory
		case tar.TypeSymlink:
			f.Kind, f.Target = rpmspec.Symlink, h.Linkname
		default:
			return fmt.Errorf("entry %s: type %q is not supported", h.Name, h.Typeflag)
		}
		d.NewestSec = max(d.NewestSec, h.ModTime.Unix())
		byPath[f.Path] = f
		if f.Path != "/" {
			d.Files = append(d.Files, f)
		}
	}
}

// owner is the name of an account, or its number where the archive has no name.
func owner(name string, id int) string {
	if name == "" {
		if id == 0 {
			return "root"
		}
		return strconv.Itoa(id)
	}
	return name
}

// run runs a program and returns its output; an error holds what it said.
func run(c *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		text := strings.TrimSpace(stderr.String())
		if text == "" {
			text = strings.TrimSpace(stdout.String())
		}
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(c.Path), err, tail(text))
	}
	return stdout.Bytes(), nil
}

// tail keeps the end of a long message, where programs say what went wrong.
func tail(text string) string {
	const most = 4000
	if len(text) > most {
		text = "... " + text[len(text)-most:]
	}
	return text
}
