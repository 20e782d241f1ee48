package compose

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// placeOfRPMDB says where the package database is and in which format. That of an image of others stays as it is.
func (c *composer) placeOfRPMDB() rootfs.RPMDB {
	if b := c.in.Base; b != nil && b.Image != "" && b.RPMDB.Path != "" {
		return rootfs.RPMDB{Backend: b.RPMDB.Backend, Path: b.RPMDB.Path, Keys: c.keys}
	}
	return rootfs.RPMDB{Backend: c.spec.RPMDB.Backend, Path: c.spec.RPMDB.Path, Keys: c.keys}
}

// writeRPMDB makes the package database of all packages, the base's included, and takes out what a base left beside it.
func (c *composer) writeRPMDB() error {
	if c.spec.RPMDB == nil {
		return nil
	}
	place := c.placeOfRPMDB()
	if b := c.in.Base; b != nil && b.RPMDB.Path != "" && b.RPMDB.Path != place.Path {
		return fmt.Errorf("rpmdb: the base keeps it in %s, this image in %s", b.RPMDB.Path, place.Path)
	}
	dir, err := c.fs.Follow(place.Path)
	if err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	if err := c.readKeys(); err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	keys, err := c.installedKeys()
	if err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	db, err := rpmdb.Plan(rpmdb.Options{Backend: rpmdb.Backend(place.Backend), Arch: c.spec.Arch, InstallTID: uint32(c.spec.SourceDateEpoch),
		Packages: append(c.installed(), keys...)})
	if err != nil {
		return err
	}
	for _, name := range db.Stale {
		c.fs.Remove(rootfs.Join(dir, name))
	}
	if err := c.linkRPMDB(dir); err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	for _, f := range db.Files {
		// The database of a large image is the largest file made here, so it is written twice and never held.
		sum := sha256.New()
		n, err := f.WriteTo(sum)
		if err != nil {
			return err
		}
		e := &rootfs.Entry{Path: rootfs.Join(dir, f.Name), Type: pkgindex.TypeFile, Mode: f.Mode, ModTime: c.spec.SourceDateEpoch, SizeBytes: n,
			SHA256: hex.EncodeToString(sum.Sum(nil)), Owners: []string{rootfs.MadeBy("rpmdb")}, Content: rootfs.Content{Write: f.WriteTo}}
		if err := c.put(e); err != nil {
			return fmt.Errorf("rpmdb: %w", err)
		}
	}
	return nil
}

// installed lists the packages in the order of the database: those of an image of others first, in their order, then by NEVRA.
func (c *composer) installed() []rpmdb.Installed {
	all := c.all()
	slices.SortStableFunc(all, func(a, b *pkg) int {
		switch {
		case a.foreign != nil && b.foreign != nil:
			return cmp.Compare(a.foreign.Number, b.foreign.Number)
		case a.foreign != nil:
			return -1
		case b.foreign != nil:
			return 1
		}
		return 0
	})
	var out []rpmdb.Installed
	for _, p := range all {
		if p.foreign != nil {
			out = append(out, rpmdb.Installed{Blob: func() ([]byte, error) { return readBlob(c.in.BaseForeign, p) }})
			continue
		}
		header := p.Header
		out = append(out, rpmdb.Installed{
			Open:       func() (io.ReadCloser, error) { return os.Open(header) },
			FileStates: numericStates(p.states),
		})
	}
	return out
}

// readKeys collects the public keys of the base and of the spec, each once, by name. Those that an image of others has are left
// to it.
func (c *composer) readKeys() error {
	byName := map[string][]byte{}
	add := func(source string, data []byte) error {
		certs, err := pgp.Certificates(data)
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		for _, cert := range certs {
			name := rpmdb.PublicKeyNEVRA(&cert)
			if !slices.ContainsFunc(c.based, func(p *pkg) bool { return p.foreign != nil && p.Index.NEVRA == name }) {
				byName[name] = cert.Raw
			}
		}
		return nil
	}
	if b := c.in.Base; b != nil {
		for i, key := range b.RPMDB.Keys {
			if err := add(fmt.Sprintf("key %d of the base %s", i+1, b.Label), key); err != nil {
				return err
			}
		}
	}
	for _, name := range c.spec.RPMDB.Keys {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := add(name, data); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(byName) {
		c.keys = append(c.keys, byName[name])
	}
	return nil
}

// installedKeys makes the entries of the public keys, the last of the database.
func (c *composer) installedKeys() ([]rpmdb.Installed, error) {
	var out []rpmdb.Installed
	for _, raw := range c.keys {
		certs, err := pgp.Certificates(raw)
		if err != nil {
			return nil, err
		}
		blob, err := rpmdb.PublicKey(&certs[0], uint32(c.spec.SourceDateEpoch))
		if err != nil {
			return nil, err
		}
		out = append(out, rpmdb.Installed{Blob: func() ([]byte, error) { return blob, nil }})
	}
	return out, nil
}

// readBlob reads the stored header of a package of an image of others.
func readBlob(name string, p *pkg) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if p.foreign.Offset+p.foreign.Size > info.Size() {
		return nil, fmt.Errorf("%s does not belong to the tree of the base: it has %d bytes, %s ends at %d", name, info.Size(), p.Index.NEVRA, p.foreign.Offset+p.foreign.Size)
	}
	blob := make([]byte, p.foreign.Size)
	if _, err := f.ReadAt(blob, p.foreign.Offset); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	h, err := rpmdb.ParseHeader(blob)
	if err != nil {
		return nil, fmt.Errorf("%s does not belong to the tree of the base: where %s should be: %w", name, p.Index.NEVRA, err)
	}
	if nevra, err := h.NEVRA(); err != nil || nevra != p.Index.NEVRA {
		return nil, fmt.Errorf("%s does not belong to the tree of the base: it has %s where %s should be", name, nevra, p.Index.NEVRA)
	}
	return blob, nil
}

// defaultRPMDB is where rpm looks for the database unless its configuration says otherwise, and where scanners look too.
const defaultRPMDB = "/var/lib/rpm"

// linkRPMDB makes the link from the default place to the database in dir, as releases do that keep it elsewhere. What stands
// there already stays.
func (c *composer) linkRPMDB(dir string) error {
	place, err := c.fs.Canonical(defaultRPMDB)
	if err != nil || dir == place || c.fs.Get(place) != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(place, "/")-1)
	return c.put(&rootfs.Entry{Path: place, Type: pkgindex.TypeSymlink, Mode: 0o777, ModTime: c.spec.SourceDateEpoch, Link: up + dir[1:],
		Owners: []string{rootfs.MadeBy("rpmdb")}})
}

// numericStates turns the digits of tree.json into rpm's numbers.
func numericStates(states []byte) []byte {
	out := make([]byte, len(states))
	for i, s := range states {
		out[i] = s - rootfs.StateNormal
	}
	return out
}
