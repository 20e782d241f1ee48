package rpmtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// archive writes the cpio archive as rpmbuild does: ghosts left out, the data of hard links with the last of them.
func (p *Package) archive() []byte {
	var out []byte
	last := map[uint32]int{}
	links := map[uint32]int{}
	for i, f := range p.Files {
		if p.shipped(f) && f.Mode&0o170000 == 0o100000 {
			last[f.Inode] = i
			links[f.Inode]++
		}
	}
	content := p.linkContent()
	for i, f := range p.Files {
		if !p.shipped(f) {
			continue
		}
		data := ""
		switch f.Mode & 0o170000 {
		case 0o120000:
			data = f.Link
		case 0o100000:
			if last[f.Inode] == i {
				data = content[f.Inode]
			}
		}
		nlink := max(links[f.Inode], 1)
		if p.CPIO == "stripped" {
			out = AppendStripped(out, i, []byte(data))
		} else {
			out = AppendCPIO(out, CPIOHeader{Name: "." + f.Path, Inode: f.Inode, Mode: f.Mode, Nlink: uint32(nlink),
				MTime: f.MTime, CRC: p.CPIO == "crc"}, []byte(data))
		}
	}
	return AppendTrailer(out)
}

func (p *Package) shipped(f File) bool { return f.Flags&pkgindex.FlagGhost == 0 && !f.Omit }

// CPIOHeader is the header of one entry of a newc archive.
type CPIOHeader struct {
	Name         string
	Inode, Mode  uint32
	Nlink, MTime uint32
	CRC          bool    // write the 070702 variant with a checksum
	Size         *uint32 // overrides the size
}

// AppendCPIO appends a newc entry.
func AppendCPIO(out []byte, h CPIOHeader, data []byte) []byte {
	magic, sum := "070701", uint32(0)
	if h.CRC {
		magic = "070702"
		for _, c := range data {
			sum += uint32(c)
		}
	}
	size := uint32(len(data))
	if h.Size != nil {
		size = *h.Size
	}
	out = fmt.Appendf(out, "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", magic, h.Inode, h.Mode, 0, 0,
		h.Nlink, h.MTime, size, 0, 0, 0, 0, len(h.Name)+1, sum)
	out = pad4(append(append(out, h.Name...), 0))
	return pad4(append(out, data...))
}

// AppendStripped appends an entry of the form that rpm uses for files over 4 GiB.
func AppendStripped(out []byte, index int, data []byte) []byte {
	out = pad4(fmt.Appendf(out, "07070X%08x", index))
	return pad4(append(out, data...))
}

// AppendTrailer ends an archive.
func AppendTrailer(out []byte) []byte {
	return AppendCPIO(out, CPIOHeader{Name: "TRAILER!!!", Nlink: 1}, nil)
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Compress compresses data by the name that PAYLOADCOMPRESSOR has for it, or "none".
func Compress(name string, data []byte) []byte {
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "none":
		return data
	case "bzip2":
		return bzip2(data)
	case "gzip":
		w = gzip.NewWriter(&buf)
	case "xz":
		w, err = xz.NewWriter(&buf)
	case "lzma":
		w, err = lzma.NewWriter(&buf)
	case "zstd":
		w, err = zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
	default:
		panic("rpmtest: compressor " + name)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("rpmtest: compressing with %s: %v", name, err))
	}
	return buf.Bytes()
}
