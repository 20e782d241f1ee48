package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// renamed writes a package as another one: the last letter of its release becomes the i-th. Digests hold again, signatures do not. The
// payload is never in memory, because Linux counts that as the memory of every command run later.
func renamed(from, to string, i int) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	p, err := rpm.ReadPackage(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	release, _, err := p.Main.String(rpm.TagRelease)
	if err != nil || release == "" {
		return fmt.Errorf("%s: no release (%v)", from, err)
	}
	e, _ := p.Main.Lookup(rpm.TagRelease)
	headers := make([]byte, p.HeaderEnd)
	if _, err := in.ReadAt(headers, 0); err != nil {
		return err
	}
	payload := func() io.Reader { return io.NewSectionReader(in, int64(p.HeaderEnd), 1<<62) }
	start := len(headers) - len(p.Main.Raw())
	head, main := headers[:start], headers[start:]
	before, err := digests(main, payload())
	if err != nil {
		return err
	}
	main[len(main)-p.Main.DataLen()+int(e.Offset)+len(release)-1] = byte('A' + i%26)
	after, err := digests(main, payload())
	if err != nil {
		return err
	}
	for kind, digest := range before {
		if at := bytes.Index(head, digest); at >= 0 {
			copy(head[at:], after[kind])
		}
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := out.Write(headers); err != nil {
		return err
	}
	_, err = io.Copy(out, payload())
	return err
}

// digests are those that the signature header may have, as it writes them.
func digests(main []byte, payload io.Reader) ([3][]byte, error) {
	sum1, sum256 := sha1.Sum(main), sha256.Sum256(main)
	whole := md5.New()
	whole.Write(main)
	_, err := io.Copy(whole, payload)
	return [3][]byte{[]byte(hex.EncodeToString(sum1[:])), []byte(hex.EncodeToString(sum256[:])), whole.Sum(nil)}, err
}
