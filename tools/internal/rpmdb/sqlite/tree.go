package sqlite

import "fmt"

const (
	pageSize = 4096

	leafHeader     = 8
	interiorHeader = 12
	pointerSize    = 2 // of the cell pointer array
	childSize      = 4 // a page number
	minCell        = 4 // a shorter cell takes as much room, so that it can become a free block

	// What a cell keeps on its page (fileformat2, section 1.6).
	maxTableLocal = pageSize - 35
	maxIndexLocal = (pageSize-12)*64/255 - 23
	minLocal      = (pageSize-12)*32/255 - 23
	overflowData  = pageSize - childSize

	// maxRecord is SQLite's default limit for a row (SQLITE_MAX_LENGTH).
	maxRecord = 1_000_000_000
)

// Rows are the records of one b-tree, in the order of its keys. Row i of a table has the rowid i+1.
type Rows interface {
	Len() int
	// Size is the length of record i.
	Size(i int) int
	// Append appends record i, exactly Size(i) bytes.
	Append(dst []byte, i int) ([]byte, error)
}

// tree is the layout of one b-tree. Its pages follow one another in the file: overflow chains before the page that points to
// them, leaves from left to right, then each interior level, the root last.
type tree struct {
	rows   Rows
	index  bool
	levels [][]node // levels[0]: leaves; the last level has one node
	pages  int64
}

// node is one page: a run of rows (leaf) or of nodes of the level below (interior).
type node struct {
	first, count int
	lastLeaf     int // its rightmost leaf
}

func planTree(rows Rows, index bool) (*tree, error) {
	t := &tree{rows: rows, index: index}
	for i := range rows.Len() {
		size := rows.Size(i)
		if size < 0 || size > maxRecord {
			return nil, fmt.Errorf("row %d has %d bytes, SQLite's limit is %d", i+1, size, maxRecord)
		}
		_, overflow := t.split(size)
		t.pages += int64(overflow)
	}
	level := t.planLeaves()
	t.levels = append(t.levels, level)
	t.pages += int64(len(level))
	for len(level) > 1 {
		level = t.planInterior(level)
		t.levels = append(t.levels, level)
		t.pages += int64(len(level))
	}
	return t, nil
}

// split says how many bytes of a record stay in its cell and how many overflow pages hold the rest.
func (t *tree) split(size int) (local, overflow int) {
	most := maxTableLocal
	if t.index {
		most = maxIndexLocal
	}
	if size <= most {
		return size, 0
	}
	local = minLocal + (size-minLocal)%overflowData
	if local > most {
		local = minLocal
	}
	return local, (size - local + overflowData - 1) / overflowData
}

// leafCell is the size of the cell of row i on a leaf.
func (t *tree) leafCell(i int) int {
	size := t.rows.Size(i)
	local, overflow := t.split(size)
	n := varintLen(uint64(size)) + local
	if overflow > 0 {
		n += childSize
	}
	if !t.index {
		n += varintLen(uint64(i) + 1)
	}
	return n
}

// interiorCell is the size of the cell that separates two nodes at row i.
func (t *tree) interiorCell(i int) int {
	if t.index {
		return childSize + t.leafCell(i)
	}
	return childSize + varintLen(uint64(i)+1)
}

// separator is the row that separates a leaf from its right neighbour: in a table the last row of the leaf, in an index the
// row after it, which is on no leaf at all.
func (t *tree) separator(leaf int) int {
	l := t.levels[0][leaf]
	if t.index {
		return l.first + l.count
	}
	return l.first + l.count - 1
}

func (t *tree) planLeaves() []node {
	var leaves []node
	cur, used := node{}, 0
	for i := range t.rows.Len() {
		need := pointerSize + max(minCell, t.leafCell(i))
		if used+need > pageSize-leafHeader {
			leaves = append(leaves, cur)
			cur, used = node{first: i, lastLeaf: len(leaves)}, 0
			if t.index {
				cur.first++
				continue
			}
		}
		used += need
		cur.count++
	}
	// An index may have used up its last row as a separator; an empty leaf is not allowed, so all move one to the left.
	if last := len(leaves) - 1; cur.count == 0 && last >= 0 {
		leaves[last].count--
		cur.first, cur.count = cur.first-1, 1
	}
	return append(leaves, cur)
}

func (t *tree) planInterior(children []node) []node {
	var level []node
	cur, used := node{count: 1}, 0
	for i := 1; i < len(children); i++ {
		need := pointerSize + max(minCell, t.interiorCell(t.separator(children[i-1].lastLeaf)))
		if used+need > pageSize-interiorHeader {
			level = append(level, cur)
			cur, used = node{first: i, count: 1}, 0
			continue
		}
		used += need
		cur.count++
	}
	// A page with one child would have no cell; it takes one more from its left neighbour.
	if last := len(level) - 1; cur.count == 1 && last >= 0 {
		level[last].count--
		cur.first, cur.count = cur.first-1, 2
	}
	level = append(level, cur)
	for i := range level {
		level[i].lastLeaf = children[level[i].first+level[i].count-1].lastLeaf
	}
	return level
}
