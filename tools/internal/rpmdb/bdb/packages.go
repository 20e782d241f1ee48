package bdb

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
)

// maxBlob bounds a header; rpm reads none above 256 MiB.
const maxBlob = 256<<20 + 1<<20

const (
	minBuckets    = 2 // Berkeley DB makes no fewer
	maxBuckets    = 1 << 20
	bucketPair    = 5 + 12 + 2*2 // key, reference to the header, their offsets
	spareEntries  = 32
	charKey       = "%$sniglet^&\x00" // hashed into the file, to tell other hash functions
	spareStart    = 96
	metaMaxBucket = 72
)

// Packages is a planned Packages file.
type Packages struct {
	blobs   Blobs
	order   Order
	buckets uint32 // a power of two; bucket b is page b+1
	pages   uint32
}

// PlanPackages lays out Packages.
func PlanPackages(blobs Blobs, order Order) (*Packages, error) {
	p := &Packages{blobs: blobs, order: order, buckets: minBuckets}
	for !p.bucketsFit() {
		if p.buckets *= 2; p.buckets > maxBuckets {
			return nil, fmt.Errorf("%d headers need more than %d buckets", blobs.Len(), maxBuckets)
		}
	}
	pages := int64(p.buckets) + 1
	for i := range blobs.Len() {
		size := blobs.Size(i)
		if size < 1 || size > maxBlob {
			return nil, fmt.Errorf("header %d has %d bytes, allowed are 1 to %d", i+1, size, maxBlob)
		}
		pages += int64(overflowPages(size))
	}
	if pages > math.MaxUint32 {
		return nil, fmt.Errorf("the headers take %d pages, more than the format can address", pages)
	}
	p.pages = uint32(pages)
	return p, nil
}

// bucketsFit reports whether each bucket has room for its keys.
func (p *Packages) bucketsFit() bool {
	counts := make([]int, p.buckets)
	for number := range uint32(p.blobs.Len()) + 1 { // key 0 included
		b := p.bucket(number)
		if counts[b]++; counts[b]*bucketPair > pageRoom {
			return false
		}
	}
	return true
}

func (p *Packages) key(number uint32) []byte { return p.order.AppendUint32(nil, number) }

func (p *Packages) bucket(number uint32) uint32 { return hash(p.key(number)) & (p.buckets - 1) }

// Size is the number of bytes WriteTo writes.
func (p *Packages) Size() int64 { return int64(p.pages) * pageSize }

// WriteTo writes the file.
func (p *Packages) WriteTo(w io.Writer) (int64, error) {
	out := bufio.NewWriterSize(w, 16*pageSize)
	n, err := out.Write(append(p.meta(), p.bucketPages()...))
	total := int64(n)
	next := p.buckets + 1
	var blob, pages []byte
	for i := 0; err == nil && i < p.blobs.Len(); i++ {
		if blob, err = p.blobs.Append(blob[:0], i); err != nil {
			break
		}
		if len(blob) != p.blobs.Size(i) {
			return total, fmt.Errorf("writing header %d: %d bytes where %d were announced", i+1, len(blob), p.blobs.Size(i))
		}
		pages = appendOverflow(pages[:0], p.order, next, blob)
		next += overflowPages(len(blob))
		n, err = out.Write(pages)
		total += int64(n)
	}
	if err == nil {
		err = out.Flush()
	}
	return total, err
}

func (p *Packages) meta() []byte {
	buf := metaPage(p.order, "Packages", hashMagic, hashVersion, p.pages-1, pageHashMeta)
	for i, v := range [...]uint32{p.buckets - 1, p.buckets - 1, p.buckets/2 - 1, 0, uint32(p.blobs.Len()) + 1, hash([]byte(charKey))} {
		p.order.PutUint32(buf[metaMaxBucket+4*i:], v) // last bucket, masks, fill factor, keys, hash of the test key
	}
	// Each spare is what to add to the number of a bucket for the number of its page, for one power of two of buckets.
	for i := 0; 1<<i <= p.buckets; i++ {
		p.order.PutUint32(buf[spareStart+4*i:], 1)
	}
	return buf
}

// bucketPages returns the pages of all buckets. A key is the number of a header; key 0 keeps the highest number in use.
func (p *Packages) bucketPages() []byte {
	type pair struct{ key, value []byte }
	buckets := make([][]pair, p.buckets)
	next := p.buckets + 1
	for number := range uint32(p.blobs.Len()) + 1 {
		value := append([]byte{itemInline}, p.key(uint32(p.blobs.Len()))...)
		if number > 0 {
			size := p.blobs.Size(int(number) - 1)
			value = p.order.AppendUint32(append([]byte{itemOffPage}, 0, 0, 0), next)
			value = p.order.AppendUint32(value, uint32(size))
			next += overflowPages(size)
		}
		b := p.bucket(number)
		buckets[b] = append(buckets[b], pair{append([]byte{itemInline}, p.key(number)...), value})
	}
	var out []byte
	for b, pairs := range buckets {
		slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
		page := newPage(p.order, uint32(b)+1, 0, 0, 0, pageHash)
		for _, pair := range pairs {
			page.add(pair.key, 1)
			page.add(pair.value, 1)
		}
		out = append(out, page.finish()...)
	}
	return out
}

// hash is the function of Berkeley DB since 3.1: FNV-1 with another start.
func hash(key []byte) uint32 {
	h := uint32(0)
	for _, c := range key {
		h = h*16777619 ^ uint32(c)
	}
	return h
}
