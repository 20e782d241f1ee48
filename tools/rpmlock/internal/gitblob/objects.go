package gitblob

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" // names of objects
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// id is the name of an object.
type id [20]byte

func (i id) String() string { return hex.EncodeToString(i[:]) }

func parseID(text string) (out id, err error) {
	if len(text) != 2*len(out) {
		return out, fmt.Errorf("%.60q is not an object name", text)
	}
	_, err = hex.Decode(out[:], []byte(text))
	return out, err
}

// maxObject bounds commits, tags and trees; maxDeltas the length of a chain of deltas, of which git makes at most 4,095.
const (
	maxObject = 64 << 20
	maxDeltas = 4095
	minShort  = 4 // digits of an abbreviated name
)

// pack is one pack file and its index.
type pack struct {
	path  string // without ".idx" or ".pack"
	index []byte
}

func (r *repository) findPacks(objects string) error {
	names, err := filepath.Glob(filepath.Join(objects, "pack", "*.idx"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if len(data) < 8+1024+40 || string(data[:4]) != "\xfftOc" || binary.BigEndian.Uint32(data[4:]) != 2 {
			return fmt.Errorf("%s is not a pack index of version 2", name)
		}
		p := &pack{strings.TrimSuffix(name, ".idx"), data}
		if int64(len(data)) < 8+1024+int64(p.count())*28+40 {
			return fmt.Errorf("%s is truncated", name)
		}
		r.packs = append(r.packs, p)
	}
	return nil
}

func (p *pack) count() int { return int(binary.BigEndian.Uint32(p.index[8+255*4:])) }

func (p *pack) name(i int) id { return id(p.index[8+1024+i*20:][:20]) }

// search returns where a name stands, or would stand, in the index.
func (p *pack) search(at id) int {
	from, to := 0, int(binary.BigEndian.Uint32(p.index[8+int(at[0])*4:]))
	if at[0] > 0 {
		from = int(binary.BigEndian.Uint32(p.index[8+int(at[0]-1)*4:]))
	}
	from, to = min(from, p.count()), min(to, p.count())
	for from < to {
		middle := (from + to) / 2
		if name := p.name(middle); bytes.Compare(name[:], at[:]) < 0 {
			from = middle + 1
		} else {
			to = middle
		}
	}
	return from
}

func (p *pack) offset(i int) (int64, error) {
	n := p.count()
	small := binary.BigEndian.Uint32(p.index[8+1024+n*24+i*4:])
	if small&(1<<31) == 0 {
		return int64(small), nil
	}
	at := 8 + 1024 + n*28 + int(small&^(1<<31))*8
	if at+8 > len(p.index) {
		return 0, fmt.Errorf("%s.idx: an offset lies outside", p.path)
	}
	return int64(binary.BigEndian.Uint64(p.index[at:])), nil
}

// abbreviated finds the only object whose name begins with digits.
func (r *repository) abbreviated(short string) (id, error) {
	unknown := fmt.Errorf("unknown revision %q: no branch, tag or commit of this name", short)
	if len(short) < minShort || len(short) > 40 || strings.Trim(strings.ToLower(short), "0123456789abcdef") != "" {
		return id{}, unknown
	}
	short = strings.ToLower(short)
	found := map[id]bool{}
	low, err := parseID(short + strings.Repeat("0", 40-len(short)))
	if err != nil {
		return id{}, unknown
	}
	for _, p := range r.packs {
		for i := p.search(low); i < p.count() && strings.HasPrefix(p.name(i).String(), short); i++ {
			found[p.name(i)] = true
		}
	}
	for _, dir := range r.objects {
		entries, err := os.ReadDir(filepath.Join(dir, short[:2]))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if at, err := parseID(short[:2] + e.Name()); err == nil && strings.HasPrefix(at.String(), short) {
				found[at] = true
			}
		}
	}
	var commits []id
	for at := range found {
		if kind, err := r.kind(at); err == nil && (kind == "commit" || kind == "tag") {
			commits = append(commits, at)
		}
	}
	switch len(commits) {
	case 0:
		return id{}, unknown
	case 1:
		return commits[0], nil
	}
	return id{}, fmt.Errorf("revision %q is short of %d commits; write more digits", short, len(commits))
}

// kind tells what an object is.
func (r *repository) kind(at id) (string, error) {
	kind, _, err := r.read(at, maxObject, 0)
	return kind, err
}

// object reads an object of a kind.
func (r *repository) object(at id, kind string, limit int64) ([]byte, error) {
	got, data, err := r.read(at, limit, 0)
	if err != nil {
		return nil, err
	}
	if sum := id(sha1.Sum(fmt.Appendf(nil, "%s %d\x00%s", got, len(data), data))); sum != at {
		return nil, fmt.Errorf("object %s is damaged: its content is that of %s; git fsck tells more", at, sum)
	}
	if got != kind {
		return nil, fmt.Errorf("object %s is a %s, not a %s", at, got, kind)
	}
	return data, nil
}

func (r *repository) read(at id, limit int64, depth int) (kind string, data []byte, err error) {
	for _, dir := range r.objects {
		name := at.String()
		f, err := os.Open(filepath.Join(dir, name[:2], name[2:]))
		if err != nil {
			continue
		}
		defer f.Close()
		kind, data, err = loose(f, limit)
		if err != nil {
			err = fmt.Errorf("object %s: %w", at, err)
		}
		return kind, data, err
	}
	for _, p := range r.packs {
		i := p.search(at)
		if i >= p.count() || p.name(i) != at {
			continue
		}
		offset, err := p.offset(i)
		if err == nil {
			kind, data, err = r.packed(p, offset, limit, depth)
		}
		if err != nil {
			err = fmt.Errorf("object %s: %w", at, err)
		}
		return kind, data, err
	}
	return "", nil, fmt.Errorf("object %s is not here; in a shallow or partial clone, git fetch brings it", at)
}

// loose reads "kind size\0content", compressed.
func loose(r io.Reader, limit int64) (kind string, data []byte, err error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, limit+64))
	if err != nil {
		return "", nil, err
	}
	head, rest, ok := bytes.Cut(text, []byte{0})
	kind, size, _ := strings.Cut(string(head), " ")
	n, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil {
		return "", nil, errors.New("malformed object")
	}
	if n > limit {
		return "", nil, fmt.Errorf("larger than %d bytes", limit)
	}
	if n != int64(len(rest)) {
		return "", nil, errors.New("truncated object")
	}
	return kind, rest, nil
}

var packedKinds = map[byte]string{1: "commit", 2: "tree", 3: "blob", 4: "tag"}

// packed reads an object of a pack: a head with kind and size, then content or a delta, compressed.
func (r *repository) packed(p *pack, offset, limit int64, depth int) (kind string, data []byte, err error) {
	if depth > maxDeltas {
		return "", nil, errors.New("a chain of deltas without end")
	}
	f, err := os.Open(p.path + ".pack")
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	in := &counted{r: io.NewSectionReader(f, offset, 1<<62)}
	first, err := in.ReadByte()
	if err != nil {
		return "", nil, err
	}
	size, shift := int64(first&15), 4
	for b := first; b&128 != 0; shift += 7 {
		if b, err = in.ReadByte(); err != nil {
			return "", nil, err
		}
		if shift > 50 {
			return "", nil, errors.New("malformed size")
		}
		size |= int64(b&127) << shift
	}
	if size > limit {
		return "", nil, fmt.Errorf("larger than %d bytes", limit)
	}
	var base []byte
	switch t := first >> 4 & 7; t {
	case 6:
		back, err := distance(in)
		if err != nil || back <= 0 || back > offset {
			return "", nil, errors.Join(errors.New("malformed delta"), err)
		}
		kind, base, err = r.packed(p, offset-back, limit, depth+1)
		if err != nil {
			return "", nil, err
		}
	case 7:
		var to id
		if _, err := io.ReadFull(in, to[:]); err != nil {
			return "", nil, err
		}
		if kind, base, err = r.read(to, limit, depth+1); err != nil {
			return "", nil, err
		}
	default:
		if kind = packedKinds[t]; kind == "" {
			return "", nil, fmt.Errorf("unknown kind %d", t)
		}
	}
	if data, err = inflate(in, size); err != nil || base == nil {
		return kind, data, err
	}
	data, err = patch(base, data, limit)
	return kind, data, err
}

func inflate(r io.Reader, size int64) ([]byte, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(z, size+1))
	if err == nil && int64(len(data)) != size {
		err = errors.New("its size is not the one announced")
	}
	return data, err
}

// counted reads single bytes from a section.
type counted struct{ r io.Reader }

func (c *counted) Read(b []byte) (int, error) { return c.r.Read(b) }
func (c *counted) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(c.r, b[:])
	return b[0], err
}

// distance reads how far back the base of a delta lies.
func distance(r io.ByteReader) (int64, error) {
	b, err := r.ReadByte()
	n := int64(b & 127)
	for err == nil && b&128 != 0 {
		if n > 1<<50 {
			return 0, errors.New("malformed distance")
		}
		b, err = r.ReadByte()
		n = (n+1)<<7 | int64(b&127)
	}
	return n, err
}

// patch applies a delta.
func patch(base, delta []byte, limit int64) ([]byte, error) {
	bad := errors.New("malformed delta")
	from, n := binary.Uvarint(delta)
	if n <= 0 || from != uint64(len(base)) {
		return nil, bad
	}
	delta = delta[n:]
	to, n := binary.Uvarint(delta)
	if n <= 0 || to > uint64(limit) {
		return nil, bad
	}
	delta = delta[n:]
	out := make([]byte, 0, min(to, 1<<20))
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		if op&128 == 0 { // literal bytes
			if op == 0 || int(op) > len(delta) {
				return nil, bad
			}
			out, delta = append(out, delta[:op]...), delta[op:]
			continue
		}
		var fields [7]byte // offset in 4 bytes, size in 3; absent ones are 0
		for i := range fields {
			if op&(1<<i) != 0 {
				if len(delta) == 0 {
					return nil, bad
				}
				fields[i], delta = delta[0], delta[1:]
			}
		}
		start := int(binary.LittleEndian.Uint32(fields[:4]))
		size := int(fields[4]) | int(fields[5])<<8 | int(fields[6])<<16
		if size == 0 {
			size = 1 << 16
		}
		if start > len(base) || size > len(base)-start || uint64(len(out)+size) > to {
			return nil, bad
		}
		out = append(out, base[start:start+size]...)
	}
	if uint64(len(out)) != to {
		return nil, bad
	}
	return out, nil
}
