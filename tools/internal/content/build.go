package content

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// builder writes the payload and notes what is in it.
type builder struct {
	spec    *Spec
	file    *os.File
	buf     *bufio.Writer
	n       int64
	tar     *tar.Writer
	index   *Index
	at      map[string]int // path to the place in index.Files
	sets    int            // of hard links
	builtBy map[string]bool
}

// Build writes the payload, a tar of the files by their paths in the image, and returns what is in it. The modes, owners and times of
// archives do not matter: files are 0644 or 0755, directories 0755, of the owner that the spec gives; rootfs gives them the time of the
// image.
func Build(spec *Spec, payload *os.File) (*Index, error) {
	b := &builder{spec: spec, file: payload, buf: bufio.NewWriterSize(payload, 1<<20), at: map[string]int{}, builtBy: map[string]bool{}}
	b.tar = tar.NewWriter(b)
	b.index = &Index{Schema: Schema, Content: rootfs.NonRPM{Label: spec.Label, Name: spec.Name, Version: spec.Version, PURL: spec.PURL,
		License: spec.License, Updates: spec.Updates}}
	if err := b.all(); err != nil {
		return nil, fmt.Errorf("content %s: %w", spec.Label, err)
	}
	b.finish()
	return b.index, nil
}

func (b *builder) all() error {
	if a := b.spec.Archive; a != nil {
		b.index.Content.Digest = a.Digest
		if err := b.addArchive(a); err != nil {
			return err
		}
	}
	for _, f := range b.spec.Files {
		mode, err := parseMode(f.Mode)
		if err != nil {
			return err
		}
		if err := b.once(f.Path); err != nil {
			return err
		}
		if err := b.addSource(f.Path, mode, f.Source); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	for link, target := range b.spec.Symlinks {
		if err := b.once(link); err != nil {
			return err
		}
		b.addSymlink(link, target)
	}
	if err := b.tar.Close(); err != nil {
		return err
	}
	return b.buf.Flush()
}

// Write is for the tar: it counts.
func (b *builder) Write(p []byte) (int, error) {
	n, err := b.buf.Write(p)
	b.n += int64(n)
	return n, err
}

func (b *builder) once(path string) error {
	if _, twice := b.at[path]; twice {
		return cli.Hint(fmt.Errorf("%s: given twice", path), "the archive has it, or files and symlinks both do: leave one out")
	}
	return nil
}

func (b *builder) addSource(path string, mode uint32, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", source)
	}
	return b.addFile(path, mode, st.Size(), func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

func (b *builder) put(f pkgindex.File) {
	f.User, f.Group = b.spec.User, b.spec.Group
	if _, there := b.at[f.Path]; !there { // a directory may come twice
		b.at[f.Path] = len(b.index.Files)
		b.index.Files = append(b.index.Files, f)
	}
}

func (b *builder) addDir(path string) {
	b.put(pkgindex.File{Path: path, Type: pkgindex.TypeDir, Mode: 0o755})
}

func (b *builder) addSymlink(path, target string) {
	b.put(pkgindex.File{Path: path, Type: pkgindex.TypeSymlink, Mode: 0o777, LinkTarget: target})
}

// addHardLink makes path another name of the file at target, if there is one.
func (b *builder) addHardLink(path, target string) bool {
	i, ok := b.at[target]
	if !ok || b.index.Files[i].Type != pkgindex.TypeFile {
		return false
	}
	first := &b.index.Files[i]
	if first.HardLinks == 0 {
		b.sets++
		first.HardLinks = b.sets
	}
	second := *first
	second.Path = path
	b.put(second)
	return true
}

// addFile writes the contents of a file, which must have the size that the archive says.
func (b *builder) addFile(path string, mode uint32, size int64, write func(io.Writer) error) error {
	if err := b.tar.WriteHeader(&tar.Header{Format: tar.FormatPAX, Typeflag: tar.TypeReg, Name: path[1:], Mode: int64(mode), Size: size}); err != nil {
		return err
	}
	f := pkgindex.File{Path: path, Type: pkgindex.TypeFile, Mode: mode, SizeBytes: size, Offset: b.n}
	sum := sha256.New()
	if err := write(io.MultiWriter(b.tar, sum)); err != nil {
		return err
	}
	if err := b.tar.Flush(); err != nil { // also when bytes are missing
		return err
	}
	if err := b.buf.Flush(); err != nil {
		return err
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := b.inspect(&f, io.NewSectionReader(b.file, f.Offset, size)); err != nil {
		return err
	}
	b.put(f)
	return nil
}

// inspect fills in what is known of files of packages, and notes the compiler of Go programs.
func (b *builder) inspect(f *pkgindex.File, r io.ReaderAt) error {
	e := rootfs.Entry{SizeBytes: f.SizeBytes}
	if err := e.Inspect(r); err != nil {
		return err
	}
	f.ELF, f.Interp, f.InterpArg = e.ELF, e.Interp, e.InterpArg
	if f.ELF != nil && f.ELF.Type != "rel" && f.Mode&0o111 != 0 {
		if info, err := buildinfo.Read(io.NewSectionReader(r, 0, f.SizeBytes)); err == nil { // others are no Go programs
			version, _, _ := strings.Cut(info.GoVersion, " ") // experiments follow
			b.builtBy[version] = true
		}
	}
	return nil
}

// finish settles hard links and totals.
func (b *builder) finish() {
	slices.SortFunc(b.index.Files, func(a, c pkgindex.File) int { return strings.Compare(a.Path, c.Path) })
	for version := range b.builtBy {
		b.index.Content.BuiltWith = append(b.index.Content.BuiltWith, version)
	}
	slices.Sort(b.index.Content.BuiltWith)
}
