package rpmtest

import "sort"

// bzip2 compresses data. The standard library only reads the format; this writer is correct and slow, and its codes are of nearly
// equal length, so it hardly compresses. Blocks hold 4 kB to keep the naive sorting fast.
func bzip2(data []byte) []byte {
	w := &bitWriter{out: []byte("BZh9")}
	combined := uint32(0)
	for _, block := range bzip2Runs(data) {
		crc := bzip2CRC(block.plain)
		combined = (combined<<1 | combined>>31) ^ crc
		bzip2Block(w, block.runs, crc)
	}
	w.bits(0x177245, 24)
	w.bits(0x385090, 24)
	w.bits(combined, 32)
	return w.flush()
}

type bzip2Part struct{ plain, runs []byte }

// bzip2Runs cuts data into blocks and writes a run of four equal bytes with the count of further ones.
func bzip2Runs(data []byte) (parts []bzip2Part) {
	for len(data) > 0 {
		n := min(len(data), 4096)
		var runs []byte
		for i := 0; i < n; {
			run := 1
			for i+run < n && run < 255 && data[i+run] == data[i] {
				run++
			}
			for range min(run, 4) {
				runs = append(runs, data[i])
			}
			if run >= 4 {
				runs = append(runs, byte(run-4))
			}
			i += run
		}
		parts = append(parts, bzip2Part{data[:n], runs})
		data = data[n:]
	}
	return parts
}

func bzip2CRC(data []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range data {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return ^crc
}

func bzip2Block(w *bitWriter, data []byte, crc uint32) {
	n := len(data)
	rotations := make([]int, n)
	for i := range rotations {
		rotations[i] = i
	}
	sort.SliceStable(rotations, func(a, b int) bool {
		x, y := rotations[a], rotations[b]
		for k := range n {
			if p, q := data[(x+k)%n], data[(y+k)%n]; p != q {
				return p < q
			}
		}
		return false
	})
	w.bits(0x314159, 24)
	w.bits(0x265359, 24)
	w.bits(crc, 32)
	w.bits(0, 1)
	last := make([]byte, n)
	for i, r := range rotations {
		if r == 0 {
			w.bits(uint32(i), 24)
		}
		last[i] = data[(r+n-1)%n]
	}
	bzip2Symbols(w, last)
}

// bzip2Symbols writes the used bytes, two equal code tables, and the move-to-front symbols with their zero runs.
func bzip2Symbols(w *bitWriter, last []byte) {
	var used [256]bool
	for _, c := range last {
		used[c] = true
	}
	var front []byte
	groups := uint32(0)
	for c := range 256 {
		if used[c] {
			front = append(front, byte(c))
			groups |= 1 << (15 - c/16)
		}
	}
	w.bits(groups, 16)
	for g := range 16 {
		if groups&(1<<(15-g)) == 0 {
			continue
		}
		for c := g * 16; c < g*16+16; c++ {
			bit := uint32(0)
			if used[c] {
				bit = 1
			}
			w.bits(bit, 1)
		}
	}
	symbols := moveToFront(last, front)
	alphabet := len(front) + 2
	width := uint32(1)
	for 1<<width < alphabet {
		width++
	}
	selectors := (len(symbols) + 49) / 50
	w.bits(2, 3)
	w.bits(uint32(selectors), 15)
	for range selectors {
		w.bits(0, 1)
	}
	short := 1<<width - alphabet // so many codes are one bit shorter, which makes the code complete
	for range 2 {
		w.bits(width-min(1, uint32(short)), 5)
		for s := range alphabet {
			if s == short && short > 0 {
				w.bits(2, 2) // one longer from here on
			}
			w.bits(0, 1)
		}
	}
	for _, s := range symbols {
		if s < short {
			w.bits(uint32(s), int(width)-1)
		} else {
			w.bits(uint32(s+short), int(width))
		}
	}
}

// moveToFront returns the symbols of a block: 0 and 1 are the digits of a run of zeros in bijective base 2, the last one ends
// the block.
func moveToFront(last, front []byte) []int {
	list := append([]byte(nil), front...)
	var out []int
	zeros := 0
	flush := func() {
		for zeros > 0 {
			zeros--
			out = append(out, zeros&1)
			zeros >>= 1
		}
	}
	for _, c := range last {
		at := 0
		for list[at] != c {
			at++
		}
		if at == 0 {
			zeros++
			continue
		}
		flush()
		copy(list[1:at+1], list[:at])
		list[0] = c
		out = append(out, at+1)
	}
	flush()
	return append(out, len(front)+1)
}

type bitWriter struct {
	out []byte
	acc uint64
	n   int
}

func (w *bitWriter) bits(v uint32, n int) {
	w.acc = w.acc<<n | uint64(v)
	w.n += n
	for w.n >= 8 {
		w.n -= 8
		w.out = append(w.out, byte(w.acc>>w.n))
	}
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.out = append(w.out, byte(w.acc<<(8-w.n)))
		w.n = 0
	}
	return w.out
}
