// Package extract turns one RPM into what the other tools read: a plain tar of its contents, index.json and header.bin.
//
// The package is read once, front to back: the whole file, the compressed and the decompressed payload and every file are hashed
// while the tar is written. Memory does not grow with the payload. Nothing is left behind unless everything was right.
package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Options says what to read and where to write. Output files are written under temporary names beside their final ones and
// renamed when all is done.
type Options struct {
	RPM     string // path of the package
	SHA256  string // expected hash of the package, lower-case hex; "" checks nothing
	NEVRA   string // expected identity; "" checks nothing
	Payload string // output: tar
	Index   string // output: index.json
	Header  string // output: header.bin
}

// Run extracts one package.
func Run(o Options) (err error) {
	in, err := os.Open(o.RPM)
	if err != nil {
		return fmt.Errorf("opening package: %w", err)
	}
	defer in.Close()
	out, err := createOutputs(o.Payload, o.Index, o.Header)
	if err != nil {
		return err
	}
	defer out.discard()
	x, err := extract(in, out.files[0], out.files[2], o)
	if err != nil {
		return fmt.Errorf("extracting %s: %w", o.RPM, err)
	}
	if err := pkgindex.Write(out.files[1], x); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	return out.commit()
}

// extract reads the package from in and writes payload and header files.
func extract(in io.Reader, payload, header *os.File, o Options) (*pkgindex.Index, error) {
	file := &hashedReader{r: in, hash: sha256.New()}
	p, err := rpm.ReadPackage(file)
	if err != nil {
		return nil, explainTruncation(err, file, o)
	}
	x, files, err := describe(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.NEVRA(), err)
	}
	if o.NEVRA != "" && o.NEVRA != x.NEVRA {
		return nil, fmt.Errorf("the package is %s, wanted %s", x.NEVRA, o.NEVRA)
	}
	if x.Notes, err = headerDigests(p, o); err != nil {
		return nil, err
	}
	notes, err := unpack(p, files, file, payload)
	if err != nil && !(errors.Is(err, rpm.ErrNoPayloadDigest) && o.SHA256 != "") {
		return nil, explainTruncation(err, file, o)
	}
	if err != nil {
		notes = append(notes, "no payload digest")
	}
	x.Notes = append(x.Notes, notes...)
	if err := file.drain(); err != nil {
		return nil, fmt.Errorf("%s: reading the package: %w", x.NEVRA, err)
	}
	if err := file.check(x.NEVRA, o); err != nil {
		return nil, err
	}
	x.SHA256, x.SizeBytes = file.sum(), file.n
	x.Files = make([]pkgindex.File, len(files))
	for i := range files {
		x.Files[i] = files[i].File
	}
	if err := p.WriteHeaders(header); err != nil {
		return nil, err
	}
	return x, nil
}

func headerDigests(p *rpm.Package, o Options) ([]string, error) {
	notes, err := p.VerifyHeaderDigests()
	switch {
	case errors.Is(err, rpm.ErrNoHeaderDigest) && p.HasLegacyDigest():
		return nil, nil // unpack checks and notes the digest of header and payload together
	case errors.Is(err, rpm.ErrNoHeaderDigest) && o.SHA256 != "":
		return []string{"no header digest"}, nil
	}
	return notes, err
}

// explainTruncation prefers the plain truth over a consequence of it: when the hash of the file is known and wrong, whatever was
// found inside is of no interest.
func explainTruncation(err error, file *hashedReader, o Options) error {
	if drainErr := file.drain(); drainErr != nil || o.SHA256 == "" {
		return err
	}
	if mismatch := file.check("", o); mismatch != nil {
		return fmt.Errorf("%w (reading it gave: %w)", mismatch, err)
	}
	return err
}

// hashedReader hashes and counts what is read through it.
type hashedReader struct {
	r    io.Reader
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (h *hashedReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	h.n += int64(n)
	return n, err
}

func (h *hashedReader) drain() error {
	_, err := io.Copy(io.Discard, h)
	return err
}

func (h *hashedReader) sum() string { return hex.EncodeToString(h.hash.Sum(nil)) }

func (h *hashedReader) check(nevra string, o Options) error {
	if o.SHA256 == "" || o.SHA256 == h.sum() {
		return nil
	}
	err := fmt.Errorf("sha256 of the package is %s (%d bytes), wanted %s", h.sum(), h.n, o.SHA256)
	if nevra != "" {
		err = fmt.Errorf("%s: %w", nevra, err)
	}
	return cli.Hint(err, "the file is not what the lock names; fetch it again, or update the lock if the repository replaced the package")
}

// outputs are files that appear under their names only when all are complete.
type outputs struct {
	names []string
	files []*os.File
	done  bool
}

func createOutputs(names ...string) (*outputs, error) {
	o := &outputs{}
	for _, name := range names {
		f, err := os.OpenFile(name+".partial", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
		if err != nil {
			o.discard()
			return nil, fmt.Errorf("creating output: %w", err)
		}
		o.names, o.files = append(o.names, name), append(o.files, f)
	}
	return o, nil
}

func (o *outputs) commit() error {
	for i, f := range o.files {
		if err := f.Close(); err != nil {
			return fmt.Errorf("closing %s: %w", o.names[i], err)
		}
	}
	for i, name := range o.names {
		if err := os.Rename(name+".partial", name); err != nil {
			for _, done := range o.names[:i] {
				os.Remove(done)
			}
			return fmt.Errorf("finishing %s: %w", name, err)
		}
	}
	o.done = true
	return nil
}

// discard removes everything unless commit succeeded.
func (o *outputs) discard() {
	if o.done {
		return
	}
	for i, f := range o.files {
		f.Close()
		os.Remove(o.names[i] + ".partial")
	}
}
