package content

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

var digestForm = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=)$`)

// verify compares the archive with its digest before anything of it is used.
func verify(a *Archive) error {
	f, err := os.Open(a.Source)
	if err != nil {
		return err
	}
	defer f.Close()
	var got string
	if strings.HasPrefix(a.Digest, "h1:") {
		got, err = moduleHash(f)
	} else {
		got, err = fileHash(f)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", a.Source, err)
	}
	if got != a.Digest {
		return cli.Hint(fmt.Errorf("%s is %s, but the digest given is %s", a.Source, got, a.Digest),
			"fetch the archive again; if a new version is meant, change version and digest together")
	}
	return nil
}

func fileHash(r io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// moduleHash is the h1: hash of a module's zip, as go.sum has it (go.dev/ref/mod, "Module zip files" and "go.sum files"): the SHA-256
// of the lines "HEX  NAME" of all files, sorted by name.
func moduleHash(f *os.File) (string, error) {
	z, err := openZip(f)
	if err != nil {
		return "", err
	}
	files := slices.Clone(z.File)
	slices.SortFunc(files, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	all := sha256.New()
	var left int64 = maxArchiveBytes
	for _, file := range files {
		if strings.Contains(file.Name, "\n") {
			return "", fmt.Errorf("line break in the name %q", file.Name)
		}
		sum := sha256.New()
		n, err := copyMember(sum, file, left)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file.Name, err)
		}
		left -= n
		fmt.Fprintf(all, "%x  %s\n", sum.Sum(nil), file.Name)
	}
	return "h1:" + base64.StdEncoding.EncodeToString(all.Sum(nil)), nil
}

func openZip(f *os.File) (*zip.Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return zip.NewReader(f, st.Size())
}

// copyMember copies one file of a zip, whose checksum the reader compares; more than limit bytes are an error.
func copyMember(w io.Writer, file *zip.File, limit int64) (int64, error) {
	r, err := file.Open()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = errTooLarge
	}
	return n, err
}

// isZip tells by the first bytes: those of a file or of an empty archive.
func isZip(magic []byte) bool {
	return bytes.HasPrefix(magic, []byte("PK\x03\x04")) || bytes.HasPrefix(magic, []byte("PK\x05\x06"))
}
