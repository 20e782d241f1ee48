package rootfs

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"strings"
)

// LayerFiles reads single files of a layer that WriteLayer wrote.
type LayerFiles struct {
	f     *os.File
	at    map[string]layerFile
	links map[string]string // hard links: the path that has the content
}

type layerFile struct{ offset, size int64 }

// OpenLayer reads where each file of the layer lies. It must be closed.
func OpenLayer(name string) (*LayerFiles, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	l := &LayerFiles{f: f, at: map[string]layerFile{}, links: map[string]string{}}
	if err := l.index(); err != nil {
		f.Close()
		return nil, fmt.Errorf("reading layer %s: %w", name, err)
	}
	return l, nil
}

func (l *LayerFiles) index() error {
	tr := tar.NewReader(l.f) // it reads no further than the header, and seeks over contents
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := "/" + strings.TrimPrefix(h.Name, "./")
		switch h.Typeflag {
		case tar.TypeReg:
			offset, err := l.f.Seek(0, io.SeekCurrent)
			if err != nil {
				return err
			}
			l.at[path] = layerFile{offset, h.Size}
		case tar.TypeLink:
			l.links[path] = "/" + strings.TrimPrefix(h.Linkname, "./")
		}
	}
}

// ReadFile returns the contents of a regular file of at most limit bytes.
func (l *LayerFiles) ReadFile(path string, limit int64) ([]byte, error) {
	if first, ok := l.links[path]; ok {
		path = first
	}
	at, ok := l.at[path]
	if !ok {
		return nil, fmt.Errorf("layer %s has no file %s", l.f.Name(), path)
	}
	if at.size > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	data := make([]byte, at.size)
	_, err := l.f.ReadAt(data, at.offset)
	if err == io.EOF && at.size == 0 {
		err = nil
	}
	return data, err
}

// Close closes the layer.
func (l *LayerFiles) Close() error { return l.f.Close() }
