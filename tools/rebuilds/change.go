package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tags of the two headers of an RPM (rpm: include/rpm/rpmtag.h).
const (
	tagRelease    = 1002
	sigtagMD5     = 1004
	sigtagSHA1    = 269
	sigtagSHA256  = 273
	leadBytes     = 96
	headerIntro   = 16
	indexEntry    = 16
	headerPadding = 8
)

// changeRelease lays a release into the folder to that is that of the folder from, but for one package, which has another release number on each
// architecture: new packages with digests that are right, and a lock that names them. It returns what changed.
func changeRelease(from, to, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(from, "rpms.lock.json"))
	if err != nil {
		return "", err
	}
	var lock struct {
		Architectures map[string]struct {
			Packages []struct{ Name, NEVRA, Arch, Path, SHA256 string } `json:"packages"`
		} `json:"architectures"`
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		return "", err
	}
	if err := linkTree(filepath.Join(from, "repo"), filepath.Join(to, "repo")); err != nil {
		return "", err
	}
	var changes []string
	for arch, section := range lock.Architectures {
		for _, p := range section.Packages {
			if p.Name != name {
				continue
			}
			path := filepath.Join(to, "repo", arch, filepath.FromSlash(p.Path))
			rpm, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			release, err := bumpRelease(rpm)
			if err != nil {
				return "", fmt.Errorf("package %s: %w", p.NEVRA, err)
			}
			if err := errors.Join(os.Remove(path), os.WriteFile(path, rpm, 0o644)); err != nil {
				return "", err
			}
			sum := sha256.Sum256(rpm)
			before, _, _ := cutLast(strings.TrimSuffix(p.NEVRA, "."+p.Arch), "-")
			nevra := before + "-" + release + "." + p.Arch
			data = bytes.ReplaceAll(data, []byte(`"`+p.SHA256+`"`), []byte(`"`+hex.EncodeToString(sum[:])+`"`))
			data = bytes.ReplaceAll(data, []byte(`"`+p.NEVRA+`"`), []byte(`"`+nevra+`"`))
			changes = append(changes, p.NEVRA+" is "+nevra)
		}
	}
	if len(changes) == 0 {
		return "", fmt.Errorf("the release has no package %s", name)
	}
	return strings.Join(changes, ", "), os.WriteFile(filepath.Join(to, "rpms.lock.json"), data, 0o644)
}

// linkTree makes the folders of a tree, and links in place of its files.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		return os.Symlink(path, target)
	})
}

// bumpRelease changes the first digit of the release in an RPM, in place, and its digests with it. Signatures no longer fit; a build
// looks at the digest in the lock.
func bumpRelease(rpm []byte) (release string, err error) {
	signature, end, err := readHeader(rpm, leadBytes)
	if err != nil {
		return "", err
	}
	start := (end + headerPadding - 1) / headerPadding * headerPadding
	main, end, err := readHeader(rpm, start)
	if err != nil {
		return "", err
	}
	at, ok := main[tagRelease]
	if !ok || at >= len(rpm) || rpm[at] < '0' || rpm[at] > '9' {
		return "", errors.New("its release does not begin with a digit")
	}
	rpm[at] = '0' + (rpm[at]-'0'+1)%10
	release = string(rpm[at : at+bytes.IndexByte(rpm[at:], 0)])
	header := rpm[start:end]
	sum256, sum1, sum5 := sha256.Sum256(header), sha1.Sum(header), md5.Sum(rpm[start:])
	for tag, value := range map[uint32][]byte{
		sigtagSHA256: []byte(hex.EncodeToString(sum256[:])), sigtagSHA1: []byte(hex.EncodeToString(sum1[:])), sigtagMD5: sum5[:],
	} {
		if at, ok := signature[tag]; ok && at+len(value) <= start {
			copy(rpm[at:], value)
		}
	}
	return release, nil
}

// readHeader returns where the values of a header's tags begin in rpm, and where it ends.
func readHeader(rpm []byte, start int) (values map[uint32]int, end int, err error) {
	if start+headerIntro > len(rpm) || !bytes.Equal(rpm[start:start+3], []byte{0x8e, 0xad, 0xe8}) {
		return nil, 0, fmt.Errorf("no header at byte %d", start)
	}
	entries := int(binary.BigEndian.Uint32(rpm[start+8:]))
	size := int(binary.BigEndian.Uint32(rpm[start+12:]))
	store := start + headerIntro + entries*indexEntry
	if entries > len(rpm) || size > len(rpm) || store+size > len(rpm) {
		return nil, 0, fmt.Errorf("the header at byte %d is longer than the file", start)
	}
	values = map[uint32]int{}
	for i := range entries {
		entry := rpm[start+headerIntro+i*indexEntry:]
		values[binary.BigEndian.Uint32(entry)] = store + int(binary.BigEndian.Uint32(entry[8:]))
	}
	return values, store + size, nil
}
