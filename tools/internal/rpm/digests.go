package rpm

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"fmt"
	"hash"
)

// Hash algorithms by their OpenPGP numbers (RFC 9580 section 9.5), which rpm uses in its digest tags.
const (
	HashMD5     = 1
	HashSHA1    = 2
	HashSHA256  = 8
	HashSHA384  = 9
	HashSHA512  = 10
	HashSHA224  = 11
	HashSHA3256 = 12
	HashSHA3512 = 14
)

type hashAlgorithm struct {
	name string
	new  func() hash.Hash
}

func hashByNumber(algo uint32) (hashAlgorithm, error) {
	switch algo {
	case HashMD5:
		return hashAlgorithm{"MD5", md5.New}, nil
	case HashSHA1:
		return hashAlgorithm{"SHA1", sha1.New}, nil
	case HashSHA256:
		return hashAlgorithm{"SHA256", sha256.New}, nil
	case HashSHA384:
		return hashAlgorithm{"SHA384", sha512.New384}, nil
	case HashSHA512:
		return hashAlgorithm{"SHA512", sha512.New}, nil
	case HashSHA224:
		return hashAlgorithm{"SHA224", sha256.New224}, nil
	case HashSHA3256:
		return hashAlgorithm{"SHA3-256", func() hash.Hash { return sha3.New256() }}, nil
	case HashSHA3512:
		return hashAlgorithm{"SHA3-512", func() hash.Hash { return sha3.New512() }}, nil
	}
	return hashAlgorithm{}, fmt.Errorf("unknown hash algorithm %d", algo)
}

// NewHash returns the hash with the given OpenPGP number, and its name.
func NewHash(algo uint32) (hash.Hash, string, error) {
	a, err := hashByNumber(algo)
	if err != nil {
		return nil, "", err
	}
	return a.new(), a.name, nil
}
