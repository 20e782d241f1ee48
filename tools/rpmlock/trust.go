package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// keyring holds the keys that the manifest trusts for one repository: those of its key files with a pinned fingerprint.
type keyring struct{ ring *pgp.Keyring }

// maxKeyFile bounds a public key file.
const maxKeyFile = 4 << 20

// loadKeys reads the key files of a repository and keeps the pinned keys.
func loadKeys(manifestDir string, r *lockfile.ManifestRepository) (*keyring, error) {
	if len(r.Keys) == 0 {
		return &keyring{pgp.Merge()}, nil // validation made sure that no signature is to be checked
	}
	var rings []*pgp.Keyring
	for _, key := range r.Keys {
		data, err := readBounded(filepath.Join(manifestDir, filepath.FromSlash(key)), maxKeyFile)
		if err != nil {
			return nil, cli.Hint(fmt.Errorf("reading key: %w", err), "paths of keys are relative to the manifest")
		}
		ring, err := pgp.ReadKeyring(data)
		if err != nil {
			return nil, fmt.Errorf("reading key %s: %w", key, err)
		}
		rings = append(rings, ring)
	}
	ring, err := pgp.Merge(rings...).Only(r.Fingerprints...)
	if err != nil {
		return nil, cli.Hint(err, "fingerprints pins the keys to trust; compare them with what the vendor publishes")
	}
	return &keyring{ring}, nil
}

func readBounded(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, nil
}

// verifyDetached checks repomd.xml.asc.
func (k *keyring) verifyDetached(data, signature []byte) error {
	_, err := k.ring.Verify(signature, bytes.NewReader(data))
	return err
}

// verifyPackage checks the signatures over the main header and names the one that counts: "RSA/SHA256 <fingerprint>".
// Signatures over header and payload together (rpm 3) are not looked at: the digests of the payload are in the header.
func (k *keyring) verifyPackage(p *rpm.Package) (string, error) {
	signatures, err := headerSignatures(p.Signature)
	if err != nil {
		return "", err
	}
	if len(signatures) == 0 {
		return "", cli.Hint(errors.New("the package is not signed"),
			"if the repository's packages are not signed, say gpgcheck: false and trust its metadata instead")
	}
	good := ""
	var unknown error
	for _, signature := range signatures {
		result, err := k.ring.Verify(signature, bytes.NewReader(p.Main.Raw()))
		var bad *pgp.Error
		if errors.As(err, &bad) && bad.Reason == pgp.NoKey {
			unknown = err
			continue
		}
		if err != nil {
			return "", cli.Hint(err, "the package is not what the vendor signed: the mirror is damaged or hostile; try another one")
		}
		if good == "" {
			good = result.Algorithm + "/" + result.Hash + " " + result.Fingerprint
		}
	}
	if good == "" {
		var trusted []string
		for _, key := range k.ring.Keys() {
			trusted = append(trusted, key.Fingerprint)
		}
		return "", cli.Hint(unknown, "the repository trusts the keys %s only", strings.Join(trusted, ", "))
	}
	return good, nil
}

// headerSignatures collects the signatures over the main header.
func headerSignatures(h *rpm.Header) ([][]byte, error) {
	var out [][]byte
	texts, _, err := h.Strings(rpm.SigOpenPGP) // rpm 6: any number, in base64
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		signature, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("reading signature: %w", err)
		}
		out = append(out, signature)
	}
	for _, tag := range []rpm.Tag{rpm.SigRSA, rpm.SigDSA} {
		signature, ok, err := h.Bytes(tag)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, signature)
		}
	}
	return out, nil
}
