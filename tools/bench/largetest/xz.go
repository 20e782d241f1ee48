package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"os"
	"os/exec"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// Sizes of the .xz format, https://tukaani.org/xz/xz-file-format.txt, sections 2.1.1 and 2.1.2.
const (
	xzHeaderSize = 12
	xzFooterSize = 12
)

// xzBlock is a block of an .xz stream.
type xzBlock struct {
	packed             []byte // with padding
	unpadded, unpacked uint64 // sizes
}

// compressXZ compresses one part of the content and repeats that as blocks of one stream, like those of `xz -T0`: xz is slow, and
// rpm reads no second stream.
func compressXZ(packed *bytes.Buffer, window int, file, plain hash.Hash) error {
	var part bytes.Buffer
	if err := content(&part, partSize); err != nil {
		return err
	}
	var blocks []xzBlock
	var header, footer []byte
	for _, p := range []struct {
		data  []byte
		times int
		sums  []hash.Hash
	}{
		{rpmtest.AppendCPIO(nil, entry(), nil), 1, []hash.Hash{plain}},
		{part.Bytes(), fileSize / partSize, []hash.Hash{plain, file}},
		{rpmtest.AppendTrailer(nil), 1, []hash.Hash{plain}},
	} {
		cmd := exec.Command("xz", "-c", "-T1", fmt.Sprintf("--lzma2=preset=0,dict=%dMiB", window))
		cmd.Stdin, cmd.Stderr = bytes.NewReader(p.data), os.Stderr
		stream, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("running xz: %w", err)
		}
		block, err := onlyBlock(stream)
		if err != nil {
			return fmt.Errorf("reading what xz wrote: %w", err)
		}
		header, footer = stream[:xzHeaderSize], stream[len(stream)-xzFooterSize:]
		for range p.times {
			blocks = append(blocks, block)
			for _, sum := range p.sums {
				sum.Write(p.data)
			}
		}
	}
	packed.Write(header)
	for _, block := range blocks {
		packed.Write(block.packed)
	}
	index := xzIndex(blocks)
	packed.Write(index)
	packed.Write(xzFooter(footer, len(index)))
	return nil
}

// onlyBlock takes the block out of a stream that has one.
func onlyBlock(stream []byte) (xzBlock, error) {
	if len(stream) < xzHeaderSize+xzFooterSize {
		return xzBlock{}, errors.New("too short")
	}
	footer := stream[len(stream)-xzFooterSize:]
	size := 4 * (int(binary.LittleEndian.Uint32(footer[4:])) + 1)
	at := len(stream) - xzFooterSize - size
	if at < xzHeaderSize || stream[at] != 0 || stream[at+1] != 1 {
		return xzBlock{}, errors.New("not a stream of one block")
	}
	unpadded, n := binary.Uvarint(stream[at+2:])
	unpacked, _ := binary.Uvarint(stream[at+2+n:])
	return xzBlock{stream[xzHeaderSize:at], unpadded, unpacked}, nil
}

// xzIndex lists blocks (section 4).
func xzIndex(blocks []xzBlock) []byte {
	index := binary.AppendUvarint([]byte{0}, uint64(len(blocks)))
	for _, b := range blocks {
		index = binary.AppendUvarint(binary.AppendUvarint(index, b.unpadded), b.unpacked)
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	return binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
}

// xzFooter changes the size of the index in a footer.
func xzFooter(footer []byte, indexSize int) []byte {
	footer = bytes.Clone(footer)
	binary.LittleEndian.PutUint32(footer[4:], uint32(indexSize/4-1))
	binary.LittleEndian.PutUint32(footer, crc32.ChecksumIEEE(footer[4:10]))
	return footer
}
