// Package compose builds the root filesystem of an image in memory: from the selected packages, the base and the spec.
//
// It follows rpm's own rules for a first installation (which files are laid down, which states the package database gets,
// what is a conflict), with two differences that make images correct instead of silently wrong: a file owner that no
// account of the image has is an error, and scriptlets are not run but emulated where they are understood, and reported.
package compose
