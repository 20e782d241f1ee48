package extract

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// tarWriter writes payload.tar and knows its position in it.
type tarWriter struct {
	file *os.File
	buf  *bufio.Writer
	n    int64
	tar  *tar.Writer
}

func newTarWriter(f *os.File) *tarWriter {
	t := &tarWriter{file: f, buf: bufio.NewWriterSize(f, 256<<10)}
	t.tar = tar.NewWriter(countWriter{t})
	return t
}

type countWriter struct{ t *tarWriter }

func (c countWriter) Write(p []byte) (int, error) {
	n, err := c.t.buf.Write(p)
	c.t.n += int64(n)
	return n, err
}

// Write adds content to the current entry.
func (t *tarWriter) Write(p []byte) (int, error) {
	n, err := t.tar.Write(p)
	if err != nil {
		err = fmt.Errorf("writing payload tar: %w", err)
	}
	return n, err
}

// offset is the position of the next byte in the tar.
func (t *tarWriter) offset() int64 { return t.n }

// section returns bytes that have been written.
func (t *tarWriter) section(offset, size int64) (io.ReaderAt, error) {
	if err := t.buf.Flush(); err != nil {
		return nil, fmt.Errorf("writing payload tar: %w", err)
	}
	return io.NewSectionReader(t.file, offset, size), nil
}

// header starts an entry. Owners stay names: the ids are those of the image, which are not known here.
func (t *tarWriter) header(f *rpm.File, size int64) error {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: tarName(f.Path), Mode: int64(f.Mode), Size: size, Uname: f.User, Gname: f.Group,
		ModTime: time.Unix(f.ModTime, 0).UTC(),
	}
	switch f.Type {
	case pkgindex.TypeFile:
		h.Typeflag = tar.TypeReg
	case pkgindex.TypeDir:
		h.Typeflag = tar.TypeDir
		if h.Name != "./" {
			h.Name += "/"
		}
	case pkgindex.TypeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.LinkTarget
	case pkgindex.TypeChar, pkgindex.TypeBlock:
		h.Typeflag = tar.TypeChar
		if f.Type == pkgindex.TypeBlock {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(f.RdevMajor), int64(f.RdevMinor)
	case pkgindex.TypeFIFO:
		h.Typeflag = tar.TypeFifo
	default:
		return fmt.Errorf("%q: %s cannot be archived", f.Path, f.Type)
	}
	if err := addCapability(h, f); err != nil {
		return err
	}
	return t.write(h, f)
}

// hardLink adds f as a link to the file at path first.
func (t *tarWriter) hardLink(f *rpm.File, first string) error {
	return t.write(&tar.Header{
		Format: tar.FormatPAX, Typeflag: tar.TypeLink, Name: tarName(f.Path), Linkname: tarName(first), Mode: int64(f.Mode),
		Uname: f.User, Gname: f.Group, ModTime: time.Unix(f.ModTime, 0).UTC(),
	}, f)
}

func (t *tarWriter) write(h *tar.Header, f *rpm.File) error {
	if err := t.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%q: writing payload tar: %w", f.Path, err)
	}
	return nil
}

func (t *tarWriter) close() error {
	err := t.tar.Close()
	if err == nil {
		err = t.buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing payload tar: %w", err)
	}
	return nil
}

func addCapability(h *tar.Header, f *rpm.File) error {
	if f.Caps == "" {
		return nil
	}
	value, err := rpm.Capability(f.Caps)
	if err != nil {
		return fmt.Errorf("%q: %w", f.Path, err)
	}
	if value != nil {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(value)}
	}
	return nil
}

// tarName makes a checked path relative: no leading slash, and "./" for the root.
func tarName(path string) string {
	if path == "/" {
		return "./"
	}
	return strings.TrimPrefix(path, "/")
}
