// Package rpmdb writes and reads the package database of an image, in the formats sqlite (RHEL 9, Fedora, Amazon Linux 2023),
// ndb (SUSE) and bdb (Berkeley DB: RHEL 5 to 8, Amazon Linux 2).
//
// The database is made bottom-up from the untouched headers of the packages; no database engine and no rpm is involved.
// Every table row and every header blob is what `SOURCE_DATE_EPOCH=E rpm --justdb -i` of the same packages in the same order
// leaves behind, because the tests compare them. The stored header is the package's main header byte for byte, so that its
// digests and signatures keep verifying, followed by what rpm adds when it installs: tags of the signature header, install
// time and transaction id, the colour of the transaction, and one state per file.
//
// File states are the caller's: it knows what the image really holds. Known difference: rpm 6 also adds PACKAGEDIGESTS, digests of the whole .rpm file. They are optional and are not written.
//
// Plan reads every header once for sizes and index rows; File.WriteTo reads it again for its bytes. Memory therefore holds the
// index rows and one header at a time.
package rpmdb
