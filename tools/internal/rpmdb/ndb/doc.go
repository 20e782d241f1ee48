// Package ndb writes and reads the package database format of SUSE: Packages.db, which holds the headers, and Index.db, hash
// tables over their values.
//
// Both files are needed: without Index.db rpm makes a new one, which fails where it may not write. Packages.db equals rpm's own
// byte for byte below 255 packages; above, rpm has moved blobs while its table of slots grew, and the order differs.
//
// All integers are little-endian. Format: rpm's lib/backend/ndb; the constants below have the names of that source.
// The reader reads Packages.db only, and checks every blob's checksum.
package ndb

// pageSize is the unit of the slot tables of both files.
const pageSize = 4096

// slotSize is the size of a slot; both files start with a header that takes the place of two.
const slotSize = 16

// Blobs are the headers, numbered from 1 in their order.
type Blobs interface {
	Len() int
	// Size is the length of blob i, counted from 0.
	Size(i int) int
	// Append appends blob i, exactly Size(i) bytes.
	Append(dst []byte, i int) ([]byte, error)
}

// Table is one index. Entries with the same key keep their order.
type Table interface {
	Tag() uint32
	Len() int
	Entry(i int) (key []byte, pkg, element uint32)
}
