package rpmdb

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Tags that only stored headers have: those of the signature header under numbers of their own.
const (
	tagSigSize rpm.Tag = 257
	tagSigPGP  rpm.Tag = 259
	tagSigMD5  rpm.Tag = 261
	tagSigGPG  rpm.Tag = 262
)

// File states, as rpm defines them (rpmfi.h). The database is told what an image really holds.
const (
	StateNormal       = 0
	StateReplaced     = 1 // another package's file stands there
	StateNotInstalled = 2 // left out by policy or slicing
	StateNetShared    = 3 // on a file system that others provide
	StateWrongColor   = 4 // a multilib sibling of preferred word size stands there
)

// firstLegacyTag starts the signature tags that cover header and payload together; rpm ignores them in packages of format 6.
const firstLegacyTag = 1000

// signatureTag says how a tag of the signature header enters the stored header.
type signatureTag struct {
	from, to rpm.Tag
	typ      rpm.Type
	count    uint32 // wanted, 0 for any
	// mainToo allows the tag in the main header when the signature header lacks it.
	mainToo bool
}

var signatureTags = []signatureTag{
	{from: rpm.SigSize, to: tagSigSize, typ: rpm.TypeInt32, count: 1},
	{from: rpm.SigPGP, to: tagSigPGP, typ: rpm.TypeBin},
	{from: rpm.SigMD5, to: tagSigMD5, typ: rpm.TypeBin, count: 16},
	{from: rpm.SigGPG, to: tagSigGPG, typ: rpm.TypeBin},
	{from: rpm.SigDSA, to: rpm.SigDSA, typ: rpm.TypeBin},
	{from: rpm.SigRSA, to: rpm.SigRSA, typ: rpm.TypeBin},
	{from: rpm.SigSHA1Header, to: rpm.SigSHA1Header, typ: rpm.TypeString, count: 1},
	{from: rpm.SigLongSize, to: rpm.SigLongSize, typ: rpm.TypeInt64, count: 1},
	{from: rpm.SigLongArchive, to: rpm.SigLongArchive, typ: rpm.TypeInt64, count: 1},
	{from: rpm.SigSHA256Header, to: rpm.SigSHA256Header, typ: rpm.TypeString, count: 1},
	{from: rpm.SigVerity, to: rpm.SigVerity, typ: rpm.TypeStringArray},
	{from: rpm.SigVerityAlgo, to: rpm.SigVerityAlgo, typ: rpm.TypeInt32, count: 1},
	{from: rpm.SigOpenPGP, to: rpm.SigOpenPGP, typ: rpm.TypeStringArray},
	{from: rpm.SigSHA3Header, to: rpm.SigSHA3Header, typ: rpm.TypeString, count: 1},
	{from: rpm.SigPayloadSize, to: rpm.TagArchiveSize, typ: rpm.TypeInt32, count: 1, mainToo: true},
	{from: rpm.SigFileSigs, to: rpm.TagFileSignatures, typ: rpm.TypeStringArray, mainToo: true},
	{from: rpm.SigFileSigLength, to: rpm.TagFileSignatureLength, typ: rpm.TypeInt32, count: 1, mainToo: true},
}

// installation is what the database records besides the package itself.
type installation struct {
	states            []byte // one per file
	time, tid, colour uint32
}

// addition is an entry behind the immutable region.
type addition struct {
	tag   rpm.Tag
	typ   rpm.Type
	count uint32
	data  []byte
}

// appendBlob appends the stored header of p: its main header untouched, then the additions, sorted by tag.
func appendBlob(dst []byte, p *rpm.Package, in installation) ([]byte, error) {
	if err := p.CheckInstallable(); err != nil {
		return nil, fmt.Errorf("registering package: %w", err)
	}
	added, err := additions(p, in)
	if err != nil {
		return nil, fmt.Errorf("registering %s: %w", p.NEVRA(), err)
	}
	end := uint64(p.Main.DataLen())
	for i := range added {
		end = alignUp(end, added[i].typ) + uint64(len(added[i].data))
	}
	count := p.Main.IndexCount() + len(added)
	if count > maxEntries || end > maxData {
		return nil, fmt.Errorf("registering %s: %d entries and %d bytes of data are more than rpm reads", p.NEVRA(), count, end)
	}
	dst = slices.Grow(dst, blobIntro+count*entrySize+int(end))
	dst = binary.BigEndian.AppendUint32(dst, uint32(count))
	dst = binary.BigEndian.AppendUint32(dst, uint32(end))
	dst = append(dst, p.Main.Index()...)
	at := uint64(p.Main.DataLen())
	for i := range added {
		a := &added[i]
		at = alignUp(at, a.typ)
		for _, v := range [...]uint32{uint32(a.tag), uint32(a.typ), uint32(at), a.count} {
			dst = binary.BigEndian.AppendUint32(dst, v)
		}
		at += uint64(len(a.data))
	}
	start := len(dst)
	dst = append(dst, p.Main.Data()...)
	for i := range added {
		at := alignUp(uint64(len(dst)-start), added[i].typ)
		dst = append(dst, make([]byte, at-uint64(len(dst)-start))...)
		dst = append(dst, added[i].data...)
	}
	return dst, nil
}

// alignUp rounds an offset into the data up to the alignment of typ.
func alignUp(offset uint64, typ rpm.Type) uint64 {
	align := uint64(1)
	switch typ {
	case rpm.TypeInt16:
		align = 2
	case rpm.TypeInt32:
		align = 4
	case rpm.TypeInt64:
		align = 8
	}
	return (offset + align - 1) &^ (align - 1)
}

// additions lists what is added to the main header of p, sorted by tag.
func additions(p *rpm.Package, in installation) ([]addition, error) {
	added, err := signatureAdditions(p)
	if err != nil {
		return nil, err
	}
	if !p.Main.Has(rpm.TagSourceRPM) {
		// A binary package without one is old or foreign; rpm adds this, and Clair refuses a whole database without it.
		added = append(added, addition{rpm.TagSourceRPM, rpm.TypeString, 1, []byte("(none)\x00")})
	}
	if e, ok := p.Main.Lookup(rpm.TagPrefixes); ok {
		if e.Type != rpm.TypeStringArray {
			return nil, fmt.Errorf("prefixes have type %s, wanted string array", e.Type)
		}
		added = append(added, addition{rpm.TagInstPrefixes, e.Type, e.Count, p.Main.RawData(e)})
	}
	for _, v := range []struct {
		tag   rpm.Tag
		value uint32
	}{{rpm.TagInstallTime, in.time}, {rpm.TagInstallColor, in.colour}, {rpm.TagInstallTID, in.tid}} {
		added = append(added, addition{v.tag, rpm.TypeInt32, 1, binary.BigEndian.AppendUint32(nil, v.value)})
	}
	files := uint32(0)
	if e, ok := p.Main.Lookup(rpm.TagBasenames); ok {
		files = e.Count
	}
	if uint64(len(in.states)) != uint64(files) {
		return nil, fmt.Errorf("%d file states for %d files", len(in.states), files)
	}
	for i, s := range in.states {
		if s > StateWrongColor {
			return nil, fmt.Errorf("file %d has the unknown state %d", i, s)
		}
	}
	if files > 0 {
		added = append(added, addition{rpm.TagFileStates, rpm.TypeChar, files, in.states})
	}
	slices.SortFunc(added, func(a, b addition) int { return int(a.tag) - int(b.tag) })
	for _, a := range added {
		if p.Main.Has(a.tag) {
			return nil, fmt.Errorf("its main header holds %s, which belongs to the signature header or to the database", a.tag)
		}
	}
	return added, nil
}

// signatureAdditions lists what the stored header takes from the signature header.
func signatureAdditions(p *rpm.Package) ([]addition, error) {
	format, err := p.Format()
	if err != nil {
		return nil, err
	}
	var added []addition
	for _, t := range signatureTags {
		e, ok := p.Signature.Lookup(t.from)
		if ok && format >= 6 && t.from >= firstLegacyTag {
			continue
		}
		if !ok {
			if !t.mainToo && p.Main.Has(t.to) {
				return nil, fmt.Errorf("its main header holds %s, which belongs to the signature header", t.to)
			}
			continue
		}
		if e.Type != t.typ || t.count != 0 && e.Count != t.count {
			return nil, fmt.Errorf("%s of the signature header has type %s and count %d", t.from, e.Type, e.Count)
		}
		added = append(added, addition{t.to, e.Type, e.Count, p.Signature.RawData(e)})
	}
	return added, nil
}
