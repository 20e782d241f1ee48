// Package sqlite writes and reads SQLite 3 database files without a database engine.
//
// The writer builds a file bottom-up from rows that are already in order: no free pages, no journal, and the same bytes for
// the same rows, which an engine of a changing version cannot promise. It works in two passes. Plan asks every row for its
// size and lays out all pages; WriteTo then asks for the bytes of one row after the other and writes the pages in file
// order. So memory grows with the number of rows, not with their contents, and the size is known before the first byte.
//
// The reader walks table b-trees of files that others wrote: any page size, WAL mode as far as it is checkpointed, overflow
// chains. It never trusts a number of the file: pages are bounded by the file's size and no page is visited twice.
//
// Format: https://www.sqlite.org/fileformat2.html. Limits: 4,096-byte pages and UTF-8 are written; WITHOUT ROWID tables, UTF-16
// and incremental vacuum are neither written nor read.
package sqlite
