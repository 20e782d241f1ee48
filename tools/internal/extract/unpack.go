package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cpio"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// headSize is how much of a file's start is kept in memory, for the interpreter line and small texts.
const headSize = pkgindex.MaxText

// unpacker moves the contents of a payload into a tar.
type unpacker struct {
	files  []rpm.File
	index  map[string]int // path -> file
	seen   []bool         // came by in the payload
	algo   uint32
	tar    *tarWriter
	linked map[int]*linkSet // by File.HardLinks
	head   []byte
	buf    []byte
	notes  []string
	limit  int64 // of the decompressed payload
}

// linkSet is a set of hard links. The content comes with one member, by custom the last; the others are empty in the archive.
type linkSet struct {
	members []int // in header order
	done    bool  // content written
}

// unpack reads the payload from r and writes the tar. It returns notes about what protected the payload.
func unpack(p *rpm.Package, files []rpm.File, r io.Reader, out *os.File) (notes []string, err error) {
	nevra := p.NEVRA()
	check, err := rpm.NewPayloadCheck(p)
	if err != nil {
		return nil, err
	}
	compressor, err := rpm.PayloadCompressor(p.Main)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nevra, err)
	}
	packed := io.TeeReader(r, check.Packed())
	u, err := newUnpacker(p, files, out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nevra, err)
	}
	if err := u.decompress(compressor, packed); err != nil {
		return nil, fmt.Errorf("%s: %w", nevra, err)
	}
	// The decoder may stop before the end of its input; digests cover all of it.
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return nil, fmt.Errorf("%s: reading payload: %w", nevra, err)
	}
	notes, err = check.Finish()
	return append(u.notes, notes...), err
}

func newUnpacker(p *rpm.Package, files []rpm.File, out *os.File) (*unpacker, error) {
	algo, err := rpm.FileDigestAlgo(p.Main)
	if err != nil {
		return nil, err
	}
	u := &unpacker{
		files: files, index: make(map[string]int, len(files)), seen: make([]bool, len(files)), algo: algo,
		tar: newTarWriter(out), linked: map[int]*linkSet{}, buf: make([]byte, 256<<10),
	}
	if u.limit, err = rpm.ArchiveLimit(files); err != nil {
		return nil, err
	}
	for i := range files {
		f := &files[i]
		u.index[f.Path] = i
		if f.HardLinks != 0 {
			set := u.linked[f.HardLinks]
			if set == nil {
				set = &linkSet{}
				u.linked[f.HardLinks] = set
			}
			set.members = append(set.members, i)
		}
	}
	return u, nil
}

// decompress runs the decoder in its own goroutine, so that decoding overlaps with hashing and writing.
func (u *unpacker) decompress(compressor string, packed io.Reader) error {
	pl, err := rpm.OpenPayload(compressor, packed)
	if err != nil {
		return err
	}
	ahead := newReadAhead(&boundedReader{r: pl, left: u.limit, limit: u.limit})
	err = u.archive(ahead)
	ahead.stop()
	if closeErr := pl.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("decompressing payload: %w", closeErr)
	}
	return err
}

func (u *unpacker) archive(r io.Reader) error {
	archive := cpio.NewReader(r, u.strippedSize)
	for {
		e, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		i, err := u.lookup(e)
		if err != nil {
			return err
		}
		f := &u.files[i]
		if u.seen[i] {
			return fmt.Errorf("%q is twice in the payload", f.Path)
		}
		u.seen[i] = true
		if f.Ghost() {
			continue // rpm before 4.11 shipped them
		}
		if err := u.entry(i, e, archive); err != nil {
			return err
		}
	}
	if err := archive.Drain(); err != nil {
		return err
	}
	if err := u.finishLinks(); err != nil {
		return err
	}
	if err := u.checkComplete(); err != nil {
		return err
	}
	return u.tar.close()
}

// strippedSize is the content size of a stripped entry: the header's, and none for all but the last of a set of hard links.
func (u *unpacker) strippedSize(index int) (int64, error) {
	if index >= len(u.files) {
		return 0, fmt.Errorf("file %d is not in the header, which has %d", index, len(u.files))
	}
	f := &u.files[index]
	switch f.Type {
	case pkgindex.TypeSymlink:
		return int64(len(f.LinkTarget)), nil
	case pkgindex.TypeFile:
		if f.HardLinks != 0 {
			members := u.linked[f.HardLinks].members
			if members[len(members)-1] != index {
				return 0, nil
			}
		}
		return f.SizeBytes, nil
	}
	return 0, nil
}

// lookup finds the file of an archive entry. Names may start with "./", "/" or neither.
func (u *unpacker) lookup(e *cpio.Entry) (int, error) {
	if e.Stripped() {
		return e.Index, nil // strippedSize has checked it
	}
	name := e.Name
	switch {
	case name == "." || name == "./":
		name = "/"
	case strings.HasPrefix(name, "./"):
		name = name[1:]
	case !strings.HasPrefix(name, "/"):
		name = "/" + name
	}
	if err := rpm.CheckPath(name); err != nil {
		return 0, fmt.Errorf("payload entry %q: %w", e.Name, err)
	}
	i, ok := u.index[name]
	if !ok {
		return 0, fmt.Errorf("payload entry %q is not in the header", e.Name)
	}
	return i, nil
}

func (u *unpacker) entry(i int, e *cpio.Entry, r io.Reader) error {
	f := &u.files[i]
	switch f.Type {
	case pkgindex.TypeFile:
		if f.HardLinks != 0 {
			return u.link(i, e, r)
		}
		return u.regular(i, e, r)
	case pkgindex.TypeSymlink:
		target, err := io.ReadAll(io.LimitReader(r, int64(len(f.LinkTarget))+1))
		if err != nil {
			return err
		}
		if string(target) != f.LinkTarget {
			return fmt.Errorf("%q: link target is %q in the payload and %q in the header", f.Path, target, f.LinkTarget)
		}
	default:
		if e.Size != 0 {
			return fmt.Errorf("%q: %s with %d bytes of content", f.Path, f.Type, e.Size)
		}
	}
	if f.Type == pkgindex.TypeSocket {
		u.notes = append(u.notes, fmt.Sprintf("%q: is a socket, which no archive can hold: not installed", f.Path))
		return nil
	}
	return u.tar.header(f, 0)
}

// link handles a member of a set of hard links. The first member in header order becomes the file, whoever carries the content.
func (u *unpacker) link(i int, e *cpio.Entry, r io.Reader) error {
	f := &u.files[i]
	set := u.linked[f.HardLinks]
	if e.Size == 0 && f.SizeBytes != 0 {
		return nil
	}
	if set.done {
		if e.Size == 0 {
			return nil
		}
		return fmt.Errorf("%q: content of the hard link %q comes twice in the payload", f.Path, u.files[set.members[0]].Path)
	}
	set.done = true
	first := set.members[0]
	if u.files[first].SizeBytes != f.SizeBytes || !strings.EqualFold(u.files[first].Digest, f.Digest) {
		return fmt.Errorf("%q and %q are hard links, but the header gives them different contents", u.files[first].Path, f.Path)
	}
	return u.regular(first, e, r)
}

// finishLinks writes the members after the first as links.
func (u *unpacker) finishLinks() error {
	for i := range u.files {
		f := &u.files[i]
		if f.HardLinks == 0 {
			continue
		}
		set := u.linked[f.HardLinks]
		if set.members[0] == i {
			continue
		}
		first := &u.files[set.members[0]]
		if !set.done {
			return fmt.Errorf("%q: the payload lacks the content of this hard link of %q", f.Path, first.Path)
		}
		if f.SizeBytes != first.SizeBytes || !strings.EqualFold(f.Digest, first.Digest) {
			return fmt.Errorf("%q and %q are hard links, but the header gives them different contents", first.Path, f.Path)
		}
		f.SHA256, f.Offset, f.ELF, f.Interp, f.InterpArg, f.Text = first.SHA256, first.Offset, first.ELF, first.Interp, first.InterpArg, first.Text
		if !pkgindex.KeepsText(f.Path, f.SizeBytes) {
			f.Text = ""
		}
		if err := u.tar.hardLink(f, first.Path); err != nil {
			return err
		}
	}
	return nil
}

// checkComplete reports every file of the header that did not come.
func (u *unpacker) checkComplete() error {
	var errs []error
	for i := range u.files {
		if f := &u.files[i]; !u.seen[i] && !f.Ghost() {
			if errs = append(errs, fmt.Errorf("%q is in the header but not in the payload", f.Path)); len(errs) == 20 {
				break
			}
		}
	}
	return errors.Join(errs...)
}

// regular copies the content of a regular file, with all its hashes.
func (u *unpacker) regular(i int, e *cpio.Entry, r io.Reader) error {
	f := &u.files[i]
	if e.Size != f.SizeBytes {
		return fmt.Errorf("%q: %d bytes in the payload, the header says %d", f.Path, e.Size, f.SizeBytes)
	}
	if err := u.tar.header(f, f.SizeBytes); err != nil {
		return err
	}
	f.Offset = u.tar.offset()
	sum := sha256.New()
	hashes := []hash.Hash{sum}
	if u.algo != rpm.HashSHA256 {
		other, _, err := rpm.NewHash(u.algo)
		if err != nil {
			return fmt.Errorf("file digests: %w", err)
		}
		hashes = append(hashes, other)
	}
	if err := u.copy(f, hashes, r); err != nil {
		return err
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	if err := rpm.CheckFileDigest(f, hashes[len(hashes)-1].Sum(nil)); err != nil {
		return err
	}
	return u.inspect(f)
}

// copy moves the content into the tar and keeps its head.
func (u *unpacker) copy(f *rpm.File, hashes []hash.Hash, r io.Reader) error {
	u.head = u.head[:0]
	for {
		n, err := r.Read(u.buf)
		for _, h := range hashes {
			h.Write(u.buf[:n])
		}
		if room := headSize - len(u.head); room > 0 {
			u.head = append(u.head, u.buf[:min(n, room)]...)
		}
		if _, err := u.tar.Write(u.buf[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%q: %w", f.Path, err)
		}
	}
}
