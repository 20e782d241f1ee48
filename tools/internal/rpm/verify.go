package rpm

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pgp"
)

// Policy says what a package must prove. The zero value is the strict one.
type Policy struct {
	// AllowUnsigned skips signatures altogether (gpgcheck: false of a repository). Digests are checked all the same.
	AllowUnsigned bool
	// RefuseWeakDigests refuses packages parts of which only MD5 or SHA1 protects: no signature covers them, and no better digest.
	// Without it that is a note.
	RefuseWeakDigests bool
	// AllowSHA1 accepts signatures over SHA1, as packages before 2010 have them.
	AllowSHA1 bool
	// Now judges signatures that say they end. When zero, such signatures are refused, because nobody can tell.
	Now time.Time
}

// Verdict is what verification found out.
type Verdict struct {
	Signature *pgp.Result // nil under AllowUnsigned
	Tag       Tag         // of the signature
	// PayloadSigned: the payload is covered by the signature, directly or by a digest in the signed header.
	PayloadSigned bool
	Notes         []string
}

// String is what a lock records: "RSA/SHA256 <fingerprint of the primary key>", or "none".
func (v Verdict) String() string {
	if v.Signature == nil {
		return "none"
	}
	return v.Signature.Algorithm + "/" + v.Signature.Hash + " " + v.Signature.Fingerprint
}

// ErrUnsigned is the cause when a package has no signature, or none that the headers alone can prove.
var ErrUnsigned = errors.New("the package is not signed")

// VerifyHeader checks the digests of the main header and the signatures over it. It needs no payload. Every signature by a key of
// the ring must be good and one must be there. A package with nothing but signatures over header and payload (rpm before 4.0)
// needs VerifyPackage.
func VerifyHeader(p *Package, ring *pgp.Keyring, policy Policy) (Verdict, error) {
	return verify(p, nil, ring, policy)
}

// VerifyPackage is VerifyHeader, and reads the payload to check all digests of it and signatures over it.
func VerifyPackage(p *Package, payload io.Reader, ring *pgp.Keyring, policy Policy) (Verdict, error) {
	return verify(p, payload, ring, policy)
}

func verify(p *Package, payload io.Reader, ring *pgp.Keyring, policy Policy) (v Verdict, err error) {
	if v.Notes, err = p.VerifyHeaderDigests(); err != nil && !errors.Is(err, ErrNoHeaderDigest) {
		return Verdict{}, err
	}
	if err != nil && policy.AllowUnsigned && (payload == nil || !p.HasLegacyDigest()) {
		return Verdict{}, err
	}
	s := &signatureCheck{p: p, ring: ring, policy: policy}
	if !policy.AllowUnsigned {
		if ring == nil {
			return Verdict{}, fmt.Errorf("verifying %s: no keys to verify with", p.NEVRA())
		}
		if err := s.header(); err != nil {
			return Verdict{}, fmt.Errorf("verifying %s: %w", p.NEVRA(), err)
		}
	}
	if payload != nil {
		if err := s.payload(payload, &v); err != nil {
			return Verdict{}, err
		}
	}
	if !policy.AllowUnsigned && s.good == nil {
		return Verdict{}, fmt.Errorf("verifying %s: %w", p.NEVRA(), s.unsigned(payload != nil))
	}
	v.Signature, v.Tag = s.good, s.tag
	v.PayloadSigned = s.payloadSigned || s.good != nil && hasPayloadDigest(p.Main)
	if v.Signature != nil && !v.PayloadSigned {
		v.Notes = append(v.Notes, "the signature does not cover the payload")
	}
	if weak := v.weak(); weak != "" && policy.RefuseWeakDigests {
		return Verdict{}, fmt.Errorf("verifying %s: %s, which the policy does not accept", p.NEVRA(), weak)
	}
	return v, nil
}

// weak returns the note about a part that only a broken hash protects. A signature, which every digest here is checked beside,
// covers the header.
func (v Verdict) weak() string {
	for _, note := range v.Notes {
		switch note {
		case noteWeakHeader, noteWeakHeaderMD5:
			if v.Signature == nil {
				return note
			}
		case noteWeakPayload:
			if !v.PayloadSigned {
				return note
			}
		}
	}
	return ""
}

// signatureCheck collects the outcome of all signatures of a package.
type signatureCheck struct {
	p             *Package
	ring          *pgp.Keyring
	policy        Policy
	good          *pgp.Result
	tag           Tag
	payloadSigned bool
	missing       []error // signatures by keys we do not have, or of kinds we cannot judge
}

// header checks signatures over the main header. As in rpm, those of tag 278 make all others irrelevant.
func (s *signatureCheck) header() error {
	list, ok, err := s.p.Signature.Strings(SigOpenPGP)
	if err != nil {
		return err
	}
	if ok {
		for i, text := range list {
			sig, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return fmt.Errorf("signature %d of %s is not base64: %w", i, SigOpenPGP, err)
			}
			if err := s.one(SigOpenPGP, sig, bytes.NewReader(s.p.Main.Raw())); err != nil {
				return err
			}
		}
		return nil
	}
	for _, tag := range []Tag{SigRSA, SigDSA} {
		sig, ok, err := s.p.Signature.Bytes(tag)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := s.one(tag, sig, bytes.NewReader(s.p.Main.Raw())); err != nil {
			return err
		}
	}
	return nil
}

// payload reads the payload once: for its digests and, unless there are signatures of the new kind, for the old signatures over
// header and payload.
func (s *signatureCheck) payload(payload io.Reader, v *Verdict) error {
	check, err := newFullCheck(s.p)
	if err != nil {
		return err
	}
	r := io.TeeReader(payload, check.Packed())
	var old []byte
	var tag Tag
	if !s.policy.AllowUnsigned && !s.p.Signature.Has(SigOpenPGP) && !s.p.Main.Has(TagRPMFormat) {
		for _, t := range []Tag{SigPGP, SigGPG} {
			sig, ok, err := s.p.Signature.Bytes(t)
			if err != nil {
				return fmt.Errorf("verifying %s: %w", s.p.NEVRA(), err)
			}
			if ok && old == nil {
				old, tag = sig, t
			}
		}
	}
	if old != nil {
		if err := s.one(tag, old, io.MultiReader(bytes.NewReader(s.p.Main.Raw()), r)); err != nil {
			return fmt.Errorf("verifying %s: %w", s.p.NEVRA(), err)
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("verifying %s: reading payload: %w", s.p.NEVRA(), err)
	}
	notes, err := check.Finish()
	if errors.Is(err, ErrNoPayloadDigest) && s.payloadSigned {
		return nil
	}
	v.Notes = append(v.Notes, notes...)
	return err
}

// one verifies one signature. One that cannot be judged is remembered; everything else that is wrong is final. New vendor
// packages carry a second, post-quantum signature.
func (s *signatureCheck) one(tag Tag, sig []byte, data io.Reader) error {
	r, err := s.ring.Verify(sig, data)
	var e *pgp.Error
	if errors.As(err, &e) && (e.Reason == pgp.NoKey || e.Reason == pgp.Unsupported) {
		s.missing = append(s.missing, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", tag, err)
	}
	if r.Hash == "SHA1" && !s.policy.AllowSHA1 {
		return fmt.Errorf("%s: the signature of key %s is over SHA1, which the policy does not accept", tag, r.KeyID)
	}
	if !r.Expires.IsZero() && (s.policy.Now.IsZero() || !s.policy.Now.Before(r.Expires)) {
		return fmt.Errorf("%s: the signature of key %s ended on %s", tag, r.KeyID, r.Expires.Format("2006-01-02"))
	}
	if tag == SigPGP || tag == SigGPG {
		s.payloadSigned = true
	}
	if s.good == nil {
		s.good, s.tag = r, tag
	}
	return nil
}

func (s *signatureCheck) unsigned(sawPayload bool) error {
	if len(s.missing) > 0 {
		return s.missing[0]
	}
	if !sawPayload && (s.p.Signature.Has(SigPGP) || s.p.Signature.Has(SigGPG)) {
		return fmt.Errorf("%w over its header; its signature covers header and payload together, so all of it is needed", ErrUnsigned)
	}
	return cli.Hint(ErrUnsigned, "set gpgcheck: false for this repository in the manifest to accept unsigned packages from it")
}

func hasPayloadDigest(h *Header) bool {
	for _, tag := range []Tag{TagPayloadDigest, TagPayloadDigestAlt, TagPayloadSHA512, TagPayloadSHA512Alt, TagPayloadSHA3, TagPayloadSHA3Alt} {
		if h.Has(tag) {
			return true
		}
	}
	return false
}
