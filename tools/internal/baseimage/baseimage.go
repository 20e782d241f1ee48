// Package baseimage turns an image of others into a base: its layers become one tree, with what our own bases say about theirs.
//
// Layers are merged as container engines do, whiteouts included. The package database, of any backend that rpm has had, says
// which package owns what. Stored headers are kept as they are, because databases of images on top take them over byte for
// byte; so are the contents of all files, because steps on top may have to read them.
package baseimage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocilayout"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// maxDatabase bounds the file with the headers; that of the largest images has some 200 MiB.
const maxDatabase = 2 << 30

// databaseDirs are where releases keep the database, the newer place first.
var databaseDirs = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}

// Architectures by their RPM names.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// Options says what to read.
type Options struct {
	Layout  string // folder
	Arch    string // RPM architecture
	Label   string // owner of files that no package has
	Scratch string // folder for decompressed layers; they are gone after Close
}

// Base is an image that has been read.
type Base struct {
	Tree    *rootfs.Tree
	records []rpmdb.Record // in the order of Tree.Packages
	layers  []*os.File
}

// Read reads an image.
func Read(o Options) (*Base, error) {
	arch, ok := architectures[o.Arch]
	if !ok {
		return nil, fmt.Errorf("reading base %s: unknown architecture %q", o.Label, o.Arch)
	}
	image, err := ocilayout.Open(o.Layout, arch)
	if err != nil {
		return nil, fmt.Errorf("reading base %s: %w", o.Label, err)
	}
	b := &Base{Tree: &rootfs.Tree{Schema: rootfs.Schema, Label: o.Label, Arch: o.Arch, Layers: 1, Image: image.Digest}}
	if err := b.read(image, o); err != nil {
		return nil, errors.Join(fmt.Errorf("reading base %s: %w", o.Label, err), b.Close())
	}
	return b, nil
}

// Close removes the decompressed layers.
func (b *Base) Close() error {
	var errs []error
	for _, f := range b.layers {
		errs = append(errs, f.Close(), os.Remove(f.Name()))
	}
	b.layers = nil
	return errors.Join(errs...)
}

// WriteLayer writes all files of the image as one layer.
func (b *Base) WriteLayer(w io.Writer) error {
	return rootfs.WriteLayer(w, &rootfs.Layer{Entries: b.Tree.Entries})
}

// WriteHeaders writes the stored headers of all packages, one after the other, as Tree.Packages says.
func (b *Base) WriteHeaders(w io.Writer) error {
	for _, rec := range b.records {
		if _, err := w.Write(rec.Blob()); err != nil {
			return err
		}
	}
	return nil
}

func (b *Base) read(image *ocilayout.Image, o Options) error {
	m := newMerger()
	for i := range image.Layers() {
		f, err := os.CreateTemp(o.Scratch, "layer-*.tar")
		if err != nil {
			return err
		}
		b.layers = append(b.layers, f)
		if err := image.CopyLayer(f, i); err != nil {
			return err
		}
		if err := m.apply(f); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
	}
	b.Tree.Entries = m.entries()
	if err := b.inspect(); err != nil {
		return err
	}
	if err := b.readDatabase(m.fs); err != nil {
		return err
	}
	for _, e := range b.Tree.Entries {
		if len(e.Owners) == 0 {
			e.Owners = []string{o.Label}
		}
		slices.Sort(e.Owners)
		e.Owners = slices.Compact(e.Owners)
	}
	return b.readGlibc(m.fs)
}

func (b *Base) file(name string) *os.File {
	i := slices.IndexFunc(b.layers, func(f *os.File) bool { return f.Name() == name })
	return b.layers[i]
}

func (b *Base) contents(e *rootfs.Entry) *io.SectionReader {
	return io.NewSectionReader(b.file(e.Content.Source), e.Content.Offset, e.SizeBytes)
}

func (b *Base) readFile(e *rootfs.Entry, limit int64) ([]byte, error) {
	if e.SizeBytes > limit {
		return nil, fmt.Errorf("reading %s: %d bytes are more than %d", e.Path, e.SizeBytes, limit)
	}
	data := make([]byte, e.SizeBytes)
	if _, err := io.ReadFull(b.contents(e), data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", e.Path, err)
	}
	return data, nil
}

// inspect fills in what is known about files by their contents.
func (b *Base) inspect() error {
	for _, e := range b.Tree.Entries {
		if e.Type != pkgindex.TypeFile || e.HardLink != "" {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, b.contents(e)); err != nil {
			return fmt.Errorf("reading %s: %w", e.Path, err)
		}
		e.SHA256 = hex.EncodeToString(sum.Sum(nil))
		if err := e.Inspect(b.contents(e)); err != nil {
			return fmt.Errorf("reading %s: %w", e.Path, err)
		}
		if rootfs.KeepsText(e.Path, e.SizeBytes) {
			data, err := b.readFile(e, rootfs.MaxText)
			if err != nil {
				return err
			}
			e.Text = string(data)
		}
	}
	for _, e := range b.Tree.Entries {
		if first := e.HardLink; first != "" {
			i, _ := slices.BinarySearchFunc(b.Tree.Entries, first, func(e *rootfs.Entry, p string) int { return strings.Compare(e.Path, p) })
			e.SHA256, e.ELF, e.Interp, e.InterpArg = b.Tree.Entries[i].SHA256, b.Tree.Entries[i].ELF, b.Tree.Entries[i].Interp, b.Tree.Entries[i].InterpArg
		}
	}
	return nil
}

func (b *Base) readGlibc(fs *rootfs.FS) error {
	e := rootfs.FindGlibc(fs, b.Tree.Arch)
	if e == nil {
		return nil
	}
	data, err := b.readFile(e, maxDatabase)
	b.Tree.Glibc = rootfs.GlibcBanner(data)
	return err
}

// readDatabase finds the package database and lists its packages. An image without one is a base too.
func (b *Base) readDatabase(fs *rootfs.FS) error {
	for _, dir := range databaseDirs {
		for _, name := range rpmdb.MainFiles() {
			e := fs.Stat(rootfs.Join(dir, name))
			if e == nil || e.Type != pkgindex.TypeFile {
				continue
			}
			if err := b.readPackages(fs, e); err != nil {
				return cli.Hint(fmt.Errorf("package database %s: %w", e.Path, err), "if the image's own rpm can read it, run rpm --rebuilddb in the image")
			}
			b.Tree.RPMDB.Path = dir
			return nil
		}
	}
	return nil
}

func (b *Base) readPackages(fs *rootfs.FS, main *rootfs.Entry) error {
	data, err := b.readFile(main, maxDatabase)
	if err != nil {
		return err
	}
	source := rpmdb.Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))}
	if log := fs.Get(rootfs.Join(rootfs.Dir(main.Path), rpmdb.SQLiteLog)); log != nil && log.Type == pkgindex.TypeFile {
		if source.Log, err = b.readFile(log, maxDatabase); err != nil {
			return err
		}
	}
	if journal := fs.Get(rootfs.Join(rootfs.Dir(main.Path), rpmdb.SQLiteJournal)); journal != nil && journal.SizeBytes > 0 {
		return fmt.Errorf("%s says that a transaction was cut off", journal.Path)
	}
	backend, err := rpmdb.Detect(source)
	if err != nil {
		return err
	}
	b.Tree.RPMDB.Backend = string(backend)
	if b.records, err = rpmdb.ReadAll(source); err != nil {
		return err
	}
	return b.addPackages(fs)
}

// addPackages lists the packages by NEVRA and makes them owners of their files.
func (b *Base) addPackages(fs *rootfs.FS) error {
	names := map[uint32]string{}
	for _, rec := range b.records {
		nevra, err := rec.NEVRA()
		if err != nil {
			return fmt.Errorf("header %d: %w", rec.Number, err)
		}
		names[rec.Number] = nevra
	}
	slices.SortStableFunc(b.records, func(x, y rpmdb.Record) int { return strings.Compare(names[x.Number], names[y.Number]) })
	offset := int64(0)
	for i, rec := range b.records {
		nevra := names[rec.Number]
		if i > 0 && names[b.records[i-1].Number] == nevra {
			return fmt.Errorf("it lists %s twice, as headers %d and %d", nevra, b.records[i-1].Number, rec.Number)
		}
		p, err := describe(rec, nevra)
		if err != nil {
			return fmt.Errorf("%s: %w", nevra, err)
		}
		p.Foreign.Offset = offset
		offset += p.Foreign.Size
		paths, err := rec.Paths()
		if err != nil {
			return fmt.Errorf("%s: %w", nevra, err)
		}
		for j, path := range paths {
			if p.FileStates[j] != rootfs.StateNormal {
				continue
			}
			path, err := fs.Canonical(path)
			if err != nil {
				return fmt.Errorf("%s: %w", nevra, err)
			}
			if e := fs.Get(path); e != nil {
				e.Owners = append(e.Owners, nevra)
				if e.Type == pkgindex.TypeFile && e.HardLink == "" {
					p.SizeBytes += e.SizeBytes
				}
			}
		}
		b.Tree.Packages = append(b.Tree.Packages, *p)
	}
	return nil
}

// describe says of a package what tree.json does.
func describe(rec rpmdb.Record, nevra string) (*rootfs.Package, error) {
	p := &rootfs.Package{NEVRA: nevra, Foreign: &rootfs.ForeignPackage{Number: rec.Number, Size: int64(len(rec.Blob()))}}
	for _, v := range []struct {
		tag rpm.Tag
		to  *string
	}{{rpm.TagName, &p.Name}, {rpm.TagArch, &p.Arch}, {rpm.TagLicense, &p.License}, {rpm.TagSourceRPM, &p.SourceRPM},
		{rpm.TagVendor, &p.Vendor}, {rpm.TagURL, &p.URL}} {
		s, err := rec.String(v.tag)
		if err != nil {
			return nil, err
		}
		*v.to = s
	}
	names, err := rec.Strings(rpm.TagBasenames)
	if err != nil {
		return nil, err
	}
	states, err := rec.Bytes(rpm.TagFileStates)
	if err != nil {
		return nil, err
	}
	if states == nil {
		states = make([]byte, len(names))
	}
	if len(states) != len(names) {
		return nil, fmt.Errorf("%d file states for %d files", len(states), len(names))
	}
	text := make([]byte, len(states))
	for i, s := range states {
		if s > rpmdb.StateWrongColor {
			return nil, fmt.Errorf("file %d has the unknown state %d", i, s)
		}
		text[i] = rootfs.StateNormal + s
	}
	p.FileStates = string(text)
	return p, nil
}
