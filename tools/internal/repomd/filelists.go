package repomd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// FoundFile is a file that ScanFilelists was asked for.
type FoundFile struct {
	Package [32]byte // checksum of the package
	Path    string
	Type    byte
}

// ScanFilelists reads an uncompressed filelists.xml and returns the files whose path is in wanted, in file order.
// The document is not kept: it is several times as large as primary.xml and seldom needed.
func ScanFilelists(r io.Reader, wanted map[string]bool) ([]FoundFile, error) {
	var found []FoundFile
	c := newChunker(r, "filelists", "package")
	var scratch []byte
	for n := 1; ; n++ {
		chunk, err := c.next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err == nil {
			found, err = scanFiles(chunk, &scratch, wanted, found)
		}
		if err != nil {
			return nil, fmt.Errorf("reading filelists.xml: package %d: %w", n, err)
		}
	}
}

func scanFiles(chunk []byte, scratch *[]byte, wanted map[string]bool, found []FoundFile) ([]FoundFile, error) {
	t := tags{rest: chunk}
	var id [32]byte
	source := false
	for t.next() {
		if t.end {
			continue
		}
		switch string(t.name) {
		case "package":
			err := eachAttr(t.attrs, func(name, value []byte) error {
				switch string(name) {
				case "pkgid":
					if len(value) != 64 {
						return fmt.Errorf("pkgid %.80q is not SHA-256", value)
					}
					_, err := hex.Decode(id[:], value)
					return err
				case "arch":
					source = string(value) == "src" || string(value) == "nosrc"
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		case "file":
			if source {
				continue
			}
			path, err := unescape(t.text, *scratch)
			if err != nil {
				return nil, err
			}
			if len(path) != len(t.text) {
				*scratch = path[:0]
			}
			if wanted[string(path)] {
				kind, err := fileType(t.attrs)
				if err != nil {
					return nil, err
				}
				found = append(found, FoundFile{id, string(path), kind})
			}
		}
	}
	return found, t.err
}

// InPrimary reports whether createrepo lists files of this path in primary.xml, so that filelists.xml need not be read
// for it.
func InPrimary(path string) bool {
	if len(path) > 5 && path[:5] == "/etc/" || path == "/usr/lib/sendmail" {
		return true
	}
	for i := 0; i+4 <= len(path); i++ {
		if path[i:i+4] == "bin/" {
			return true
		}
	}
	return false
}
