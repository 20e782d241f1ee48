package extract_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp/pgptest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

const (
	shortMutants = 1_000
	longMutants  = 20_000
	realPackages = 4
)

// specimen is a package that is mutated.
type specimen struct {
	name    string
	content []byte
	pkg     *rpm.Package
	ring    *pgp.Keyring
	tree    []byte
}

// protected reports whether something signed or digested covers the byte at offset at, when it becomes b. Outside is:
//   - the lead but its magic: rpm reads nothing else of it, and neither do we;
//   - the signature header and its padding: digests and signatures stand there and cannot cover themselves. Their entries may
//     be renumbered, which makes them missing; sizes and reserved space are not used; the unhashed part of a signature only
//     helps to find the key. The digests themselves count as covered: they must match, in upper or lower case.
//
// The main header, from its magic to the last byte of the region trailer, and the payload are covered in all packages here.
func (s *specimen) protected(at int, b byte) bool {
	switch {
	case at < 4 || int64(at) >= s.pkg.HeaderStart:
		return true
	case at < 96:
		return false
	}
	switch e, raw, i := s.signatureValue(at); e.Tag {
	case rpm.SigMD5:
		return true
	case rpm.SigSHA1Header, rpm.SigSHA256Header, rpm.SigSHA3Header:
		return !strings.EqualFold(string(raw[i]), string(b))
	}
	return false
}

// signatureValue returns the value of the signature header that the byte at offset at belongs to.
func (s *specimen) signatureValue(at int) (e rpm.Entry, raw []byte, i int) {
	sig := s.pkg.Signature
	data := at - 96 - 16 - len(sig.Index())
	for _, e := range sig.Entries() {
		raw := sig.RawData(e)
		if i := data - int(e.Offset); i >= 0 && i < len(raw) {
			return e, raw, i
		}
	}
	return rpm.Entry{}, nil, 0
}

// specimens builds packages of all compressors, archive formats, package formats and kinds of signature, and adds the smallest
// signed packages of CentOS 7 when they are at hand.
func specimens(t *testing.T) []*specimen {
	t.Helper()
	var out []*specimen
	ed, rsa := pgptest.New(pgptest.Options{}), pgptest.New(pgptest.Options{Algorithm: "rsa"})
	add := func(name string, content []byte, ring *pgp.Keyring) {
		p, err := rpm.ReadPackage(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, &specimen{name: name, content: content, pkg: p, ring: ring})
	}
	build := func(name string, p rpmtest.Package, key *pgptest.Key, o pgptest.SignOptions, tag rpm.Tag) {
		p.Signatures = []rpmtest.Signature{{Tag: tag, Sign: func(data []byte) []byte { return key.Sign(data, o) }}}
		ring, err := pgp.ReadKeyring(key.Armored())
		if err != nil {
			t.Fatal(err)
		}
		add(name, rpmtest.Build(p), ring)
	}
	for i, compressor := range []string{"none", "gzip", "bzip2", "xz", "lzma", "zstd"} {
		p := everything()
		p.Compressor, p.CPIO = compressor, []string{"newc", "crc", "stripped"}[i%3]
		build(compressor+" with a signed header", p, rsa, pgptest.SignOptions{}, rpm.SigRSA)
		p.Legacy, p.MD5Files = true, true
		build(compressor+" with an old signature over all", p, ed, pgptest.SignOptions{Version: 3}, rpm.SigPGP)
		p.Legacy, p.MD5Files, p.Format = false, false, 6
		build(compressor+" in format 6", p, ed, pgptest.SignOptions{}, rpm.SigOpenPGP)
	}
	build("format 3", old(), rsa, pgptest.SignOptions{Version: 3}, rpm.SigPGP)
	build("no files", rpmtest.Package{Name: "none"}, ed, pgptest.SignOptions{}, rpm.SigDSA)
	real, ring := smallestEL7(t)
	for _, name := range real {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		add(filepath.Base(name), content, ring)
	}
	return out
}

func smallestEL7(t *testing.T) ([]string, *pgp.Keyring) {
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	key, err := os.ReadFile(filepath.Join(shared, "el7-httpd", "RPM-GPG-KEY-CentOS-7"))
	names, _ := filepath.Glob(filepath.Join(shared, "el7-httpd", "*.el7*.rpm"))
	if err != nil || len(names) == 0 {
		t.Log("no CentOS 7 packages at hand (SLIMRPM_SHARED_DATA): only packages of our own are mutated")
		return nil, nil
	}
	ring, err := pgp.ReadKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			sizes[name] = info.Size()
		}
	}
	sort.Slice(names, func(i, j int) bool { return sizes[names[i]] < sizes[names[j]] })
	return names[:min(len(names), realPackages)], ring
}

// bench extracts and verifies packages, in one folder.
type bench struct{ dir string }

// extract returns what later tools read of the tree: the tar, and the index without what is said of the file itself.
func (b bench) extract(content []byte) ([]byte, error) {
	at := func(name string) string { return filepath.Join(b.dir, name) }
	if err := os.WriteFile(at("in.rpm"), content, 0o666); err != nil {
		return nil, err
	}
	if err := extract.Run(extract.Options{RPM: at("in.rpm"), Payload: at("tar"), Index: at("index"), Header: at("header")}); err != nil {
		return nil, err
	}
	tree, err := os.ReadFile(at("tar"))
	if err != nil {
		return nil, err
	}
	f, err := os.Open(at("index"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x, err := pkgindex.Read(f, "index")
	if err != nil {
		return nil, err
	}
	x.SHA256, x.Notes = "", nil
	w := bytes.NewBuffer(tree)
	if err := pkgindex.Write(w, x); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

func verifies(s *specimen, content []byte) error {
	r := bytes.NewReader(content)
	p, err := rpm.ReadPackage(r)
	if err == nil {
		_, err = rpm.VerifyPackage(p, r, s.ring, rpm.Policy{})
	}
	return err
}

// TestMutationsAreRefused changes one byte of a package, or cuts it. Verification and extraction must each refuse it, unless the
// byte is not protected; then the tree must be the same. With SLIMRPM_LONG=1 it tries 20,000 mutants instead of 1,000.
func TestMutationsAreRefused(t *testing.T) {
	total := shortMutants
	if os.Getenv("SLIMRPM_LONG") == "1" {
		total = longMutants
	}
	list := specimens(t)
	b := bench{t.TempDir()}
	random := rand.New(rand.NewPCG(2718, 2818))
	var rows []string
	refused, outside := 0, 0
	for i, s := range list {
		tree, err := b.extract(s.content)
		if err == nil {
			err = verifies(s, s.content)
		}
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		s.tree = tree
		n := total*(i+1)/len(list) - total*i/len(list)
		no, yes := 0, 0
		for range n {
			if mutate(t, b, s, random) {
				no++
			} else {
				yes++
			}
		}
		refused, outside = refused+no, outside+yes
		rows = append(rows, fmt.Sprintf("%-45s %7d bytes %5d mutants %5d refused %4d outside, same tree", s.name, len(s.content), n, no, yes))
	}
	t.Logf("%d packages, %d mutants, %d refused, %d changed outside everything signed or digested and gave the same tree\n%s",
		len(list), refused+outside, refused, outside, strings.Join(rows, "\n"))
	if refused < total/2 {
		t.Errorf("only %d of %d mutants were refused: the test does not reach what is protected", refused, total)
	}
}

// mutate tries one mutant and reports whether it was refused.
func mutate(t *testing.T, b bench, s *specimen, random *rand.Rand) bool {
	t.Helper()
	at, what := random.IntN(len(s.content)), ""
	mutant := bytes.Clone(s.content)
	protected := true
	if random.IntN(4) == 0 { // a quarter of the mutants aim at the headers, which are small beside large payloads
		at = random.IntN(int(s.pkg.HeaderEnd))
	}
	if random.IntN(5) == 0 {
		mutant, what = mutant[:at], fmt.Sprintf("cut to %d of %d bytes", at, len(s.content))
	} else {
		mutant[at] ^= byte(1 + random.IntN(255))
		protected = s.protected(at, mutant[at])
		what = fmt.Sprintf("byte %d is %#02x instead of %#02x", at, mutant[at], s.content[at])
	}
	verifyErr := verifies(s, mutant)
	tree, extractErr := b.extract(mutant)
	switch {
	case protected && verifyErr == nil:
		t.Errorf("%s: %s: verified", s.name, what)
	case protected && extractErr == nil && !s.legacyBeside(at):
		t.Errorf("%s: %s: extracted", s.name, what)
	case extractErr == nil && !bytes.Equal(tree, s.tree):
		t.Errorf("%s: %s: another tree", s.name, what)
	}
	return verifyErr != nil
}

// legacyBeside: extraction does not look at an MD5 that stands beside better digests; verification does.
func (s *specimen) legacyBeside(at int) bool {
	e, _, _ := s.signatureValue(at)
	return e.Tag == rpm.SigMD5 && s.pkg.Main.Has(rpm.TagPayloadDigest)
}
