package rpmtest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

func base64Text(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// builder collects the values of a main header.
type builder struct{ values []Value }

func (b *builder) add(tag rpm.Tag, v any) { b.values = append(b.values, Value{tag, v}) }

func (b *builder) text(tag rpm.Tag, v string) {
	if v != "" {
		b.add(tag, v)
	}
}

func (p *Package) mainValues(archive, payload []byte) []Value {
	b := &builder{}
	b.add(rpm.TagHeaderI18NTable, []string{"C"})
	b.add(rpm.TagName, p.Name)
	b.add(rpm.TagVersion, p.Version)
	b.add(rpm.TagRelease, p.Release)
	if p.Epoch != 0 {
		b.add(rpm.TagEpoch, p.Epoch)
	}
	b.add(rpm.TagSummary, I18N{p.Summary})
	b.add(rpm.TagDescription, I18N{p.Summary})
	b.add(rpm.TagGroup, I18N{p.Group})
	b.add(rpm.TagBuildTime, p.BuildTime)
	b.add(rpm.TagBuildHost, "localhost")
	b.add(rpm.TagLicense, p.License)
	b.text(rpm.TagVendor, p.Vendor)
	b.text(rpm.TagURL, p.URL)
	b.add(rpm.TagOS, "linux")
	b.add(rpm.TagArch, p.Arch)
	b.add(rpm.TagRPMVersion, "4.18.0")
	if p.SourceRPM != "-" {
		b.add(rpm.TagSourceRPM, p.SourceRPM)
	}
	b.add(rpm.TagEncoding, "utf-8")
	b.add(rpm.TagPayloadFormat, "cpio")
	if p.Compressor != "none" {
		b.add(rpm.TagPayloadCompressor, p.Compressor)
		b.add(rpm.TagPayloadFlags, "9")
	}
	if !p.Legacy {
		plain, packed := sha256.Sum256(archive), sha256.Sum256(payload)
		b.add(rpm.TagPayloadDigest, []string{hex.EncodeToString(packed[:])})
		b.add(rpm.TagPayloadDigestAlgo, []uint32{rpm.HashSHA256})
		b.add(rpm.TagPayloadDigestAlt, []string{hex.EncodeToString(plain[:])})
	}
	if p.Format >= 6 {
		b.add(rpm.TagRPMFormat, uint32(p.Format))
	}
	b.dependencies(p)
	b.scriptlets(p.Scriptlets)
	b.triggers(p.Triggers)
	b.files(p)
	return b.values
}

func (b *builder) dependencies(p *Package) {
	plain := func(texts []string) []Requirement { return Require(texts...) }
	b.relations(p.Requires, rpm.TagRequireName, rpm.TagRequireFlags, rpm.TagRequireVersion)
	b.relations(plain(p.Provides), rpm.TagProvideName, rpm.TagProvideFlags, rpm.TagProvideVersion)
	b.relations(plain(p.Conflicts), rpm.TagConflictName, rpm.TagConflictFlags, rpm.TagConflictVersion)
	b.relations(plain(p.Obsoletes), rpm.TagObsoleteName, rpm.TagObsoleteFlags, rpm.TagObsoleteVersion)
	b.relations(plain(p.Recommends), rpm.TagRecommendName, rpm.TagRecommendFlags, rpm.TagRecommendVersion)
	b.relations(plain(p.Suggests), rpm.TagSuggestName, rpm.TagSuggestFlags, rpm.TagSuggestVersion)
	b.relations(plain(p.Supplements), rpm.TagSupplementName, rpm.TagSupplementFlags, rpm.TagSupplementVersion)
	b.relations(plain(p.Enhances), rpm.TagEnhanceName, rpm.TagEnhanceFlags, rpm.TagEnhanceVersion)
}

func (b *builder) relations(list []Requirement, name, flags, version rpm.Tag) {
	if len(list) == 0 {
		return
	}
	var names, versions []string
	var senses []uint32
	for _, r := range list {
		n, sense, evr := relation(r.Text)
		names, versions = append(names, n), append(versions, evr)
		senses = append(senses, uint32(sense|r.Flags))
	}
	b.add(name, names)
	b.add(flags, senses)
	b.add(version, versions)
}

// relation splits "name op EVR"; a rich dependency "(...)" is a name.
func relation(text string) (name string, sense rpm.Sense, evr string) {
	if strings.HasPrefix(text, "(") {
		return text, 0, ""
	}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return text, 0, ""
	}
	for _, c := range fields[1] {
		switch c {
		case '<':
			sense |= rpm.SenseLess
		case '>':
			sense |= rpm.SenseGreater
		case '=':
			sense |= rpm.SenseEqual
		default:
			panic(fmt.Sprintf("rpmtest: operator of %q", text))
		}
	}
	return fields[0], sense, fields[2]
}

func (b *builder) scriptlets(list []Scriptlet) {
	tags := map[string][2]rpm.Tag{
		"pre": {rpm.TagPreIn, rpm.TagPreInProg}, "post": {rpm.TagPostIn, rpm.TagPostInProg},
		"preun": {rpm.TagPreUn, rpm.TagPreUnProg}, "postun": {rpm.TagPostUn, rpm.TagPostUnProg},
		"pretrans": {rpm.TagPreTrans, rpm.TagPreTransProg}, "posttrans": {rpm.TagPostTrans, rpm.TagPostTransProg},
		"verify": {rpm.TagVerifyScript, rpm.TagVerifyScriptProg},
	}
	for _, s := range list {
		t, ok := tags[s.Kind]
		if !ok {
			panic("rpmtest: scriptlet " + s.Kind)
		}
		b.text(t[0], s.Body)
		switch len(s.Program) {
		case 0:
			b.add(t[1], "/bin/sh")
		case 1:
			b.add(t[1], s.Program[0])
		default:
			b.add(t[1], s.Program)
		}
	}
}

func (b *builder) triggers(list []Trigger) {
	b.triggerSet(list, false, false, rpm.TagTriggerScripts, rpm.TagTriggerScriptProg, rpm.TagTriggerName,
		rpm.TagTriggerFlags, rpm.TagTriggerVersion, rpm.TagTriggerIndex, 0)
	b.triggerSet(list, true, false, rpm.TagFileTriggerScripts, rpm.TagFileTriggerScriptProg, rpm.TagFileTriggerName,
		rpm.TagFileTriggerFlags, rpm.TagFileTriggerVersion, rpm.TagFileTriggerIndex, rpm.TagFileTriggerPriorities)
	b.triggerSet(list, true, true, rpm.TagTransFileTriggerScripts, rpm.TagTransFileTriggerProg, rpm.TagTransFileTriggerName,
		rpm.TagTransFileTriggerFlags, rpm.TagTransFileTriggerVersion, rpm.TagTransFileTriggerIndex,
		rpm.TagTransFileTriggerPriorities)
}

func (b *builder) triggerSet(list []Trigger, file, trans bool, body, prog, name, flags, version, index, priority rpm.Tag) {
	var bodies, progs []string
	var priorities, indexes []uint32
	var conditions []Requirement
	for _, t := range list {
		if t.File != file || t.Trans != trans {
			continue
		}
		for _, c := range t.Conditions {
			conditions = append(conditions, Requirement{c, t.Moment})
			indexes = append(indexes, uint32(len(bodies)))
		}
		if t.Program == "" {
			t.Program = "/bin/sh"
		}
		bodies, progs, priorities = append(bodies, t.Body), append(progs, t.Program), append(priorities, t.Priority)
	}
	if bodies == nil {
		return
	}
	b.add(body, bodies)
	b.add(prog, progs)
	b.relations(conditions, name, flags, version)
	b.add(index, indexes)
	if priority != 0 {
		b.add(priority, priorities)
	}
}

// files adds the file table. Hard-linked files all carry the size and digest of the content.
func (b *builder) files(p *Package) {
	if len(p.Files) == 0 {
		b.add(rpm.TagSize, uint32(0))
		return
	}
	t := newTable()
	var total uint64
	content := p.linkContent()
	for _, f := range p.Files {
		dir, base := path.Split(f.Path)
		data := f.Data
		if f.Mode&0o170000 == 0o100000 {
			data = content[f.Inode]
		}
		size := uint64(len(data))
		if f.Mode&0o170000 == 0o120000 {
			size = uint64(len(f.Link))
		}
		if f.Size != nil {
			size = *f.Size
		}
		total += size
		t.add(f, dir, base, size, p.digest(f, data))
	}
	t.values(b, p.CPIO == "stripped" || p.Format >= 6)
	if !p.MD5Files {
		b.add(rpm.TagFileDigestAlgo, uint32(rpm.HashSHA256))
	}
	if total < 1<<32 {
		b.add(rpm.TagSize, uint32(total))
	} else {
		b.add(rpm.TagLongSize, total)
	}
}

// linkContent returns the data of every inode: that of the last file that has some.
func (p *Package) linkContent() map[uint32]string {
	content := map[uint32]string{}
	for _, f := range p.Files {
		if f.Data != "" {
			content[f.Inode] = f.Data
		}
	}
	return content
}

func (p *Package) digest(f File, data string) string {
	switch {
	case f.Digest != "":
		return f.Digest
	case f.Mode&0o170000 != 0o100000:
		return ""
	case p.MD5Files:
		sum := md5.Sum([]byte(data))
		return hex.EncodeToString(sum[:])
	}
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}
